//! From what the daemon says about a container to what the model is told. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerConfig, ContainerInspectResponse};

use crate::event::{Described, PodName};
use crate::signal::Signal;

/// What Docker and Podman wait for when neither the container nor the command line says, ms.
const DEFAULT_GRACE_MS: u64 = 10_000;
/// Bounds for what strangers write: bytes of a label's value, of any other text, and how many of a kind are kept.
const MAX_LABEL: usize = 64 << 10;
const MAX_TEXT: usize = 4 << 10;
const MAX_LABELS: usize = 512;
const MAX_ARGUMENTS: usize = 256;

/// The labels that cri-dockerd (and dockershim before it) puts on what it makes for kubelet.
mod kubernetes {
    pub(super) const NAMESPACE: &str = "io.kubernetes.pod.namespace";
    pub(super) const NAME: &str = "io.kubernetes.pod.name";
    pub(super) const UID: &str = "io.kubernetes.pod.uid";
    pub(super) const TYPE: &str = "io.kubernetes.docker.type";
    pub(super) const SANDBOX: &str = "podsandbox";
}

/// What an inspection told; `None` when it lacks even an id.
///
/// Of what is unset Docker's own defaults are taken: SIGTERM (as for a stop signal it cannot read), and 10 s with the
/// source `default`. A negative time-out, for Docker without end, is a grace period that nobody knows, told by
/// `docker`. An init that the daemon's configuration (`"init": true`) adds to every container is not told here.
pub(super) fn describe(inspected: ContainerInspectResponse, runtime: &str) -> Option<Described> {
    let id = inspected.id.filter(|id| is_id(id))?;
    let config = inspected.config.unwrap_or_default();
    let (grace_ms, grace_source) = match config.stop_timeout {
        None => (Some(DEFAULT_GRACE_MS), "default"),
        Some(seconds) => (u64::try_from(seconds).ok().map(|seconds| seconds.saturating_mul(1000)), "docker"),
    };
    let labels = labels(config.labels.unwrap_or_default());
    let pod = match (labels.get(kubernetes::NAMESPACE), labels.get(kubernetes::NAME)) {
        (Some(namespace), Some(name)) => Some(PodName {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: labels.get(kubernetes::UID).cloned().unwrap_or_default(),
        }),
        _ => None,
    };
    let argv = inspected.path.into_iter().chain(inspected.args.into_iter().flatten());
    Some(Described {
        id,
        name: inspected.name.map(|name| cut(name.strip_prefix('/').unwrap_or(&name), MAX_TEXT)).filter(some),
        image: config.image.map(|image| cut(&image, MAX_TEXT)).filter(some),
        runtime: Some(runtime.to_owned()),
        // 0 while it is not running
        pid: inspected
            .state
            .and_then(|state| state.pid)
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|&pid| pid != 0),
        stop_signal: Some(config.stop_signal.and_then(|signal| signal.parse().ok()).unwrap_or(Signal::TERM)),
        grace_ms,
        grace_source: Some(grace_source.to_owned()),
        pre_stop: false,
        sandbox: labels.get(kubernetes::TYPE).is_some_and(|kind| kind == kubernetes::SANDBOX),
        labels,
        pod,
        command: argv.take(MAX_ARGUMENTS).map(|argument| cut(&argument, MAX_TEXT)).collect(),
        init: inspected.host_config.and_then(|host| host.init).unwrap_or(false),
        ..Described::default()
    })
}

/// What the attributes of an event tell of a container: name, image and labels, side by side. `None` without a name.
pub(super) fn of_event(id: &str, mut attributes: HashMap<String, String>, runtime: &str) -> Option<Described> {
    let name = attributes.remove("name")?;
    let image = attributes.remove("image");
    let config = ContainerConfig { image, labels: Some(attributes), ..ContainerConfig::default() };
    let inspected = ContainerInspectResponse {
        id: Some(id.to_owned()),
        name: Some(name),
        config: Some(config),
        ..ContainerInspectResponse::default()
    };
    // nothing is said of how it is stopped, so there is no saying that it is Docker's own way
    let unsaid = |described| Described { stop_signal: None, grace_ms: None, grace_source: None, ..described };
    describe(inspected, runtime).map(unsaid).filter(|described| described.name.is_some())
}

/// Whether `id` may be asked for: it becomes part of a request's path. Runtimes make hexadecimal ones.
pub(super) fn is_id(id: &str) -> bool {
    (12..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// At most [`MAX_LABELS`] in the order of their names, so that it is always the same ones.
fn labels(all: HashMap<String, String>) -> BTreeMap<String, String> {
    let sorted: BTreeMap<_, _> = all.into_iter().filter(|(name, _)| name.len() <= MAX_TEXT).collect();
    sorted.into_iter().take(MAX_LABELS).map(|(name, value)| (name, cut(&value, MAX_LABEL))).collect()
}

#[expect(clippy::ptr_arg, reason = "what Option::filter hands over")]
fn some(text: &String) -> bool {
    !text.is_empty()
}

fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";

    fn inspected(json: serde_json::Value) -> Option<Described> {
        describe(serde_json::from_value(json).expect("an answer"), "docker")
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
        let attributes = |of: &[(&str, &str)]| of.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let told = of_event(ID, attributes(&[("name", "web"), ("image", "nginx:1"), ("a", "b")]), "podman");
        let expect = Described {
            id: ID.to_owned(),
            name: Some("web".to_owned()),
            image: Some("nginx:1".to_owned()),
            runtime: Some("podman".to_owned()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            ..Described::default()
        };
        assert_eq!(told, Some(expect));
        assert_eq!(of_event(ID, attributes(&[("image", "nginx:1")]), "docker"), None);
        assert_eq!(of_event("no id", attributes(&[("name", "web")]), "docker"), None);
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
        let labels = serde_json::json!({
            "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.name": "web-0", "io.kubernetes.pod.uid": "u",
            "io.kubernetes.docker.type": "podsandbox",
        });
        let told = inspected(serde_json::json!({"Id": ID, "Config": {"Labels": labels}})).expect("a description");
        let pod = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: "u".to_owned() };
        assert_eq!((told.pod, told.sandbox), (Some(pod), true));
    }

    #[test]
    fn what_strangers_write_is_bounded() {
        let long = "é".repeat(100_000);
        let many: HashMap<_, _> = (0..2000).map(|n| (format!("label-{n:04}"), long.clone())).collect();
        let told = inspected(serde_json::json!({
            "Id": ID, "Name": long, "Path": long, "Args": vec!["x"; 10_000], "Config": {"Image": long, "Labels": many},
        }))
        .expect("a description");
        assert_eq!(told.name.map(|name| name.len()), Some(MAX_TEXT));
        assert_eq!(told.image.map(|image| image.len()), Some(MAX_TEXT));
        assert_eq!((told.command.len(), told.command[0].len()), (MAX_ARGUMENTS, MAX_TEXT));
        assert_eq!(told.labels.len(), MAX_LABELS);
        assert!(told.labels.contains_key("label-0511") && told.labels.values().all(|value| value.len() == MAX_LABEL));
    }

    #[test]
    fn ids_that_are_none() {
        for id in ["", "../../version", "abc", "6ea1b4602822?x=y", "6ea1b4602822/../x"] {
            assert_eq!(inspected(serde_json::json!({"Id": id})), None, "{id}");
        }
        assert_eq!(inspected(serde_json::json!({})), None);
    }
}
