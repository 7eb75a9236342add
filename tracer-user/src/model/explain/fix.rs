//! What to change: for an end that happened, and for one that an audit foresees.

use crate::event::{PidNamespace, TaskKey};
use crate::signal::{Signal, SignalSet};

use super::super::change::ExitStatus;
use super::super::grace::Reading;
use super::super::names::{Cause, Verdict};
use super::super::process::{Place, Process};
use super::super::program::{Meaning, Program, are_several, in_time};
use super::super::signals::handles_another;
use super::super::words::period;
use super::{Story, chain, names};

/// What is to be mended: everything that decides which advice helps. An audit fills it with what would happen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each learned from another place")]
pub struct Fault<'a> {
    /// Why the container ended the way it did, or would.
    pub verdict: Verdict,
    /// More about why.
    pub cause: Option<Cause>,
    /// Kind of the first process's program.
    pub program: Program,
    /// The stop signal; `None` when there was none.
    pub stop_signal: Option<Signal>,
    /// Signals that the first process has handlers for, where that is known.
    pub caught: Option<SignalSet>,
    /// The first process in a sentence: `sh (PID 1)`. From strangers.
    pub first: &'a str,
    /// The grace period, ms, where it is known.
    pub grace_ms: Option<u64>,
    /// The stop signal waited for a handler that could not run: the process was stopped, frozen, or in the kernel.
    pub kept_from_running: bool,
    /// The pid namespace it was configured to have, where that is known.
    pub pid_namespace: Option<PidNamespace>,
    /// Its pod is a static one: its manifest is a file on the node.
    pub static_pod: bool,
    /// The configured grace period when somebody asked for a shorter one, ms.
    pub cut_short_of_ms: Option<u64>,
    /// It has not happened: an audit foresees it.
    pub foreseen: bool,
    /// The signal that the first process died by.
    pub exit_signal: Option<Signal>,
    /// What one types to run the program that runs below the first process, where that is a shell and runs one only.
    pub below: Option<&'a str>,
    /// A process below the first one got the stop signal, died of it, and passed nothing on.
    pub swallowed: bool,
    /// The first process left another one of its kind in the background and exited.
    pub in_background: bool,
    /// It is a container of a pod: what `docker run` could do for it must be done otherwise.
    pub in_pod: bool,
    /// Programs of different names run below the first process, a shell: in a pipe, it may be.
    pub several: bool,
    /// What was killed when the first process had exited, in a sentence, where all of that began after the stop signal.
    /// From strangers.
    pub later: Option<&'a str>,
    /// The process that the OOM killer chose, in a sentence, where it killed the others and the first one only because their
    /// cgroup says so. From strangers.
    pub took_all: Option<&'a str>,
    /// A process that the first one, an init, signalled although it is not its child, and that ended, in a sentence. From
    /// strangers.
    pub signalled_too: Option<&'a str>,
}

impl<'a> Fault<'a> {
    /// With nothing known but what every advice needs; `first` is the first process in a sentence: `sh (PID 1)`.
    #[must_use]
    pub const fn new(
        verdict: Verdict,
        cause: Option<Cause>,
        program: Program,
        stop_signal: Option<Signal>,
        first: &'a str,
    ) -> Self {
        Self {
            verdict,
            cause,
            program,
            stop_signal,
            caught: None,
            first,
            grace_ms: None,
            kept_from_running: false,
            pid_namespace: None,
            static_pod: false,
            cut_short_of_ms: None,
            foreseen: false,
            exit_signal: None,
            below: None,
            swallowed: false,
            in_background: false,
            in_pod: false,
            several: false,
            later: None,
            took_all: None,
            signalled_too: None,
        }
    }

    /// With the signals that the first process has handlers for.
    #[must_use]
    pub const fn with_caught(mut self, caught: SignalSet) -> Self {
        self.caught = Some(caught);
        self
    }

    /// With the grace period, ms, where it is known.
    #[must_use]
    pub const fn with_grace(mut self, grace_ms: Option<u64>) -> Self {
        self.grace_ms = grace_ms;
        self
    }

    /// With what one types to run the program below a shell.
    #[must_use]
    pub const fn with_below(mut self, below: Option<&'a str>) -> Self {
        self.below = below;
        self
    }

    /// As a container of a pod, or not.
    #[must_use]
    pub const fn with_pod(mut self, in_pod: bool) -> Self {
        self.in_pod = in_pod;
        self
    }

