//! `tracer explain [WORD…]`: what a verdict, a cause, a condition or a hint means, at length.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use crate::manual::{Kind, Topic, render, topics};
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, wrap};

use super::options::{Colors, print, terminal_width};

/// Options of `tracer explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A word that tracer uses, such as sigterm-dropped or zombies; without one, all of them, a line each
    #[arg(value_name = "WORD", value_parser = words(), hide_possible_values = true, ignore_case = true)]
    words: Vec<String>,
    #[command(flatten)]
    colors: Colors,
}

fn words() -> PossibleValuesParser {
    PossibleValuesParser::new(topics().into_iter().map(|topic| topic.slug))
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let style = args.colors.style();
    let glyphs = Glyphs::of(style);
    let topics = topics();
    let mut lines = Vec::new();
    for word in &args.words {
        let topic = topics.iter().find(|topic| topic.slug.eq_ignore_ascii_case(word));
        lines.extend(topic.map(|topic| one(topic, glyphs)).into_iter().flatten());
    }
    if args.words.is_empty() {
        lines = all(&topics, terminal_width().min(WIDTH));
    }
    let mut page = String::new();
    for line in &lines {
        line.write(&mut page, style.color);
    }
    print(page.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn one(topic: &Topic, glyphs: &Glyphs) -> Vec<Line> {
    let mut lines = render(topic.text, terminal_width(), glyphs);
    lines.push(Line::default());
    lines
}

/// Column in which a sentence is broken at the latest, however wide the terminal is.
const WIDTH: usize = 110;

/// A line for each word.
fn all(topics: &[Topic], columns: usize) -> Vec<Line> {
    let longest = topics.iter().map(|topic| topic.slug.len()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for kind in Kind::ALL {
        let mut heading = Line::default();
        heading.push(Paint::Bold, kind.title());
        lines.push(heading);
        for topic in topics.iter().filter(|topic| topic.kind == kind) {
            let mut line = Line::default();
            line.push(Paint::Plain, "  ");
            line.push(Paint::Note, topic.slug);
            for text in wrap(topic.summary, columns.saturating_sub(longest + 4)) {
                line.pad_to(longest + 4);
                line.push(Paint::Plain, &text);
                lines.push(std::mem::take(&mut line));
                line.push(Paint::Plain, " ");
            }
        }
        lines.push(Line::default());
    }
    let mut last = Line::default();
    last.push(Paint::Dim, "tracer explain WORD tells one of them at length.");
    lines.push(last);
    lines
}
