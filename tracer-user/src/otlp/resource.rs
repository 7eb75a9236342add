//! What a trace is about: the container, its pod and its workload, in the words of OpenTelemetry's semantic conventions.

use super::attributes::Attributes;
use crate::event::Owner;
use crate::model::ContainerName;

/// The version of the semantic conventions that the attributes follow.
pub(super) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// What is to be said of a container. `owner` is what the API of Kubernetes told, `common` what is true of all on this machine.
pub(super) fn resource(
    container: &ContainerName,
    owner: Option<&Owner>,
    image: Option<&str>,
    common: &[(String, String)],
) -> Attributes {
    let mut told = Attributes::default();
    // a static pod is the node's, and no service of that name
    let owner = owner.filter(|owner| owner.kind != "Node").map(|owner| (Kind::named(&owner.kind), owner.name.as_str()));
    let workload = owner.or_else(|| workload(container).map(|(kind, name)| (Some(kind), name)));
    let compose = |key: &str| container.labels.get(&format!("com.docker.compose.{key}")).map(String::as_str);
    // Podman has pods, and no namespaces
    let pod = container.pod.as_ref();
    let in_kubernetes = pod.filter(|pod| !pod.namespace.is_empty());
    let service = workload
        .as_ref()
        .map(|(_, name)| *name)
        .or_else(|| pod.map(|pod| pod.name.as_str()))
        .or_else(|| compose("service"))
        .unwrap_or_else(|| container.own());
    told.text("service.name", service);
    if let Some(pod) = in_kubernetes {
        told.text("service.namespace", &pod.namespace);
        told.text("k8s.namespace.name", &pod.namespace);
        told.text("k8s.pod.name", &pod.name);
        told.text("k8s.pod.uid", &pod.uid);
        told.text("k8s.container.name", container.name.as_deref().unwrap_or_default());
        if let Some((Some(kind), name)) = workload {
            told.text(kind.key(), name);
        }
    } else {
        told.text("service.namespace", compose("project").unwrap_or_default());
        told.text("container.name", container.name.as_deref().unwrap_or_default());
    }
    told.text("container.id", &container.id);
    if let Some(image) = image {
        tell_image(&mut told, image);
    }
    told.add_missing(common);
    told
}

/// What makes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl Kind {
    /// As the API names it; others have no attribute.
    fn named(kind: &str) -> Option<Self> {
        Some(match kind {
            "Deployment" => Self::Deployment,
            "ReplicaSet" => Self::ReplicaSet,
            "StatefulSet" => Self::StatefulSet,
            "DaemonSet" => Self::DaemonSet,
            "Job" => Self::Job,
            "CronJob" => Self::CronJob,
            _ => return None,
        })
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Deployment => "k8s.deployment.name",
            Self::ReplicaSet => "k8s.replicaset.name",
            Self::StatefulSet => "k8s.statefulset.name",
            Self::DaemonSet => "k8s.daemonset.name",
            Self::Job => "k8s.job.name",
            Self::CronJob => "k8s.cronjob.name",
        }
    }
}

/// Whose pod it is, by the labels that Kubernetes' own controllers put on pods: a name alone would be a guess.
fn workload(container: &ContainerName) -> Option<(Kind, &str)> {
    let pod = container.pod.as_ref().filter(|pod| !pod.namespace.is_empty())?;
    let label = |key: &str| container.labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    if let Some(job) = label("batch.kubernetes.io/job-name").or_else(|| label("job-name")) {
        return Some((Kind::Job, job));
    }
    // what follows the last dash is the pod's own: a number, or five letters
    let (owner, _) = pod.name.rsplit_once('-')?;
    if let Some(hash) = label("pod-template-hash") {
        return Some((Kind::Deployment, owner.strip_suffix(hash)?.strip_suffix('-')?));
    }
    if label("statefulset.kubernetes.io/pod-name").is_some() {
        return Some((Kind::StatefulSet, owner));
    }
    label("pod-template-generation").map(|_| (Kind::DaemonSet, owner))
}

/// `registry:5000/shop/web:1.2@sha256:…` in its parts.
fn tell_image(told: &mut Attributes, image: &str) {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex(image.strip_prefix("sha256:").unwrap_or(image)) {
        return told.text("container.image.id", image);
    }
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    // a colon before a slash is that of a port
    let tag = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let name = tag.map_or(name, |(name, _)| name);
    told.text("container.image.name", name);
    told.texts("container.image.tags", tag.iter().map(|(_, tag)| *tag));
    let digests: Vec<_> = digest.iter().map(|digest| format!("{name}@{digest}")).collect();
    told.texts("container.image.repo_digests", digests.iter().map(String::as_str));
}

#[cfg(test)]
mod tests {
    use super::super::testing::tell;
    use super::*;
    use crate::event::PodName;

