//! Every disposition there is, as one table: what a program is like, what is done to it, and what must be told.
//!
//! What is told of each signal is one line, `SIGNAL ROLE CODE RESULT OUTCOME`; of its delivery, `deliver SIGNAL HANDLER`;
//! of an end, `exit CODE` or `exit SIGNAL`. In front of it stands the name of the process, if it is not the container's
//! first one. The lines are all there is, in this order (those of the first process come first): a signal too many is as
//! wrong as one that is missing. Left out is what proves nothing: SIGCHLD, deliveries of SIGKILL, which every death by
//! a signal shows, and the kernel's SIGKILL that is too late, for threads of an init that is on its way out.
//!
//! The rules are those of `prepare_signal()`, `sig_ignored()`, `complete_signal()` and `get_signal()`:
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c>.

use tracer_user::signal::Signal;

/// A program, what is done to it, and what must be told of it.
pub(crate) struct Row {
    /// Its name, and that of its container.
    pub(crate) name: &'static str,
    /// What runs in it: an actor of that name.
    pub(crate) actor: &'static str,
    /// Whether that is the init of a pid namespace.
    pub(crate) init: bool,
    /// What is done to it, one after the other.
    pub(crate) steps: &'static [Step],
    /// How it ends after that.
    pub(crate) end: End,
    /// What must be told, from its first signal to its end.
    pub(crate) told: &'static [&'static str],
    /// What must be told of it as a whole: `VERDICT[/CAUSE]`, and ` taken` if it took a signal that it blocks.
    pub(crate) verdict: &'static str,
    /// What else may be told, and its verdict, where kernels differ.
    pub(crate) or: Option<(&'static [&'static str], &'static str)>,
    /// The conditions that must be told.
    pub(crate) conditions: &'static [&'static str],
}

/// Something that is done to a program.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// It is sent a signal from outside, by what stands for a runtime.
    Send(Signal),
    /// It comes to a stop, as by SIGSTOP.
    Stops,
    /// It says that it has done what it was told to, by its name.
    Settles,
    /// It is traced from now on, with these options of ptrace(2).
    Seize(i32),
    /// It stops for whoever traces it, who gives it its signal and leaves it alone.
    PassOn,
    /// It stops for whoever traces it, on its way out.
    StopsExiting,
    /// Its condition is told.
    Told(&'static str),
    /// What stopped it is over.
    GoOn,
}

/// How a program ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, or by what was done to it.
    Itself,
    /// By SIGKILL from outside.
    Killed,
    /// By itself if it does so soon, else by SIGKILL from outside.
    Either,
}

use End::{Either, Itself, Killed};
use Step::{GoOn, PassOn, Seize, Send, Settles, Stops, StopsExiting, Told};

const TERM: Step = Send(Signal::TERM);
/// How SIGKILL from an ancestor namespace is told, of an init as of any other process.
const KILL: &str = "SIGKILL runtime SI_USER queued default";
const DEAD: &str = "exit SIGKILL";
const ENDED: &str = "exit 0";
const CAUGHT: &str = "SIGTERM runtime SI_USER queued caught";
const TAKES: &str = "deliver SIGTERM handler";
const BLOCKED: &str = "SIGTERM runtime SI_USER queued blocked";
const DROPPED_LATE: &str = "deliver SIGTERM default dropped";

