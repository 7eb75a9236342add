//! The pod of the `DaemonSet` on a node: a real containerd runs it, asked as kubelet asks, with what the manifest says and nothing
//! more. It tells what a tracer on the node tells; and it has no capability that it could do without.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::{
    Capability, ContainerConfig, ImageSpec, Int64Value, KeyValue, LinuxContainerSecurityContext, Mount,
    MountPropagation, SecurityProfile,
};
use serde_json::Value;

use super::agent::{self, Agent, PLAIN, PRIVILEGED, Source};
use super::image;
use super::k8s::{Profile, SecurityContext};
use super::lab::cri::{self, Containerd};
use super::lab::docker::{Cgroups, Daemon};
use super::lab::kubelet::spec::{ContainerSpec, NAMESPACE, Pids, PodSpec};
use super::lab::kubelet::{Kubelet, Pod, Running};
use super::lab::tracer::{BINARY, Said, Tracer};
use super::lab::{self, PATIENCE, until};
use super::monitoring;

/// A PID 1 that does not think of signals.
const DROPS: &[&str] = &["sh", "-c", "echo ready; sleep 1000; true"];
/// Another user's program, of which `/proc` shows less.
const ANOTHER_USERS: &[&str] =
    &["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", "echo ready; sleep 1000; true"];

/// What kubelet hides from containers that are not privileged.
/// <https://github.com/kubernetes/kubernetes/blob/v1.31.0/pkg/securitycontext/util.go>
const MASKED: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A node with the image.
struct Node {
    containerd: Containerd,
}

impl Node {
    #[track_caller]
    fn start(cgroups: Cgroups) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let archive = dir.path().join("tracer.tar");
        let docker = Daemon::start(Cgroups::Host);
        image::build(&docker, false);
        image::save(&docker, &archive);
        drop(docker);
        let containerd = Containerd::start(cgroups);
        containerd.import(&archive);
        agent::node(containerd.dir(), &containerd.socket(), "containerd/containerd.sock", |program| {
            containerd.enter(program)
        });
        Self { containerd }
    }

    #[track_caller]
    fn kubelet(&self) -> Kubelet<'_> {
        let kubelet = Kubelet::new(&self.containerd);
        kubelet.has_images(&[image::NAME.to_owned()]);
        kubelet
    }
}

/// Starts the agent's pod.
#[track_caller]
fn run(node: &Node, kubelet: &Kubelet<'_>, name: &str, agent: &Agent) -> (Pod, Running) {
    let spec = ContainerSpec::new("tracer", &[]);
    assert!(agent.pod.host_pid, "without the host's pids it refuses");
    let grace = agent.pod.termination_grace_period_seconds.expect("it is given");
    let privileged = agent.container().security_context.privileged;
    let pod = PodSpec { pids: Pids::Host, privileged, containers: vec![spec], ..PodSpec::new(name, grace, &[]) };
    let pod = kubelet.run_sandbox(pod);
    kubelet.start_as(&pod, &spec, 0, |config| configure(config, agent, node.containerd.dir()));
    let running = pod.container("tracer");
    (pod, running)
}

/// What kubelet makes of the manifest.
fn configure(config: &mut ContainerConfig, agent: &Agent, dir: &Path) {
    let container = agent.container();
    config.image = Some(ImageSpec { image: image::NAME.to_owned(), ..ImageSpec::default() });
    config.command = Vec::new();
    config.args.clone_from(&container.args);
    let variable = |key: &str, value: &str| KeyValue { key: key.to_owned(), value: value.to_owned() };
    config.envs = container.env.iter().map(|one| variable(&one.name, &one.value)).collect();
    let mounts = agent.mounts(dir).into_iter().enumerate().map(|(number, mount)| {
        let host = match mount.source {
            Source::Directory(path) => path,
            Source::Empty => {
                // as kubelet makes it, but on the disk
                let path = dir.join("volumes").join(&config.labels["io.kubernetes.pod.uid"]).join(number.to_string());
                fs::create_dir_all(&path).expect("the lab's directory is ours");
                path
            }
        };
        let propagation = if mount.follows {
            MountPropagation::PropagationHostToContainer
        } else {
            MountPropagation::PropagationPrivate
        };
        Mount {
            container_path: mount.at,
            host_path: host.to_str().expect("plain text").to_owned(),
            readonly: mount.read_only,
            propagation: propagation.into(),
            ..Mount::default()
        }
    });
    let libraries = image::libraries().into_iter().map(|path| {
        let path = path.to_str().expect("plain text").to_owned();
        Mount { container_path: path.clone(), host_path: path, readonly: true, ..Mount::default() }
    });
    config.mounts = mounts.chain(libraries).collect();
    let linux = config.linux.as_mut().expect("it is there");
    let security = linux.security_context.as_mut().expect("it is there");
    secure(security, &container.security_context);
}