    /// With whether programs of different names run below the first process, a shell.
    #[must_use]
    pub const fn with_several(mut self, several: bool) -> Self {
        self.several = several;
        self
    }

    /// As something that would happen.
    #[must_use]
    pub const fn foreseen(mut self) -> Self {
        self.foreseen = true;
        self
    }

    fn stop(&self) -> String {
        self.stop_signal.map_or_else(|| "the stop signal".to_owned(), |signal| signal.to_string())
    }

    /// What the first process takes the stop signal for, where that is not the order to end soon.
    fn meaning(&self) -> Option<Meaning> {
        self.stop_signal.and_then(|signal| self.program.meaning(signal))
    }

    /// How to put an init before the program.
    const fn an_init(&self) -> &'static str {
        if self.in_pod {
            "put an init before it that forwards signals (ENTRYPOINT [\"tini\", \"--\", …] in the Dockerfile; or shareProcessNamespace: true in the pod, so that it is not PID 1)"
        } else {
            "put an init before it that forwards signals (docker run --init; or ENTRYPOINT [\"tini\", \"--\", …])"
        }
    }

    /// What runs below the shell, as one types it.
    fn runs(&self) -> &str {
        self.below.unwrap_or("PROGRAM")
    }
}

/// Where another stop signal is set.
pub(super) fn set_stop_signal(signal: Signal, in_pod: bool) -> String {
    if in_pod {
        format!(
            "STOPSIGNAL {signal} in the Dockerfile, or lifecycle.stopSignal: {signal} in the pod (Kubernetes 1.33 or later with the feature gate ContainerStopSignals, and spec.os.name: linux)"
        )
    } else {
        format!("STOPSIGNAL {signal} in the Dockerfile, or docker run --stop-signal {signal}")
    }
}

/// What to change, in a sentence; `None` where nothing is to be changed. Holds [`Fault::first`] as it is: not safe for
/// a terminal.
#[must_use]
pub fn fix_for(fault: &Fault<'_>) -> Option<String> {
    let fix = advice(fault)?;
    let of_the_pod = matches!(fault.cause, Some(Cause::StopSignalMismatch | Cause::PreStopUsedItAll))
        || (fault.verdict == Verdict::TooSlow && fault.cause.is_none() && !fault.kept_from_running);
    let note = " It is a static pod: change its manifest on the node, not its mirror in the API.";
    Some(if fault.static_pod && of_the_pod { fix + note } else { fix })
}

fn advice(fault: &Fault<'_>) -> Option<String> {
    match fault.verdict {
        Verdict::SigtermDropped => dropped(fault),
        Verdict::SigtermIgnored if fault.stop_signal.is_some_and(Signal::default_is_ignore) => {
            Some(does_nothing(fault))
        }
        Verdict::SigtermIgnored => Some(ignored(&fault.stop())),
        Verdict::SigtermBlocked => Some(format!(
            "Unblock {} (pthread_sigmask), or take it with sigwait or a signalfd; a blocked signal mask is inherited from whoever started the program.",
            fault.stop()
        )),
        Verdict::NotForwarded => Some(not_forwarded(fault)),
        Verdict::TooSlow => Some(too_slow(fault)),
        Verdict::DefaultAction => Some(default_action(fault)),
        Verdict::OomKilled => Some(out_of_memory(fault)),
        Verdict::Killed if fault.cause == Some(Cause::NeverSignalled) => Some(
            if fault.in_pod {
                "Delete the pod with a grace period (kubectl delete without --force); what a node's own tools kill (crictl rm -f) is not asked."
            } else {
                "Use docker stop, which asks first, instead of docker rm -f or docker kill; a grace period of 0 asks nobody either."
            }
            .to_owned(),
        ),
        Verdict::Crashed => Some(crashed(fault)),
        Verdict::Exited if fault.in_background => Some(format!(
            "Keep it in the foreground: {}.",
            fault.program.foreground_advice().unwrap_or("most servers have an option for that; one that is named after a daemon or a fork does the opposite")
        )),
        Verdict::Graceful | Verdict::Exited | Verdict::Killed => None,
    }
}

