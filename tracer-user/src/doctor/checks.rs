//! The judgement. One cause gives one failure: what only follows from another check's failure is a remark.

use std::path::Path;

use crate::container::runtime::{Kind, State as Answered};

use super::facts::{Btf, Facts, HOST_PID_NAMESPACE, HOST_USER_NAMESPACE, Lockdown, Probe, Runtime};
use super::host::{cgroups, container, pid_namespace};
use super::mounts::Mount;
use super::{Check, State};

/// Before this kernel there is neither ring buffer nor task iterator.
pub const OLDEST_POSSIBLE: (u32, u32) = (5, 8);
/// The oldest kernel that we promise to work on.
pub const OLDEST_SUPPORTED: (u32, u32) = (5, 15);
/// From here on BPF memory is charged to the cgroup and not to `RLIMIT_MEMLOCK`.
const MEMLOCK_IRRELEVANT: (u32, u32) = (5, 11);
/// Ring, maps and programs together take less.
const MEMLOCK_ENOUGH: u64 = 64 << 20;

// include/uapi/linux/capability.h
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// Judges what was found.
#[must_use]
pub fn checks(facts: &Facts) -> Vec<Check> {
    let all = [container, kernel, btf, bpf, capabilities, lockdown, pid_namespace, proc, cgroups, memlock, runtimes];
    all.iter().map(|check| check(facts)).collect()
}

/// What an audit cannot do without. It works without BPF; what it does not see it would take for not there.
pub(super) fn audit_checks(facts: &Facts) -> Vec<Check> {
    [pid_namespace, proc, others, cgroups].iter().map(|check| check(facts)).collect()
}

impl Facts {
    /// Major and minor number.
    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.release.as_deref()?.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn older_than(&self, version: (u32, u32)) -> bool {
        self.version().is_some_and(|found| found < version)
    }

    fn can(&self, capability: u32) -> bool {
        self.capabilities.is_some_and(|set| set & (1 << capability) != 0)
    }

    /// Capabilities without which nothing can be loaded, as far as they are missing.
    fn missing(&self) -> Vec<&'static str> {
        if self.can(SYS_ADMIN) {
            Vec::new()
        } else if self.older_than(OLDEST_POSSIBLE) {
            vec!["CAP_SYS_ADMIN"]
        } else {
            [(BPF, "CAP_BPF"), (PERFMON, "CAP_PERFMON")]
                .into_iter()
                .filter_map(|(number, name)| (!self.can(number)).then_some(name))
                .collect()
        }
    }

    fn is_privileged(&self) -> bool {
        self.missing().is_empty() && self.user_namespace.is_none_or(|inode| inode == HOST_USER_NAMESPACE)
    }
}

/// A check under way: name and reason are fixed, the rest depends on what is found.
pub(super) struct About(pub(super) &'static str, pub(super) &'static str);

impl About {
    pub(super) fn ok(self, found: impl Into<String>) -> Check {
        Check { name: self.0, state: State::Ok, found: found.into(), why: self.1, mend: None }
    }

    pub(super) fn warn(self, found: impl Into<String>, mend: impl Into<String>) -> Check {
        Check { state: State::Warn, mend: Some(mend.into()), ..self.ok(found) }
    }

    pub(super) fn fail(self, found: impl Into<String>, mend: impl Into<String>) -> Check {
        Check { state: State::Fail, ..self.warn(found, mend) }
    }
}

fn kernel(facts: &Facts) -> Check {
    let about = About("kernel", "the ring buffer and the task iterator came with Linux 5.8; we support 5.15 and later");
    let mend = "boot a kernel of 5.15 or later: every distribution's current one is";
    match (&facts.release, facts.version()) {
        (Some(release), Some(version)) if version < OLDEST_POSSIBLE => {
            about.fail(format!("Linux {release} is too old"), mend)
        }
        (Some(release), Some(version)) if version < OLDEST_SUPPORTED => {
            about.warn(format!("Linux {release} is older than what we support; it may work"), mend)
        }
        (Some(release), Some(_)) => about.ok(format!("Linux {release}")),
        (Some(release), None) => about.warn(format!("a release called {release:?}"), "check that it is 5.15 or later"),
        (None, _) => about.warn("unknown", "mount /proc: the kernel's version is read there"),
    }
}

fn btf(facts: &Facts) -> Check {
    let about = About("btf", "BTF tells where this kernel keeps what we read: signal handlers, masks, namespaces");
    match &facts.btf {
        Btf::Readable => about.ok("/sys/kernel/btf/vmlinux"),
        Btf::Missing => about.fail(
            "/sys/kernel/btf/vmlinux is missing",
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build them; in a container, mount the host's \
             /sys, or /sys/kernel/btf alone",
        ),
        Btf::Unreadable(error) => about.fail(
            format!("/sys/kernel/btf/vmlinux cannot be read: {error}"),
            "let it be read: it has mode 0444 unless somebody or a security policy changed that",
        ),
    }
}

