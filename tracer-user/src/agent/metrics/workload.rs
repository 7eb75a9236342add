//! What a container belongs to: pods come and go, what owns them stays.
//!
//! The API of Kubernetes knows who owns a pod. Where it is not asked, or has not answered yet, that is guessed: the names
//! of pods are made by rules.

use crate::event::Owner;
use crate::model::ContainerName;
use crate::printable;

/// Characters of the random suffixes that Kubernetes gives to names (`k8s.io/apimachinery/pkg/util/rand`).
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";
/// Those of a hash of a pod's template: its decimal digits, as the same package encodes them.
const HASH: &str = "456789bcdf";

/// Namespace and workload of a container, safe to print. Outside Kubernetes there is no namespace, and the workload is the
/// container's name; a container without a name has neither.
pub(super) fn workload(container: &ContainerName) -> (String, String) {
    let safe = |text: &str| printable::text(text).into_owned();
    if let Some(pod) = &container.pod {
        let known = container.owner.as_ref().and_then(of_owner);
        return (safe(&pod.namespace), safe(known.unwrap_or_else(|| of_pod(&pod.name))));
    }
    let name = match &container.name {
        Some(name) => name,
        // an id says nothing, and would be another workload each time; what --cgroup and --pid name is meant
        None if container.short_id() == container.id => &container.id,
        None => "",
    };
    (String::new(), safe(name))
}

/// What the owner itself belongs to: there is a new `ReplicaSet` with each roll-out and a new Job every minute, and a series
/// for each would be too many. `None` where the owner is no workload.
fn of_owner(owner: &Owner) -> Option<&str> {
    let name = owner.name.as_str();
    match owner.kind.as_str() {
        // a static pod is the node's
        "Node" => None,
        // what is told as a Deployment has lost its hash already; Argo's and others' have not
        "ReplicaSet" => Some(cut(name).filter(|(_, last)| is_hash(last)).map_or(name, |(rest, _)| rest)),
        // a CronJob appends the minute; a shorter number is part of a name
        "Job" => Some(cut(name).filter(|(_, last)| is_number(last) && last.len() >= 8).map_or(name, |(rest, _)| rest)),
        _ => Some(name),
    }
}

/// The name of a pod without what its owner appended.
fn of_pod(pod: &str) -> &str {
    let Some((rest, last)) = cut(pod) else { return pod };
    if last.len() != 5 || !is(last, RANDOM) {
        // a StatefulSet numbers its pods
        return if is_number(last) { rest } else { pod };
    }
    match cut(rest) {
        // a Deployment's ReplicaSet; the index or the minute of a Job
        Some((owner, before)) if is_hash(before) || is_number(before) => owner,
        _ => rest,
    }
}

/// What is before the last dash, and what is behind it.
fn cut(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(rest, _)| !rest.is_empty())
}

fn is(text: &str, of: &str) -> bool {
    text.chars().all(|c| of.contains(c))
}

fn is_hash(text: &str) -> bool {
    (8..=10).contains(&text.len()) && is(text, HASH)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
    fn where_the_owner_is_known_nothing_is_guessed() {
        let of = |kind: &str, name: &str, pod: &str| {
            let owner = Some(Owner { kind: kind.to_owned(), name: name.to_owned() });
            let pod = PodName { namespace: "shop".to_owned(), name: pod.to_owned(), uid: String::new() };
            workload(&ContainerName { pod: Some(pod), owner, ..ContainerName::default() }).1
        };
        // names that mislead the guess
        assert_eq!(of("DaemonSet", "proxy-47859bcd", "proxy-47859bcd-x2kqz"), "proxy-47859bcd");
        assert_eq!(of("Job", "pi-17", "pi-17-v4pmx"), "pi-17");
        assert_eq!(of("Database", "orders", "orders-primary"), "orders");
        assert_eq!(of("Deployment", "a-very-long-name", "a-very-long-na7d4b9x2kqz"), "a-very-long-name");
        assert_eq!(of("ReplicaSet", "by-hand", "by-hand-x2kqz"), "by-hand");
        // what has a new name each time
        assert_eq!(of("ReplicaSet", "web-7d4b9c8f6d", "web-7d4b9c8f6d-x2kqz"), "web");
        assert_eq!(of("Job", "backup-29384756", "backup-29384756-v4pmx"), "backup");
        assert_eq!(of("Node", "node-a", "etcd-node-a"), "etcd-node-a");
        assert_eq!(of("Database", "o\x1b", "o-0"), "o\\x1b");
    }

    #[test]
    fn outside_kubernetes_it_is_the_container() {
        let named = |id: &str, name: Option<&str>| {
            workload(&ContainerName { id: id.to_owned(), name: name.map(str::to_owned), ..ContainerName::default() })
        };
        let id = "c0ffee".repeat(11);
        assert_eq!(named(&id, Some("db")), (String::new(), "db".to_owned()));
        assert_eq!(named(&id, None), (String::new(), String::new()));
        assert_eq!(named("/system.slice/web", None).1, "/system.slice/web");
        assert_eq!(named(&id, Some("a\x1b\n")).1, "a\\x1b\\x0a");
        let pod = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: String::new() };
        let name = ContainerName { pod: Some(pod), ..ContainerName::default() };
        assert_eq!(workload(&name), ("shop".to_owned(), "web".to_owned()));
    }
}
