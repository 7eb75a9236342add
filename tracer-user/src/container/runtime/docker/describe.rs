//! From what the daemon says about a container to what the model is told. Pure.

use crate::event::{Described, PidNamespace, PodName};
use crate::signal::Signal;

use super::super::bounds::{self, Labels, is_id};
use super::super::kubernetes::{self, Annotations};
use super::super::lenient::Lenient;
use super::answers::{Actor, Inspected, Pod, Word, labels};

/// What Docker and Podman wait for when neither the container nor the command line says, ms.
const DEFAULT_GRACE_MS: u64 = 10_000;

// What cri-dockerd (and dockershim before it) puts on what it makes for kubelet: core/docker_service.go.
const TYPE: &str = "io.kubernetes.docker.type";
const TYPE_SANDBOX: &str = "podsandbox";
const SANDBOX_ID: &str = "io.kubernetes.sandbox.id";
const ANNOTATION: &str = "annotation.";

/// cri-dockerd keeps annotations as labels.
impl Annotations for Labels {
    fn get(&self, name: &str) -> Option<&str> {
        Self::get(self, &format!("{ANNOTATION}{name}")).map(String::as_str)
    }
}

/// What an inspection told; `None` when it lacks even an id.
///
/// Of what is unset Docker's own defaults are taken: SIGTERM (as for a stop signal it cannot read), and 10 s with the
/// source `default`. A negative time-out, for Docker without end, is a grace period that nobody knows, told by
/// `docker`. What kubelet made by way of cri-dockerd has kubelet's name and grace period. An init that the daemon's
/// configuration (`"init": true`) adds to every container is not told here.
pub(super) fn describe(inspected: Inspected, runtime: &str) -> Option<Described> {
    let id = inspected.id.0.filter(|id| is_id(id))?;
    let config = inspected.config.0.unwrap_or_default();
    let host = inspected.host_config.0.unwrap_or_default();
    let all = labels(config.labels);
    let (grace_ms, grace_source) = grace(config.stop_timeout.0, &all);
    let (pre_stop, hook) = all.pre_stop();
    let words = inspected.path.0.iter().chain(inspected.args.0.iter().flatten()).map(String::as_str);
    Some(Described {
        name: name(inspected.name.0.as_deref(), &all),
        image: config.image.0.as_deref().and_then(bounds::text),
        runtime: Some(runtime.to_owned()),
        // 0 while it is not running
        pid: inspected
            .state
            .0
            .and_then(|state| state.pid.0)
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|&p| p != 0),
        stop_signal: Some(stop_signal(config.stop_signal)),
        grace_ms,
        grace_source: Some(grace_source.to_owned()),
        pre_stop,
        hook,
        sandbox: is_sandbox(&all) || inspected.is_infra.0 == Some(true),
        sandbox_id: all.get(SANDBOX_ID).filter(|id| is_id(id)).cloned(),
        restarts: all.restarts(),
        pid_namespace: host.pid_mode.0.as_deref().and_then(pid_namespace),
        pod: kubernetes::pod(&all),
        pod_source: all.source(),
        command: bounds::command(words),
        init: host.init.0.unwrap_or(false),
        labels: all,
        id,
    })
}

/// The same of a container in a Podman pod.
pub(super) fn with_pod(described: Described, pod: Pod) -> Described {
    let (Some(uid), Some(name)) = (pod.id.0.filter(|id| is_id(id)), pod.name.0.as_deref().and_then(bounds::text))
    else {
        return described;
    };
    let all = bounds::labels(described.labels.into_iter().chain(labels(pod.labels)));
    Described { labels: all, pod: Some(PodName { namespace: String::new(), name, uid }), ..described }
}

/// What an event that tells of a creation says of it: name, image and labels, side by side. `None` without a name.
pub(super) fn of_event(actor: Actor, runtime: &str) -> Option<Described> {
    let id = actor.id.0.filter(|id| is_id(id))?;
    let mut attributes = labels(actor.attributes);
    let given = attributes.remove("name")?;
    let image = attributes.remove("image").as_deref().and_then(bounds::text);
    // nothing is said of how it is stopped, so there is no saying that it is Docker's own way
    Some(Described {
        id,
        name: Some(name(Some(&given), &attributes)?),
        image,
        runtime: Some(runtime.to_owned()),
        pod: kubernetes::pod(&attributes),
        sandbox: is_sandbox(&attributes),
        labels: attributes,
        ..Described::default()
    })
}