    fn container(pod: Option<(&str, &str)>, labels: &[(&str, &str)]) -> ContainerName {
        ContainerName {
            id: "0123456789abcdef".repeat(4),
            name: Some("app".to_owned()),
            pod: pod.map(|(namespace, name)| PodName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                uid: "u-1".to_owned(),
            }),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..ContainerName::default()
        }
    }

    fn told(container: &ContainerName, image: Option<&str>) -> Vec<String> {
        resource(container, None, image, &[]).into_vec().iter().map(tell).collect()
    }

    #[test]
    fn the_service_is_the_workload_where_a_label_tells_it() {
        for (name, labels, service) in [
            ("web-7d9f8b6c5-x2x4k", &[("pod-template-hash", "7d9f8b6c5")][..], "web k8s.deployment.name=web"),
            // a name that was too long for its hash to be whole
            ("a-long-name-7d9fx2x4k", &[("pod-template-hash", "7d9f8b6c5")], "a-long-name-7d9fx2x4k"),
            ("db-0", &[("statefulset.kubernetes.io/pod-name", "db-0")], "db k8s.statefulset.name=db"),
            ("log-x2x4k", &[("pod-template-generation", "1")], "log k8s.daemonset.name=log"),
            ("send-28-x2x4k", &[("job-name", "send-28")], "send-28 k8s.job.name=send-28"),
            ("web-7d9f8b6c5-x2x4k", &[], "web-7d9f8b6c5-x2x4k"),
            ("bare", &[("pod-template-hash", "7d9f8b6c5")], "bare"),
        ] {
            let told = told(&container(Some(("shop", name)), labels), None);
            let wanted = service.split(' ').collect::<Vec<_>>();
            assert_eq!(told[0], format!("service.name={}", wanted[0]), "{name}");
            let owner = told.iter().find(|told| {
                ["deployment", "statefulset", "daemonset", "job"]
                    .iter()
                    .any(|kind| told.starts_with(&format!("k8s.{kind}")))
            });
            assert_eq!(owner.map(String::as_str), wanted.get(1).copied(), "{name}");
        }
    }

    #[test]
    fn the_api_knows_better_than_labels() {
        let pod = container(Some(("shop", "web-7d9f8b6c5-x2x4k")), &[("pod-template-hash", "7d9f8b6c5")]);
        let told = |kind: &str| {
            let owner = Owner { kind: kind.to_owned(), name: "theirs".to_owned() };
            let told = resource(&pod, Some(&owner), None, &[]).into_vec();
            let wanted = |told: &String| {
                !["service.namespace", "k8s.namespace", "k8s.pod", "k8s.container", "container"]
                    .iter()
                    .any(|known| told.starts_with(known))
            };
            told.iter().map(tell).filter(wanted).collect::<Vec<_>>()
        };
        assert_eq!(told("StatefulSet"), ["service.name=theirs", "k8s.statefulset.name=theirs"]);
        assert_eq!(told("ReplicaSet"), ["service.name=theirs", "k8s.replicaset.name=theirs"]);
        // of an operator
        assert_eq!(told("Database"), ["service.name=theirs"]);
        assert_eq!(told("Node"), ["service.name=web", "k8s.deployment.name=web"]);
    }

    #[test]
    fn what_is_not_kubernetes_is_not_told_as_if_it_were() {
        let compose =
            [("com.docker.compose.project", "shop"), ("com.docker.compose.service", "web"), ("job-name", "send")];
        let id = format!("container.id={}", "0123456789abcdef".repeat(4));
        assert_eq!(
            told(&container(None, &compose), None),
            ["service.name=web", "service.namespace=shop", "container.name=app", &id]
        );
        assert_eq!(told(&container(Some(("", "pod")), &[]), None), ["service.name=pod", "container.name=app", &id]);
        let nameless = ContainerName { name: None, ..container(None, &[]) };
        assert_eq!(told(&nameless, None), ["service.name=0123456789ab", &id]);
    }

    #[test]
    fn an_image_is_told_in_its_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let of = |image: &str| told(&container(None, &[]), Some(image)).split_off(3);
        assert_eq!(of("nginx"), ["container.image.name=nginx"]);
        assert_eq!(of("nginx:1.25"), ["container.image.name=nginx", "container.image.tags=[1.25]"]);
        assert_eq!(
            of(&format!("r:5000/shop/web:1@{digest}")),
            [
                "container.image.name=r:5000/shop/web",
                "container.image.tags=[1]",
                &format!("container.image.repo_digests=[r:5000/shop/web@{digest}]")
            ]
        );
        assert_eq!(of("r:5000/web"), ["container.image.name=r:5000/web"]);
        assert_eq!(of(&digest), [format!("container.image.id={digest}")]);
    }
}
