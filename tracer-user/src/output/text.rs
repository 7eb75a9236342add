//! Text for people: a line an event, a block with a picture for each end of a container.

mod audit;
pub(crate) mod block;
pub(crate) mod figures;
pub(crate) mod glyphs;
pub(crate) mod line;
pub(crate) mod passed_on;
pub(crate) mod picture;
pub(crate) mod pod;
pub(crate) mod words;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use time::Date;

use super::{Clock, View};
use crate::event::{BootNs, Handler, Lost};
use crate::model::{
    Change, ContainerNews, ContainerRef, ContainerState, DeliverNews, ExitNews, News, Outcome, ProcessNews, Role,
    SignalNews, Termination, ZombieNews,
};
use crate::signal::Signal;
use glyphs::Glyphs;
use line::{Line, Paint, safe, width};
use words::Detail;

pub use audit::{audit, audit_wide};
pub use glyphs::Style;

/// Narrower than this nothing can be drawn; lines are then longer than the terminal.
const NARROWEST: usize = 60;
/// Columns of the time of day and the gap after it.
const TIME: usize = 14;
/// Columns of the first word and the gap after it: `SIGTERM`, `exit`.
const WORD: usize = 9;
/// Columns of the second word and the gap after it: `DROPPED`, `code 143`.
const STATE: usize = 9;

/// Writes text of a given width. Times are UTC.
#[derive(Debug)]
pub struct Text<W> {
    out: W,
    clock: Clock,
    style: Style,
    /// Columns of the terminal.
    width: usize,
    /// What one change becomes; kept for its memory.
    page: String,
    /// The day last told.
    day: Option<Date>,
    /// The last line written is an empty one.
    gap: bool,
}

impl<W: Write> Text<W> {
    /// Text goes to `out`, times are told by `clock`, lines are at most `width` columns (at least 60 are used).
    pub fn new(out: W, clock: Clock, style: Style, width: usize) -> Self {
        Self { out, clock, style, width: width.max(NARROWEST), page: String::new(), day: None, gap: false }
    }

    /// Columns from now on: the terminal was resized.
    pub fn resize(&mut self, width: usize) {
        self.width = width.max(NARROWEST);
    }

    /// Gives the writer back, unflushed.
    pub fn into_inner(self) -> W {
        self.out
    }

    pub(crate) fn lines(&self, change: &Change) -> Vec<Line> {
        let glyphs = Glyphs::of(self.style);
        let at = change.at;
        match &change.news {
            News::Termination(news) => return block::termination(news, self.clock, self.width, glyphs),
            _ if is_silent(&change.news) => return Vec::new(),
            News::Condition(news) => {
                let time = self.clock.time_of_day(at).to_string();
                return block::condition(news, &time, self.width, glyphs);
            }
            News::Restarted(news) => return self.restarted(at, news, glyphs),
            News::Pod(news) => return self.pod(at, news, glyphs),
            _ => {}
        }
        let mut line = match &change.news {
            News::Signal(news) => self.signal(at, news, glyphs),
            News::Deliver(news) => self.deliver(at, news, glyphs),
            News::Exit(news) => self.exit(at, news, glyphs),
            News::Exec(news) => self.process(at, ("exec", ""), news, glyphs),
            News::Fork(news) => self.process(at, ("fork", if news.joined { "joined" } else { "" }), news, glyphs),
            News::Zombie(news) => self.zombie(at, news, glyphs),
            News::Container(news) => self.container(at, news, glyphs),
            News::Stopping(news) => self.stopping(at, news, glyphs),
            News::Lost(lost) => self.lost(at, lost),
            // handled above: these are more than a line, or none
            News::Termination(_) | News::Condition(_) | News::Restarted(_) | News::Pod(_) | News::Foreseen(_) => {
                Line::default()
            }
        };
        line.cut(self.width, glyphs);
        vec![line]
    }

