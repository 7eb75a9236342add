//! What there is to see: one scenario for each way in which containers end or fall ill.

use std::time::Duration;

use crate::model::{Cause, ConditionKind, Verdict};
use crate::sandbox::Stop;
use crate::signal::Signal;

/// A container, what is done to it, and what a trace of it must say.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Name on the command line, in kebab case.
    pub name: &'static str,
    /// What it shows, in one line.
    pub title: &'static str,
    /// What runs in it.
    pub entry: Entry,
    /// It has no pid namespace of its own, as in a pod with `hostPID` or `shareProcessNamespace`.
    pub share_pid: bool,
    /// How long it is watched before it is ended.
    pub watch: Duration,
    /// How it is stopped; `None` when it is only watched, and killed if it still runs then.
    pub stop: Option<Stop>,
    /// What a trace must find.
    pub expect: Expect,
}

/// An entrypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A built-in stand-in of this name.
    Actor(&'static str),
    /// A program of the host with its arguments. It writes `ready` to its standard output.
    Host(&'static [&'static str]),
}

/// What a trace must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Why it ended.
    pub verdict: Verdict,
    /// More about why.
    pub cause: Option<Cause>,
    /// What is wrong while it runs.
    pub condition: Option<ConditionKind>,
    /// How its first process ended.
    pub exit: Exit,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With an exit code.
    Code(u32),
    /// By a signal.
    Signal(Signal),
}

const KILLED: Exit = Exit::Signal(Signal::KILL);
const SOON: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(3);
/// Zombies are told when whoever should reap them has had the time to.
const LONGER: Duration = Duration::from_secs(7);
const TERM: Option<Stop> = Some(Stop { signal: Signal::TERM, grace: Duration::from_millis(1500) });
/// For those that stop in order: they take 1.1 s.
const TERM_PATIENTLY: Option<Stop> = Some(Stop { signal: Signal::TERM, grace: Duration::from_secs(5) });

impl Scenario {
    /// One that is stopped.
    const fn stopped(
        name: &'static str,
        title: &'static str,
        actor: &'static str,
        verdict: Verdict,
        exit: Exit,
    ) -> Self {
        let expect = Expect { verdict, cause: None, condition: None, exit };
        Self { name, title, entry: Entry::Actor(actor), share_pid: false, watch: SOON, stop: TERM, expect }
    }

    /// One that falls ill, is watched for a while, and killed.
    const fn watched(name: &'static str, title: &'static str, actor: &'static str, condition: ConditionKind) -> Self {
        let mut scenario = Self::stopped(name, title, actor, Verdict::Killed, KILLED);
        scenario.expect.condition = Some(condition);
        scenario.watch = LONG;
        scenario.stop = None;
        scenario
    }

    const fn because(mut self, cause: Cause) -> Self {
        self.expect.cause = Some(cause);
        self
    }

    const fn patiently(mut self) -> Self {
        self.stop = TERM_PATIENTLY;
        self
    }

    const fn for_long(mut self) -> Self {
        self.watch = LONGER;
        self
    }

    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Whether its entrypoint is there: built-in ones always are.
    #[must_use]
    pub fn is_available(&self) -> bool {
        match self.entry {
            Entry::Actor(_) => true,
            Entry::Host(command) => command.first().is_some_and(|program| std::path::Path::new(program).exists()),
        }
    }

    /// How long it takes at most, from the start of the container.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.watch + self.stop.map_or(Duration::ZERO, |stop| stop.grace)
    }
}

