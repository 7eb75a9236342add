//! What one pastes into a ticket: a finding as Markdown, or as the JSON line that other tools read. Pure.

mod code;

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::event::BootNs;
use crate::model::{Change, Condition, ContainerName, News, Termination};
use crate::output::block;
use crate::output::glyphs::{Glyphs, UNICODE};
use crate::output::line::Line;
use crate::output::{Clock, JsonLines, View as _};
use crate::output::{figures, picture};
use crate::printable;

use super::input::Effect;
use super::scene::Scene;

/// Columns of the picture: what a code block of an issue tracker shows without scrolling.
const COLUMNS: usize = 100;
/// Characters of a file's name that come from strangers, at most.
const NAME: usize = 60;

/// A way to take a finding away: the same keys on every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// Markdown into the clipboard.
    Copy,
    /// Markdown into a file.
    Markdown,
    /// The JSON line into a file.
    Json,
    /// A recording of what concerns the container into a file.
    Recording,
}

impl Export {
    /// What is to happen.
    pub(crate) fn make(self, report: &Report<'_>) -> Effect {
        match self {
            Self::Copy => Effect::Copy(report.markdown()),
            Self::Markdown => Effect::Save(report.file("md"), report.markdown()),
            Self::Json => match report.json() {
                Some(json) => Effect::Save(report.file("json"), json),
                None => Effect::Say("it is not over: there is no JSON of it yet".to_owned()),
            },
            Self::Recording => Effect::Record(report.file("rec"), report.container().map(|name| name.id.clone())),
        }
    }
}

/// A finding, ready to be written down.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    finding: Finding<'a>,
    clock: Clock,
}