    /// The time and the container.
    fn begin(&self, at: BootNs, container: Option<&ContainerRef>, glyphs: &Glyphs) -> Line {
        let mut line = Line::default();
        line.push(Paint::Dim, &self.clock.time_of_day(at).to_string());
        line.pad_to(TIME);
        let columns = (self.width / 6).clamp(14, 32);
        if let Some(container) = container {
            line.push(Paint::Plain, &words::container(container, columns, glyphs));
        }
        line.pad_to(TIME + columns + 2);
        line
    }

    /// The same and two words in columns of their own.
    fn row(&self, at: BootNs, container: Option<&ContainerRef>, words: [(Paint, &str); 2], glyphs: &Glyphs) -> Line {
        let mut line = self.begin(at, container, glyphs);
        let mut column = line.width();
        for ((paint, word), columns) in words.into_iter().zip([WORD, STATE]) {
            line.push(paint, word);
            column += columns;
            line.pad_to(column);
        }
        line
    }

    /// Adds the first of `choices` that has room, after a gap; none if none has.
    fn aside(&self, line: &mut Line, choices: &[String]) {
        let room = self.width.saturating_sub(line.width() + 2);
        if let Some(text) = choices.iter().find(|text| !text.is_empty() && width(text) <= room) {
            line.push(Paint::Dim, &format!("  {text}"));
        }
    }

    fn signal(&self, at: BootNs, news: &SignalNews, glyphs: &Glyphs) -> Line {
        let (paint, word) = outcome(news.signal, news.outcome);
        let name = news.signal.to_string();
        let words = [(Paint::Bold, name.as_str()), (paint, word)];
        let mut line = self.row(at, news.container.as_ref(), words, glyphs);
        let mut target = format!("{} {}", glyphs.arrow, words::process(&news.target, glyphs));
        let why = match words::why(news) {
            "" => String::new(),
            why => format!(": {why}"),
        };
        // The reason and then the sender's particulars give way where a line is short of room.
        let room = self.width.saturating_sub(line.width());
        let choices = [(Detail::Ancestors, true), (Detail::Pids, true), (Detail::Name, true), (Detail::Name, false)];
        let mut sender = String::new();
        for (detail, with_reason) in choices {
            let from = words::sender(&news.sender, news.role, &news.ancestors, detail, glyphs);
            sender = format!("  from {from}{}", if with_reason { why.as_str() } else { "" });
            if width(&target) + width(&sender) <= room {
                break;
            }
        }
        let room = room.saturating_sub(width(&sender));
        if width(&target) > room {
            target = format!("{} {}", glyphs.arrow, words::short_process(&news.target, room.max(18) - 2, glyphs));
        }
        line.push(Paint::Plain, &target);
        line.push(Paint::Plain, &sender);
        if news.outcome == Outcome::Noise {
            line.dim();
        }
        line
    }

    fn deliver(&self, at: BootNs, news: &DeliverNews, glyphs: &Glyphs) -> Line {
        let state = match news.handler {
            _ if news.dropped => (Paint::Bad, "DROPPED"),
            Handler::Function => (Paint::Good, "handled"),
            Handler::Default => (Paint::Note, "default"),
            Handler::Ignore => (Paint::Warn, "ignored"),
            Handler::Unknown => (Paint::Plain, "taken"),
        };
        let name = news.signal.to_string();
        let mut line = self.row(at, news.container.as_ref(), [(Paint::Bold, &name), state], glyphs);
        line.push(Paint::Plain, &format!("{} {}", glyphs.arrow, words::process(&news.target, glyphs)));
        if news.dropped {
            let why = "when it was taken: PID 1 has no handler".to_owned();
            self.aside(&mut line, &[why, "at delivery".to_owned()]);
        } else if let Some(ns) = news.latency {
            let after = match ns {
                0..1_000_000 => format!("{} us", ns / 1_000),
                _ => words::duration(ns / 1_000_000),
            };
            self.aside(&mut line, &[format!("after {after}")]);
        }
        line
    }

