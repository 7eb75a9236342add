//! What there is to say of the chosen line, below the list.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::rows::{Entry, Row, State};
use crate::model::Stop;
use crate::output::line::{fit, wrap};
use crate::output::words;
use crate::output::words::Detail;
use crate::tui::scene::{Budget, Scene};
use crate::tui::theme::{Theme, Tone};

/// Why the chosen one is as it is, and what to change.
pub(super) struct Told {
    name: String,
    why: Vec<Sentence>,
    fix: Vec<Sentence>,
    /// Columns of the sentences.
    room: usize,
}

/// A line of a sentence, with what it is.
type Sentence = (&'static str, Tone, String);

impl Told {
    pub(super) fn of(row: Option<&Row<'_>>, columns: u16, scene: &Scene<'_>, theme: Theme) -> Option<Self> {
        let entry = row.and_then(Row::entry)?;
        let columns = usize::from(columns);
        let name = words::full_container(&entry.container.name, columns.saturating_sub(6), theme.glyphs());
        let (label, why, fix) = match entry.state {
            State::Stopping(stop) => ("Why", going_on(entry, stop, scene, theme), None),
            State::Ill(_, condition) => ("Why", condition.explanation.clone(), condition.fix.clone()),
            State::Ended(last) => ("Why", last.explanation.clone(), last.fix.clone()),
            State::Fine | State::Gone => match entry.foresight() {
                Some(told) => ("Stop", words::foreseen(told), told.fix.clone()),
                None => ("", about(entry), None),
            },
        };
        let room = columns.saturating_sub(8).min(110);
        let lines = |label, tone, text: &str| -> Vec<Sentence> {
            wrap(&theme.safe(text), room).into_iter().map(|line| (label, tone, line)).collect()
        };
        let why = lines(label, Tone::Strong, &why);
        let fix = fix.map_or_else(Vec::new, |fix| lines("Fix", Tone::Good, &fix));
        Some(Self { name, why, fix, room })
    }

    /// Lines that all of it takes, with the rule above.
    pub(super) fn lines(&self) -> u16 {
        u16::try_from(1 + self.why.len() + self.fix.len()).unwrap_or(u16::MAX)
    }

    pub(super) fn draw(self, buffer: &mut Buffer, area: Rect, theme: Theme) {
        let Self { name, why, fix, room } = self;
        let glyphs = theme.glyphs();
        let rule = glyphs.thin_rule.to_string().repeat(usize::from(area.width));
        buffer.set_string(area.x, area.y, rule, theme.style(Tone::Dim));
        buffer.set_string(area.x + 2, area.y, format!(" {name} "), theme.style(Tone::Strong));
        let lines = usize::from(area.height) - 1;
        // what is to be changed keeps a line or two, whatever happened
        let kept = fix.len().min(lines.saturating_sub(why.len()).max(2));
        let cut = |mut part: Vec<Sentence>, limit: usize| {
            if part.len() > limit {
                part.truncate(limit);
                if let Some((_, _, last)) = part.last_mut() {
                    *last = fit(&format!("{last} {}", glyphs.cut), room, glyphs).into_owned();
                }
            }
            part
        };
        let (why, fix) = (cut(why, lines - kept), cut(fix, kept));
        let mut before = "";
        for (y, (label, tone, text)) in (area.y + 1..).zip(why.into_iter().chain(fix)) {
            if label != before {
                buffer.set_string(area.x + 1, y, label, theme.style(tone));
                before = label;
            }
            buffer.set_stringn(area.x + 6, y, text, room, Style::new());
        }
    }
}

/// How far a stop has come. Why it went as it did is told when it is over.
fn going_on(entry: &Entry<'_>, stop: &Stop, scene: &Scene<'_>, theme: Theme) -> String {
    let glyphs = theme.glyphs();
    let sign = match (&stop.request, &stop.kill, &stop.pre_stop) {
        (Some(request), ..) => {
            let sender = &request.sender;
            let sender = words::sender(&sender.party, sender.role, &[], Detail::Pids, glyphs);
            let met = entry.meets().map_or("sent", |met| met.word);
            format!("{} from {sender}: {met}.", request.receipt.signal)
        }
        (None, Some(kill), _) => {
            let sender = &kill.sender;
            let sender = words::sender(&sender.party, sender.role, &[], Detail::Pids, glyphs);
            format!("SIGKILL from {sender}, without a stop signal.")
        }
        (None, None, Some(hook)) => format!("The preStop hook {} runs.", words::hook(hook, glyphs)),
        (None, None, None) => "Its first process went.".to_owned(),
    };
    let left = match entry.processes {
        0 => "No process is left.".to_owned(),
        1 => "1 process still runs.".to_owned(),
        many => format!("{many} processes still run."),
    };
    let then = match scene.budget(entry.key) {
        Some(Budget { left_ms: 0, of_ms }) => format!(" The grace period of {} is over.", words::duration(of_ms)),
        Some(budget) => {
            let left = crate::tui::app::tenths(budget.left_ms);
            format!(" SIGKILL follows in {left}, when the {} of grace are over.", words::duration(budget.of_ms))
        }
        None => String::new(),
    };
    format!("{sign} {left}{then}")
}

/// What is known of one that just runs.
fn about(entry: &Entry<'_>) -> String {
    let container = entry.container;
    let described = container.described.as_ref();
    let image = described.and_then(|described| described.image.as_deref()).map(|image| format!("image {image}"));
    let runtime = (!container.runtime.is_empty()).then(|| container.runtime.clone());
    let stop = container.stop_signal().map(|signal| format!("stop signal {signal}"));
    let grace = container.grace_ms().map(|ms| format!("grace period {}", words::duration(ms)));
    let id = Some(format!("id {}", container.name.short_id()));
    let told: Vec<_> = [image, runtime, stop, grace, id].into_iter().flatten().collect();
    format!("Nothing is known against it: {}.", told.join(", "))
}
