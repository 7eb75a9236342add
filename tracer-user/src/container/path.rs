//! Which container a cgroup path belongs to. Pure: text in, answer out.
//!
//! There is no registry of these shapes. Each runtime invents its own, and each appears below any other (a kind node is
//! a Docker container with a kubelet in it), at any depth, on cgroup v1 and v2 alike. What they share is that a
//! container's own cgroup is a directory named after the container's id. So the path is read component by component,
//! and the innermost component that names a container wins.
//!
//! What is not recognised is no container: a slice, a service or a session that merely looks odd is left alone.

/// Length of the ids that Docker, containerd's CRI plugin, CRI-O, Podman and nerdctl make: 256 bits in lower-case hex.
const ID_LEN: usize = 64;
/// LXC's own limit is shorter; a longer name is no name.
const LXC_NAME_LEN: usize = 128;

/// The container that a cgroup belongs to, as its path tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPath {
    /// Id of the innermost container: 64 hex digits, but for LXC (a name), Garden (a handle) and Fargate.
    pub id: String,
    /// `docker`, `containerd`, `cri-o`, `podman`, `lxc`, `garden`, or `kubernetes` where the path names a pod and not
    /// the runtime below it (kubelet's cgroupfs driver).
    pub runtime: &'static str,
    /// UID of the innermost pod around it, with dashes unless it is a static pod's.
    pub pod_uid: Option<String>,
    /// How many bytes of the path are the container's own cgroup; the rest is below it.
    pub own_len: usize,
}

impl ContainerPath {
    /// Whether `path`, the one this was parsed from, is the container's own cgroup and not one below it.
    #[must_use]
    pub fn is_own(&self, path: &str) -> bool {
        path.trim_end_matches('/').len() == self.own_len
    }
}

/// The innermost container that `path` lies in.
///
/// `path` counts from the root of its hierarchy, or from a cgroup namespace's root: `..` components, which
/// `/proc/PID/cgroup` shows for cgroups outside the reader's namespace, say nothing and are passed over.
#[must_use]
pub fn parse(path: &str) -> Option<ContainerPath> {
    let mut walk = Walk::default();
    let mut end = 0;
    for component in path.split('/') {
        end += component.len();
        if !matches!(component, "" | "." | "..") {
            walk.step(component, end);
        }
        end += 1; // the slash
    }
    walk.found
}

/// What the components so far told.
#[derive(Default)]
struct Walk<'a> {
    found: Option<ContainerPath>,
    pod_uid: Option<String>,
    /// The component before, and the one before that.
    parent: Option<&'a str>,
    grandparent: Option<&'a str>,
    /// Two components back from `grandparent` would be needed for ECS only, so that is remembered by itself.
    in_ecs: bool,
}

impl<'a> Walk<'a> {
    fn step(&mut self, component: &'a str, end: usize) {
        if let Some(uid) = pod(component) {
            self.pod_uid = Some(uid);
        }
        if let Some((id, runtime)) = self.container(component) {
            if let Some(uid) = component.split_once(':').and_then(|(slice, _)| pod(slice)) {
                self.pod_uid = Some(uid);
            }
            self.found =
                Some(ContainerPath { id: id.to_owned(), runtime, pod_uid: self.pod_uid.clone(), own_len: end });
        }
        self.in_ecs |= component == "ecs";
        self.grandparent = self.parent.replace(component);
    }

    /// Whether `component` names a container, given what lies above it.
    fn container(&self, component: &'a str) -> Option<(&'a str, &'static str)> {
        prefixed(component)
            .or_else(|| colons(component))
            .or_else(|| self.bare(component))
            .or_else(|| self.lxc(component))
            .or_else(|| self.garden(component))
    }

    /// The id alone, the way of every runtime's cgroupfs driver.
    fn bare(&self, component: &'a str) -> Option<(&'a str, &'static str)> {
        if self.in_ecs && is_fargate(component) {
            return Some((component, "containerd"));
        }
        if !is_id(component) {
            return None;
        }
        let runtime = match self.parent {
            // a Podman pod: its containers are below, with a prefix
            Some("libpod_parent") => return None,
            Some("docker") => "docker",
            Some(parent) if pod(parent).is_some() => "kubernetes",
            _ if self.in_ecs => "docker",
            // containerd puts a container below its namespace: `/k8s.io/<id>`, `/default/<id>`
            _ => "containerd",
        };
        Some((component, runtime))
    }

