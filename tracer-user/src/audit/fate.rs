//! What would become of a signal that is sent to a process now. Pure.
//!
//! The rules are the kernel's: `sig_ignored()` asks the thread that `kill` addresses, which is the leader; whoever does
//! not block the signal takes it (`complete_signal()`), and `get_signal()` looks at the handler once more.
//! <https://github.com/torvalds/linux/blob/v6.18/kernel/signal.c>

use crate::event::Foreseen;
use crate::model::{Cause, Program};
use crate::signal::{Signal, SignalSet};

use super::subject::{Go, Process, Sight, Thread, Waits};

/// `SA_RESETHAND`: the handler is for one signal, the next one meets the default action.
const SA_RESETHAND: u64 = 0x8000_0000;
/// A process this young may not have come to install its handlers, ms.
pub const YOUNG_MS: u64 = 2_000;

/// What would become of a signal, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What.
    pub foreseen: Foreseen,
    /// More about why.
    pub cause: Option<Cause>,
    /// Nothing is assumed that was not seen.
    pub certain: bool,
    /// It may be the state of a moment: look again.
    pub passing: bool,
    /// In a sentence. Holds names as they are: not safe for a terminal.
    pub why: String,
}

/// The disposition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handler {
    Default,
    Ignore,
    Function,
}

/// What would become of `signal` if it was sent to this process now.
#[must_use]
pub fn fate(process: &Process, signal: Signal, sight: Sight) -> Fate {
    let case = Case { process, signal, sight };
    let fate = case.judge();
    if process.age_ms < YOUNG_MS && !matches!(fate.foreseen, Foreseen::Caught | Foreseen::Taken) {
        return unknown(format!(
            "{} has been running for {} ms only: it may not have come to what it does with {signal}",
            process.called(),
            process.age_ms
        ));
    }
    fate
}

struct Case<'a> {
    process: &'a Process,
    signal: Signal,
    sight: Sight,
}