/// All of them, in the order of the tour.
pub const SCENARIOS: &[Scenario] = &[
    Scenario::stopped(
        "dropped",
        "PID 1 has no handler: the kernel drops SIGTERM",
        "no-handler",
        Verdict::SigtermDropped,
        KILLED,
    )
    .because(Cause::NoHandler),
    Scenario::stopped(
        "graceful",
        "PID 1 handles SIGTERM, finishes its requests and exits",
        "drains",
        Verdict::Graceful,
        Exit::Code(0),
    )
    .patiently(),
    Scenario::stopped(
        "not-forwarded",
        "PID 1 takes SIGTERM and waits for a child that never hears of it",
        "waits-for-child",
        Verdict::NotForwarded,
        KILLED,
    ),
    Scenario::stopped(
        "torn-down",
        "PID 1 exits at once, and the kernel kills the child it never told",
        "leaves-child",
        Verdict::NotForwarded,
        Exit::Code(0),
    ),
    Scenario::stopped("too-slow", "PID 1 cleans up for longer than it is given", "slow", Verdict::TooSlow, KILLED),
    Scenario::stopped(
        "tini-wait",
        "a tini-like init takes SIGTERM without a handler, and passes it on",
        "tini-like",
        Verdict::Graceful,
        Exit::Code(0),
    )
    .patiently(),
    Scenario::stopped("ignored", "PID 1 ignores SIGTERM (SIG_IGN)", "ignores", Verdict::SigtermIgnored, KILLED),
    Scenario::stopped("blocked", "PID 1 blocks SIGTERM and never takes it", "blocks", Verdict::SigtermBlocked, KILLED),
    Scenario::stopped(
        "handler-reraised",
        "PID 1 raises SIGTERM again after its handler, as node does: dropped",
        "node-like",
        Verdict::SigtermDropped,
        KILLED,
    )
    .because(Cause::HandlerReraised),
    TRAP_DEFERRED,
    DEFAULT_ACTION,
    Scenario::watched("zombies", "PID 1 never reaps the children it starts", "never-reaps", ConditionKind::Zombies)
        .for_long(),
    Scenario::watched(
        "orphan-adoption",
        "PID 1 adopts orphans and does not reap them",
        "adopts",
        ConditionKind::Zombies,
    )
    .for_long(),
    Scenario::watched(
        "respawn-loop",
        "workers die and are replaced while the container looks healthy",
        "supervisor",
        ConditionKind::RespawnLoop,
    ),
    KILL_FROM_INSIDE,
    ORPHAN_EXIT,
];

/// The only one with a program of the host: it is about what a real shell does.
const TRAP_DEFERRED: Scenario = {
    let title = "a shell runs its trap only after its foreground child ends";
    let mut scenario = Scenario::stopped("trap-deferred", title, "", Verdict::TooSlow, KILLED);
    // The child says that all is ready: by then the shell waits for it.
    scenario.entry = Entry::Host(&["/bin/sh", "-c", "trap 'exit 0' TERM; (echo ready; exec sleep 60); exit 1"]);
    scenario.because(Cause::TrapDeferred)
};

const DEFAULT_ACTION: Scenario = {
    let title = "the first process is no init (shared pid namespace): SIGTERM kills it";
    let end = Exit::Signal(Signal::TERM);
    let mut scenario = Scenario::stopped("default-action", title, "no-handler-alone", Verdict::DefaultAction, end);
    scenario.share_pid = true;
    scenario
};

const KILL_FROM_INSIDE: Scenario = {
    let title = "kill 1 and kill -9 1 from inside: the kernel drops both";
    let mut scenario = Scenario::watched("kill-from-inside", title, "attacked", ConditionKind::DroppedSignal);
    scenario.watch = Duration::from_secs(1);
    scenario
};

const ORPHAN_EXIT: Scenario = {
    let title = "prefork children take PID 1 for a dead parent and exit";
    let mut scenario = Scenario::watched("orphan-exit", title, "prefork", ConditionKind::OrphanExit);
    scenario.expect.verdict = Verdict::Exited;
    scenario.expect.exit = Exit::Code(1);
    // it ends by itself: a slow machine needs the time, a quick one does not take it
    scenario.watch = LONGER;
    scenario
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_named_and_has_an_entrypoint() {
        for scenario in SCENARIOS {
            let name = scenario.name;
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert_eq!(SCENARIOS.iter().filter(|other| other.name == name).count(), 1, "{name}");
            assert_eq!(Scenario::named(name).map(|found| found.title), Some(scenario.title));
            match scenario.entry {
                Entry::Actor(actor) => assert!(crate::demo::actors::exists(actor), "{name}: {actor}"),
                Entry::Host(command) => assert!(command[0].starts_with('/'), "{name}"),
            }
        }
    }

    #[test]
    fn the_tour_takes_less_than_a_minute() {
        let starts = Duration::from_millis(200) * u32::try_from(SCENARIOS.len()).expect("few");
        assert!(starts + SCENARIOS.iter().map(Scenario::lasts).sum::<Duration>() < Duration::from_mins(1));
    }
}
