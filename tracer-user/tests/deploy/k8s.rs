//! The part of Kubernetes' API that `deploy/` uses, with its types. A field that is not here is an error: the tests would
//! not look at it.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) type Words = BTreeMap<String, String>;

/// All documents of a file.
#[track_caller]
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

/// The one document of a kind.
#[track_caller]
pub(crate) fn one<T: DeserializeOwned>(documents: &[Value], kind: &str) -> T {
    let found: Vec<_> = documents.iter().filter(|document| document["kind"] == kind).collect();
    let [document] = found[..] else { panic!("one {kind} is expected: {found:#?}") };
    read(document)
}

/// With its types.
#[track_caller]
pub(crate) fn read<T: DeserializeOwned>(document: &Value) -> T {
    serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error} in {document:#}"))
}

/// Checks each document against the types of its kind.
#[track_caller]
pub(crate) fn check_types(documents: &[Value]) {
    for document in documents {
        match document["kind"].as_str() {
            Some("DaemonSet") => drop(read::<DaemonSet>(document)),
            Some("ConfigMap") => drop(read::<ConfigMap>(document)),
            Some("ServiceAccount") => drop(read::<ServiceAccount>(document)),
            Some("Namespace") => drop(read::<Namespace>(document)),
            Some("ClusterRole") => drop(read::<ClusterRole>(document)),
            Some("ClusterRoleBinding") => drop(read::<ClusterRoleBinding>(document)),
            Some("Service") => drop(read::<Service>(document)),
            // what is in there is of other projects, or of no interest here
            Some("ServiceMonitor" | "NetworkPolicy") => drop(read::<Other>(document)),
            _ => panic!("a kind that is not known here: {document:#}"),
        }
    }
}

/// Structs of the API: fields in camel case, those that are missing have their defaults.
macro_rules! types {
    ($($name:ident { $($(#[$named:meta])? $field:ident: $type:ty),* })*) => { $(
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        #[allow(dead_code, reason = "some are there for their types only")]
        #[allow(clippy::struct_field_names, reason = "as the API has them")]
        pub(crate) struct $name { $($(#[$named])? pub(crate) $field: $type),* }
    )* };
}

types! {
    DaemonSet { api_version: String, kind: String, metadata: Metadata, spec: DaemonSetSpec }
    DaemonSetSpec { selector: Selector, update_strategy: UpdateStrategy, template: Template }
    Selector { match_labels: Words }
    UpdateStrategy { r#type: String, rolling_update: RollingUpdate }
    RollingUpdate { max_unavailable: Value }
    Template { metadata: Metadata, spec: PodSpec }
    Metadata { name: String, namespace: String, labels: Words, annotations: Words }
    PodSpec {
        service_account_name: String,
        automount_service_account_token: Option<bool>,
        enable_service_links: Option<bool>,
        #[serde(rename = "hostPID")]
        host_pid: bool,
        priority_class_name: String,
        termination_grace_period_seconds: Option<u32>,
        node_selector: Words,
        tolerations: Vec<Toleration>,
        affinity: Value,
        image_pull_secrets: Vec<Words>,
        containers: Vec<Container>,
        volumes: Vec<Volume>
    }
    Toleration { key: String, operator: String, value: String, effect: String, toleration_seconds: Option<u32> }
    Container {
        name: String,
        image: String,
        image_pull_policy: String,
        args: Vec<String>,
        env: Vec<Variable>,
        ports: Vec<Port>,
        liveness_probe: Option<Probe>,
        readiness_probe: Option<Probe>,
        resources: Resources,
        security_context: SecurityContext,
        volume_mounts: Vec<VolumeMount>
    }
    Variable { name: String, value: String, value_from: Option<ValueFrom> }
    ValueFrom { field_ref: FieldRef }
    FieldRef { field_path: String }
    Port { name: String, container_port: u16, protocol: String }
    Probe { http_get: HttpGet, period_seconds: u32, timeout_seconds: u32, failure_threshold: u32 }
    HttpGet { path: String, port: Value }
    Resources { requests: Words, limits: Words }
    SecurityContext {
        privileged: bool,
        allow_privilege_escalation: Option<bool>,
        read_only_root_filesystem: bool,
        run_as_user: Option<u32>,
        run_as_group: Option<u32>,
        capabilities: Capabilities,
        seccomp_profile: Option<Profile>,
        app_armor_profile: Option<Profile>,
        se_linux_options: Words
    }
    Capabilities { drop: Vec<String>, add: Vec<String> }
    Profile { r#type: String, localhost_profile: Option<String> }
    VolumeMount { name: String, mount_path: String, read_only: bool, mount_propagation: Option<String> }
    Volume { name: String, empty_dir: Option<EmptyDir>, config_map: Option<Reference>, host_path: Option<HostPath> }
    EmptyDir { medium: String, size_limit: String }
    Reference { name: String }
    HostPath { path: String, r#type: String }
    ConfigMap { api_version: String, kind: String, metadata: Metadata, data: Words }
    ServiceAccount {
        api_version: String,
        kind: String,
        metadata: Metadata,
        automount_service_account_token: Option<bool>,
        image_pull_secrets: Vec<Words>
    }
    Namespace { api_version: String, kind: String, metadata: Metadata }
    Service { api_version: String, kind: String, metadata: Metadata, spec: ServiceSpec }
    ServiceSpec {
        r#type: String,
        #[serde(rename = "clusterIP")]
        cluster_ip: String,
        selector: Words,
        ports: Vec<ServicePort>
    }
    ServicePort { name: String, port: u16, target_port: Value, protocol: String }
    ClusterRole { api_version: String, kind: String, metadata: Metadata, rules: Vec<Rule> }
    Rule { api_groups: Vec<String>, resources: Vec<String>, verbs: Vec<String> }
    ClusterRoleBinding { api_version: String, kind: String, metadata: Metadata, role_ref: RoleRef, subjects: Vec<Subject> }
    RoleRef { api_group: String, kind: String, name: String }
    Subject { kind: String, name: String, namespace: String }
    Other { api_version: String, kind: String, metadata: Metadata, spec: Value }
}