#[derive(Clone, Debug)]
enum Finding<'a> {
    /// The end of a container, or a stop that goes on.
    Stop(&'a Termination),
    Condition(BootNs, &'a Condition),
}

impl<'a> Report<'a> {
    /// Of the end of a container, or of a stop that goes on.
    #[must_use]
    pub const fn stop(termination: &'a Termination, scene: &Scene<'_>) -> Self {
        Self { finding: Finding::Stop(termination), clock: scene.clock }
    }

    /// Of a condition that was told `at` this time.
    #[must_use]
    pub const fn condition(at: BootNs, condition: &'a Condition, scene: &Scene<'_>) -> Self {
        Self { finding: Finding::Condition(at, condition), clock: scene.clock }
    }

    /// Markdown: a heading, the sentences, the facts, and the picture as a code block.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = match &self.finding {
            Finding::Stop(termination) => self.stop_markdown(termination),
            Finding::Condition(at, condition) => self.condition_markdown(*at, condition),
        };
        let version = env!("CARGO_PKG_VERSION");
        add(&mut page, format_args!("\n<sub>tracer {version}, times are UTC</sub>\n"));
        page
    }

    /// The JSON line of the contract; none of a stop that goes on, which has none yet.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        let change = match &self.finding {
            Finding::Stop(termination) => {
                let at = termination.ended?;
                Change { at, news: News::Termination(std::sync::Arc::new((*termination).clone())) }
            }
            Finding::Condition(at, condition) => {
                Change { at: *at, news: News::Condition(std::sync::Arc::new((*condition).clone())) }
            }
        };
        let mut lines = JsonLines::new(Vec::new(), self.clock);
        lines.show(&change).ok()?;
        String::from_utf8(lines.into_inner()).ok()
    }

    fn container(&self) -> Option<&ContainerName> {
        match &self.finding {
            Finding::Stop(termination) => Some(&termination.container),
            Finding::Condition(_, condition) => condition.container.as_deref(),
        }
    }

    /// A name for a file of it: container, what was found, when.
    #[must_use]
    pub fn file(&self, extension: &str) -> PathBuf {
        let (container, what, at) = match &self.finding {
            Finding::Stop(termination) => {
                let what = termination.ended.map_or("stopping", |_| termination.verdict.slug());
                (Some(&termination.container), what, termination.started)
            }
            Finding::Condition(at, condition) => (condition.container.as_ref(), condition.kind.slug(), *at),
        };
        let name = container.map_or_else(|| "node".to_owned(), |container| for_file(&container.friendly()));
        PathBuf::from(format!("tracer-{name}-{what}-{}.{extension}", self.when(at)))
    }

    /// A name for a file of all findings.
    #[must_use]
    pub fn file_of_all(&self, now: BootNs, extension: &str) -> PathBuf {
        PathBuf::from(format!("tracer-findings-{}.{extension}", self.when(now)))
    }

    fn when(&self, at: BootNs) -> String {
        when(at, self.clock)
    }

    fn stop_markdown(&self, termination: &Termination) -> String {
        let glyphs: &Glyphs = &UNICODE;
        let over = termination.ended.is_some();
        let title = if over { block::title(termination, glyphs).0 } else { "STOPPING".to_owned() };
        let mut page = heading(&title, Some(&termination.container));
        if over {
            paragraph(&mut page, "Why", &termination.explanation);
        }
        if let Some(fix) = &termination.fix {
            paragraph(&mut page, "Fix", fix);
        }
        termination.hints.iter().for_each(|hint| paragraph(&mut page, "Note", &hint.text));
        if !termination.certain {
            let text = "not all that happened in this container was seen, so this may be wrong";
            paragraph(&mut page, "Caution", text);
        }
        page.push_str("| | |\n|---|---|\n");
        place(&mut page, &termination.container);
        row(&mut page, "Started", &self.clock.rfc3339(termination.started).to_string());
        if let Some(ended) = termination.ended {
            row(&mut page, "Ended", &self.clock.rfc3339(ended).to_string());
        }
        for (label, text) in block::facts(termination, glyphs) {
            if over || !matches!(label, "Exit" | "Verdict" | "More") {
                let code = (label == "More").then(|| format!("`{text}`"));
                let text = code.unwrap_or_else(|| escaped(&text));
                add(&mut page, format_args!("| {label} | {text} |\n"));
            }
        }
        let picture = picture::draw(termination, COLUMNS, glyphs);
        if over && !picture.is_empty() {
            code_block(&mut page, &picture);
        }
        page
    }

    fn condition_markdown(&self, at: BootNs, condition: &Condition) -> String {
        let title = condition.kind.slug().to_uppercase().replace('-', " ");
        let mut page = heading(&title, condition.container.as_deref());
        paragraph(&mut page, "Why", &condition.explanation);
        if let Some(fix) = &condition.fix {
            paragraph(&mut page, "Fix", fix);
        }
        page.push_str("| | |\n|---|---|\n");
        if let Some(container) = &condition.container {
            place(&mut page, container);
        }
        row(&mut page, "Told", &self.clock.rfc3339(at).to_string());
        for (label, text) in figures::figures(condition) {
            row(&mut page, label, &text);
        }
        page
    }
}

/// A recording of what concerns a container, whatever became of it.
pub(crate) fn recording(container: &ContainerName, scene: &Scene<'_>) -> Effect {
    let file = format!("tracer-{}-{}.rec", for_file(&container.friendly()), when(scene.now, scene.clock));
    Effect::Record(PathBuf::from(file), Some(container.id.clone()))
}