fn dropped(fault: &Fault<'_>) -> Option<String> {
    let (stop, an_init) = (fault.stop(), fault.an_init());
    let handler = fault.program.handler_advice(&stop);
    Some(match fault.cause {
        Some(Cause::StopSignalMismatch) => {
            let (caught, signal) = fault.caught.zip(fault.stop_signal)?;
            let other = handles_another(caught, signal, fault.program)?;
            format!(
                "Make the stop signal one that it handles: {}. Or handle {stop} too.",
                set_stop_signal(other, fault.in_pod)
            )
        }
        // it catches the signal and passes it on; that it cannot die of it afterwards is not the trouble
        Some(Cause::HandlerReraised) if fault.program == Program::PackageManager => format!("{PACKAGE_MANAGER}."),
        Some(Cause::HandlerReraised) => {
            let handler = handler
                .unwrap_or_else(|| format!("Go: signal.Notify(c, syscall.{stop}); Node: process.on('{stop}', …)"));
            format!(
                "The program has no handler of its own, only its runtime has. Give it one: {handler}. Or {an_init}."
            )
        }
        _ if fault.program.is_shell() => shell_dropped(fault),
        _ if fault.program == Program::Java => {
            format!("Do not start the JVM with -Xrs, which switches its signal handlers off. Or {an_init}.")
        }
        _ => {
            let how = handler.map_or_else(String::new, |handler| format!(": {handler}"));
            format!("Handle {stop} in the program{how}. Or {an_init}: it then dies by {stop} at once.")
        }
    })
}

/// A package manager starts a shell that starts the program. npm passes SIGTERM and SIGINT to that shell, and no further;
/// dash and bash replace themselves by a single command, and `BusyBox`' shell and more than one command do not.
/// <https://github.com/npm/run-script/blob/main/lib/signal-manager.js>
const PACKAGE_MANAGER: &str = "Start the program itself: CMD [\"node\", \"server.js\"] in the Dockerfile, not npm start, which starts a shell that starts it";

/// An init before a shell is no way out: the shell, no longer PID 1, dies by the signal at once, the init ends with its
/// child, and what the shell ran is killed without having been asked.
fn shell_dropped(fault: &Fault<'_>) -> String {
    let (stop, runs) = (fault.stop(), fault.runs());
    if fault.several {
        return several(&stop);
    }
    format!(
        "Let {what} replace the shell: exec {runs} … as the last line of the script, or the exec form in the Dockerfile (CMD [\"{runs}\", …], not CMD {runs} …). Or pass it on in the shell: {recipe}. {init} alone is not enough: the shell dies by {stop} then, and {what} is killed unasked.",
        what = fault.below.unwrap_or("the program"),
        recipe = shell_recipe(&stop, runs),
        init = if fault.in_pod { "tini" } else { "docker run --init" },
    )
}

fn ignored(stop: &str) -> String {
    let name = stop.trim_start_matches("SIG");
    format!(
        "Do not ignore {stop}: look for signal({stop}, SIG_IGN) in the program, trap '' {name} in a script, or nohup; children inherit it."
    )
}

/// Apache httpd ends by SIGWINCH, and images that are built upon its own inherit that.
fn does_nothing(fault: &Fault<'_>) -> String {
    let stop = fault.stop();
    let exec = if fault.program.is_shell() {
        "Let the program that handles it replace the shell: exec PROGRAM as the last line of the script, or the exec form in the Dockerfile. Or make"
    } else {
        "Make"
    };
    format!(
        "{exec} the stop signal one that the first process handles: STOPSIGNAL SIGTERM in the Dockerfile; an image inherits {stop} from the one it is built upon."
    )
}