fn name(given: Option<&str>, labels: &Labels) -> Option<String> {
    let given = given.map(|name| name.strip_prefix('/').unwrap_or(name)).and_then(bounds::text);
    let of_kubelet = if labels.contains_key(TYPE) { kubernetes::container_name(labels) } else { None };
    of_kubelet.or(given)
}

fn is_sandbox(labels: &Labels) -> bool {
    labels.get(TYPE).is_some_and(|kind| kind == TYPE_SANDBOX)
}

fn grace(timeout: Option<i64>, labels: &Labels) -> (Option<u64>, &'static str) {
    match (labels.grace_ms(), timeout) {
        (Some(ms), _) => (Some(ms), "cri"),
        (None, None) => (Some(DEFAULT_GRACE_MS), "default"),
        (None, Some(seconds)) => (u64::try_from(seconds).ok().map(|seconds| seconds.saturating_mul(1000)), "docker"),
    }
}

fn stop_signal(told: Lenient<Word>) -> Signal {
    told.0.and_then(|word| word.into_text().parse().ok()).unwrap_or(Signal::TERM)
}

/// From `HostConfig.PidMode`: empty or `private` is its own.
fn pid_namespace(mode: &str) -> Option<PidNamespace> {
    match mode {
        "" | "private" => Some(PidNamespace::Container),
        "host" => Some(PidNamespace::Host),
        mode if mode.starts_with("container:") => Some(PidNamespace::Target),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";

    #[expect(clippy::needless_pass_by_value, reason = "it is made where it is handed over")]
    fn inspected(json: serde_json::Value) -> Option<Described> {
        describe(serde_json::from_str(&json.to_string()).expect("an answer"), "docker")
    }

    #[test]
    fn everything_set() {
        let told = inspected(serde_json::json!({
            "Id": ID, "Name": "/web", "Path": "sleep", "Args": ["1000", "x y"],
            "State": {"Pid": 4242, "Status": "running"},
            "HostConfig": {"Init": true},
            "Config": {"Image": "nginx:1", "StopSignal": "SIGQUIT", "StopTimeout": 3, "Labels": {"a": "b"}},
        }));
        let expect = Described {
            id: ID.to_owned(),
            name: Some("web".to_owned()),
            image: Some("nginx:1".to_owned()),
            runtime: Some("docker".to_owned()),
            pid: Some(4242),
            stop_signal: Some(Signal::QUIT),
            grace_ms: Some(3000),
            grace_source: Some("docker".to_owned()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            command: ["sleep", "1000", "x y"].map(str::to_owned).to_vec(),
            init: true,
            ..Described::default()
        };
        assert_eq!(told, Some(expect));
    }

    #[test]
    fn the_event_of_a_creation() {
        let told = |id: &str, attributes: serde_json::Value, runtime: &str| {
            let actor = serde_json::json!({"ID": id, "Attributes": attributes});
            of_event(serde_json::from_str(&actor.to_string()).expect("an actor"), runtime)
        };
        let expect = Described {
            id: ID.to_owned(),
            name: Some("web".to_owned()),
            image: Some("nginx:1".to_owned()),
            runtime: Some("podman".to_owned()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            ..Described::default()
        };
        let attributes = serde_json::json!({"name": "web", "image": "nginx:1", "a": "b", "c": 5});
        assert_eq!(told(ID, attributes, "podman"), Some(expect));
        assert_eq!(told(ID, serde_json::json!({"image": "nginx:1"}), "docker"), None);
        assert_eq!(told(ID, serde_json::json!(null), "docker"), None);
        assert_eq!(told("no id", serde_json::json!({"name": "web"}), "docker"), None);
    }

    #[test]
    fn nothing_set() {
        let told = inspected(serde_json::json!({"Id": ID, "State": {"Pid": 0}, "Config": {"Labels": null}}));
        let expect = Described {
            id: ID.to_owned(),
            runtime: Some("docker".to_owned()),
            stop_signal: Some(Signal::TERM),
            grace_ms: Some(10_000),
            grace_source: Some("default".to_owned()),
            ..Described::default()
        };
        assert_eq!(told, Some(expect));
    }

    #[track_caller]
    fn check_stop(signal: &str, timeout: i64, expect: (&str, Option<u64>)) {
        let told = inspected(serde_json::json!({"Id": ID, "Config": {"StopSignal": signal, "StopTimeout": timeout}}));
        let told = told.expect("a description");
        assert_eq!((told.stop_signal.expect("always one").to_string().as_str(), told.grace_ms), expect);
        assert_eq!(told.grace_source.as_deref(), Some("docker"));
    }

    #[test]
    fn stop_signals_and_grace_periods() {
        check_stop("RTMIN+3", 0, ("SIGRTMIN+3", Some(0)));
        check_stop("15", 120, ("SIGTERM", Some(120_000))); // Podman's way
        check_stop("", i64::MAX, ("SIGTERM", Some(u64::MAX)));
        check_stop("SIGNONSENSE", -1, ("SIGTERM", None)); // -1: without end
    }

    #[test]
    fn pods_of_cri_dockerd() {
        let told = |kind: &str| {
            let labels = serde_json::json!({
                "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.name": "web-0", "io.kubernetes.pod.uid": "u",
                "io.kubernetes.docker.type": kind, "io.kubernetes.container.name": "nginx",
                "io.kubernetes.sandbox.id": ID, "annotation.io.kubernetes.pod.terminationGracePeriod": "5",
                "annotation.io.kubernetes.container.preStopHandler": r#"{"sleep":{"seconds":1}}"#,
            });
            let name = "/k8s_nginx_web-0_shop_u_0";
            inspected(serde_json::json!({"Id": ID, "Name": name, "Config": {"Labels": labels}})).expect("a description")
        };
        let pod = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: "u".to_owned() };
        let container = told("container");
        assert_eq!((container.pod.as_ref(), container.sandbox), (Some(&pod), false));
        assert_eq!((container.name.as_deref(), container.sandbox_id.as_deref()), (Some("nginx"), Some(ID)));
        assert_eq!((container.grace_ms, container.grace_source.as_deref()), (Some(5000), Some("cri")));
        assert_eq!((container.pre_stop, container.hook), (true, Some(crate::event::Hook::Sleep { seconds: 1 })));
        assert_eq!((told("podsandbox").pod, told("podsandbox").sandbox), (Some(pod), true));
    }

    #[test]
    fn pid_namespaces() {
        for (mode, expect) in [
            ("", Some(PidNamespace::Container)),
            ("private", Some(PidNamespace::Container)),
            ("host", Some(PidNamespace::Host)),
            ("container:6ea1b4602822", Some(PidNamespace::Target)),
            ("ns:/proc/1/ns/pid", None),
        ] {
            let told = inspected(serde_json::json!({"Id": ID, "HostConfig": {"PidMode": mode}}));
            assert_eq!(told.expect("a description").pid_namespace, expect, "{mode}");
        }
    }

    #[test]
    fn what_strangers_write_is_bounded() {
        let long = "é".repeat(100_000);
        let told = inspected(serde_json::json!({
            "Id": ID, "Name": long, "Path": long, "Config": {"Image": long, "Labels": {"a": long}},
        }))
        .expect("a description");
        assert_eq!(told.name.map(|name| name.len()), Some(bounds::MAX_TEXT));
        assert_eq!(told.image.map(|image| image.len()), Some(bounds::MAX_TEXT));
        assert_eq!((told.command[0].len(), told.labels["a"].len()), (bounds::MAX_TEXT, bounds::MAX_LABEL));
    }

    #[test]
    fn ids_that_are_none() {
        for told in [serde_json::json!({"Id": "../../version"}), serde_json::json!({"Id": 5}), serde_json::json!({})] {
            assert_eq!(inspected(told), None);
        }
    }
}
