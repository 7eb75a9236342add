//! preStop hooks: which of the processes that came from outside is one, and what can be said of those nobody can see.

use crate::event::{BootNs, Hook};

use super::change::{ExitStatus, Party, PreStop};
use super::container::Container;
use super::limits;
use super::names::HookKind;

/// A process that came into a container from outside: a preStop hook, a probe, an exec of a person.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) process: Party,
    /// File name of the first program it ran; none while it is the runtime's set-up code.
    pub(super) program: Option<String>,
    pub(super) started: BootNs,
    pub(super) ended: Option<BootNs>,
    pub(super) exit: Option<ExitStatus>,
}

impl Joined {
    pub(super) const fn new(process: Party, started: BootNs) -> Self {
        Self { process, program: None, started, ended: None, exit: None }
    }

    /// It runs another program.
    pub(super) fn runs_now(&mut self, process: Party, filename: &str) {
        self.process = process;
        self.program.get_or_insert_with(|| base(filename).to_owned());
    }

    /// Whether its first program is that of a command line. `comm` is cut at 15 bytes.
    fn is(&self, command: &[String]) -> bool {
        let Some(wanted) = command.first().map(|path| base(path)).filter(|name| !name.is_empty()) else { return false };
        let comm = self.process.comm.as_str();
        self.program.as_deref().is_some_and(|program| program == wanted || comm == wanted)
    }

    fn ended_just_before(&self, at: BootNs) -> bool {
        self.ended.is_some_and(|ended| at.ms_since(ended) <= limits::PRE_STOP_GAP_MS)
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Container {
    /// Remembers a process that came from outside. Probes come every second: those that have ended make room first.
    pub(super) fn remember_joined(&mut self, joined: Joined) {
        if self.execs.len() == limits::JOINED_KEPT {
            let over = self.execs.iter().position(|exec| exec.ended.is_some()).unwrap_or(0);
            self.execs.remove(over);
        }
        self.execs.push_back(joined);
    }

    /// The preStop hook that ran before a stop signal: it ended just before, is still running after its time is up, or
    /// ran when its pod's stop began and kubelet let the container wait for others since.
    pub(super) fn hook_before(&self, signal: BootNs, pod_started: Option<BootNs>) -> Option<PreStop> {
        let described = self.described.as_ref()?;
        let before =
            |exec: &&Joined| Some(exec.process.pid) != self.first.map(|first| first.pid) && exec.started <= signal;
        let Some(hook) = &described.hook else {
            let likely = |exec: &&Joined| exec.ended.is_none() || exec.ended_just_before(signal);
            let found = self.execs.iter().rev().filter(|_| described.pre_stop).filter(before).find(likely);
            return found.map(|exec| self.pre_stop(exec));
        };
        let Hook::Exec { command } = hook else { return None };
        let hooks = || self.execs.iter().filter(before).filter(|exec| exec.is(command));
        let longest = described.grace_ms.unwrap_or(limits::GRACE_UNKNOWN_MS).saturating_add(limits::ABANDON_SLACK_MS);
        let with_the_pod =
            |exec: &&Joined| pod_started.is_some_and(|pod| pod.ms_since(exec.started) <= limits::PRE_STOP_GAP_MS);
        let ended = hooks().filter(|exec| exec.ended_just_before(signal)).max_by_key(|exec| exec.ended);
        let running = || hooks().rfind(|exec| exec.ended.is_none() && signal.ms_since(exec.started) <= longest);
        let found = ended.or_else(running).or_else(|| hooks().rfind(with_the_pod));
        found.or_else(|| self.failed_exec(signal)).map(|exec| self.pre_stop(exec))
    }

    /// A hook that was running when the first process exited, or had just ended. Only one whose command is known: it may
    /// be a probe just as well.
    pub(super) fn hook_at_exit(&self, at: BootNs) -> Option<PreStop> {
        let Some(Hook::Exec { command }) = self.described.as_ref()?.hook.as_ref() else { return None };
        let hooks = self.execs.iter().filter(|exec| exec.is(command));
        let found = hooks.rev().find(|exec| exec.ended.is_none() || exec.ended_just_before(at));
        found.map(|exec| self.pre_stop(exec))
    }

    /// A command that could not be started: the runtime's set-up code gave up just before the stop signal.
    fn failed_exec(&self, signal: BootNs) -> Option<&Joined> {
        self.execs.iter().rfind(|exec| {
            let failed = exec.exit.is_some_and(|status| status.code().is_some_and(|code| code != 0));
            exec.program.is_none() && failed && exec.ended_just_before(signal)
        })
    }

    fn pre_stop(&self, exec: &Joined) -> PreStop {
        let Joined { process, program: _, started, ended, exit } = exec.clone();
        PreStop {
            kind: HookKind::Exec,
            process: Some(process),
            started,
            ended,
            exit,
            of_ms: self.grace_ms(),
            used_ms: 0,
        }
    }

    /// What a hook does that leaves no process in the container.
    pub(super) fn unseen_hook(&self) -> Option<&Hook> {
        let hook = self.described.as_ref()?.hook.as_ref()?;
        (!matches!(hook, Hook::Exec { .. })).then_some(hook)
    }
}

/// What a hook does.
pub(super) const fn kind(hook: &Hook) -> HookKind {
    match hook {
        Hook::Exec { .. } => HookKind::Exec,
        Hook::HttpGet => HookKind::HttpGet,
        Hook::TcpSocket => HookKind::TcpSocket,
        Hook::Sleep { .. } => HookKind::Sleep,
    }
}