fn secure(to: &mut LinuxContainerSecurityContext, from: &SecurityContext) {
    // all of them are named: what is new must be looked at
    let SecurityContext {
        privileged,
        allow_privilege_escalation,
        read_only_root_filesystem,
        run_as_user,
        run_as_group,
        capabilities,
        seccomp_profile,
        app_armor_profile,
        se_linux_options,
    } = from;
    assert!(se_linux_options.is_empty(), "there is no SELinux here");
    let number = |id: u32| Int64Value { value: id.into() };
    to.privileged = *privileged;
    to.no_new_privs = *allow_privilege_escalation == Some(false);
    to.readonly_rootfs = *read_only_root_filesystem;
    to.run_as_user = run_as_user.map(number);
    to.run_as_group = run_as_group.map(number);
    to.capabilities = Some(Capability {
        add_capabilities: capabilities.add.clone(),
        drop_capabilities: capabilities.drop.clone(),
        ..Capability::default()
    });
    to.seccomp = seccomp_profile.as_ref().map(profile);
    to.apparmor = app_armor_profile.as_ref().map(profile);
    if !privileged {
        to.masked_paths = MASKED.map(str::to_owned).to_vec();
        to.readonly_paths = READ_ONLY.map(str::to_owned).to_vec();
    }
}

fn profile(from: &Profile) -> SecurityProfile {
    let kind = match from.r#type.as_str() {
        "Unconfined" => ProfileType::Unconfined,
        "RuntimeDefault" => ProfileType::RuntimeDefault,
        other => panic!("{other}: nobody has such a profile here"),
    };
    SecurityProfile { profile_type: kind.into(), ..SecurityProfile::default() }
}

/// Waits until the agent traces.
#[track_caller]
fn wait_for_agent(pod: &Pod, running: &Running) {
    let log = || pod.log(running);
    until("the agent to trace", PATIENCE, || {
        let text = log();
        assert!(!text.contains("error:"), "{text}");
        text.contains("clients attach on").then_some(())
    });
}

/// No thread has more than what is kept, and none can get more, however much the pod was given.
#[track_caller]
fn assert_gave_up(pid: u32) {
    // include/uapi/linux/capability.h
    const KEPT: u64 = 1 << 39 | 1 << 19;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let statuses =
        tasks.map(|task| fs::read_to_string(task.expect("an entry").path().join("status")).expect("it runs"));
    let statuses: Vec<String> = statuses.collect();
    assert!(statuses.len() >= 3, "clients and metrics have threads of their own");
    for status in &statuses {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).expect("a field");
            u64::from_str_radix(line.trim(), 16).expect("hexadecimal")
        };
        assert_eq!(
            (field("CapEff"), field("CapPrm"), field("CapInh"), field("CapAmb")),
            (KEPT, KEPT, 0, 0),
            "{status}"
        );
        assert_eq!(field("NoNewPrivs"), 1, "{status}");
    }
}