    fn exit(&self, at: BootNs, news: &ExitNews, glyphs: &Glyphs) -> Line {
        let word = words::exit_word(news.status);
        let word = word.strip_prefix("exit ").map_or_else(|| word.clone(), |code| format!("code {code}"));
        let paint = match (news.status.code(), news.status.signal()) {
            (Some(0), _) => Paint::Good,
            (_, Some(Signal::KILL)) => Paint::Bad,
            _ => Paint::Warn,
        };
        let mut line = self.row(at, news.container.as_ref(), [(Paint::Bold, "exit"), (paint, &word)], glyphs);
        line.push(Paint::Plain, &words::process(&news.process, glyphs));
        self.aside(&mut line, &[words::exit(news.status), words::exit_remark(news.status)]);
        line
    }

    fn process(&self, at: BootNs, (word, state): (&str, &str), news: &ProcessNews, glyphs: &Glyphs) -> Line {
        let words = [(Paint::Plain, word), (Paint::Note, state)];
        let mut line = self.row(at, news.container.as_ref(), words, glyphs);
        line.push(Paint::Plain, &words::process(&news.process, glyphs));
        if let Some(filename) = &news.filename {
            line.push(Paint::Plain, &format!("  {}", safe(filename, glyphs)));
        }
        if news.joined {
            let long = "from outside (an exec, a probe or a hook)".to_owned();
            self.aside(&mut line, &[long, "from outside".to_owned()]);
        } else if let Some(ppid) = news.process.ppid {
            self.aside(&mut line, &[format!("child of {ppid}")]);
        }
        line
    }

    fn zombie(&self, at: BootNs, news: &ZombieNews, glyphs: &Glyphs) -> Line {
        let state = if news.reaped { (Paint::Good, "reaped") } else { (Paint::Warn, "unreaped") };
        let mut line = self.row(at, news.container.as_ref(), [(Paint::Bold, "zombie"), state], glyphs);
        line.push(Paint::Plain, &words::process(&news.process, glyphs));
        let age = words::duration(news.age_ms);
        let choices = match (&news.parent, news.reaped) {
            (Some(parent), true) => {
                let parent = words::process(parent, glyphs);
                [format!("by {parent} after {age}"), format!("after {age}"), age]
            }
            (Some(parent), false) => {
                let (parent, name) = (words::process(parent, glyphs), words::comm(parent, glyphs));
                let short = format!("for {age}, not reaped by {name}");
                [format!("for {age}; {parent} should reap it"), short, format!("for {age}")]
            }
            (None, true) => [format!("after {age}"), age.clone(), age],
            (None, false) => [format!("for {age}"), age.clone(), age],
        };
        self.aside(&mut line, &choices);
        line
    }

    fn container(&self, at: BootNs, news: &ContainerNews, glyphs: &Glyphs) -> Line {
        let words = [(Paint::Plain, "container"), (Paint::Note, news.state.slug())];
        let mut line = self.row(at, Some(&news.name), words, glyphs);
        let mut parts = Vec::new();
        if news.state != ContainerState::Gone {
            let short = safe(news.name.short_id(), glyphs);
            parts.extend(news.image.as_deref().map(|image| safe(image, glyphs).into_owned()));
            parts.extend(news.pid.map(|pid| format!("pid {pid}")));
            parts.extend(news.stop_signal.map(|signal| format!("stops by {signal}")));
            parts.extend(news.grace_ms.map(|ms| format!("grace {}", words::duration(ms))));
            parts.extend(news.restarts.filter(|n| *n > 0).map(|n| format!("restart {n}")));
            parts.extend(news.runtime.as_deref().map(|runtime| safe(runtime, glyphs).into_owned()));
            parts.push(format!("id {short}"));
        }
        line.push(Paint::Plain, &parts.join(", "));
        line
    }

