//! The chart: with its own values it makes the plain manifest, with others what the API takes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::agent::{PLAIN, PRIVILEGED};
use super::k8s::{self, ClusterRole, ClusterRoleBinding, ConfigMap, DaemonSet, Words};
use super::lab::tracer::BINARY;
use super::lab::{self, read};

/// Where Debian has sprig, the functions of Helm's templates.
const SPRIG: &str = "/usr/share/gocode/src/github.com/Masterminds/sprig/functions.go";
const NOTES: &str = "NOTES.txt";

/// Renders the chart as Helm does.
struct Renderer {
    dir: tempfile::TempDir,
}

impl Renderer {
    #[track_caller]
    fn build() -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let source = lab::workspace().join("tracer-user/tests/deploy/render.go");
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(dir.path().join("render")).arg(source);
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "").env("GOCACHE", dir.path());
        read(&mut go);
        Self { dir }
    }

    fn run(&self, values: &Value, kubernetes: &str) -> Result<BTreeMap<String, String>, String> {
        let wanted = json!({"values": values, "namespace": "tracer", "release": "tracer", "kubeVersion": kubernetes})
            .to_string();
        let mut command = Command::new(self.dir.path().join("render"));
        command.arg(chart()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("it is piped").write_all(wanted.as_bytes()).expect("it reads");
        let done = child.wait_with_output().expect("it ends");
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&done.stdout).expect("JSON"))
    }

    /// The objects, and the notes.
    #[track_caller]
    fn objects(&self, values: &Value, kubernetes: &str) -> (Vec<Value>, String) {
        let mut files = self.run(values, kubernetes).unwrap_or_else(|error| panic!("{values}: {error}"));
        let notes = files.remove(NOTES).expect("there are notes");
        let objects: Vec<Value> = files.values().flat_map(|text| k8s::documents(text)).collect();
        k8s::check_types(&objects);
        (objects, notes)
    }
}

fn chart() -> PathBuf {
    lab::workspace().join("deploy/helm/tracer")
}

/// Without what only Helm adds, and what is Kubernetes' to begin with.
fn comparable(documents: &[Value]) -> BTreeMap<String, Value> {
    const HELMS: [&str; 3] = ["helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"];
    let mut all = BTreeMap::new();
    for document in documents.iter().filter(|document| document["kind"] != "Namespace") {
        let mut document = document.clone();
        if let Some(labels) = document.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| !HELMS.contains(&name.as_str()));
        }
        let template = document.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut);
        if let Some(template) = template
            && let Some(annotations) = template.get_mut("annotations").and_then(Value::as_object_mut)
        {
            annotations.remove("checksum/config");
            if annotations.is_empty() {
                template.remove("annotations");
            }
        }
        let kind = document["kind"].as_str().expect("it has one").to_owned();
        assert!(all.insert(kind, document).is_none(), "two of a kind");
    }
    all
}