const PLAIN: Row = Row {
    name: "",
    actor: "",
    init: true,
    steps: &[TERM],
    end: Killed,
    told: &[],
    verdict: "",
    or: None,
    conditions: &[],
};

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "init-default",
        actor: "default",
        told: &["SIGTERM runtime SI_USER ignored dropped", KILL, DEAD],
        verdict: "sigterm-dropped/no-handler",
        ..PLAIN
    },
    Row {
        name: "init-default-from-inside",
        actor: "attacked",
        steps: &[],
        told: &[
            "SIGTERM inside SI_USER ignored dropped",
            "SIGKILL inside SI_USER ignored dropped",
            "SIGSTOP inside SI_USER ignored dropped",
            KILL,
            DEAD,
            "sender: exit 0",
            "sender: exit 0",
            "sender: exit 0",
        ],
        verdict: "killed/never-signalled",
        conditions: &["dropped-signal"],
        ..PLAIN
    },
    Row {
        name: "init-stopped-from-outside",
        actor: "default",
        steps: &[Send(Signal::STOP), Stops, Send(Signal::CONT)],
        told: &[
            "SIGSTOP runtime SI_USER queued default",
            "deliver SIGSTOP default",
            "SIGCONT runtime SI_USER ignored noise",
            KILL,
            DEAD,
        ],
        verdict: "killed/never-signalled",
        ..PLAIN
    },
    Row {
        name: "init-ignores",
        actor: "ignores",
        told: &["SIGTERM runtime SI_USER ignored ignored", KILL, DEAD],
        verdict: "sigterm-ignored",
        ..PLAIN
    },
    Row {
        name: "ignores",
        actor: "ignores",
        init: false,
        told: &["SIGTERM runtime SI_USER ignored ignored", KILL, DEAD],
        verdict: "sigterm-ignored",
        ..PLAIN
    },
    Row {
        name: "init-default-is-to-ignore",
        actor: "default",
        steps: &IGNORED_BY_DEFAULT,
        told: &NOISE,
        verdict: "killed/never-signalled",
        ..PLAIN
    },
    Row {
        name: "default-is-to-ignore",
        actor: "default",
        init: false,
        steps: &IGNORED_BY_DEFAULT,
        told: &NOISE,
        verdict: "killed/never-signalled",
        ..PLAIN
    },
    Row {
        name: "init-catches",
        actor: "catches",
        end: Itself,
        told: &[CAUGHT, TAKES, ENDED],
        verdict: "graceful",
        ..PLAIN
    },
    Row {
        name: "catches",
        actor: "catches",
        init: false,
        end: Itself,
        told: &[CAUGHT, TAKES, ENDED],
        verdict: "graceful",
        ..PLAIN
    },
    Row {
        name: "catches-in-another-thread",
        actor: "other-thread",
        init: false,
        end: Itself,
        told: &[BLOCKED, TAKES, ENDED],
        verdict: "graceful",
        ..PLAIN
    },
    // what the first thread blocks is not dropped when it is sent, and then most kernels do not ask whether it is an init
    Row {
        name: "init-default-in-another-thread",
        actor: "unprotected-thread",
        end: Either,
        told: &[BLOCKED, "exit SIGTERM"],
        verdict: "default-action",
        or: Some((&[BLOCKED, DROPPED_LATE, KILL, DEAD], "sigterm-dropped/dropped-at-delivery")),
        ..PLAIN
    },
    Row {
        name: "catches-when-it-goes-on",
        actor: "catches",
        steps: &[Send(Signal::STOP), Stops, TERM, Send(Signal::CONT)],
        end: Itself,
        told: &[
            "SIGSTOP runtime SI_USER queued default",
            "deliver SIGSTOP default",
            CAUGHT,
            "SIGCONT runtime SI_USER ignored noise",
            TAKES,
            ENDED,
        ],
        verdict: "graceful",
        ..PLAIN
    },
    Row {
        name: "blocks-and-never-takes",
        actor: "blocks",
        steps: &[TERM, TERM],
        told: &[BLOCKED, "SIGTERM runtime SI_USER already-pending blocked", KILL, DEAD],
        verdict: "sigterm-blocked",
        ..PLAIN
    },
    Row {
        name: "takes-with-sigwait",
        actor: "sigwait",
        end: Itself,
        told: &[BLOCKED, ENDED],
        verdict: "graceful taken",
        ..PLAIN
    },
    Row {
        name: "takes-with-sigtimedwait",
        actor: "sigtimedwait",
        end: Itself,
        told: &[BLOCKED, ENDED],
        verdict: "graceful taken",
        ..PLAIN
    },
    Row {
        name: "takes-with-signalfd",
        actor: "signalfd",
        end: Itself,
        told: &[BLOCKED, ENDED],
        verdict: "graceful taken",
        ..PLAIN
    },
    Row {
        name: "init-ptraced",
        actor: "default",
        steps: &[Seize(0), TERM, PassOn],
        told: &["SIGTERM runtime SI_USER queued dropped", DROPPED_LATE, KILL, DEAD],
        verdict: "sigterm-dropped/dropped-at-delivery",
        ..PLAIN
    },
    Row {
        name: "init-unblocks-later",
        actor: "unblocks",
        steps: &[TERM, Send(Signal::USR1), Settles],
        told: &[BLOCKED, "SIGUSR1 runtime SI_USER queued blocked", DROPPED_LATE, KILL, DEAD],
        verdict: "sigterm-dropped/dropped-at-delivery",
        ..PLAIN
    },
    Row {
        name: "init-raises-again-in-its-handler",
        actor: "raises-in-handler",
        steps: &[TERM, Settles],
        told: &[CAUGHT, TAKES, "SIGTERM self SI_TKILL queued blocked", DROPPED_LATE, KILL, DEAD],
        verdict: "sigterm-dropped/handler-reraised",
        ..PLAIN
    },
    Row {
        name: "init-raises-again-at-once",
        actor: "raises-at-once",
        steps: &[TERM, Settles],
        told: &[CAUGHT, TAKES, "SIGTERM self SI_TKILL ignored dropped", KILL, DEAD],
        verdict: "sigterm-dropped/handler-reraised",
        ..PLAIN
    },
    Row {
        name: "default",
        actor: "default",
        init: false,
        end: Itself,
        told: &["SIGTERM runtime SI_USER queued default", "exit SIGTERM"],
        verdict: "default-action",
        ..PLAIN
    },
    Row {
        name: "default-while-stopped",
        actor: "default",
        init: false,
        steps: &[Send(Signal::STOP), Stops, TERM, Send(Signal::CONT)],
        end: Itself,
        told: &[
            "SIGSTOP runtime SI_USER queued default",
            "deliver SIGSTOP default",
            "SIGTERM runtime SI_USER queued default",
            "SIGCONT runtime SI_USER ignored noise",
            "deliver SIGTERM default",
            "exit SIGTERM",
        ],
        verdict: "default-action",
        ..PLAIN
    },
    Row {
        name: "killed",
        actor: "default",
        init: false,
        steps: &[],
        told: &[KILL, DEAD],
        verdict: "killed/never-signalled",
        ..PLAIN
    },
    Row {
        name: "every-way-to-send",
        actor: "addressed",
        init: false,
        steps: &[],
        told: &[
            "SIGUSR1 inside SI_USER queued caught",
            "deliver SIGUSR1 handler",
            "SIGUSR2 inside SI_QUEUE queued caught",
            "deliver SIGUSR2 handler",
            "SIGHUP inside SI_TKILL queued caught",
            "deliver SIGHUP handler",
            "SIGINT inside SI_USER queued caught",
            "deliver SIGINT handler",
            "SIGQUIT inside SI_USER queued caught",
            "deliver SIGQUIT handler",
            KILL,
            DEAD,
            "sender: exit 0",
            "sender: exit 0",
            "sender: exit 0",
            "sender: exit 0",
            "sender: exit 0",
        ],
        verdict: "killed/never-signalled",
        ..PLAIN
    },
    Row {
        name: "init-faults",
        actor: "faults",
        steps: &[Send(Signal::USR1)],
        end: Itself,
        told: &[
            "SIGUSR1 runtime SI_USER queued blocked",
            "SIGSEGV kernel SEGV_ACCERR queued default",
            "deliver SIGSEGV default",
            "exit SIGSEGV",
        ],
        verdict: "crashed",
        ..PLAIN
    },
    Row {
        name: "init-leaves-others-behind",
        actor: "leaves",
        end: Itself,
        told: &[CAUGHT, TAKES, ENDED, "bystander: SIGKILL kernel SI_KERNEL queued default", "bystander: exit SIGKILL"],
        verdict: "not-forwarded",
        ..PLAIN
    },
    Row {
        name: "init-stuck-and-on-its-way-out",
        actor: "default",
        steps: &[Seize(libc::PTRACE_O_TRACEEXIT), Send(Signal::KILL), StopsExiting, TERM, Told("stuck"), GoOn],
        end: Itself,
        told: &[KILL, "SIGTERM runtime SI_USER ignored ignored", DEAD],
        verdict: "killed/never-signalled",
        conditions: &["stuck"],
        ..PLAIN
    },
];

const IGNORED_BY_DEFAULT: [Step; 4] = [Send(Signal::CHLD), Send(Signal::URG), Send(Signal::WINCH), Send(Signal::CONT)];
const NOISE: [&str; 6] = [
    "SIGCHLD runtime SI_USER ignored noise",
    "SIGURG runtime SI_USER ignored noise",
    "SIGWINCH runtime SI_USER ignored noise",
    "SIGCONT runtime SI_USER ignored noise",
    KILL,
    DEAD,
];
