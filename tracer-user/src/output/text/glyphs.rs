//! The characters pictures are drawn with, in Unicode and in ASCII.

use crate::model::Outcome;
use crate::signal::Signal;

/// How text is to look. Whether a terminal can show it is decided by the caller (`NO_COLOR`, `--no-color`, locale).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours, as ANSI escape sequences.
    pub color: bool,
    /// Nothing but ASCII characters.
    pub ascii: bool,
}

/// What a lane of the picture is marked with. Each differs by shape: colour only helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Sent,
    Caught,
    Blocked,
    Taken,
    PassedOn,
    Ignored,
    Dropped,
    Killed,
    Exit,
}

impl Mark {
    /// The mark of a signal that was sent.
    pub(crate) const fn of(signal: Signal, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Dropped => Self::Dropped,
            Outcome::Ignored => Self::Ignored,
            Outcome::Caught => Self::Caught,
            Outcome::Blocked => Self::Blocked,
            Outcome::Default | Outcome::Noise if matches!(signal, Signal::KILL) => Self::Killed,
            Outcome::Default | Outcome::Noise => Self::Sent,
        }
    }

    /// Words for the legend, after the name of the signal.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sent => " (default action)",
            Self::Caught => " caught",
            Self::Blocked => " blocked",
            Self::Taken => " taken",
            Self::PassedOn => " passed on",
            Self::Ignored => " ignored",
            Self::Dropped => " dropped",
            Self::Killed => "",
            Self::Exit => "exit",
        }
    }
}

/// One set of characters, each one column wide.
#[derive(Debug)]
pub(crate) struct Glyphs {
    pub(crate) only_ascii: bool,
    pub(crate) cut: char,
    pub(crate) arrow: char,
    pub(crate) rule: char,
    pub(crate) thin_rule: char,
    pub(crate) lane: char,
    pub(crate) hook: char,
    pub(crate) axis: char,
    pub(crate) axis_start: char,
    pub(crate) axis_tick: char,
    pub(crate) axis_end: char,
    pub(crate) axis_budget: char,
    pub(crate) branch: char,
    pub(crate) last_branch: char,
    pub(crate) trunk: char,
    pub(crate) beside: char,
    pub(crate) dot: char,
    pub(crate) bad: char,
    pub(crate) good: char,
    pub(crate) warn: char,
    /// A part of a whole: what is used, what is left, what is beyond.
    pub(crate) used: char,
    pub(crate) left: char,
    pub(crate) over: char,
    /// The column that is sorted by, the greatest first.
    pub(crate) sorted: char,
    /// A stop that goes on.
    pub(crate) going_on: char,
    pub(crate) marks: [char; 9],
}

impl Glyphs {
    pub(crate) const fn of(style: Style) -> &'static Self {
        if style.ascii { &ASCII } else { &UNICODE }
    }

    pub(crate) const fn mark(&self, mark: Mark) -> char {
        self.marks[mark as usize]
    }
}

pub(crate) const UNICODE: Glyphs = Glyphs {
    only_ascii: false,
    cut: '…',
    arrow: '→',
    rule: '━',
    thin_rule: '─',
    lane: '─',
    hook: '▒',
    axis: '─',
    axis_start: '├',
    axis_tick: '┴',
    axis_end: '┤',
    axis_budget: '╂',
    branch: '├',
    last_branch: '└',
    trunk: '│',
    beside: '+',
    dot: '·',
    bad: '✖',
    good: '✔',
    warn: '▲',
    used: '█',
    left: '░',
    over: '▓',
    sorted: '▾',
    going_on: '▶',
    marks: ['▼', '●', '□', '◆', '↓', '○', '⊘', '✖', '■'],
};

pub(crate) const ASCII: Glyphs = Glyphs {
    only_ascii: true,
    cut: '~',
    arrow: '>',
    rule: '=',
    thin_rule: '-',
    lane: '-',
    hook: '#',
    axis: '-',
    axis_start: '|',
    axis_tick: '+',
    axis_end: '|',
    axis_budget: '!',
    branch: '|',
    last_branch: '`',
    trunk: '|',
    beside: '+',
    dot: '-',
    bad: 'x',
    good: '*',
    warn: '!',
    used: '=',
    left: '.',
    over: '!',
    sorted: 'v',
    going_on: '>',
    marks: ['v', 'C', 'B', 'T', 'F', 'I', 'D', 'K', 'X'],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_marks_look_alike() {
        for glyphs in [UNICODE, ASCII] {
            let mut seen: Vec<_> = glyphs.marks.to_vec();
            seen.push(glyphs.lane);
            seen.push(glyphs.hook);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), glyphs.marks.len() + 2);
            assert!(!glyphs.only_ascii || glyphs.marks.iter().all(char::is_ascii));
        }
    }
}
