//! What a container belongs to, as far as its names tell: pods come and go, what owns them stays.
//!
//! A guess. The API server knows who owns a pod, and is not asked; but the names of pods are made by rules.

use crate::model::ContainerName;
use crate::printable;

/// Characters of the random suffixes that Kubernetes gives to names (`k8s.io/apimachinery/pkg/util/rand`).
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";
/// Those of a hash of a pod's template: its decimal digits, as the same package encodes them.
const HASH: &str = "456789bcdf";

/// Namespace and workload of a container, safe to print. Outside Kubernetes there is no namespace, and the workload is the
/// container's name; a container without a name has neither.
pub(super) fn owner(container: &ContainerName) -> (String, String) {
    let safe = |text: &str| printable::text(text).into_owned();
    if let Some(pod) = &container.pod {
        return (safe(&pod.namespace), safe(of_pod(&pod.name)));
    }
    let name = match &container.name {
        Some(name) => name,
        // an id says nothing, and would be another workload each time; what --cgroup and --pid name is meant
        None if container.short_id() == container.id => &container.id,
        None => "",
    };
    (String::new(), safe(name))
}

/// The name of a pod without what its owner appended.
fn of_pod(pod: &str) -> &str {
    let is = |text: &str, of: &str| text.chars().all(|c| of.contains(c));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let cut = |name: &str| name.rsplit_once('-').filter(|(rest, _)| !rest.is_empty()).map(|(rest, _)| rest.len());
    let Some(at) = cut(pod) else { return pod };
    let (rest, last) = (&pod[..at], &pod[at + 1..]);
    if last.len() != 5 || !is(last, RANDOM) {
        // a StatefulSet numbers its pods
        return if is_number(last) { rest } else { pod };
    }
    let Some(at) = cut(rest) else { return rest };
    let (owner, before) = (&rest[..at], &rest[at + 1..]);
    // a Deployment's ReplicaSet; the index or the minute of a Job
    let is_hash = (8..=10).contains(&before.len()) && is(before, HASH);
    if is_hash || is_number(before) { owner } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PodName;

    #[test]
    fn the_names_of_pods_tell_what_they_belong_to() {
        for (pod, workload) in [
            ("web-7d4b9c8f6d-x2kqz", "web"),
            ("checkout-api-59c4d8b7f9-8zhtw", "checkout-api"),
            ("web-0", "web"),
            ("kafka-broker-12", "kafka-broker"),
            ("node-exporter-x2kqz", "node-exporter"),
            ("backup-29384756-v4pmx", "backup"),
            ("pi-17-v4pmx", "pi"),
            ("migrate-v4pmx", "migrate"),
            ("web", "web"),
            ("my-nginx", "my-nginx"),
            ("my-redis", "my-redis"),
            ("kube-apiserver-node-a", "kube-apiserver-node-a"),
            ("web-12345", "web"),
            ("-0", "-0"),
            ("", ""),
            ("ü-ß-ß", "ü-ß-ß"),
        ] {
            assert_eq!(of_pod(pod), workload, "{pod}");
        }
    }

    #[test]
    fn outside_kubernetes_it_is_the_container() {
        let named = |id: &str, name: Option<&str>| {
            owner(&ContainerName { id: id.to_owned(), name: name.map(str::to_owned), ..ContainerName::default() })
        };
        let id = "c0ffee".repeat(11);
        assert_eq!(named(&id, Some("db")), (String::new(), "db".to_owned()));
        assert_eq!(named(&id, None), (String::new(), String::new()));
        assert_eq!(named("/system.slice/web", None).1, "/system.slice/web");
        assert_eq!(named(&id, Some("a\x1b\n")).1, "a\\x1b\\x0a");
        let pod = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: String::new() };
        let name = ContainerName { pod: Some(pod), ..ContainerName::default() };
        assert_eq!(owner(&name), ("shop".to_owned(), "web".to_owned()));
    }
}