fn bpf(facts: &Facts) -> Check {
    let about = About("bpf", "events come from raw tracepoints through a ring buffer");
    let probes = [("ring buffer", &facts.ring_buffer), ("raw tracepoint", &facts.raw_tracepoint)];
    let names = |wanted: fn(&Probe) -> bool| {
        let names: Vec<&str> = probes.iter().filter(|(_, probe)| wanted(probe)).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(" and no "))
    };
    if let Some(names) = names(|probe| *probe == Probe::Missing) {
        let found = format!("the kernel has no {names}");
        return if facts.older_than(OLDEST_POSSIBLE) {
            about.warn(found, "boot a newer kernel, see above")
        } else {
            about.fail(found, "use a kernel with CONFIG_BPF_SYSCALL=y and CONFIG_BPF_EVENTS=y")
        };
    }
    if probes.iter().any(|(_, probe)| **probe == Probe::NotPermitted) {
        return if !facts.is_privileged() {
            about.warn("not tried: the privileges are missing", "add the capabilities first, see below")
        } else if memlock_is_short(facts) {
            about.warn("refused, probably for want of locked memory", "raise the limit first, see below")
        } else {
            about.fail(
                "bpf(2) is refused although the capabilities are there",
                "let a seccomp profile or a security module allow it: in Kubernetes seccompProfile Unconfined for \
                 this pod, in Docker --security-opt seccomp=unconfined",
            )
        };
    }
    match probes.iter().find_map(|(name, probe)| match probe {
        Probe::Failed(error) => Some((name, error)),
        _ => None,
    }) {
        Some((name, error)) => about.fail(
            format!("trying a {name} failed: {error}"),
            "look into the kernel's log (dmesg) for the reason, and report it if it is none of your making",
        ),
        None => about.ok("ring buffer and raw tracepoints work"),
    }
}

fn capabilities(facts: &Facts) -> Check {
    let about = About(
        "capabilities",
        "CAP_BPF loads programs into the kernel, CAP_PERFMON lets them read its memory, CAP_SYS_PTRACE reads the \
         /proc of others; CAP_SYS_ADMIN stands for the first two",
    );
    let mend = "run as root; or in a container add the capabilities BPF, PERFMON and SYS_PTRACE (or make it \
                privileged)";
    let mut missing = facts.missing();
    if facts.capabilities.is_none() {
        return about.warn("unknown", "mount /proc: they are read there");
    }
    if facts.user_namespace.is_some_and(|inode| inode != HOST_USER_NAMESPACE) {
        return about.fail(
            "this is a user namespace, where capabilities do not count for tracing",
            "run outside of it, as the host's root: not in a rootless container, not with userns-remap or hostUsers \
             false",
        );
    }
    if !facts.can(SYS_PTRACE) {
        missing.push("CAP_SYS_PTRACE");
    }
    match (missing.as_slice(), facts.missing().is_empty()) {
        ([], _) if facts.can(SYS_ADMIN) => about.ok("CAP_SYS_ADMIN, CAP_SYS_PTRACE"),
        ([], _) => about.ok("CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE"),
        (missing, false) => about.fail(format!("{} missing", list(missing)), mend),
        (_, true) => about.warn(
            "CAP_SYS_PTRACE is missing: of other users' processes neither the program nor what it waits for is known",
            mend,
        ),
    }
}

/// `ptrace_may_access()` decides about `/proc/PID/exe`, `fd` and `syscall`, for which it asks for the capability in the
/// user namespace of that process.
fn others(facts: &Facts) -> Check {
    let about = About("others", "what a process would do with a signal is read in its /proc/PID");
    let mend = "run as root of the host; or in a container add the capability SYS_PTRACE (or make it privileged)";
    if facts.user_namespace.is_some_and(|inode| inode != HOST_USER_NAMESPACE) {
        return about.fail(
            "this is a user namespace, from which the host's processes cannot be looked at",
            "run outside of it, as the host's root: not in a rootless container, not with userns-remap or hostUsers \
             false",
        );
    }
    if facts.capabilities.is_some() && !facts.can(SYS_PTRACE) {
        return about.fail("CAP_SYS_PTRACE is missing: the processes of others cannot be looked at", mend);
    }
    match &facts.others {
        Probe::NotPermitted => about.fail(
            "the processes of others cannot be looked at, although CAP_SYS_PTRACE is there",
            "let a security module allow it: in Kubernetes appArmorProfile Unconfined for this container, in Docker \
             --security-opt apparmor=unconfined",
        ),
        // process 1 of a host may be anything, and something else is wrong where it cannot be found
        Probe::Works | Probe::Missing | Probe::Failed(_) => about.ok("can be looked at"),
    }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} is"),
        [first @ .., last] => format!("{} and {last} are", first.join(", ")),
    }
}

fn lockdown(facts: &Facts) -> Check {
    let about = About("lockdown", "a kernel locked down for confidentiality lets no program read its memory");
    match facts.lockdown {
        Lockdown::Confidentiality => about.fail(
            "the kernel is locked down: confidentiality",
            "boot with lockdown=integrity, or without lockdown= on the kernel's command line",
        ),
        Lockdown::Integrity => about.ok("integrity, which allows tracing"),
        Lockdown::Off => about.ok("off"),
        Lockdown::Unknown => about.ok("not in this kernel, or not to be seen here"),
    }
}