fn not_forwarded(fault: &Fault<'_>) -> String {
    let (first, stop, runs) = (fault.first, fault.stop(), fault.runs());
    if let Some(meaning) = fault.meaning() {
        return in_time(meaning.fix, fault.grace_ms);
    }
    match (fault.cause, fault.program) {
        (Some(Cause::NotWaitedFor), program) if fault.later.is_some() => not_waited_for(fault, program.is_shell()),
        (_, program) if program.is_shell() && fault.several => several(&stop),
        (Some(Cause::NotWaitedFor), program) if program.is_shell() => format!(
            "Wait in the trap until {} has ended: {}. Or start it with exec.",
            fault.below.unwrap_or("the program"),
            shell_recipe(&stop, runs)
        ),
        (Some(Cause::NotWaitedFor), program) if program.forwards() => {
            "The init ends as soon as its own child has, and the rest is killed: let that child wait for its children, or replace it by the program (exec).".to_owned()
        }
        (Some(Cause::NotWaitedFor), _) => {
            format!("Let {first} wait for its children before it exits: they got {stop} and were finishing.")
        }
        // https://github.com/Yelp/dumb-init#signal-rewriting
        (_, Program::DumbInit) if !fault.swallowed && !fault.foreseen => format!(
            "dumb-init passed {stop} on to nobody: look at its --rewrite, by which {0}:0 drops it and {0}:3 makes it SIGQUIT.",
            fault.stop_signal.map_or(15, Signal::number)
        ),
        // it signals its child's whole group, and what left that group with setsid(2) is out of reach
        (_, Program::DumbInit) => format!(
            "Let the program replace the shell below dumb-init: exec {runs} …. Without --single-child (DUMB_INIT_SETSID=0) it signals the whole group, but ends as soon as its own child has."
        ),
        // https://github.com/krallin/tini#process-group-killing, https://github.com/krallin/tini/issues/229
        (_, Program::Tini | Program::Catatonit) => {
            let name = if fault.program == Program::Tini { "tini" } else { "catatonit" };
            format!(
                "Let the program replace the shell below {name}: exec {runs} …. Or let {name} signal the whole group ({name} -g -- …), if its own child ends last: {name} ends with that."
            )
        }
        (_, Program::PackageManager) => format!("{PACKAGE_MANAGER} and passes nothing on."),
        // https://skarnet.org/software/s6/s6-supervise.html
        (_, Program::S6) => format!(
            "s6 signals only the process it started: let the program replace the shell, by exec {runs} … as the last line of its run script."
        ),
        // http://supervisord.org/configuration.html#program-x-section-values
        (_, Program::Supervisord) => format!(
            "supervisord signals only the process it started: exec {runs} … in that program's script, or stopasgroup=true in its section."
        ),
        (_, program) if program.is_shell() => format!(
            "Pass it on in the trap and wait there: {}. Or start {} with exec.",
            shell_recipe(&stop, runs),
            fault.below.unwrap_or("the program")
        ),
        _ => {
            let shared = matches!(fault.pid_namespace, Some(PidNamespace::Pod | PidNamespace::Host));
            let instead = if shared { "it is the container's first process" } else { "it is PID 1 itself" };
            format!("Let {first} pass {stop} on to its children and wait for them; or start the program with exec so that {instead}.")
        }
    }
}

/// What it started after the stop signal was killed, and nothing else.
fn not_waited_for(fault: &Fault<'_>, is_shell: bool) -> String {
    let (stop, later) = (fault.stop(), fault.later.unwrap_or("what it started"));
    if is_shell {
        format!(
            "Let the trap wait for what it starts: {later} began after {stop}, in the background. Run it in the foreground there, or end the trap with wait."
        )
    } else {
        format!("Start nothing more once {stop} has come, or wait for it before the exit: {later} began after that.")
    }
}

fn too_slow(fault: &Fault<'_>) -> String {
    match fault.cause {
        Some(Cause::TrapDeferred) if fault.several => several(&fault.stop()),
        Some(Cause::TrapDeferred) => format!(
            "Run {} in the background, so that the trap runs at once, and wait for it there: {}. Or start it with exec.",
            fault.below.unwrap_or("the program"),
            shell_recipe(&fault.stop(), fault.runs())
        ),
        Some(Cause::PreStopUsedItAll) => "Make terminationGracePeriodSeconds longer than the preStop hook and the shutdown together: the hook counts against it.".to_owned(),
        _ if fault.kept_from_running => "Find out what kept it from running: a SIGSTOP, a debugger, a paused container (docker pause), or storage that does not answer. A longer grace period would not help.".to_owned(),
        _ if let Some(meaning) = fault.meaning() => in_time(meaning.fix, fault.grace_ms),
        _ if let Some(signalled) = fault.signalled_too
            && let Some(alone) = child_alone(fault.program) =>
        {
            format!(
                "Let the init signal its child alone, which looks after its own: {alone}. {signalled} got {} from the init as well and ended, and who goes on may wait for it in vain. If that is not it: {}",
                fault.stop(),
                lower(&longer(fault))
            )
        }
        _ => {
            let own = fault.stop_signal.and_then(|signal| fault.program.slow_advice(signal));
            // whoever is given its time has what is configured
            let own = own.map(|advice| in_time(advice, fault.cut_short_of_ms.or(fault.grace_ms)));
            let own = own.map_or_else(String::new, |advice| format!(" As to the shutdown: {advice}."));
            format!("{}{own}", longer(fault))
        }
    }
}

