//! What ftrace recorded of a workload, as facts. Who belongs to the workload is told by the forks, from its first
//! process on, and that one from when it joined the cgroup: the tracer's word has no part in it.

use std::collections::{HashMap, HashSet};

use crate::fact::{Fact, Kind};
use crate::lab::ftrace::{Ftrace, Line};

/// The tracepoints that are compared, and the ones that tell who belongs to the workload.
pub(crate) const EVENTS: [&str; 7] = [
    "signal/signal_generate",
    "signal/signal_deliver",
    "sched/sched_process_exit",
    "sched/sched_process_exec",
    "sched/sched_process_free",
    "task/task_newtask",
    "cgroup/cgroup_attach_task",
];

const CLONE_THREAD: u64 = 0x0001_0000;
/// A child can be sent a signal a moment before its parent tells that it is made; no pid is given away twice so soon.
const AHEAD_US: u64 = 5_000;

/// How much of what the kernel tells is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What a JSON line holds.
    Line,
    /// What a recorded event holds.
    Event,
}

/// The threads of a workload: for each tid since when it is whose: a thread of this process, or of none of the workload.
pub(crate) struct Members(HashMap<u32, Vec<(u64, Option<u32>)>>);

impl Members {
    /// By the forks that `lines` tell, beginning with the process `root` that joined the cgroup `path`.
    pub(crate) fn new(lines: &[Line], root: u32, path: &str) -> Self {
        let joined = lines
            .iter()
            .filter(|line| line.event == "cgroup_attach_task")
            .find(|line| line.number::<u32>("pid") == root && line.field("dst_path") == path);
        let joined = joined.unwrap_or_else(|| panic!("{root} never joined {path}")).at;
        let mut members = Self(HashMap::from([(root, vec![(joined, Some(root))])]));
        for line in lines.iter().filter(|line| line.event == "task_newtask") {
            let child = line.number("pid");
            if child == root {
                continue;
            }
            let flags = u64::from_str_radix(line.field("clone_flags"), 16).expect("flags are hexadecimal");
            let parent = members.process(line.tid, line.at);
            let process = parent.map(|process| if flags & CLONE_THREAD == 0 { child } else { process });
            members.0.entry(child).or_default().push((line.at - AHEAD_US, process));
        }
        members
    }

    /// The process of a thread, if it is one of the workload's at that time.
    fn process(&self, tid: u32, at: u64) -> Option<u32> {
        let lives = self.0.get(&tid)?;
        lives.iter().rev().find(|(since, _)| *since <= at)?.1
    }

    /// How many processes there were.
    pub(crate) fn processes(&self) -> usize {
        self.0.iter().map(|(tid, lives)| lives.iter().filter(|(_, process)| *process == Some(*tid)).count()).sum()
    }

    /// How many threads beside the first ones of their processes.
    pub(crate) fn threads(&self) -> usize {
        let other = |tid: &u32, process: &Option<u32>| process.is_some() && *process != Some(*tid);
        self.0.iter().map(|(tid, lives)| lives.iter().filter(|(_, process)| other(tid, process)).count()).sum()
    }

    /// How many of the processes' deaths are complete: freed by the kernel.
    pub(crate) fn freed(&self, lines: &[Line]) -> usize {
        lines.iter().filter(|line| line.event == "sched_process_free").filter(|line| self.is_leader(line)).count()
    }

    fn is_leader(&self, line: &Line) -> bool {
        let tid = line.number("pid");
        self.process(tid, line.at) == Some(tid)
    }
}

/// The processes whose end was told while a thread of the machine's process 1 happened to run: RCU frees them in anyone's
/// context. There are kernels that run no program of ours in that one's: a virtual machine's, whose process 1 is its
/// keeper and hidden even from root. Whether they are told says nothing about the tracer.
pub(crate) fn freed_by_process_1(lines: &[Line]) -> HashSet<u32> {
    let threads = std::fs::read_dir("/proc/1/task").into_iter().flatten().flatten();
    let threads: HashSet<u32> = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let freed = lines.iter().filter(|line| line.event == "sched_process_free" && threads.contains(&line.tid));
    freed.map(|line| line.number("pid")).collect()
}

/// What happened to the workload.
pub(crate) fn facts(ftrace: &Ftrace, lines: &[Line], members: &Members, detail: Detail) -> Vec<Fact> {
    let exact = ftrace.has("sched/sched_process_exit", "group_dead");
    let mut facts: Vec<_> = lines.iter().filter_map(|line| fact(line, members, detail, exact)).collect();
    if !exact {
        // before 6.16 the kernel does not say which thread was the last: the last one that exited was
        let last: HashMap<u32, u64> = exits(&facts).map(|fact| (fact.tid, fact.at)).collect();
        facts.retain(|fact| fact.kind != Kind::Exit || last[&fact.tid] == fact.at);
    }
    facts
}

fn exits(facts: &[Fact]) -> impl Iterator<Item = &Fact> {
    facts.iter().filter(|fact| fact.kind == Kind::Exit)
}

fn fact(line: &Line, members: &Members, detail: Detail, exact: bool) -> Option<Fact> {
    let at = line.at;
    let fact = |kind, tid, what| Some(Fact { at, kind, tid, what });
    let full = detail == Detail::Event;
    match line.event.as_str() {
        "signal_generate" => {
            let target = line.number("pid");
            members.process(target, at)?;
            let [signal, code, result] = ["sig", "code", "res"].map(|name| line.number::<i32>(name));
            let group = if full { format!(" group={}", line.field("grp")) } else { String::new() };
            let from = line.tid;
            fact(Kind::Generate, target, format!("sig={signal} code={code} res={result} from={from}{group}"))
        }
        "signal_deliver" => {
            members.process(line.tid, at)?;
            let hex = |name| u64::from_str_radix(line.field(name), 16).expect("hexadecimal");
            let handler = hex("sa_handler").min(2);
            let more = if full {
                format!(" code={} flags={:x}", line.field("code"), hex("sa_flags") & 0xffff_ffff)
            } else {
                String::new()
            };
            fact(Kind::Deliver, line.tid, format!("sig={} handler={handler}{more}", line.field("sig")))
        }
        "sched_process_exit" => {
            let process = members.process(line.number("pid"), at)?;
            let last = !exact || line.field("group_dead") == "true";
            if last { fact(Kind::Exit, process, String::new()) } else { None }
        }
        "sched_process_exec" => {
            let process = members.process(line.tid, at)?;
            let name = line.fields.strip_prefix("filename=").and_then(|rest| rest.rsplit_once(" pid="));
            fact(Kind::Exec, process, name.expect("a file name").0.to_owned())
        }
        "task_newtask" => {
            let child = line.number("pid");
            let is_process = members.process(child, at) == Some(child);
            if is_process { fact(Kind::Fork, child, String::new()) } else { None }
        }
        // no line of the live view tells it
        "sched_process_free" if full && members.is_leader(line) => {
            fact(Kind::Reaped, line.number("pid"), String::new())
        }
        _ => None,
    }
}
