//! The closed sets of words that other tools rely on: outcomes, roles, verdicts, causes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Declares an enum whose variants have one fixed spelling each, in JSON, on the screen and on the command line.
macro_rules! slugs {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $slug:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $slug)] $variant,)+ }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The fixed spelling.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.slug())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|known| known.slug() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.slug()).collect();
                    format!("{text:?} is none of {}", known.join(", "))
                })
            }
        }
    };
}

slugs! {
    /// What becomes of a signal, decided when it is generated.
    Outcome {
        /// Thrown away by the kernel because the target is an init and has no handler.
        Dropped = "dropped",
        /// Thrown away because the target ignores it (`SIG_IGN`), or was already exiting.
        Ignored = "ignored",
        /// Queued for a handler.
        Caught = "caught",
        /// Queued and blocked: it waits to be taken.
        Blocked = "blocked",
        /// Queued, and the default action follows.
        Default = "default",
        /// Ignored by default (`SIGCHLD`, `SIGURG`, `SIGWINCH`, `SIGCONT`): not worth telling.
        Noise = "noise",
    }
}

slugs! {
    /// Who sent a signal, as seen from its target.
    Role {
        /// A container runtime, from outside the container.
        Runtime = "runtime",
        /// The kernel itself.
        Kernel = "kernel",
        /// A process of the same container.
        Inside = "inside",
        /// A process outside the container that is no runtime: of the host, or of another container.
        Host = "host",
        /// The target itself.
        Own = "self",
    }
}

slugs! {
    /// Why a container ended the way it did.
    Verdict {
        /// The stop signal was caught or taken, the first process exited in time, nothing had to be killed.
        Graceful = "graceful",
        /// The stop signal was dropped: the first process is an init without a handler.
        SigtermDropped = "sigterm-dropped",
        /// The stop signal was ignored (`SIG_IGN`).
        SigtermIgnored = "sigterm-ignored",
        /// The stop signal was blocked and never taken.
        SigtermBlocked = "sigterm-blocked",
        /// The first process took it, but processes below never got it and died by SIGKILL.
        NotForwarded = "not-forwarded",
        /// Caught or taken, still running when the grace period ended.
        TooSlow = "too-slow",
        /// Died by the stop signal's default action.
        DefaultAction = "default-action",
        /// The OOM killer's SIGKILL.
        OomKilled = "oom-killed",
        /// SIGKILL with no stop signal before it.
        Killed = "killed",
        /// Died by a fault: SIGSEGV, SIGABRT, …
        Crashed = "crashed",
        /// Exited by itself, no signal involved.
        Exited = "exited",
    }
}

slugs! {
    /// More about why, where there is more.
    Cause {
        /// The first process has no handler for the stop signal.
        NoHandler = "no-handler",
        /// Its handler reset to default and raised the signal again; the kernel dropped that.
        HandlerReraised = "handler-reraised",
        /// Queued (traced, or blocked at first) and dropped when it was taken from the queue.
        DroppedAtDelivery = "dropped-at-delivery",
        /// A shell runs its trap only after its foreground child ends.
        TrapDeferred = "trap-deferred",
        /// It handles other signals, not this one.
        StopSignalMismatch = "stop-signal-mismatch",
        /// The preStop hook used the whole grace period.
        PreStopUsedItAll = "pre-stop-used-it-all",
        /// No stop signal was sent.
        NeverSignalled = "never-signalled",
        /// Processes below got the stop signal, but the first process exited before they had.
        NotWaitedFor = "not-waited-for",
    }
}

slugs! {
    /// Something wrong that is not the end of a container.
    ConditionKind {
        /// Zombies build up.
        Zombies = "zombies",
        /// SIGKILL was sent and the process is not gone.
        Stuck = "stuck",
        /// Children of the first process keep dying and being replaced.
        RespawnLoop = "respawn-loop",
        /// Children of the first process exit by themselves at once.
        OrphanExit = "orphan-exit",
        /// A signal was dropped at an init, outside a stop.
        DroppedSignal = "dropped-signal",
    }
}

slugs! {
    /// Remarks beside a verdict.
    HintKind {
        /// Exited within 1 s of the stop signal with no preStop: load balancers may still send to it.
        TooEarly = "too-early",
        /// Processes not below the first one (from an exec) were still there.
        LeftBehind = "left-behind",
        /// A process got the stop signal from two senders.
        Twice = "twice",
        /// The runtime told this container to stop, and the others of its pod went on.
        OnlyThisContainer = "only-this-container",
        /// The preStop hook could not be started, or failed.
        PreStopFailed = "pre-stop-failed",
        /// A process had not ended in the time that one of its own container gave it, and was killed by that.
        CutOff = "cut-off",
        /// Its stop signal is the one for a fast shutdown, which cuts off what it is doing.
        FastStop = "fast-stop",
    }
}

slugs! {
    /// What a preStop hook does.
    HookKind {
        /// It runs a command in the container.
        Exec = "exec",
        /// kubelet makes a request.
        HttpGet = "http-get",
        /// kubelet makes a connection.
        TcpSocket = "tcp-socket",
        /// kubelet waits.
        Sleep = "sleep",
    }
}

slugs! {
    /// State of a container, as told by a `container` line.
    ContainerState {
        /// Its cgroup was found.
        Found = "found",
        /// A runtime described it.
        Described = "described",
        /// Its cgroup is gone.
        Gone = "gone",
    }
}
