//! Cases through CRI: each is a pod of one container, stopped as kubelet does it.

use std::process::Command;
use std::sync::Mutex;

use super::case::{Case, Pid, Step};
use super::files;
use super::lab::cri::Containerd;
use super::lab::kubelet::spec::{ContainerSpec, Pids, PodSpec};
use super::lab::kubelet::{Kubelet, Pod};
use super::lab::tracer::Tracer;
use super::lab::{PATIENCE, until};
use super::run::{self, Container};

/// The one container of each pod.
const CONTAINER: &str = "main";

/// Ids of what a case ran.
pub(crate) struct Ran {
    pub(crate) container: String,
    pub(crate) sandbox: String,
}

/// Runs the pod and goes through the steps.
pub(crate) fn run(containerd: &Containerd, kubelet: &Kubelet<'_>, tracers: &[Mutex<Tracer>], case: &Case) -> Ran {
    let files = files::place(case);
    let app = files.as_ref().map(|dir| leak(dir.path().to_str().expect("a path in plain text")));
    let command: Vec<&'static str> = case.run.command.iter().map(|word| leak(word)).collect();
    let container = ContainerSpec {
        stop_signal: case.run.stop_signal.as_deref().map(leak),
        programs: case.run.needs.iter().map(|word| leak(word)).collect::<Vec<_>>().leak(),
        app,
        ..ContainerSpec::new(CONTAINER, command.leak())
    };
    let pids = match case.run.pid {
        None => Pids::Own,
        Some(Pid::Host) => Pids::Host,
        Some(Pid::Pod) => Pids::Pod,
        Some(Pid::Beside) => panic!("{}: through CRI there is no container beside it", case.name),
    };
    let spec = PodSpec { pids, containers: vec![container], ..PodSpec::new(&case.name, case.grace(), &[]) };
    let pod = kubelet.run(spec);
    let ran = Ran { container: pod.container(CONTAINER).id, sandbox: pod.sandbox.clone() };
    let container = InPod { containerd, kubelet, pod: &pod, name: &case.name };
    run::take_steps(&container, tracers, case);
    container.ends();
    kubelet.remove(&pod);
    ran
}

/// What the specifications of pods borrow lives as long as the tests, of which there are few.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

struct InPod<'a> {
    containerd: &'a Containerd,
    kubelet: &'a Kubelet<'a>,
    pod: &'a Pod,
    name: &'a str,
}

impl Container for InPod<'_> {
    fn id(&self) -> String {
        self.pod.container(CONTAINER).id
    }

    fn pid(&self) -> Option<u32> {
        Some(self.kubelet.pid(&self.id())).filter(|pid| *pid != 0)
    }

    fn enter(&self, program: &str) -> Command {
        self.containerd.enter(program)
    }

    fn says(&self, text: &str) {
        let running = self.pod.container(CONTAINER);
        let what = format!("{} to say {text:?}", self.name);
        until(&what, PATIENCE, || self.pod.log(&running).contains(text).then_some(()));
    }

    fn ends(&self) {
        self.kubelet.ends(&self.id());
    }

    fn stop(&self, seconds: u32) {
        self.kubelet.stop_containers(self.pod, seconds);
    }

    fn exec(&self, command: &[&str]) -> bool {
        self.kubelet.exec(&self.id(), command).is_ok_and(|done| done.exit_code == 0)
    }

    fn special(&self, step: &Step) {
        panic!("{}: CRI cannot {step:?}", self.name);
    }
}
