//! What the manifests say, without a node.

use super::agent::{Agent, PLAIN, PRIVILEGED};
use super::k8s::{self, DaemonSet, SecurityContext, ServiceAccount};

#[test]
fn the_manifests_have_the_types_of_the_api() {
    for manifest in [PLAIN, PRIVILEGED] {
        let documents = k8s::documents(manifest);
        k8s::check_types(&documents);
        let kinds: Vec<_> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount", "ConfigMap", "DaemonSet"]);
    }
}

#[test]
fn nothing_may_talk_to_the_api() {
    for manifest in [PLAIN, PRIVILEGED] {
        let documents = k8s::documents(manifest);
        let account: ServiceAccount = k8s::one(&documents, "ServiceAccount");
        let set: DaemonSet = k8s::one(&documents, "DaemonSet");
        let pod = &set.spec.template.spec;
        assert_eq!(
            (account.automount_service_account_token, pod.automount_service_account_token),
            (Some(false), Some(false))
        );
        assert_eq!(pod.service_account_name, account.metadata.name);
    }
}

#[test]
fn both_are_the_same_but_for_the_security_context() {
    let (plain, privileged) = (k8s::documents(PLAIN), k8s::documents(PRIVILEGED));
    let without = |documents: &[serde_json::Value]| {
        let mut documents = documents.to_vec();
        for document in &mut documents {
            if let Some(context) = document.pointer_mut("/spec/template/spec/containers/0/securityContext") {
                *context = serde_json::Value::Null;
            }
        }
        documents
    };
    assert_eq!(without(&plain), without(&privileged));
    let context = |manifest| Agent::of(manifest).container().security_context.clone();
    let (narrow, wide) = (context(PLAIN), context(PRIVILEGED));
    assert!(!narrow.privileged && wide.privileged);
    assert_eq!(narrow.allow_privilege_escalation, Some(false));
    assert_eq!(narrow.capabilities.drop, ["ALL"]);
    assert!([narrow, wide].iter().all(|SecurityContext { read_only_root_filesystem, .. }| *read_only_root_filesystem));
}

#[test]
fn selector_labels_and_ports_agree() {
    for manifest in [PLAIN, PRIVILEGED] {
        let set: DaemonSet = k8s::one(&k8s::documents(manifest), "DaemonSet");
        let template = &set.spec.template;
        assert_eq!(set.spec.selector.match_labels, template.metadata.labels);
        let [container] = &template.spec.containers[..] else { panic!("one container") };
        let [port] = &container.ports[..] else { panic!("one port") };
        let number = port.container_port.to_string();
        let listen = container.env.iter().find(|variable| variable.name == "TRACER_METRICS_LISTEN").expect("it is set");
        assert!(listen.value.ends_with(&format!(":{number}")), "{}", listen.value);
        for probe in [&container.liveness_probe, &container.readiness_probe] {
            let get = &probe.as_ref().expect("it has one").http_get;
            assert_eq!(get.port, port.name.as_str());
        }
        assert!(container.resources.limits.contains_key("memory") && !container.resources.limits.contains_key("cpu"));
    }
}
