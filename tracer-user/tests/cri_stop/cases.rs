//! The cases: which pod, and what is done to it. What must come of it is in tests/scenarios/NAME.expect.

use super::lab::kubelet::spec::{ContainerSpec, Parent, Pids, PodSpec};

/// One pod's story. The pod has the case's name.
pub(crate) struct Case {
    /// The pod.
    pub(crate) pod: PodSpec,
    /// What is waited for and done, in order. The last of them ends all containers.
    pub(crate) steps: &'static [Step],
    /// Programs of this machine that it needs.
    pub(crate) needs: &'static [&'static str],
}

/// Something to wait for, or to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Wait until the logs of all containers say that they are ready.
    Ready,
    /// Wait until a process of this name runs in the first container.
    Runs(&'static str),
    /// Wait until the first container has exited by itself, and clean up after the pod.
    Ends,
    /// `kubectl delete pod`
    Delete,
    /// `kubectl delete pod --grace-period=SECONDS`; with 0 there is `--force`, too.
    DeleteWithin(u32),
    /// The liveness probe of the first container fails: it is stopped, and started again.
    LivenessFails,
    /// `kubectl exec` into the first container, which is not waited for.
    Exec(&'static [&'static str]),
}

use Step::{Delete, DeleteWithin, Ends, Exec, LivenessFails, Ready, Runs};

impl Case {
    fn new(pod: PodSpec, steps: &'static [Step]) -> Self {
        Self { pod, steps, needs: &["python3"] }
    }

    fn needs(mut self, programs: &'static [&'static str]) -> Self {
        self.needs = programs;
        self
    }

    fn parent(mut self, parent: Parent) -> Self {
        self.pod.parent = parent;
        self
    }

    fn pids(mut self, pids: Pids) -> Self {
        self.pod.pids = pids;
        self
    }

    fn pre_stop(mut self, command: &'static [&'static str]) -> Self {
        self.pod.containers[0].pre_stop = Some(command);
        self
    }

    fn stop_signal(mut self, signal: &'static str) -> Self {
        self.pod.containers[0].stop_signal = Some(signal);
        self
    }

    fn and(mut self, container: ContainerSpec) -> Self {
        self.pod.containers.push(container);
        self
    }
}

/// No handler.
const DROPS: &[&str] = &["sh", "-c", "echo ready; sleep 1000; true"];

const EXITS: &[&str] = &["python3", "-c", PYTHON_EXITS];
const PYTHON_EXITS: &str = "
import signal, sys, time
for number in (signal.SIGTERM, signal.SIGUSR1): signal.signal(number, lambda *_: sys.exit(0))
print('ready', flush=True)
while True: time.sleep(1000)";

/// Takes two seconds to end.
const DRAINS: &[&str] = &["python3", "-c", PYTHON_DRAINS];
const PYTHON_DRAINS: &str = "
import signal, sys, time
def term(*_):
    time.sleep(2.2)
    sys.exit(0)
signal.signal(signal.SIGTERM, term)
print('ready', flush=True)
while True: time.sleep(1000)";

/// Its handler takes no notice.
const GOES_ON: &[&str] = &["python3", "-c", PYTHON_GOES_ON];
const PYTHON_GOES_ON: &str = "
import signal, time
signal.signal(signal.SIGTERM, lambda *_: None)
print('ready', flush=True)
while True: time.sleep(1000)";

/// It has something to finish: its sidecar is still there then.
const FINISHES: &[&str] = &["python3", "-c", PYTHON_FINISHES];
const PYTHON_FINISHES: &str = "
import signal, sys, time
def finish(*_):
    time.sleep(1.2)
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print('ready', flush=True)
while True: time.sleep(1000)";

/// All of them. Those that take longest come first, so that none of them is left for the end.
pub(crate) fn all() -> Vec<Case> {
    [hooks(), graces(), lives(), pods(), paths(), programs(), without_a_stop()].into_iter().flatten().collect()
}