    /// `lxc.payload.NAME`, wherever LXC was started, and `/lxc/NAME` and `/lxc.payload/NAME` at the top only.
    /// `lxc.monitor…` holds LXC's own process.
    fn lxc(&self, component: &'a str) -> Option<(&'a str, &'static str)> {
        let name = match (component.strip_prefix("lxc.payload."), self.parent, self.grandparent) {
            (Some(name), ..) => name,
            (None, Some("lxc" | "lxc.payload"), None) => component,
            _ => return None,
        };
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        ((1..=LXC_NAME_LEN).contains(&name.len()) && name.bytes().all(sound)).then_some((name, "lxc"))
    }

    /// `/garden/<handle>` and `/garden/{good,bad}/<handle>` (Cloud Foundry).
    fn garden(&self, component: &'a str) -> Option<(&'a str, &'static str)> {
        let below = match self.parent? {
            "good" | "bad" => self.grandparent?,
            parent => parent,
        };
        (below == "garden" && is_handle(component)).then_some((component, "garden"))
    }
}

/// `<runtime>-<id>.scope` from a systemd driver, `<runtime>-<id>` from some cgroupfs ones. The monitors' scopes
/// (`crio-conmon-<id>.scope`, `libpod-conmon-<id>.scope`) have more before the id and fall through.
fn prefixed(component: &str) -> Option<(&str, &'static str)> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let (prefix, id) = name.rsplit_once('-')?;
    is_id(id).then_some((id, runtime_of(prefix)?))
}

/// `<slice>:<runtime>:<id>`: what a runtime hands to systemd, taken for a directory's name because runtime and kubelet
/// disagree about the driver.
fn colons(component: &str) -> Option<(&str, &'static str)> {
    let (slice, rest) = component.split_once(':')?;
    let (prefix, id) = rest.split_once(':')?;
    let sliced = slice.is_empty() || slice == "-" || slice.strip_suffix(".slice").is_some();
    (sliced && is_id(id)).then_some((id, runtime_of(prefix)?))
}

/// The runtime behind the prefix of a scope.
fn runtime_of(prefix: &str) -> Option<&'static str> {
    Some(match prefix {
        "docker" => "docker",
        "cri-containerd" | "containerd" | "nerdctl" => "containerd",
        "crio" => "cri-o",
        // the payload: `--cgroups=split`, as Quadlet has it
        "libpod" | "libpod-payload" => "podman",
        _ => return None,
    })
}

/// UID of the pod whose cgroup `component` is: `pod<uid>` or `…-pod<uid, dashes as underscores>.slice`.
fn pod(component: &str) -> Option<String> {
    if let Some(uid) = component.strip_prefix("pod") {
        return is_uid(uid, b'-').then(|| uid.to_owned());
    }
    let (parents, uid) = component.strip_suffix(".slice")?.rsplit_once("-pod")?;
    (parents.contains("kubepods") && is_uid(uid, b'_')).then(|| uid.replace('_', "-"))
}

/// 64 lower-case hex digits.
fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(is_hex)
}

/// A UUID with `dash` for its dashes, or 32 hex digits: a static pod's UID is a hash of its file.
fn is_uid(text: &str, dash: u8) -> bool {
    match text.len() {
        32 => text.bytes().all(is_hex),
        36 => text.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == dash } else { is_hex(b) }),
        _ => false,
    }
}

/// `<task>-<number>`: 32 hex digits and a decimal number.
fn is_fargate(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        task.len() == 32
            && task.bytes().all(is_hex)
            && (1..=20).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// A UUID, or Garden's own handles, which end after four more digits.
fn is_handle(text: &str) -> bool {
    let dashed = |(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { is_hex(b) };
    matches!(text.len(), 28 | 36) && text.bytes().enumerate().all(dashed)
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests;