    fn stopping(&self, at: BootNs, news: &Termination, glyphs: &Glyphs) -> Line {
        let mut line = self.begin(at, Some(&news.container), glyphs);
        let from = |sender: &crate::model::Sender| {
            words::sender(&sender.party, sender.role, &sender.ancestors, Detail::Name, glyphs)
        };
        let sign = match (news.stop_signal, &news.kill, &news.pre_stop, news.exit) {
            (Some(signal), ..) => {
                let from = news.sender.as_ref().map(|sender| format!(" from {}", from(sender))).unwrap_or_default();
                format!("{signal}{from}")
            }
            (None, Some(kill), ..) => format!("SIGKILL from {}", from(&kill.sender)),
            (None, None, Some(hook), _) => match &hook.process {
                Some(process) => format!("preStop hook {} runs", words::comm(process, glyphs)),
                None => "a preStop hook runs".to_owned(),
            },
            (None, None, None, Some(status)) => format!("its first process {}", words::exit(status)),
            (None, None, None, None) => "its first process goes".to_owned(),
        };
        line.push(Paint::WarnHeader, "stopping:");
        line.push(Paint::Bold, &format!(" {sign}"));
        let graceful = news.stop_signal.is_some() || news.pre_stop.is_some();
        if let Some(budget) = news.grace.budget_ms.filter(|_| graceful) {
            line.push(Paint::Bold, &format!("; grace period {}", words::duration(budget)));
        }
        line
    }

    fn lost(&self, at: BootNs, lost: &Lost) -> Line {
        let mut line = Line::default();
        line.push(Paint::Dim, &self.clock.time_of_day(at).to_string());
        line.pad_to(TIME);
        // spelled out, so that a new kind of loss cannot be forgotten here
        let Lost { signal, deliver, exit, fork, exec, reaped, cgroup, joined, oom, untracked, undecodable } = *lost;
        let kinds = [
            (signal, "signal"),
            (deliver, "deliver"),
            (exit, "exit"),
            (fork, "fork"),
            (exec, "exec"),
            (reaped, "reaped"),
            (cgroup, "cgroup"),
            (joined, "joined"),
            (oom, "oom"),
            (untracked, "untracked cgroup"),
            (undecodable, "undecodable"),
        ];
        let counts = kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        line.push(Paint::BadHeader, &format!(" LOST {} EVENTS ", lost.total()));
        line.push(Paint::Bad, &format!(" {counts}: what follows may be incomplete"));
        line
    }
}

fn outcome(signal: Signal, outcome: Outcome) -> (Paint, &'static str) {
    match outcome {
        Outcome::Dropped => (Paint::Bad, "DROPPED"),
        // it cannot be ignored: the process was dying already
        Outcome::Ignored if signal == Signal::KILL => (Paint::Dim, "too late"),
        Outcome::Ignored => (Paint::Warn, "ignored"),
        Outcome::Caught => (Paint::Good, "caught"),
        Outcome::Blocked => (Paint::Warn, "blocked"),
        Outcome::Default if signal == Signal::KILL => (Paint::Bad, "KILLED"),
        Outcome::Default => (Paint::Note, "default"),
        Outcome::Noise => (Paint::Dim, "noise"),
    }
}

/// What tells a person nothing.
pub(crate) fn is_silent(news: &News) -> bool {
    match news {
        // every death by a signal and every exit with threads shows one: it tells nothing of who was killed
        News::Deliver(news) => news.signal == Signal::KILL,
        // an init that exits sweeps over those that are dead already: nobody ignored anything
        News::Signal(news) => {
            news.signal == Signal::KILL && news.role == Role::Kernel && news.outcome == Outcome::Ignored
        }
        // nothing happened, and tracer audit tells it
        News::Foreseen(_) => true,
        _ => false,
    }
}

impl<W: Write> View for Text<W> {
    fn show(&mut self, change: &Change) -> io::Result<()> {
        self.page.clear();
        let day = self.clock.date(change.at);
        if self.day != Some(day) {
            self.day = Some(day);
            let mut line = Line::default();
            line.push(Paint::Dim, &format!("{day} (UTC)"));
            line.write(&mut self.page, self.style.color);
        }
        // A block stands apart from what is before and after it, by one empty line.
        let is_block = matches!(change.news, News::Termination(_) | News::Condition(_));
        if is_block && !self.gap {
            self.page.push('\n');
        }
        self.gap = is_block;
        for line in self.lines(change) {
            line.write(&mut self.page, self.style.color);
        }
        self.out.write_all(self.page.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
