//! What containerd 1.6 and 1.7 told of pods that a real kubelet had made, and what CRI-O would have.

use serde_json::Value;

use super::api::{Entry, Image};
use super::*;
use crate::event::{Hook, PidNamespace, PodName};

/// A sample's messages, as they come over the wire: the container's, and its sandbox's.
fn sample(json: &str) -> (api::ContainerStatusResponse, api::PodSandboxStatusResponse) {
    let sample: Value = serde_json::from_str(json).expect("JSON");
    let (container, sandbox) = (&sample["containers"][0], &sample["sandbox"]);
    let told = &container["status"];
    let status = api::ContainerStatus {
        id: text(&told["id"]),
        metadata: Some(api::ContainerMetadata { name: text(&told["metadata"]["name"]), attempt: 0 }),
        state: 1,
        image: Some(api::ImageSpec { image: text(&told["image"]["image"]), user_specified_image: Vec::new() }),
        image_ref: text(&told["image_ref"]),
        labels: map(&told["labels"]),
        annotations: map(&told["annotations"]),
        ..Default::default()
    };
    let info = Entry { key: "info".into(), value: container["info"].to_string().into() };
    let container = api::ContainerStatusResponse { status: Some(status), info: vec![info] };
    (container, sandbox_message(sandbox))
}

fn sandbox_message(sample: &Value) -> api::PodSandboxStatusResponse {
    let told = &sample["status"];
    let metadata = &told["metadata"];
    let pid = told["linux"]["namespaces"]["options"]["pid"].as_i64().unwrap_or(0);
    let options = Some(api::NamespaceOption { pid: i32::try_from(pid).expect("small") });
    let status = api::PodSandboxStatus {
        id: text(&told["id"]),
        metadata: Some(api::PodSandboxMetadata {
            name: text(&metadata["name"]),
            uid: text(&metadata["uid"]),
            namespace: text(&metadata["namespace"]),
        }),
        linux: Some(api::LinuxPodSandboxStatus { namespaces: Some(api::Namespace { options }) }),
        labels: map(&told["labels"]),
        annotations: map(&told["annotations"]),
    };
    let info = serde_json::json!({"pid": sample["pid"], "image": "registry.k8s.io/pause:3.6"}).to_string();
    let info = vec![Entry { key: "info".into(), value: info.into() }];
    api::PodSandboxStatusResponse { status: Some(status), info }
}

fn text(value: &Value) -> Vec<u8> {
    value.as_str().unwrap_or_default().into()
}

fn map(value: &Value) -> Vec<Entry> {
    let all = value.as_object().into_iter().flatten();
    all.map(|(key, value)| Entry { key: key.as_bytes().to_vec(), value: text(value) }).collect()
}

fn described(json: &str, image: &ImageFacts) -> (Described, Described) {
    let (container, sandbox) = sample(json);
    let (status, pod) = (container.status.expect("a status"), sandbox.status.expect("a status"));
    let info = Info::read(&container.info);
    let id = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("an id");
    let container = describe::container("containerd", id(&status.id), &status, &info, Some(Sandbox::new(&pod)), image);
    (container, describe::sandbox("containerd", id(&pod.id), &pod, &Info::read(&sandbox.info)))
}

