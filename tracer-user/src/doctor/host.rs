//! What is seen of the host: in a container that depends on how it was started.

use crate::container::hierarchy::{Hierarchies, Mount};

use super::Check;
use super::checks::About;
use super::facts::{Facts, HOST_PID_NAMESPACE, Inside};

/// Hex digits of an id that are shown, as `docker ps` does.
const ID_SHOWN: usize = 12;

/// Tells where this is; whether that will do is for the other checks.
pub(super) fn container(facts: &Facts) -> Check {
    let about = About("container", "in a container tracer needs the host's pids, cgroups and sockets");
    match &facts.inside {
        Inside::Host => about.ok("none: this is the host"),
        Inside::Some(mark) => about.ok(format!("in a container or sandbox: {mark} tells")),
        Inside::Container(own) => {
            let id = own.id.get(..ID_SHOWN).unwrap_or(&own.id);
            let pod = own.pod_uid.as_ref().map(|uid| format!(" of the pod {uid}")).unwrap_or_default();
            about.ok(format!("in {id} ({}){pod}", own.runtime))
        }
    }
}

pub(super) fn pid_namespace(facts: &Facts) -> Check {
    let about = About("pid-namespace", "/proc must show the processes that the kernel's events name");
    match facts.pid_namespace {
        Some(HOST_PID_NAMESPACE) => about.ok("the host's"),
        Some(inode) => about.fail(
            format!("a pid namespace of its own ({inode}), not the host's"),
            "share the host's: in Kubernetes hostPID: true in the pod's spec, in Docker --pid=host. A node that is \
             itself a container (kind, k3d, minikube) has not the host's either: run it on the machine below",
        ),
        None => about.warn("unknown", "mount /proc: it is read there"),
    }
}

pub(super) fn cgroups(facts: &Facts) -> Check {
    let about = About("cgroups", "a process belongs to the container whose cgroup it is in");
    if facts.mounts.is_empty() {
        return about.warn("unknown", "mount /proc: what is mounted is read there");
    }
    // By name, each once: the same may be mounted in somebody's chroot, too.
    let v1 = facts.mounts.iter().filter(|mount| mount.kind == "cgroup");
    let mut points: Vec<_> = v1.filter_map(|mount| mount.point.file_name()?.to_str()).collect();
    points.sort_unstable();
    points.dedup();
    let at = |mount: &Mount| mount.point.display().to_string();
    let Hierarchies { v2, v1 } = &facts.hierarchies;
    if points.is_empty() {
        points.extend(v1.iter().map(|v1| v1.controller));
    }
    let seen = match (v2, v1) {
        (None, None) => "no cgroup hierarchy is mounted".to_owned(),
        (Some(mount), None) => format!("v2 at {}", at(mount)),
        (None, Some(v1)) => format!("v1 at {}: {}", at(&v1.mount), points.join(", ")),
        (Some(mount), Some(_)) => format!("hybrid: v2 at {}, v1: {}", at(mount), points.join(", ")),
    };
    if facts.hierarchies.is_whole() {
        return about.ok(seen);
    }
    let found = if v2.is_none() && v1.is_none() { seen } else { format!("{seen}; only a part of the host's") };
    match (&facts.inside, facts.pid_namespace) {
        (Inside::Host, _) => about.fail(found, "mount all of it: mount -t cgroup2 none /sys/fs/cgroup"),
        (Inside::Some(_) | Inside::Container(_), Some(inode)) if inode != HOST_PID_NAMESPACE => about.warn(
            found,
            "share the host's pids first, see above: through /proc the host's cgroups are found by themselves",
        ),
        (Inside::Some(_) | Inside::Container(_), _) => about.fail(
            found,
            "add the capability SYS_PTRACE: with it they are found through /proc. Or mount the host's: in Kubernetes \
             volumes: [{name: cgroup, hostPath: {path: /sys/fs/cgroup}}] and volumeMounts: [{name: cgroup, mountPath: \
             /host/sys/fs/cgroup, readOnly: true}], in Docker -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro",
        ),
    }
}
