//! Draws the shutdown page over a recording as an SVG: `cargo xtask picture` runs it for the top of the README.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use tracer_user::output::Clock;
use tracer_user::stream::Reader;
use tracer_user::tui::{still, svg};

/// Draw the shutdown page over a recording as an SVG.
#[derive(Parser)]
struct Args {
    /// Recording, made with `tracer --record`
    recording: PathBuf,
    /// Where the picture goes
    #[arg(short, long)]
    output: PathBuf,
    /// Columns of the screen
    #[arg(long, default_value_t = 100)]
    columns: u16,
    /// Lines of the screen
    #[arg(long, default_value_t = 31)]
    lines: u16,
    /// So long after the first sign of the first stop, ms [default: when all is over]
    #[arg(long)]
    after: Option<u64>,
    /// As on a terminal with a white ground
    #[arg(long)]
    light: bool,
}

fn main() -> anyhow::Result<()> {
    let Args { recording, output, columns, lines, after, light } = Args::parse();
    let name = recording.display();
    let file = File::open(&recording).with_context(|| format!("cannot open the recording {name}"))?;
    let reader = Reader::new(BufReader::new(file)).with_context(|| format!("cannot read {name}"))?;
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let events = reader.collect::<Result<Vec<_>, _>>().with_context(|| format!("{name} is damaged"))?;
    let screen = still::shutdown(&events, clock, (columns, lines), after);
    let ground = if light { svg::Ground::Light } else { svg::Ground::Dark };
    let picture = svg::render(&screen, "tracer's shutdown page: how the grace period of a container was used", ground);
    std::fs::write(&output, picture).with_context(|| format!("cannot write {}", output.display()))
}