/// An event in plain words as Markdown: what each line is about, and the line.
pub(crate) fn event(told: &[(&'static str, String)]) -> String {
    let mut page = String::new();
    for (label, text) in told {
        paragraph(&mut page, label, text);
    }
    page
}

/// A name for a file of it.
pub(crate) fn event_file(at: BootNs, scene: &Scene<'_>) -> PathBuf {
    PathBuf::from(format!("tracer-event-{}.md", when(at, scene.clock)))
}

/// `20261121T140307Z`.
fn when(at: BootNs, clock: Clock) -> String {
    let wall = clock.wall(at);
    let ((year, month, day), (hour, minute, second)) = (wall.to_calendar_date(), wall.to_hms());
    let month = u8::from(month);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Writing to a String cannot fail.
fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap_or_default();
}

fn heading(title: &str, container: Option<&ContainerName>) -> String {
    let of = container.map(|container| format!(": {}", escaped(&container.friendly()))).unwrap_or_default();
    format!("### {}{of}\n\n", escaped(title))
}

fn paragraph(page: &mut String, label: &str, text: &str) {
    let text: Vec<_> = text.split('\n').map(code::marked).collect();
    add(page, format_args!("**{label}:** {}\n\n", text.join("  \n")));
}

fn place(page: &mut String, container: &ContainerName) {
    if let Some(name) = &container.name {
        row(page, "Container", name);
    }
    row(page, "Container id", &container.id);
    if let Some(pod) = &container.pod {
        row(page, "Pod", &pod.friendly());
    }
}

fn row(page: &mut String, label: &str, text: &str) {
    add(page, format_args!("| {} | {} |\n", escaped(label), escaped(text)));
}

/// A code block that no text in it can end.
fn code_block(page: &mut String, lines: &[Line]) {
    let mut text = String::new();
    for line in lines {
        line.write(&mut text, false);
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    add(page, format_args!("\n{fence}text\n{text}{fence}\n"));
}

/// Text from strangers as Markdown that shows it as it is: no links, no HTML, no mentions, no control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for c in printable::text(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '!' => safe.extend(['\\', c]),
            // neither a reference nor a mention
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            c => safe.push(c),
        }
    }
    safe
}

/// What may be in the name of a file anywhere.
fn for_file(name: &str) -> String {
    let safe = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' });
    let safe: String = safe.take(NAME).collect();
    let safe = safe.trim_matches(['-', '.']);
    if safe.is_empty() { "container".to_owned() } else { safe.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::Node;
    use crate::output::fixtures::{self, CLOCK};

    fn with(check: impl FnOnce(&Scene<'_>)) {
        let (node, shown) = (Node::new(), HashSet::new());
        check(&Scene { node: &node, shown: &shown, now: BootNs(0), clock: CLOCK });
    }

    #[test]
    fn a_termination_and_a_condition_as_markdown() {
        with(|scene| {
            let (termination, condition) = (fixtures::too_slow(), fixtures::condition());
            let (stop, told) = (Report::stop(&termination, scene), Report::condition(BootNs(7), &condition, scene));
            insta::assert_snapshot!(format!("{}\n=====\n\n{}", stop.markdown(), told.markdown()));
            assert_eq!(
                stop.file("md").to_str(),
                Some("tracer-shop-web-7d9f8b6c5-x2x4k-app-too-slow-20261121T140307Z.md")
            );
            assert!(told.file("json").to_string_lossy().contains("-zombies-"));
        });
    }

    #[test]
    fn json_is_the_line_of_the_contract() {
        with(|scene| {
            let termination = fixtures::dropped();
            let json = Report::stop(&termination, scene).json().expect("it is over");
            assert!(json.starts_with(r#"{"kind":"termination","#) && json.ends_with("}\n"), "{json}");
            let going_on = Termination { ended: None, ..termination };
            assert_eq!(Report::stop(&going_on, scene).json(), None);
            let json = Report::condition(BootNs(7), &fixtures::condition(), scene).json().expect("always");
            assert!(json.contains(r#""condition":"zombies""#), "{json}");
        });
    }

    #[test]
    fn names_from_strangers_stay_text() {
        assert_eq!(escaped("a|b <script> [x](y) @all ![i]"), r"a\|b \<script\> \[x\](y) &#64;all \!\[i\]");
        assert_eq!(escaped("\x1b[2J\n# `x`"), r"\\x1b\[2J\\x0a\# \`x\`");
        assert_eq!(for_file("../../etc/passwd"), "etc-passwd");
        assert_eq!(for_file("日本"), "container");
        with(|scene| {
            let termination = fixtures::hostile();
            let report = Report::stop(&termination, scene);
            assert!(!report.markdown().chars().any(|c| c.is_control() && c != '\n'));
            let file = report.file("md");
            assert_eq!(file.components().count(), 1, "{file:?}");
        });
        let mut page = String::new();
        let mut line = Line::default();
        line.push(crate::output::line::Paint::Plain, "a ```` b");
        code_block(&mut page, &[line]);
        assert!(page.contains("\n`````text\n"), "{page}");
    }
}