/// What a client in the agent's container is told: `kubectl exec`.
#[track_caller]
fn ask(kubelet: &Kubelet<'_>, running: &Running, options: &[&str]) -> Vec<Value> {
    let command = [&["tracer", "--output", "json", "--duration", "1s"], options].concat();
    let answer = kubelet.exec(&running.id, &command).expect("the command runs");
    let said = String::from_utf8_lossy(&answer.stderr);
    assert_eq!(answer.exit_code, 0, "{said}");
    assert!(said.contains("attached to agent"), "{said}");
    let lines = String::from_utf8(answer.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[track_caller]
fn neighbour(kubelet: &Kubelet<'_>, name: &str, command: &'static [&'static str]) -> (Pod, String) {
    let pod = kubelet.run(PodSpec::new(name, 2, command));
    let main = pod.container("main");
    until(&format!("{name} to be ready"), PATIENCE, || pod.log(&main).contains(" ready").then_some(()));
    (pod, main.id)
}

fn is_termination_of(line: &Value, id: &str) -> bool {
    line["kind"] == "termination" && line["container"]["id"] == id
}

/// What both must agree about.
fn gist(line: &Value) -> Value {
    let party = |party: &Value| serde_json::json!([party["role"], party["comm"], party["pid"]]);
    serde_json::json!({
        "verdict": line["verdict"],
        "cause": line["cause"],
        "container": line["container"],
        "budget": [line["grace"]["budget_s"], line["grace"]["source"]],
        "exit": line["exit"],
        "sender": party(&line["sender"]),
        "processes": line["processes"].as_array().map(Vec::len),
        "fix": line["fix"],
    })
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_pod_tells_what_a_tracer_on_the_node_tells() {
    let test = "the_pod_tells_what_a_tracer_on_the_node_tells";
    if !lab::can_run(test, &[&cri::PROGRAMS[..], &["dockerd", "docker", "setpriv"]].concat()) {
        return;
    }
    for (cgroups, manifest) in [(Cgroups::PureV2, PLAIN), (Cgroups::Host, PLAIN), (Cgroups::PureV2, PRIVILEGED)] {
        let node = Node::start(cgroups);
        let kubelet = node.kubelet();
        let socket = node.containerd.socket();
        let begun = |said: Said<'_>| matches!(said, Said::Note(line) if line.starts_with("tracer: tracing"));
        let cri = ["--no-attach", "--cri", socket.to_str().expect("plain text")];
        let mut beside = Tracer::start(node.containerd.enter(BINARY), &cri, begun);
        let (early, early_id) = neighbour(&kubelet, "early", DROPS);
        let (pod, running) = run(&node, &kubelet, "tracer-x7x2k", &Agent::of(manifest));
        wait_for_agent(&pod, &running);
        assert_gave_up(kubelet.pid(&running.id));
        let (late, late_id) = neighbour(&kubelet, "late", ANOTHER_USERS);
        for one in [&early, &late] {
            kubelet.delete(one, None);
        }
        let told = ask(&kubelet, &running, &["--namespace", NAMESPACE]);
        for id in [&early_id, &late_id] {
            let on_node = beside.wait_for("the termination", PATIENCE, |line| is_termination_of(line, id));
            assert_eq!(on_node["verdict"], "sigterm-dropped", "{on_node}");
            assert_eq!(on_node["container"]["pod"]["namespace"], NAMESPACE, "{on_node}");
            let in_pod = told.iter().find(|line| is_termination_of(line, id));
            let in_pod = in_pod.unwrap_or_else(|| panic!("{cgroups:?}: {id} is not told: {told:#?}"));
            assert_eq!(gist(in_pod), gist(&on_node), "{cgroups:?}");
            // of what was there before it an agent is not certain in its first seconds
            assert!(*id == early_id || in_pod["certain"] == true, "{in_pod}");
        }
        // as `kubectl tracer` asks
        let told = ask(&kubelet, &running, &["--pod", &format!("{NAMESPACE}/late")]);
        let ended: Vec<_> = told.iter().filter(|line| line["kind"] == "termination").collect();
        assert!(matches!(ended[..], [one] if is_termination_of(one, &late_id)), "{ended:#?}");
        answers(&Agent::of(manifest));
        // it ends by itself: nobody has to kill it
        kubelet.stop_containers(&pod, pod.spec.grace);
        assert_eq!(kubelet.ends(&running.id), 0, "{}", pod.log(&running));
        kubelet.remove(&pod);
    }
}

/// kubelet's probes succeed, and Prometheus gets what dashboards and alerts are made of. The pod has the host's network here.
#[track_caller]
fn answers(agent: &Agent) {
    let container = agent.container();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", container.ports[0].container_port)).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: tracer\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("UTF-8");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        answer
    };
    for probe in [&container.liveness_probe, &container.readiness_probe] {
        get(&probe.as_ref().expect("it has one").http_get.path);
    }
    monitoring::assert_has_all(&get("/metrics"));
}

/// The executable of a container's first process, as the agent's events have it.
#[track_caller]
fn executable(kubelet: &Kubelet<'_>, running: &Running, id: &str) -> Option<String> {
    ask(kubelet, running, &["--record", "/run/tracer/asked.rec"]);
    let file = format!("/proc/{}/root/run/tracer/asked.rec", kubelet.pid(&running.id));
    let text = fs::read_to_string(file).expect("the recording is there");
    // arguments may hold secrets: of commands the program alone is there
    assert!(text.contains(r#""command":["setpriv"]"#) && !text.contains("echo ready"), "{text}");
    let pid = kubelet.pid(id);
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_first = events.map(|event| event[1]["process"].clone()).find(|process| process["task"]["pid"] == pid);
    of_first.expect("the process is told")["exe"].as_str().map(str::to_owned)
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn no_capability_could_be_left_out() {
    let test = "no_capability_could_be_left_out";
    if !lab::can_run(test, &[&cri::PROGRAMS[..], &["dockerd", "docker", "setpriv"]].concat()) {
        return;
    }
    let node = Node::start(Cgroups::PureV2);
    let kubelet = node.kubelet();
    let (_, neighbour) = neighbour(&kubelet, "neighbour", ANOTHER_USERS);
    let agent = Agent::of(PLAIN);
    let (pod, running) = run(&node, &kubelet, "complete", &agent);
    wait_for_agent(&pod, &running);
    let exe = executable(&kubelet, &running, &neighbour);
    assert!(exe.as_deref().is_some_and(|exe| exe.ends_with("sh")), "{exe:?}");
    kubelet.delete(&pod, None);
    for capability in agent.capabilities() {
        let name = format!("without-{}", capability.to_lowercase().replace('_', "-"));
        let (pod, running) = run(&node, &kubelet, &name, &agent.without(capability));
        if capability == "SYS_PTRACE" {
            // it traces, but what another user's program is called by its file is not known
            wait_for_agent(&pod, &running);
            assert_eq!(executable(&kubelet, &running, &neighbour), None);
            let doctor = kubelet.exec(&running.id, &["tracer", "doctor"]).expect("the command runs");
            let told = String::from_utf8_lossy(&doctor.stdout);
            assert!(told.contains("CAP_SYS_PTRACE is missing"), "{told}");
        } else {
            assert_eq!(kubelet.ends(&running.id), 3, "{}", pod.log(&running));
            let told = pod.log(&running);
            assert!(told.contains(&format!("CAP_{capability} is missing")), "{capability}: {told}");
        }
        kubelet.delete(&pod, None);
    }
}