/// An image whose configuration says so.
fn image(config: &str) -> ImageFacts {
    let info = vec![Entry { key: "info".into(), value: format!(r#"{{"imageSpec": {{"config": {config}}}}}"#).into() }];
    ImageFacts::new(&Image { repo_tags: vec!["registry.local/x:1".into()] }, &info)
}

#[test]
fn a_pod_with_a_hook() {
    let (told, sandbox) = described(include_str!("systemd-prestop.cri.json"), &image("{}"));
    let pod = PodName {
        namespace: "default".to_owned(),
        name: "demo-prestop".to_owned(),
        uid: "73757e4d-b173-4bc7-ae5d-6a24a293f20d".to_owned(),
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let sandbox_id = "46b409185c1d704bf8a611d0702eebad266bca865fd9a32569a973d1c4393efd";
    let expect = Described {
        id: "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846".to_owned(),
        name: Some("main".to_owned()),
        image: Some("registry.local/busybox:1".to_owned()),
        runtime: Some("containerd".to_owned()),
        pid: Some(417),
        stop_signal: Some(crate::signal::Signal::TERM),
        grace_ms: Some(5000),
        grace_source: Some("cri".to_owned()),
        pre_stop: true,
        hook: Some(Hook::Exec { command: words(&["/bin/sleep", "2"]) }),
        labels: [
            ("app", "demo"),
            ("io.kubernetes.container.name", "main"),
            ("io.kubernetes.pod.name", "demo-prestop"),
            ("io.kubernetes.pod.namespace", "default"),
            ("io.kubernetes.pod.uid", &pod.uid),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        pod: Some(pod.clone()),
        command: words(&["/bin/sh", "-c", "sleep 1000; true"]),
        sandbox_id: Some(sandbox_id.to_owned()),
        restarts: Some(0),
        pid_namespace: Some(PidNamespace::Container),
        pod_source: Some("api".to_owned()),
        ..Described::default()
    };
    assert_eq!(told, expect);
    assert_eq!((sandbox.id.as_str(), sandbox.pod, sandbox.pid), (sandbox_id, Some(pod), Some(381)));
    assert_eq!((sandbox.sandbox, sandbox.stop_signal, sandbox.grace_ms), (true, None, None));
    assert!(!format!("{:?}", sandbox.labels).contains("last-applied"), "annotations may hold secrets");
}

#[test]
fn other_pods() {
    let (told, sandbox) = described(include_str!("cgroupfs-sharepid.cri.json"), &image("{}"));
    assert_eq!(told.pid_namespace, Some(PidNamespace::Pod));
    assert_eq!(sandbox.pid_namespace, Some(PidNamespace::Container), "it is the init of all");
    let (told, _) = described(include_str!("cgroupfs-static-pod.cri.json"), &image("{}"));
    assert_eq!(told.pod_source.as_deref(), Some("file"));
    assert_eq!(told.pod.map(|pod| pod.uid.len()), Some(32));
    let json = include_str!("cgroupfs-stopsignal.cri.json");
    let signal = |image: &ImageFacts| described(json, image).0.stop_signal.map(|signal| signal.to_string());
    assert_eq!(signal(&image(r#"{"StopSignal": "SIGUSR1"}"#)).as_deref(), Some("SIGUSR1"));
    assert_eq!(signal(&image(r#"{"StopSignal": "RTMIN+3"}"#)).as_deref(), Some("SIGRTMIN+3"));
    assert_eq!(signal(&image(r#"{"StopSignal": 5}"#)).as_deref(), Some("SIGTERM"));
    assert_eq!(signal(&ImageFacts::default()), None, "nobody knows");
    assert_eq!(signal(&ImageFacts::new(&Image::default(), &[])), None);
    let (told, _) = described(include_str!("containerd17-plain.cri.json"), &image("{}"));
    assert_eq!((told.pre_stop, told.grace_ms.is_some(), told.pid.is_some()), (false, true, true));
}

/// Kubernetes 1.33 and later tell the stop signal by number.
#[test]
fn configured_stop_signals() {
    let told = |number: i32| {
        let status = api::ContainerStatus { stop_signal: number, ..Default::default() };
        describe::configured_stop_signal(&status).map(|signal| signal.to_string())
    };
    for (number, name) in [(23, "SIGTERM"), (8, "SIGHUP"), (18, "SIGQUIT"), (38, "SIGRTMIN+3"), (65, "SIGRTMAX")] {
        assert_eq!(told(number).as_deref(), Some(name), "{number}");
    }
    assert_eq!((1..=65).filter(|&number| told(number).is_some()).count(), 65, "each has a name");
    assert_eq!([0, -1, 66, i32::MAX].map(told), [None, None, None, None]);
}

/// CRI-O tells the OCI specification and not what kubelet asked for; others tell nothing, or each thing by itself.
#[test]
fn other_runtimes() {
    let told = |entries: &[(&str, Value)]| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let entry = |(key, value): &(&str, Value)| Entry { key: (*key).into(), value: text(value).into() };
        let status = api::ContainerStatus { image_ref: "sha256:1".into(), ..Default::default() };
        let info = Info::read(&entries.iter().map(entry).collect::<Vec<_>>());
        describe::container("cri-o", "x".to_owned(), &status, &info, None, &ImageFacts::default())
    };
    let sandbox = "1".repeat(64);
    let spec = |pid: Value| {
        serde_json::json!({
            "sandboxID": sandbox, "pid": 42, "privileged": false,
            "runtimeSpec": {
                "process": {"args": ["nginx"]}, "linux": {"namespaces": [{"type": "ipc"}, pid]},
                "annotations": {"io.kubernetes.cri-o.ImageName": "docker.io/nginx:1"},
            },
        })
    };
    let crio = told(&[("info", spec(serde_json::json!({"type": "pid"})))]);
    assert_eq!((crio.pid, crio.sandbox_id.as_deref()), (Some(42), Some(sandbox.as_str())));
    assert_eq!((crio.command, crio.image.as_deref()), (vec!["nginx".to_owned()], Some("docker.io/nginx:1")));
    assert_eq!(crio.pid_namespace, Some(PidNamespace::Container));
    let shared = told(&[("info", spec(serde_json::json!({"type": "pid", "path": "/proc/7/ns/pid"})))]);
    assert_eq!(shared.pid_namespace, Some(PidNamespace::Pod));
    let host = told(&[("info", spec(serde_json::json!({"type": "uts"})))]);
    assert_eq!(host.pid_namespace, Some(PidNamespace::Host));

    let apart = told(&[("pid", serde_json::json!("42")), ("sandboxId", serde_json::json!(sandbox))]);
    assert_eq!((apart.pid, apart.sandbox_id.as_deref()), (Some(42), Some(sandbox.as_str())));
    let nothing = told(&[]);
    assert_eq!((nothing.pid, nothing.pid_namespace, nothing.stop_signal, nothing.grace_ms), (None, None, None, None));
    assert_eq!(nothing.image.as_deref(), Some("sha256:1"), "better than nothing");
    for pid in [serde_json::json!(-1), serde_json::json!(0), serde_json::json!(1_u64 << 40), serde_json::json!("7")] {
        assert_eq!(told(&[("info", serde_json::json!({"pid": pid}))]).pid, None);
    }
}

#[test]
fn events_only_where_nobody_else_misses_them() {
    let tells = |runtime: &str, version: &str| {
        tells_everyone(&Version { runtime: runtime.to_owned(), version: version.to_owned() })
    };
    assert!(tells("containerd", "v2.0.1") && tells("containerd", "2.1.0-rc.0") && tells("cri-o", "1.29.0"));
    assert!(!tells("containerd", "1.7.24~ds1") && !tells("containerd", "1.6.20~ds1") && !tells("cri-o", "1.26.1"));
    assert!(!tells("docker", "27.0") && !tells("containerd", "unknown") && !tells("containerd", ""));
}