const CURRENT: &str = "v1.31.2";

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn with_its_own_values_it_makes_the_plain_manifests() {
    if !lab::can_run("with_its_own_values_it_makes_the_plain_manifests", &["go", SPRIG]) {
        return;
    }
    let renderer = Renderer::build();
    for (values, manifest) in [(json!({}), PLAIN), (json!({"privileged": true}), PRIVILEGED)] {
        let (objects, _) = renderer.objects(&values, CURRENT);
        assert_eq!(comparable(&objects), comparable(&k8s::documents(manifest)), "{values}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn every_value_has_its_effect() {
    if !lab::can_run("every_value_has_its_effect", &["go", SPRIG]) {
        return;
    }
    let renderer = Renderer::build();
    let set = |values: Value| -> (DaemonSet, Vec<Value>, String) {
        let (objects, notes) = renderer.objects(&values, CURRENT);
        (k8s::one(&objects, "DaemonSet"), objects, notes)
    };
    let kinds = |objects: &[Value]| -> Vec<String> {
        objects.iter().filter_map(|object| object["kind"].as_str()).map(str::to_owned).collect()
    };

    let (plain, objects, notes) = set(json!({}));
    assert_eq!(kinds(&objects), ["ConfigMap", "DaemonSet", "ServiceAccount"]);
    assert!(notes.contains("Metrics are on port 9469") && !notes.contains("{{"), "{notes}");

    let (quiet, objects, notes) = set(json!({"metrics": {"enabled": false, "serviceMonitor": {"enabled": true}}}));
    let container = &quiet.spec.template.spec.containers[0];
    assert!(container.env.is_empty() && container.ports.is_empty() && container.liveness_probe.is_none());
    assert_eq!((kinds(&objects).len(), notes.contains("Metrics")), (3, false));

    let monitored = json!({"metrics": {
        "port": 9999, "serviceMonitor": {"enabled": true, "labels": {"release": "prom"}},
        "networkPolicy": {"enabled": true, "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    }});
    let (set_9999, objects, _) = set(monitored);
    let pod = &set_9999.spec.template;
    assert_eq!(pod.spec.containers[0].env[0].value, ":9999");
    assert_eq!(pod.spec.containers[0].ports[0].container_port, 9999);
    assert_eq!(
        kinds(&objects),
        ["ConfigMap", "DaemonSet", "NetworkPolicy", "Service", "ServiceAccount", "ServiceMonitor"]
    );
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).expect("it is there");
    let selected: Words = k8s::read(&of_kind("Service")["spec"]["selector"]);
    assert!(selected.iter().all(|(key, value)| pod.metadata.labels.get(key) == Some(value)), "{selected:?}");
    assert_eq!(of_kind("ServiceMonitor")["metadata"]["labels"]["release"], "prom");
    assert_eq!(of_kind("ServiceMonitor")["spec"]["selector"]["matchLabels"], json!(selected));
    assert_eq!(
        of_kind("NetworkPolicy")["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]["name"],
        "monitoring"
    );

    let (narrow, ..) = set(json!({
        "image": {"repository": "registry.local/tracer", "tag": "9"},
        "nodeSelector": {"pool": "web"}, "tolerations": [{"key": "web", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {}}, "podLabels": {"team": "a"}, "podAnnotations": {"note": "b"},
        "resources": {"limits": {"memory": "1Gi"}}, "seLinuxOptions": {"type": "spc_t"},
        "seccompProfile": {"type": "Unconfined"}, "hostSocketDir": "/run/tracer", "imagePullSecrets": [{"name": "pull"}],
        "priorityClassName": "", "otlpEndpoint": "http://tempo:4318", "extraEnv": [{"name": "TRACER_LOG_LEVEL", "value": "debug"}],
    }));
    let pod = &narrow.spec.template.spec;
    let container = &pod.containers[0];
    assert_eq!(container.image, "registry.local/tracer:9");
    assert_eq!((pod.node_selector["pool"].as_str(), pod.tolerations[0].key.as_str()), ("web", "web"));
    assert_eq!(pod.node_selector["kubernetes.io/os"], "linux", "maps are merged");
    assert_eq!((&pod.affinity, pod.priority_class_name.as_str()), (&json!({"nodeAffinity": {}}), ""));
    let labels = &narrow.spec.template.metadata.labels;
    assert_eq!((labels["team"].as_str(), narrow.spec.selector.match_labels.contains_key("team")), ("a", false));
    assert_eq!(narrow.spec.template.metadata.annotations["note"], "b");
    assert_eq!(container.resources.limits["memory"], "1Gi");
    assert_eq!(container.security_context.se_linux_options["type"], "spc_t");
    assert_eq!(container.security_context.seccomp_profile.as_ref().expect("it is there").r#type, "Unconfined");
    let socket = pod.volumes.iter().find(|volume| volume.name == "socket").and_then(|volume| volume.host_path.as_ref());
    assert_eq!(
        socket.map(|host| (host.path.as_str(), host.r#type.as_str())),
        Some(("/run/tracer", "DirectoryOrCreate"))
    );
    assert_eq!(pod.image_pull_secrets[0]["name"], "pull");
    // what the address may name stands before it: $(NODE_IP) of a variable that comes later would stay as it is
    let variables: Vec<_> = container.env.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(variables, ["TRACER_METRICS_LISTEN", "TRACER_NODE_NAME", "TRACER_LOG_LEVEL", "TRACER_OTLP_ENDPOINT"]);
    assert_eq!(container.env[3].value, "http://tempo:4318");

    // what is added comes after what is there, and takes nothing away
    let mount = json!({"name": "recordings", "mountPath": "/var/lib/tracer"});
    let (recording, ..) = set(json!({
        "config": {"record-dir": "/var/lib/tracer"}, "extraArgs": ["--record-files=16", "--log-level", "debug"],
        "extraVolumes": [{"name": "recordings", "hostPath": {"path": "/var/lib/tracer", "type": "DirectoryOrCreate"}}],
        "extraVolumeMounts": [mount],
    }));
    let (mut pod, with) = (plain.spec.template.spec.clone(), recording.spec.template.spec);
    let args = &with.containers[0].args;
    assert_eq!(args[..], ["agent", "--record-files=16", "--log-level", "debug"]);
    let told = read(Command::new(BINARY).args(args).args(["--print-config", "--config", "/dev/null"]));
    assert!(told.contains("record-files = \"16\"  # the command line"), "{told}");
    pod.containers[0].args.clone_from(args);
    pod.containers[0].volume_mounts.push(k8s::read(&mount));
    let host_path = json!({"name": "recordings", "hostPath": {"path": "/var/lib/tracer", "type": "DirectoryOrCreate"}});
    pod.volumes.push(k8s::read(&host_path));
    assert_eq!(with, pod);

    // AppArmor's field came with Kubernetes 1.30
    assert!(plain.spec.template.spec.containers[0].security_context.app_armor_profile.is_some());
    let (objects, _) = renderer.objects(&json!({}), "v1.29.8");
    let old: DaemonSet = k8s::one(&objects, "DaemonSet");
    assert!(old.spec.template.spec.containers[0].security_context.app_armor_profile.is_none());
    let annotation = "container.apparmor.security.beta.kubernetes.io/tracer";
    assert_eq!(old.spec.template.metadata.annotations[annotation], "unconfined");

    // to Kubernetes nobody is everybody
    let refused = renderer.run(&json!({"metrics": {"networkPolicy": {"enabled": true}}}), CURRENT);
    assert!(refused.is_err_and(|error| error.contains("name who may scrape")));

    let (named, ..) = set(json!({"fullnameOverride": "eye", "nameOverride": "looking"}));
    assert_eq!(named.metadata.name, "eye");
    assert_eq!(named.metadata.labels["app.kubernetes.io/name"], "looking");
}

/// The rights are those of the plain manifest, and there are none where they are not needed.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_api_takes_a_token_and_a_role() {
    if !lab::can_run("the_api_takes_a_token_and_a_role", &["go", SPRIG]) {
        return;
    }
    let renderer = Renderer::build();
    let (objects, _) = renderer.objects(&json!({}), CURRENT);
    assert!(!objects.iter().any(|object| object["kind"].as_str().is_some_and(|kind| kind.contains("Role"))));
    let (objects, _) =
        renderer.objects(&json!({"kubernetes": {"events": true, "watch": true}, "fullnameOverride": "eye"}), CURRENT);
    let set: DaemonSet = k8s::one(&objects, "DaemonSet");
    let pod = &set.spec.template.spec;
    assert_eq!(pod.automount_service_account_token, Some(true));
    let variable = |name: &str| pod.containers[0].env.iter().find(|one| one.name == name).expect("it is set");
    assert_eq!(variable("TRACER_KUBERNETES_EVENTS").value, "true");
    assert_eq!(variable("TRACER_KUBERNETES_WATCH").value, "true");
    let node = variable("TRACER_NODE_NAME").value_from.as_ref().expect("it is a field's");
    assert_eq!(node.field_ref.field_path, "spec.nodeName");
    let (role, binding): (ClusterRole, ClusterRoleBinding) =
        (k8s::one(&objects, "ClusterRole"), k8s::one(&objects, "ClusterRoleBinding"));
    assert_eq!((&binding.role_ref.name, &binding.subjects[0].name), (&role.metadata.name, &pod.service_account_name));
    assert_eq!(binding.subjects[0].namespace, set.metadata.namespace);
    let plain = k8s::documents(include_str!("../../../deploy/kubernetes/rbac.yaml"));
    let rules = k8s::one::<ClusterRole>(&plain, "ClusterRole").rules;
    assert_eq!(role.rules, rules);
    for (values, rule) in [(json!({"events": true}), &rules[0]), (json!({"watch": true}), &rules[1])] {
        let (objects, _) = renderer.objects(&json!({"kubernetes": values}), CURRENT);
        assert_eq!(k8s::one::<ClusterRole>(&objects, "ClusterRole").rules, std::slice::from_ref(rule), "{values}");
    }
}

/// The agent itself says that it understands its configuration.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_agent_understands_the_configuration() {
    if !lab::can_run("the_agent_understands_the_configuration", &["go", SPRIG]) {
        return;
    }
    let renderer = Renderer::build();
    let config = json!({"config": {
        "namespace": ["shop", "bank"], "label": ["app=web"], "history-terminations": 1_000_000, "log-level": "warn",
        "record-dir": "/var/lib/\"tracer\" <&>",
    }});
    let mut checksums = Vec::new();
    for values in [json!({}), config] {
        let (objects, _) = renderer.objects(&values, CURRENT);
        let map: ConfigMap = k8s::one(&objects, "ConfigMap");
        let dir = tempfile::tempdir().expect("a directory can be made");
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, &map.data["agent.toml"]).expect("the directory is ours");
        let told = read(Command::new(BINARY).args(["agent", "--print-config", "--config"]).arg(&file));
        let wanted: &[&str] = if values == json!({}) {
            &["history-size = \"64MiB\"", "log-format = \"json\""]
        } else {
            &["\"shop\"", "\"bank\"", "app=web", "1000000", "warn", "log-format = \"json\"", "<&>"]
        };
        assert!(wanted.iter().all(|words| told.contains(words)), "{wanted:?} in {told}");
        let set: DaemonSet = k8s::one(&objects, "DaemonSet");
        checksums.push(set.spec.template.metadata.annotations["checksum/config"].clone());
    }
    assert_ne!(checksums[0], checksums[1], "a new configuration makes new pods");
}