/// preStop hooks.
fn hooks() -> Vec<Case> {
    vec![
        Case::new(PodSpec::new("cri-pre-stop", 5, DROPS), &[Ready, Runs("sleep"), Delete]).pre_stop(&["sleep", "2"]),
        Case::new(PodSpec::new("cri-pre-stop-uses-all", 3, GOES_ON), &[Ready, Delete]).pre_stop(&["sleep", "1000"]),
        Case::new(PodSpec::new("cri-pre-stop-fails", 10, EXITS), &[Ready, Delete]).pre_stop(&[
            "sh",
            "-c",
            "sleep 0.3; exit 1",
        ]),
    ]
}

/// How long kubelet waits.
fn graces() -> Vec<Case> {
    vec![
        Case::new(PodSpec::new("cri-dropped", 3, DROPS), &[Ready, Runs("sleep"), Delete]),
        Case::new(PodSpec::new("cri-too-slow", 3, GOES_ON), &[Ready, Delete]),
        Case::new(PodSpec::new("cri-force", 30, DROPS), &[Ready, Runs("sleep"), DeleteWithin(0)]),
        Case::new(PodSpec::new("cri-grace-1", 30, DROPS), &[Ready, Runs("sleep"), DeleteWithin(1)]),
    ]
}

/// More than one life.
fn lives() -> Vec<Case> {
    vec![Case::new(
        PodSpec::new("cri-liveness", 2, DROPS),
        &[Ready, Runs("sleep"), LivenessFails, Ready, Runs("sleep"), Delete],
    )]
}

/// Pods with more than one container, and with other pid namespaces.
fn pods() -> Vec<Case> {
    let sidecar = ContainerSpec { sidecar: true, ..ContainerSpec::new("proxy", EXITS) };
    vec![
        Case::new(PodSpec::new("cri-two-containers", 3, DROPS), &[Ready, Runs("sleep"), Delete])
            .and(ContainerSpec::new("side", EXITS)),
        Case::new(PodSpec::new("cri-sidecar", 10, FINISHES), &[Ready, Delete]).and(sidecar),
        Case::new(PodSpec::new("cri-shared-pids", 10, DROPS), &[Ready, Runs("sleep"), Delete]).pids(Pids::Pod),
        Case::new(PodSpec::new("cri-host-pids", 10, DROPS), &[Ready, Runs("sleep"), Delete]).pids(Pids::Host),
    ]
}

/// Where kubelet puts pods' cgroups.
fn paths() -> Vec<Case> {
    let fixed = PodSpec { fixed: true, ..PodSpec::new("cri-static", 10, EXITS) };
    vec![
        Case::new(PodSpec::new("cri-slices", 10, EXITS), &[Ready, Delete]).parent(Parent::Slices),
        Case::new(PodSpec::new("cri-mixed-drivers", 10, EXITS), &[Ready, Delete]).parent(Parent::Mixed),
        Case::new(PodSpec::new("cri-no-qos", 10, EXITS), &[Ready, Delete]).parent(Parent::Runtime),
        Case::new(fixed, &[Ready, Delete]),
    ]
}

/// What programs do with the signal, and which one that is.
fn programs() -> Vec<Case> {
    vec![
        Case::new(PodSpec::new("cri-sigquit", 2, DROPS), &[Ready, Runs("sleep"), Delete]).stop_signal("SIGQUIT"),
        Case::new(PodSpec::new("cri-sigusr1", 10, EXITS), &[Ready, Delete]).stop_signal("SIGUSR1"),
        Case::new(PodSpec::new("cri-handled", 10, EXITS), &[Ready, Delete]),
        Case::new(PodSpec::new("cri-tini", 10, &["tini", "--", "sleep", "1000"]), &[Runs("sleep"), Delete])
            .needs(&["tini"]),
        Case::new(
            PodSpec::new("cri-exec-left-behind", 10, DRAINS),
            &[Ready, Exec(&["sleep", "1000"]), Runs("sleep"), Delete],
        ),
    ]
}

/// Ends that nobody asked for.
fn without_a_stop() -> Vec<Case> {
    vec![
        Case::new(PodSpec::new("cri-exits-143", 10, &["sh", "-c", "sleep 0.2; exit 143"]), &[Ends]),
        Case::new(PodSpec::new("cri-lives-50-ms", 10, &["sleep", "0.05"]), &[Ends]),
    ]
}
