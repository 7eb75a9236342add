//! What kubelet writes on the containers that it has made: in labels and annotations, the same for every runtime.

use serde::Deserialize;

use crate::event::{Hook, PodName};

use super::bounds::{self, Labels};

// pkg/kubelet/types/labels.go and pkg/kubelet/kuberuntime/labels.go
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_UID: &str = "io.kubernetes.pod.uid";
const CONTAINER_NAME: &str = "io.kubernetes.container.name";
const GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
const PRE_STOP: &str = "io.kubernetes.container.preStopHandler";
const RESTARTS: &str = "io.kubernetes.container.restartCount";
// pkg/kubelet/types/pod_update.go
const SOURCE: &str = "kubernetes.io/config.source";

/// Seconds of a `sleep` hook that are more than anybody waits for.
const LONGEST_SLEEP: u64 = u32::MAX as u64;

/// The annotations that matter. All others may hold anything, secrets as well, and are not kept.
pub(super) trait Annotations {
    /// The value of the annotation with this name.
    fn get(&self, name: &str) -> Option<&str>;

    /// The pod's grace period, ms. `None` also when it is negative or no number.
    fn grace_ms(&self) -> Option<u64> {
        self.get(GRACE)?.parse::<u64>().ok()?.checked_mul(1000)
    }

    /// How often kubelet restarted the container.
    fn restarts(&self) -> Option<u32> {
        self.get(RESTARTS)?.parse().ok()
    }

    /// Whether there is a preStop hook, and what it does, if that can be understood.
    fn pre_stop(&self) -> (bool, Option<Hook>) {
        let Some(json) = self.get(PRE_STOP).filter(|json| !json.is_empty() && *json != "null") else {
            return (false, None);
        };
        (true, serde_json::from_str::<Handler>(json).ok().and_then(Handler::hook))
    }

    /// Where kubelet has the pod from.
    fn source(&self) -> Option<String> {
        self.get(SOURCE).and_then(bounds::text)
    }
}

/// A `LifecycleHandler`, `k8s.io/api/core/v1`.
#[derive(Deserialize)]
struct Handler {
    exec: Option<Exec>,
    #[serde(rename = "httpGet")]
    http_get: Option<serde::de::IgnoredAny>,
    #[serde(rename = "tcpSocket")]
    tcp_socket: Option<serde::de::IgnoredAny>,
    sleep: Option<Sleep>,
}

#[derive(Deserialize)]
struct Exec {
    #[serde(default)]
    command: Vec<String>,
}

#[derive(Deserialize)]
struct Sleep {
    seconds: u64,
}

impl Handler {
    fn hook(self) -> Option<Hook> {
        match self {
            Self { exec: Some(Exec { command }), .. } => {
                Some(Hook::Exec { command: bounds::command(command.iter().map(String::as_str)) })
            }
            Self { http_get: Some(_), .. } => Some(Hook::HttpGet),
            Self { tcp_socket: Some(_), .. } => Some(Hook::TcpSocket),
            Self { sleep: Some(Sleep { seconds }), .. } => Some(Hook::Sleep { seconds: seconds.min(LONGEST_SLEEP) }),
            Self { .. } => None,
        }
    }
}

/// The pod that a container's own labels name.
pub(super) fn pod(labels: &Labels) -> Option<PodName> {
    let label = |name| labels.get(name).and_then(|value| bounds::text(value));
    Some(PodName { namespace: label(POD_NAMESPACE)?, name: label(POD_NAME)?, uid: label(POD_UID).unwrap_or_default() })
}

/// The name that kubectl shows for a container.
pub(super) fn container_name(labels: &Labels) -> Option<String> {
    labels.get(CONTAINER_NAME).and_then(|name| bounds::text(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Annotations for (&str, &str) {
        fn get(&self, name: &str) -> Option<&str> {
            (self.0 == name).then_some(self.1)
        }
    }

    #[test]
    fn grace_periods() {
        for (text, expect) in [
            ("30", Some(30_000)),
            ("0", Some(0)),
            ("-5", None),
            ("99999999999999999999", None),
            ("18446744073709551615", None),
            ("30s", None),
            ("", None),
        ] {
            assert_eq!((GRACE, text).grace_ms(), expect, "{text}");
        }
    }

    #[test]
    fn hooks() {
        let check =
            |json: &str, expect: Option<Hook>| assert_eq!((PRE_STOP, json).pre_stop(), (true, expect), "{json}");
        let exec = |words: &[&str]| Some(Hook::Exec { command: words.iter().map(|&word| word.to_owned()).collect() });
        check(r#"{"exec":{"command":["/bin/sleep","2"]}}"#, exec(&["/bin/sleep", "2"]));
        check(r#"{"exec":{}}"#, exec(&[]));
        check(r#"{"httpGet":{"path":"/stop","port":80,"scheme":"HTTP"}}"#, Some(Hook::HttpGet));
        check(r#"{"tcpSocket":{"port":"x"}}"#, Some(Hook::TcpSocket));
        check(r#"{"sleep":{"seconds":5}}"#, Some(Hook::Sleep { seconds: 5 }));
        // something is there that nobody has heard of: the hook counts, and what it does stays open
        check(r#"{"sleep":{"seconds":-5}}"#, None);
        check(r#"{"signal":{"name":"HUP"}}"#, None);
        check("\u{1b}[2J", None);
        check(&"[".repeat(10_000), None);
        assert_eq!((PRE_STOP, "null").pre_stop(), (false, None));
        assert_eq!(("other", "{}").pre_stop(), (false, None));
    }

    #[test]
    fn a_pod_needs_a_name() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let all = labels(&[(POD_NAMESPACE, "shop"), (POD_NAME, "web-0"), (POD_UID, "u")]);
        let expect = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned(), uid: "u".to_owned() };
        assert_eq!(pod(&all), Some(expect));
        assert_eq!(pod(&labels(&[(POD_NAMESPACE, "shop"), (POD_NAME, "")])), None);
    }
}
