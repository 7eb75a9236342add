//! Two terminations side by side: before a fix and after it.

use crate::model::Termination;
use crate::output::glyphs::Glyphs;
use crate::output::line::{Line, Paint, fit};
use crate::output::picture;
use crate::output::words;

/// Columns of the words at the left.
const LABEL: usize = 13;

/// What differs, one fact a line; `one` is the earlier.
pub(super) fn differences(one: &Termination, other: &Termination, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let column = limit.saturating_sub(LABEL) / 2;
    let row = |label: &str, (left, left_paint): (&str, Paint), (right, right_paint): (&str, Paint)| {
        let mut line = Line::default();
        line.push(Paint::Dim, &format!(" {label}"));
        line.pad_to(LABEL);
        line.push(left_paint, &fit(left, column.saturating_sub(2), glyphs));
        line.pad_to(LABEL + column);
        line.push(right_paint, &fit(right, column.saturating_sub(1), glyphs));
        line
    };
    let mut lines = vec![row("", ("first (above)", Paint::Bold), ("second (below)", Paint::Bold))];
    for (label, fact) in FACTS {
        let (left, right) = (fact(one), fact(other));
        // what is the same stays in the background
        let paint = if left == right { Paint::Dim } else { Paint::Bold };
        lines.push(row(label, (&left, paint), (&right, paint)));
    }
    let mut line = Line::default();
    line.push(Paint::Note, &format!(" {}", fit(&summary(one, other), limit.saturating_sub(2), glyphs)));
    lines.push(line);
    lines
}

type Fact = fn(&Termination) -> String;

const FACTS: [(&str, Fact); 5] =
    [("verdict", verdict), ("stop signal", signal), ("used", used), ("exit", exit), ("killed", killed)];

fn verdict(termination: &Termination) -> String {
    let cause = termination.cause.map(|cause| format!(", {cause}")).unwrap_or_default();
    let certain = if termination.certain { "" } else { " (uncertain)" };
    format!("{}{cause}{certain}", termination.verdict)
}

fn signal(termination: &Termination) -> String {
    match (termination.stop_signal, termination.outcome) {
        (Some(signal), Some(_)) if termination.taken => format!("{signal} taken"),
        (Some(signal), Some(outcome)) => format!("{signal} {outcome}"),
        (Some(signal), None) => signal.to_string(),
        (None, _) => "none".to_owned(),
    }
}

fn used(termination: &Termination) -> String {
    let used = words::duration(termination.grace.used_ms);
    picture::budget(termination).map_or(used.clone(), |budget| format!("{used} of {}", words::duration(budget)))
}

fn exit(termination: &Termination) -> String {
    termination.exit.map_or_else(|| "not seen".to_owned(), words::exit_word)
}

fn killed(termination: &Termination) -> String {
    let all = picture::lanes(termination);
    let killed = all.iter().filter(|process| process.exit.is_some_and(picture::is_kill)).count();
    format!("{killed} of {} processes", all.len())
}

/// In a sentence.
fn summary(one: &Termination, other: &Termination) -> String {
    let mut parts = Vec::new();
    if one.verdict != other.verdict {
        parts.push(format!("{} became {}", one.verdict, other.verdict));
    }
    let (before, after) = (one.grace.used_ms, other.grace.used_ms);
    let difference = words::duration(before.abs_diff(after));
    parts.push(match before.cmp(&after) {
        std::cmp::Ordering::Greater => format!("the second took {difference} less"),
        std::cmp::Ordering::Less => format!("the second took {difference} more"),
        std::cmp::Ordering::Equal => "both took the same time".to_owned(),
    });
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;
    use crate::output::glyphs::UNICODE;

    #[test]
    fn before_and_after_a_fix() {
        let mut page = String::new();
        for (one, other) in [
            (fixtures::dropped(), fixtures::graceful()),
            (fixtures::taken(), fixtures::too_slow()),
            (fixtures::killed(), fixtures::killed()),
        ] {
            for columns in [66, 30] {
                for line in differences(&one, &other, columns, &UNICODE) {
                    line.write(&mut page, false);
                }
            }
        }
        insta::assert_snapshot!(page);
    }
}
