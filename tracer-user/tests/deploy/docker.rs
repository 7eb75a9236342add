//! The image, and the same agent by `docker run` with what the manifest says: on a machine without Kubernetes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::agent::{self, Agent, PLAIN, Source};
use super::image;
use super::lab::docker::{Cgroups, Daemon, Options};
use super::lab::screen::{Screen, typed};
use super::lab::{self, PATIENCE, output, read, until};

const PROGRAMS: [&str; 6] = ["dockerd", "docker", "containerd", "runc", "nsenter", "tmux"];
/// A shell that never gets SIGTERM, with a child.
const DROPS: [&str; 3] = ["sh", "-c", "sleep 1000; true"];
/// Docker 20.10 does not know these; the lab's runtime gives them to whoever has `SYS_PTRACE`.
const NEW: [&str; 2] = ["BPF", "PERFMON"];

/// The limit of memory, bytes.
fn limit(agent: &Agent) -> u64 {
    let text = &agent.container().resources.limits["memory"];
    text.strip_suffix("Mi").and_then(|number| number.parse::<u64>().ok()).expect("MiB") << 20
}

/// `docker run` as far as the image.
#[track_caller]
fn run(docker: &Daemon, name: &str, agent: &Agent) -> Command {
    let dir = docker.socket().parent().expect("it is in a directory").to_owned();
    let container = agent.container();
    let security = &container.security_context;
    let mut run = docker.client(&["run", "--detach", "--network=none", "--runtime=lab-bpf", "--name", name]);
    assert!(agent.pod.host_pid, "without the host's pids it refuses");
    run.arg("--pid=host");
    assert!(security.read_only_root_filesystem && security.allow_privilege_escalation == Some(false));
    run.args(["--read-only", "--security-opt=no-new-privileges"]);
    assert_eq!(security.app_armor_profile.as_ref().map(|profile| profile.r#type.as_str()), Some("Unconfined"));
    // the profile of Docker 20.10 knows no CAP_BPF
    run.args(["--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"]);
    run.args(security.capabilities.drop.iter().map(|name| format!("--cap-drop={name}")));
    let known = security.capabilities.add.iter().filter(|name| !NEW.contains(&name.as_str()));
    run.args(known.map(|name| format!("--cap-add={name}")));
    run.args(container.env.iter().map(|one| format!("--env={}={}", one.name, one.value)));
    if docker.cgroups == Cgroups::Host {
        // pure v2 on a hybrid host lacks the controller
        run.arg(format!("--memory={}", limit(agent)));
    }
    for mount in agent.mounts(&dir) {
        let only = if mount.read_only { "ro" } else { "rw" };
        let follows = if mount.follows { ",rslave" } else { "" };
        match mount.source {
            Source::Directory(path) => run.arg(format!("--volume={}:{}:{only}{follows}", path.display(), mount.at)),
            Source::Empty => run.arg(format!("--tmpfs={}", mount.at)),
        };
    }
    run.args(image::libraries().iter().map(|path| format!("--volume={0}:{0}:ro", path.display())));
    run.arg(image::NAME).args(&container.args);
    run
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn both_builders_make_the_image() {
    if !lab::can_run("both_builders_make_the_image", &PROGRAMS) {
        return;
    }
    let docker = Daemon::start(Cgroups::Host);
    for buildkit in [false, true] {
        image::build(&docker, buildkit);
        let told: Value = serde_json::from_str(&docker.inspect(image::NAME, "{{json .}}")).expect("JSON");
        assert_eq!(told["Architecture"], image::architecture(), "{told}");
        let config = &told["Config"];
        assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/tracer"]), "{told}");
        assert_eq!(config["User"], "0:0", "{told}");
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"), "{told}");
        // one file, and nothing that could be run beside it
        assert_eq!(told["RootFS"]["Layers"].as_array().map(Vec::len), Some(1), "{told}");
        let libraries = image::libraries();
        let libraries = libraries.iter().map(|path| format!("--volume={0}:{0}:ro", path.display()));
        let run = ["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"];
        let version = read(docker.client(&run).args(libraries).args([image::NAME, "--version"]));
        assert_eq!(version, format!("tracer {}", env!("CARGO_PKG_VERSION")));
        docker.client(&["rmi", image::NAME]).output().expect("docker starts");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_agent_in_a_container_of_docker_tells_a_neighbours_stop() {
    if !lab::can_run("the_agent_in_a_container_of_docker_tells_a_neighbours_stop", &PROGRAMS) {
        return;
    }
    for cgroups in [Cgroups::PureV2, Cgroups::Host] {
        let docker = Daemon::start_with_runtimes(cgroups);
        image::build(&docker, false);
        let dir = docker.socket().parent().map(Path::to_owned).expect("it is in a directory");
        agent::node(&dir, &docker.socket(), "docker.sock", |program| docker.enter(program));
        read(&mut run(&docker, "tracer", &Agent::of(PLAIN)));
        until("the agent to trace", PATIENCE, || {
            docker.container_logs("tracer").contains("clients attach on").then_some(())
        });
        let id = docker.run("web", &DROPS, &Options::default());
        docker.stop("web", 1);
        let mut client = docker.client(&["exec", "tracer", "tracer", "-c", "web", "-o", "json", "--duration", "1s"]);
        let told = output(&mut client);
        let said = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success() && said.contains("attached to agent"), "{said}");
        let lines = String::from_utf8(told.stdout).expect("UTF-8");
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        let ended: Vec<_> = lines.iter().filter(|line| line["kind"] == "termination").collect();
        let [ended] = ended[..] else { panic!("{cgroups:?}: one end: {lines:#?}") };
        assert_eq!((&ended["verdict"], &ended["cause"]), (&"sigterm-dropped".into(), &"no-handler".into()), "{ended}");
        assert_eq!((&ended["container"]["id"], &ended["container"]["name"]), (&id.into(), &"web".into()), "{ended}");
        assert_eq!((&ended["certain"], &ended["sender"]["role"]), (&true.into(), &"runtime".into()), "{ended}");
        if cgroups == Cgroups::PureV2 {
            looked_at_through_exec(&docker);
        }
        docker.stop("tracer", 10);
        assert_eq!(docker.wait("tracer"), 0, "{}", docker.container_logs("tracer"));
    }
}

/// The live terminal UI, as with `kubectl exec -it ds/tracer -- tracer`: what was, and what happens, on the terminal of
/// whoever typed that.
#[track_caller]
fn looked_at_through_exec(docker: &Daemon) {
    let screen = Screen::open(80, 24);
    let modes = screen.modes();
    let exec = docker.client(&["exec", "--interactive", "--tty", "tracer", "tracer", "-c", "web", "-c", "next"]);
    screen.type_line(&format!("{}; echo ended-$?", typed(&exec)));
    // history
    screen.wait_until("how the first ended", |text| text.contains("Fix ") && text.contains("SIGKILL"));
    screen.press("1");
    screen.wait_until("its row", |text| text.contains("web") && text.contains("sigterm-dropped"));
    // and what comes
    docker.run("next", &DROPS, &Options::default());
    screen.wait_until("the next one", |text| text.contains("next") && text.contains("running"));
    let mut stop = docker.client(&["stop", "--time", "5", "next"]);
    let mut stop = stop.stdout(Stdio::null()).spawn().expect("docker starts");
    screen.wait_until("its stop", |text| text.contains("stopping: next") && text.contains("dropped"));
    assert!(stop.wait().expect("docker ends").success());
    let rows = |text: &str| text.lines().filter(|line| line.contains("sigterm-dropped")).count();
    let last = screen.wait_until("its end", |text| rows(text) >= 2);
    assert!(screen.is_taken() && last.lines().count() <= 24, "{last}");
    // another size arrives, as it does by kubectl
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    screen.resize(100, 30);
    screen.wait_until("all of the width", |text| widest(text) == Some(100));
    screen.resize(80, 24);
    screen.wait_until("no more than there is", |text| widest(text) == Some(80));
    screen.press("q");
    screen.wait_for("ended-0");
    until("the shell to have its screen again", PATIENCE, || (!screen.is_taken()).then_some(()));
    assert_eq!(screen.modes(), modes, "the modes of the terminal");
    // nobody is left: neither a process in the container nor a client of the agent
    until("the clients to leave", PATIENCE, || {
        let log = docker.container_logs("tracer");
        let count = |what: &str| log.lines().filter(|line| line.contains("client ") && line.contains(what)).count();
        (count(" attached") >= 2 && count(" attached") == count(" left")).then_some(())
    });
    let processes = read(&mut docker.client(&["top", "tracer", "-o", "pid,comm"]));
    assert_eq!(processes.lines().skip(1).count(), 1, "{processes}");
}

/// Memory of a container's cgroup, bytes, with what the kernel holds for it, and CPU time, ns.
#[track_caller]
fn taken(id: &str) -> (u64, u64) {
    let number = |path: String| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let v1 = |controller: &str, file: &str| number(format!("/sys/fs/cgroup/{controller}/docker/{id}/{file}"));
    let usec = || {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/docker/{id}/cpu.stat")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse::<u64>().ok())
    };
    let memory =
        v1("memory", "memory.usage_in_bytes").or_else(|| number(format!("/sys/fs/cgroup/docker/{id}/memory.current")));
    let cpu = v1("cpuacct", "cpuacct.usage").or_else(|| usec().map(|usec| usec * 1000));
    (memory.expect("memory is accounted for"), cpu.expect("time is accounted for"))
}

/// What `resources` in the manifest and the figures in docs/security.md are from.
#[test]
#[ignore = "a measurement, as root: cargo xtask test --stage privileged measure_what_it_takes"]
fn measure_what_it_takes() {
    if !lab::can_run("measure_what_it_takes", &[&PROGRAMS[..], &["stress-ng"]].concat()) {
        return;
    }
    let docker = Daemon::start_with_runtimes(Cgroups::Host);
    image::build(&docker, false);
    let dir = docker.socket().parent().map(Path::to_owned).expect("it is in a directory");
    agent::node(&dir, &docker.socket(), "docker.sock", |program| docker.enter(program));
    let agent = Agent::of(PLAIN);
    let id = read(&mut run(&docker, "tracer", &agent));
    until("the agent to trace", PATIENCE, || {
        docker.container_logs("tracer").contains("clients attach on").then_some(())
    });
    let mut highest = 0;
    let mut measure = |what: &str, seconds: u64, meanwhile: &dyn Fn()| {
        let (_, before) = taken(&id);
        let begun = Instant::now();
        meanwhile();
        sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));
        let (memory, after) = taken(&id);
        highest = highest.max(memory);
        let millicores = u128::from(after - before) / 1000 / begun.elapsed().as_millis().max(1);
        eprintln!("{what}: {} MiB, {millicores}m CPU over {:.0?}", memory >> 20, begun.elapsed());
    };
    measure("started", 1, &|| {});
    measure("nothing happens", 10, &|| {});
    for number in 0..10 {
        docker.run(&format!("web-{number}"), &DROPS, &Options::default());
    }
    measure("ten containers, nothing happens", 10, &|| {});
    let stop_all = || {
        for number in 0..10 {
            docker.stop(&format!("web-{number}"), 1);
        }
    };
    measure("they are stopped", 1, &stop_all);
    let storm = ["stress-ng", "--quiet", "--temp-path", "/tmp", "--kill", "1", "--fork", "1", "--timeout", "15"];
    let under_storm = || {
        docker.run("storm", &storm, &Options::default());
        docker.wait("storm");
    };
    measure("a storm of signals and forks", 15, &under_storm);
    assert!(highest < limit(&agent), "{} MiB", highest >> 20);
    let log = docker.container_logs("tracer");
    assert!(!log.contains("error"), "{log}");
}
