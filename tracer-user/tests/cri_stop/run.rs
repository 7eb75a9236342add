//! Runs a case: the pod is run, and every step is done when the one before has really come true.

use std::thread::Scope;

use super::cases::{Case, Step};
use super::lab::kubelet::{Kubelet, Pod};
use super::lab::{PATIENCE, host, until};

/// Ids of what a case ran.
pub(crate) struct Ran {
    /// All containers that the pod ever had.
    pub(crate) containers: Vec<String>,
    /// Its sandbox.
    pub(crate) sandbox: String,
}

/// Runs the pod and goes through the steps.
pub(crate) fn run(kubelet: &Kubelet<'_>, case: &Case) -> Ran {
    let pod = kubelet.run(case.pod.clone());
    std::thread::scope(|scope| {
        for step in case.steps {
            take(kubelet, &pod, *step, scope);
        }
    });
    Ran { containers: pod.all().into_iter().map(|running| running.id).collect(), sandbox: pod.sandbox }
}

fn take<'scope>(kubelet: &'scope Kubelet<'_>, pod: &'scope Pod, step: Step, scope: &'scope Scope<'scope, '_>) {
    let name = &pod.spec.name;
    let first = || pod.container(pod.spec.containers[0].name);
    let what = format!("{name}: {step:?}");
    match step {
        Step::Ready => until(&what, PATIENCE, || {
            let ready = |container: &_| pod.log(container).contains(" ready");
            pod.all().iter().all(ready).then_some(())
        }),
        Step::Runs(comm) => {
            until(&what, PATIENCE, || host::runs(&first().id, comm).then_some(()));
            // A shell that forks has its signals blocked until its child is another program, and a moment longer.
            let pid = kubelet.pid(&first().id);
            until(&what, PATIENCE, || (host::status(pid, "SigBlk", 16)? == 0).then_some(()));
        }
        Step::Ends => {
            kubelet.ends(&first().id);
            kubelet.remove(pod);
        }
        Step::Delete => kubelet.delete(pod, None),
        Step::DeleteWithin(seconds) => kubelet.delete(pod, Some(seconds)),
        Step::LivenessFails => drop(kubelet.restart(pod, first().spec.name)),
        Step::Exec(command) => {
            // It ends when the container does, and how is no matter.
            scope.spawn(move || drop(kubelet.exec(&first().id, command)));
        }
    }
}