/// How an init that signals more than its child leaves the rest to that.
pub(super) const fn child_alone(init: Program) -> Option<&'static str> {
    match init {
        // https://github.com/Yelp/dumb-init#session-behavior
        Program::DumbInit => Some("dumb-init --single-child"),
        // https://github.com/krallin/tini#process-group-killing
        Program::Tini => Some("tini without -g"),
        _ => None,
    }
}

fn longer(fault: &Fault<'_>) -> String {
    if let Some(configured) = fault.cut_short_of_ms {
        return format!(
            "Make the shutdown faster, or give it its time: it was stopped with less than the {} configured.",
            period(configured)
        );
    }
    let budget = fault.grace_ms.map_or_else(String::new, |budget| format!(" than {}", period(budget)));
    let whereto = if fault.in_pod {
        "terminationGracePeriodSeconds in the pod's spec"
    } else {
        "docker run --stop-timeout; stop_grace_period in Compose"
    };
    format!("Make the shutdown faster, or the grace period longer{budget} ({whereto}).")
}

fn out_of_memory(fault: &Fault<'_>) -> String {
    let limit = if fault.in_pod { "resources.limits.memory in the pod" } else { "docker run --memory" };
    let own = fault.program.memory_advice().map_or_else(String::new, |advice| format!(" {}.", capital(advice)));
    let alone = fault.took_all.map_or_else(String::new, |chosen| {
        let how = if fault.in_pod {
            "singleProcessOOMKill: true in kubelet's configuration (Kubernetes 1.32)"
        } else {
            "memory.oom.group of its cgroup"
        };
        format!(" Whether {chosen} may die without the rest is up to {how}.")
    });
    format!("Raise the memory limit ({limit}), or find what uses the memory; this was no shutdown.{own}{alone}")
}

/// A sentence as the continuation of another.
fn lower(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}