impl Case<'_> {
    fn judge(&self) -> Fate {
        let (process, signal, name) = (self.process, self.signal, self.process.called());
        if matches!(signal, Signal::KILL | Signal::STOP) {
            let act = if signal == Signal::KILL { "ends" } else { "stops" };
            return self.sure(
                Foreseen::Default,
                None,
                format!("{signal} cannot be caught, blocked or ignored: from outside it {act} {name} at once"),
            );
        }
        let Some(leader) = process.leader().filter(|leader| !leader.exiting && !process.ending) else {
            return unknown(format!("{name}, or its first thread, is on its way out"));
        };
        if leader.blocked.has(signal) {
            return self.blocked_by_leader(leader);
        }
        let handler = self.handler();
        if self.sight == Sight::Proc && handler != Handler::Function && leader.waits != Waits::No {
            let waits = match leader.waits {
                Waits::Unseen => "may wait",
                _ => "waits",
            };
            return unknown(format!(
                "{name} {waits} for signals in sigtimedwait, and whether {signal} is among them cannot be seen from /proc alone"
            ));
        }
        let fate = self.delivered(handler);
        if handler != Handler::Function && self.signalfd().is_some() {
            fate.but(&format!("; its signalfd for {signal} does not help, because {signal} is not blocked"))
        } else if handler != Handler::Function && self.waiting().is_some() {
            fate.but(&format!(
                "; that another thread waits for {signal} does not help, because the first thread does not block it"
            ))
        } else {
            fate
        }
    }

    fn handler(&self) -> Handler {
        if self.process.ignored.has(self.signal) {
            Handler::Ignore
        } else if self.process.caught.has(self.signal) {
            Handler::Function
        } else {
            Handler::Default
        }
    }

    /// Nothing holds it back: the disposition decides.
    fn delivered(&self, handler: Handler) -> Fate {
        let (process, signal, name) = (self.process, self.signal, self.process.called());
        match handler {
            Handler::Function => self.caught(),
            Handler::Ignore => self.sure(Foreseen::Ignored, None, format!("{name} ignores {signal} (SIG_IGN)")),
            Handler::Default if signal.default_is_ignore() => self.sure(
                Foreseen::Ignored,
                None,
                format!("{name} has no handler for {signal}, and the default action of {signal} is to be ignored"),
            ),
            Handler::Default if process.init => self.dropped(),
            Handler::Default if signal.default_is_stop() => self.sure(
                Foreseen::Default,
                None,
                format!("{name} has no handler for {signal}, whose default action stops a process and does not end it"),
            ),
            Handler::Default => self.sure(
                Foreseen::Default,
                None,
                format!("{name} has no handler for {signal} and is not init of its pid namespace: the default action ends it, and nothing is cleaned up"),
            ),
        }
    }

    fn dropped(&self) -> Fate {
        let (process, signal, name) = (self.process, self.signal, self.process.called());
        let program = program(process);
        let other = crate::model::handles_another(process.caught, signal, program);
        let cause = match other {
            Some(_) => Cause::StopSignalMismatch,
            None if process.traced => Cause::DroppedAtDelivery,
            None => Cause::NoHandler,
        };
        let but = other.map_or_else(String::new, |other| format!("; it does handle {other}"));
        let traced = if process.traced { "; it is traced, which delays that and changes nothing" } else { "" };
        self.sure(
            Foreseen::Dropped,
            Some(cause),
            format!("{name} has no handler for {signal}, and an init of a pid namespace never gets a signal it has no handler for{but}{traced}"),
        )
    }

    /// The leader blocks it: others may take it, or wait for it.
    fn blocked_by_leader(&self, leader: &Thread) -> Fate {
        let (process, signal, name) = (self.process, self.signal, self.process.called());
        let taker = process
            .threads
            .iter()
            .find(|thread| !thread.exiting && thread.tid != leader.tid && !thread.blocked.has(signal));
        let handler = self.handler();
        let waits = self.waiting().map(|thread| match thread.waits {
            Waits::For(_) => format!("thread {} waits for it in sigtimedwait", thread.tid),
            _ => format!("thread {} waits in sigtimedwait", thread.tid),
        });
        let reads = self.signalfd().map(|fd| format!("file descriptor {fd} is a signalfd that takes it"));
        match (waits.or(reads), taker) {
            (Some(how), None) => {
                self.sure(Foreseen::Taken, None, format!("{name} blocks {signal} in every thread, and {how}"))
            }
            (Some(how), Some(taker)) => {
                unknown(format!("in {name} {how}, and thread {} does not block {signal}: either may get it", taker.tid))
            }
            (None, Some(taker)) if self.may_be_fatal_to_init(handler) => unknown(format!(
                "{name} has no handler for {signal}, and its first thread blocks it, which thread {} does not: by that most kernels end even an init, and others drop {signal} there",
                taker.tid
            )),
            (None, Some(taker)) => {
                let mut fate = self.delivered(handler);
                if fate.cause == Some(Cause::NoHandler) {
                    fate.cause = Some(Cause::DroppedAtDelivery);
                }
                fate.but(&format!(" (its first thread blocks {signal}, thread {} does not)", taker.tid))
            }
            (None, None) => self.blocked_by_all(),
        }
    }

    /// What the leader blocks is not thrown away when it is sent (`sig_ignored()`), and where another thread can take it
    /// `complete_signal()` ends the whole process at once: since Linux 4.15 it does not ask there whether that is an init.
    /// So do Debian's 6.1 and 6.12; kernels have been seen, one of 6.18 among them, on which the init goes on. It leaves
    /// alone who is traced, and what dumps core; those get to `get_signal()`, which spares an init.
    fn may_be_fatal_to_init(&self, handler: Handler) -> bool {
        let signal = self.signal;
        let fatal = !(signal.default_is_ignore() || signal.default_is_stop() || signal.default_is_core());
        self.process.init && !self.process.traced && handler == Handler::Default && fatal
    }

    fn blocked_by_all(&self) -> Fate {
        let (process, signal, name) = (self.process, self.signal, self.process.called());
        if process.untaken.has(signal) {
            let why = format!(
                "{name} blocks {signal} in every thread, and one that was sent before is pending there and is not taken"
            );
            return Fate { certain: false, ..self.sure(Foreseen::Blocked, None, why) };
        }
        let unseen = if process.signalfds.is_none() { "; whether it has a signalfd for it cannot be seen" } else { "" };
        let mut fate = unknown(format!(
            "{name} blocks {signal} in every thread and nobody waits for it now; it may take it later{unseen}"
        ));
        // a thread blocks everything while it starts a program (posix_spawn), and a waiting one between two waits
        fate.passing = true;
        fate
    }

    /// A handler would run: is it the program's own, or one that only raises the signal again?
    fn caught(&self) -> Fate {
        let (process, signal, name) = (self.process, self.signal, self.process.called());
        let caught = |how: &str| {
            let mut fate = self.sure(Foreseen::Caught, None, format!("{name} has a handler for {signal}{how}"));
            // whoever waits for it would take it before its handler does
            fate.certain &= process.leader().is_some_and(|leader| leader.waits != Waits::Unseen);
            fate
        };
        if !process.init {
            return caught("");
        }
        if let Some(go) = process.go.filter(|_| self.is_go_handler()) {
            return self.go(go, &caught);
        }
        if self.has_one_handler_for_all() {
            return unknown(format!(
                "{name} has one handler for {signal} and for signals that no program asks for, as Go's runtime has; it cannot be read as a Go program, so whether it asked for {signal} cannot be told"
            ));
        }
        match (program(process), process.actions.map(|actions| actions.of(signal))) {
            (_, Some(action)) if is_node(process) && action.flags & SA_RESETHAND != 0 => self.reraised(
                "the only handler it has is that of Node itself, which sets the default action again (SA_RESETHAND)",
            ),
            (_, None) if is_node(process) => unknown(format!(
                "{name} has a handler for {signal}; whether it is the program's own or Node's, which only raises {signal} again, cannot be seen from /proc alone"
            )),
            (Program::Shell, Some(_)) if self.is_shells_own_handler() => caught(
                ", the shell's own: it runs a trap on EXIT and raises the signal again, which the kernel drops; recent versions of bash exit then, older ones go on",
            ),
            (Program::Java, _) if [Signal::TERM, Signal::INT, Signal::HUP].contains(&signal) => {
                caught(": the JVM runs the program's shutdown hooks")
            }
            (Program::Java, _) if signal == Signal::QUIT => {
                caught(": the JVM writes a dump of its threads, and goes on")
            }
            _ => caught(""),
        }
    }

    /// Go's runtime has one handler for all signals, SIGURG (by which it preempts) among them: any other is the program's.
    fn is_go_handler(&self) -> bool {
        self.process.actions.is_none_or(|actions| actions.of(self.signal).handler == actions.of(Signal::URG).handler)
    }

    /// A Go program that was packed, or whose sections are gone, still has the handlers of Go's runtime.
    fn has_one_handler_for_all(&self) -> bool {
        let alike = [Signal::URG, Signal::XCPU];
        self.process.actions.is_some_and(|actions| {
            let own = actions.of(self.signal).handler;
            self.process.caught.has(self.signal) && alike.iter().all(|&other| actions.of(other).handler == own)
        })
    }

    /// bash with a trap on EXIT has one handler of its own for all signals that would end it: nobody traps SIGXCPU.
    fn is_shells_own_handler(&self) -> bool {
        self.process.actions.is_some_and(|actions| actions.of(self.signal).handler == actions.of(Signal::XCPU).handler)
    }

    fn go(&self, go: Go, caught: &dyn Fn(&str) -> Fate) -> Fate {
        let (signal, name) = (self.signal, self.process.called());
        match go {
            Go::Wants(signals) if signals.has(signal) => caught(": the Go program asked for it (signal.Notify)"),
            Go::Wants(_) => self.reraised("the only handler it has is that of Go's runtime, and the program has not asked for it (signal.Notify)"),
            Go::WithoutNotify => self.reraised("the only handler it has is that of Go's runtime, and signal.Notify is not even linked into the program"),
            Go::WithNotify => unknown(format!(
                "{name} is a Go program, whose runtime has a handler for every signal; whether the program asked for {signal} (signal.Notify) cannot be seen from outside"
            )),
            Go::Unreadable => unknown(format!(
                "{name} is a Go program, whose runtime has a handler for every signal; its function names cannot be read, so whether it asked for {signal} cannot be told"
            )),
        }
    }

    fn reraised(&self, how: &str) -> Fate {
        let (signal, name) = (self.signal, self.process.called());
        self.sure(
            Foreseen::Dropped,
            Some(Cause::HandlerReraised),
            format!(
                "{name} catches {signal}, but {how}: that handler only raises {signal} again, and this one the kernel drops, as at any init without a handler"
            ),
        )
    }

    /// A thread that waits for the signal.
    fn waiting(&self) -> Option<&Thread> {
        self.process.threads.iter().find(|thread| match thread.waits {
            Waits::For(signals) => signals.has(self.signal),
            Waits::Somehow => thread.blocked.has(self.signal),
            Waits::No | Waits::Unseen => false,
        })
    }

    /// A signalfd that takes the signal.
    fn signalfd(&self) -> Option<u32> {
        self.process.signalfds.iter().flatten().find(|fd| fd.mask.has(self.signal)).map(|fd| fd.fd)
    }

    /// Seen, as far as the sight goes.
    fn sure(&self, foreseen: Foreseen, cause: Option<Cause>, why: String) -> Fate {
        // in /proc a wait that ends while it is read looks like none
        let passing =
            self.sight == Sight::Proc && matches!(foreseen, Foreseen::Dropped | Foreseen::Ignored | Foreseen::Default);
        Fate { foreseen, cause, certain: self.sight == Sight::Kernel, passing, why }
    }
}

fn unknown(why: String) -> Fate {
    Fate { foreseen: Foreseen::Unknown, cause: None, certain: false, passing: false, why }
}

impl Fate {
    /// With something added to why.
    fn but(mut self, text: &str) -> Self {
        self.why.push_str(text);
        self
    }
}

/// What kind of program it is.
pub(super) fn program(process: &Process) -> Program {
    Program::of(&process.comm, process.exe.as_deref())
}

/// Of the programs that count as Node those whose handlers are known to us: `node` itself, whichever version.
fn is_node(process: &Process) -> bool {
    let file = process.exe.as_deref().and_then(|exe| exe.rsplit('/').next()).unwrap_or_default();
    let name = file.trim_end_matches(" (deleted)");
    // some distributions have several: node-22
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    matches!(name, "node" | "nodejs")
}

/// All signals of a set, in words: `SIGINT, SIGCHLD`, or `none`.
pub(super) fn names(signals: SignalSet) -> String {
    let names: Vec<_> = signals.iter().map(|signal| signal.to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