fn proc(facts: &Facts) -> Check {
    let about = About("proc", "processes that run already, and pending signals, are looked up in /proc");
    let Some(mount) = Mount::at(&facts.mounts, Path::new("/proc")).filter(|mount| mount.kind == "proc") else {
        return about.fail("/proc is not mounted", "mount it: mount -t proc proc /proc");
    };
    if facts.pid_namespace == Some(HOST_PID_NAMESPACE) && !facts.proc_knows_us {
        return about.fail(
            "/proc belongs to another pid namespace than this process",
            "mount it anew in this namespace: mount -t proc proc /proc",
        );
    }
    if mount.value("subset") == Some("pid") {
        return about.warn("mounted with subset=pid", "mount it without: mount -o remount,subset= /proc");
    }
    match mount.value("hidepid") {
        None | Some("0" | "off") => about.ok("mounted"),
        Some(hidepid) if facts.can(SYS_PTRACE) => {
            about.ok(format!("mounted with hidepid={hidepid}, which CAP_SYS_PTRACE sees through"))
        }
        Some(hidepid) => about.warn(
            format!("mounted with hidepid={hidepid}: others' processes are hidden"),
            "add the capability SYS_PTRACE, or mount -o remount,hidepid=0 /proc",
        ),
    }
}

fn memlock_is_short(facts: &Facts) -> bool {
    let is_short = facts.memlock.is_some_and(|limit| limit < MEMLOCK_ENOUGH);
    is_short && facts.older_than(MEMLOCK_IRRELEVANT) && !facts.can(SYS_RESOURCE)
}

fn memlock(facts: &Facts) -> Check {
    let about = About("memlock", "before Linux 5.11 BPF maps count as locked memory");
    if memlock_is_short(facts) {
        let kib = facts.memlock.unwrap_or_default() >> 10;
        return about.warn(
            format!("limited to {kib} KiB, and CAP_SYS_RESOURCE to raise it is missing"),
            "ulimit -l unlimited; or add the capability SYS_RESOURCE",
        );
    }
    about.ok(if facts.older_than(MEMLOCK_IRRELEVANT) { "enough" } else { "does not matter on this kernel" })
}

fn runtimes(facts: &Facts) -> Check {
    let about = About("runtimes", "a container's name, pod, image, stop signal and grace period come from its runtime");
    if facts.runtimes.is_empty() {
        return about.warn(
            "no socket in the usual places: containers have ids and no names",
            "nothing, if no runtime runs here. Otherwise name its socket with --cri or --docker, or mount it into this \
             container",
        );
    }
    let found: Vec<_> = facts.runtimes.iter().map(tell).collect();
    let found = found.join("; ");
    let any = |is: fn(&Answered) -> bool| facts.runtimes.iter().any(|runtime| is(&runtime.state));
    if any(|state| *state == Answered::Forbidden) {
        about.warn(found, "run as root: whoever may ask a runtime could as well become root")
    } else if any(|state| matches!(state, Answered::Closed(_))) {
        about.warn(found, "run as root, or as somebody who may enter the directory")
    } else if any(|state| matches!(state, Answered::Absent | Answered::NoSocket)) {
        about.warn(
            found,
            "look whether --cri or --docker names the socket itself, and start the runtime if it is not running",
        )
    } else if any(|state| !matches!(state, Answered::Connected { .. } | Answered::Unserved)) {
        about.warn(found, "start the runtime, or remove the socket that it left; if it hangs, its log may say why")
    } else if any(|state| matches!(state, Answered::Connected { .. })) {
        about.ok(found)
    } else {
        about.warn(found, "if pods run here, enable containerd's CRI plugin: take it out of disabled_plugins")
    }
}

/// One runtime; what it says of itself comes from strangers.
fn tell(runtime: &Runtime) -> String {
    let kind = match runtime.socket.kind {
        Kind::Docker => "Docker API",
        Kind::Cri => "CRI",
    };
    let place = runtime.socket.path.display();
    match &runtime.state {
        Answered::Connected { runtime, version } => format!("{runtime} {version} ({kind}) at {place}"),
        Answered::Absent => format!("{place} ({kind}): no such file"),
        Answered::Deserted => format!("{place} ({kind}): nobody listens"),
        Answered::NoSocket => format!("{place} ({kind}) is no socket"),
        Answered::Unserved => format!("{place} serves no CRI"),
        Answered::Forbidden => format!("{place} ({kind}): permission denied"),
        Answered::Closed(directory) => {
            format!("{place} ({kind}): permission denied to enter the directory {}", directory.display())
        }
        Answered::Hanging | Answered::Connecting => format!("{place} ({kind}): no answer"),
        Answered::Failing(trouble) => format!("{place} ({kind}): {trouble}"),
    }
}