/// A phrase as a sentence.
fn capital(phrase: &str) -> String {
    let mut rest = phrase.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

fn crashed(fault: &Fault<'_>) -> String {
    let why = match fault.exit_signal {
        // seccomp(2): SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP
        Some(Signal::SYS) => {
            "It made a system call that its seccomp profile forbids: the kernel's audit log names it. "
        }
        // mmap(2): beyond the end of the file, or no room left in a tmpfs
        Some(Signal::BUS) => {
            "Often it is a mapped file that became shorter, or a full /dev/shm (docker run --shm-size). "
        }
        // it calls abort(3) itself: what it says before that is on its standard error
        Some(Signal::ABRT) => "It called abort(): what it said before that is in its log. ",
        _ => "",
    };
    format!("{why}Look at the program's own logs, and at its core dump if there is one.")
}

fn default_action(fault: &Fault<'_>) -> String {
    let stop = fault.stop();
    let how = fault.program.handler_advice(&stop).map_or_else(String::new, |advice| format!(": {advice}"));
    let gone = if fault.foreseen { "would be" } else { "was" };
    format!(
        "Nothing, if it has nothing to clean up: it {gone} gone at once. Otherwise handle {stop} in the program{how}."
    )
}

/// How a shell passes a signal on and waits until the program has cleaned up. `wait` returns when the trap runs: without the
/// one within the trap the shell would exit at once, and as PID 1 take the program along.
fn shell_recipe(stop: &str, runs: &str) -> String {
    let (name, passed, why) = passed_on(stop);
    format!("{runs} … & pid=$!; trap 'kill -{passed} $pid; wait $pid' {name}; wait $pid{why}")
}

/// The name of the stop signal in a trap, the one that the trap passes on, and why that is another one.
///
/// "If job control is disabled […] when the shell executes an asynchronous list, the commands in the list shall inherit
/// from the shell a signal action of ignored (`SIG_IGN`) for the SIGINT and SIGQUIT signals": a program without a handler of
/// its own for them would never get them.
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_12>
fn passed_on(stop: &str) -> (&str, &str, &'static str) {
    let name = stop.trim_start_matches("SIG");
    match name {
        "INT" | "QUIT" => (
            name,
            "TERM",
            " (SIGTERM, as a script starts what it puts in the background with SIGINT and SIGQUIT ignored)",
        ),
        _ => (name, name, ""),
    }
}

/// In a pipe no `exec` makes a program PID 1, and `$!` is the last of the pipe: for programs of a shell that may be in one.
fn several(stop: &str) -> String {
    let (name, passed, why) = passed_on(stop);
    format!(
        "More than one program runs below the shell. If they are in a pipe (PROGRAM | OTHER), which no exec gets a program out of: drop the pipe, let the runtime collect the log, and exec PROGRAM; or exec PROGRAM > >(OTHER) in bash. If not: start each in the background, and pass it on to all: PROGRAM … & a=$!; OTHER … & b=$!; trap 'kill -{passed} $a $b; wait $a $b' {name}; wait $a $b{why}."
    )
}

/// Below the first process, a shell, there were programs of different names when it was asked to stop.
fn runs_several(story: &Story<'_>) -> bool {
    let Some(first) = story.termination.processes.first() else { return false };
    let shell = TaskKey { pid: first.process.pid, start: first.process.start };
    let asked = story.signal.map_or(story.termination.started, |signal| signal.at);
    let there = story.members.iter().filter(|process| {
        process.parent.key() == shell
            && process.task.start <= asked.0
            && process.exit.is_none_or(|(exited, _)| exited >= asked)
    });
    let there: Vec<_> = there.map(|process| (process.comm(), process.exe.as_deref())).collect();
    are_several(there.iter().map(|(comm, exe)| (comm.as_str(), *exe)))
}

fn first_key(story: &Story<'_>) -> Option<TaskKey> {
    let first = &story.termination.processes.first()?.process;
    Some(TaskKey { pid: first.pid, start: first.start })
}

/// What was killed, where all of it began after the stop signal.
fn began_later(story: &Story<'_>) -> Option<String> {
    let below = &story.facts.below;
    let killed = || below.iter().filter(|fact| fact.killed);
    (killed().count() > 0 && killed().all(|fact| fact.later)).then(|| names(&story.killed(false)))
}

/// A process further down that the first one signalled itself, and that ended before the first did.
fn signalled_too(story: &Story<'_>) -> Option<String> {
    let signal = story.signal?;
    let first = story.termination.processes.first()?.process.pid;
    let kill = story.termination.kill.as_ref()?.at;
    let found = story.members.iter().find(|process| {
        let further = matches!(story.places.get(&process.key()), Some(Place::Below(depth)) if *depth > 1);
        let by_first = |r: &super::super::process::Receipt| {
            r.signal == signal.signal && r.at >= signal.at && r.sender.pid == first
        };
        further && process.received.iter().any(by_first) && process.exit.is_some_and(|(at, _)| at < kill)
    });
    found.map(|process: &&Process| names(&[*process]))
}

/// What to change after this end.
pub(in crate::model) fn fix(story: &Story<'_>) -> Option<String> {
    let termination = story.termination;
    let (first, runs) = (story.first(), story.runs());
    let (later, signalled) = (began_later(story), signalled_too(story));
    let took_all = story.oom_group().filter(|group| Some(group.chosen.key()) != first_key(story));
    let took_all = took_all.map(|group| names(&[group.chosen]));
    let cut_short_of_ms = match story.patience.reading {
        Reading::Other { gave_ms, configured_ms } if gave_ms < configured_ms => Some(configured_ms),
        _ => None,
    };
    let fault = Fault {
        pid_namespace: story.container.pid_namespace(),
        static_pod: story.static_source().is_some(),
        cut_short_of_ms,
        caught: story.facts.caught,
        grace_ms: termination.grace.budget_ms,
        kept_from_running: story.was_kept_from_running(),
        exit_signal: termination.exit.and_then(ExitStatus::signal),
        below: runs.as_deref(),
        swallowed: chain::swallowed_by(story).is_some(),
        in_background: termination.verdict == Verdict::Exited && chain::went_to_background(story),
        in_pod: story.container.pod.is_some(),
        several: story.facts.program.is_shell() && runs_several(story),
        later: later.as_deref(),
        took_all: took_all.as_deref(),
        signalled_too: signalled.as_deref(),
        ..Fault::new(
            termination.verdict,
            termination.cause,
            story.facts.program,
            story.signal.map(|signal| signal.signal),
            &first,
        )
    };
    fix_for(&fault)
}

#[cfg(test)]
mod tests;
