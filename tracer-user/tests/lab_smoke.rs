//! The lab itself: a container starts, stops, and says how, with either kind of cgroups.

mod lab;

use lab::docker::{Cgroups, Daemon, Options};
use lab::tracer::{Said, Tracer};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Starts a container that handles its stop signal and one that does not, and stops both.
fn containers_start_and_stop(cgroups: Cgroups) {
    let docker = Daemon::start(cgroups);
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let id = docker.run("handles", &["sh", "-c", script], &Options::default());
    assert_eq!(docker.id("handles"), id);
    lab::until("the trap to be set", lab::PATIENCE, || {
        docker.container_logs("handles").contains("ready").then_some(())
    });

    // Inside the daemon's mount namespace the container's cgroup is where the daemon put it.
    let own = std::fs::read_to_string(format!("/proc/{}/cgroup", docker.pid("handles")));
    let own = own.expect("a running process has a cgroup file");
    assert!(own.lines().any(|line| line.ends_with(&format!("/docker/{id}"))), "{own}");
    if cgroups == Cgroups::PureV2 {
        let kind = lab::read(docker.enter("stat").args(["--file-system", "--format=%T", "/sys/fs/cgroup"]));
        assert_eq!(kind, "cgroup2fs");
        lab::read(docker.enter("test").args(["-d", &format!("/sys/fs/cgroup/docker/{id}")]));
    }

    docker.stop("handles", 20);
    assert_eq!(docker.wait("handles"), 7);

    docker.run("drops", &["sleep", "1000"], &Options { stop_timeout: Some(1), ..Options::default() });
    docker.stop("drops", 1);
    assert_eq!(docker.wait("drops"), 137, "PID 1 without a handler never sees SIGTERM, so Docker has to kill it");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn docker_on_pure_cgroup_v2() {
    if lab::can_run("docker_on_pure_cgroup_v2", &["dockerd", "containerd", "runc"]) {
        containers_start_and_stop(Cgroups::PureV2);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn docker_on_the_hosts_cgroups() {
    if lab::can_run("docker_on_the_hosts_cgroups", &["dockerd", "containerd", "runc"]) {
        containers_start_and_stop(Cgroups::Host);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn the_hosts_programs_run_inside_and_dockers_init_forwards() {
    let programs = ["dockerd", "docker-init", "node", "java", "python3", "tini", "dumb-init", "catatonit", "nginx"];
    if !lab::can_run("the_hosts_programs_run_inside_and_dockers_init_forwards", &programs) {
        return;
    }
    let docker = Daemon::start(Cgroups::PureV2);
    let script = "node --version && java -version && python3 --version && tini --version && dumb-init --version && \
                  catatonit --version && nginx -v";
    docker.run("versions", &["sh", "-c", script], &Options { programs: &["node", "java"], ..Options::default() });
    assert_eq!(docker.wait("versions"), 0, "{}", docker.container_logs("versions"));

    docker.run("init", &["sleep", "1000"], &Options { init: true, stop_signal: Some("SIGINT"), ..Options::default() });
    docker.stop("init", 20);
    assert_eq!(docker.wait("init"), 130, "Docker's init forwards SIGINT, and reports the child's death by it");
}

#[track_caller]
fn drop_leaves_nothing(docker: Daemon, container: &str, pid: u32) {
    let dir = docker.socket().parent().expect("it is a file").to_owned();
    lab::daemon::drop_leaves_nothing(docker, &dir, container, pid);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_dropped_daemon_leaves_nothing_behind() {
    if !lab::can_run("a_dropped_daemon_leaves_nothing_behind", &["dockerd"]) {
        return;
    }
    let docker = Daemon::start(Cgroups::PureV2);
    docker.run("forever", &["sleep", "1000"], &Options::default());
    let pid = docker.pid("forever");
    drop_leaves_nothing(docker, "forever", pid);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn containers_live_while_dockerd_hangs_or_is_gone() {
    if !lab::can_run("containers_live_while_dockerd_hangs_or_is_gone", &["dockerd"]) {
        return;
    }
    let mut docker = Daemon::start(Cgroups::PureV2);
    docker.run("forever", &["sleep", "1000"], &Options::default());
    let pid = docker.pid("forever");
    let runs = || std::path::Path::new(&format!("/proc/{pid}")).exists();

    docker.hang_dockerd();
    let mut asking = docker.client(&["version"]).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(asking.try_wait().unwrap(), None, "a hanging dockerd answers nothing");
    assert!(runs());
    docker.wake_dockerd();
    assert!(asking.wait().unwrap().success(), "it answers when it goes on");

    docker.stop_dockerd();
    assert!(!lab::output(&mut docker.client(&["version"])).status.success());
    assert!(runs());
    docker.start_dockerd();
    assert_eq!(docker.pid("forever"), pid);

    // Whether it hangs or is gone, its containers end with the test.
    docker.stop_dockerd();
    drop_leaves_nothing(docker, "forever", pid);
    let docker = Daemon::start(Cgroups::PureV2);
    docker.run("forever", &["sleep", "1000"], &Options::default());
    let pid = docker.pid("forever");
    docker.hang_dockerd();
    drop_leaves_nothing(docker, "forever", pid);
}

/// A stand-in for the tracer, so that reading one is tested without root.
const STAND_IN: &str = r#"
    test "$1 $2 $3" = "--output json --all-signals" || exit 2
    echo "starting" >&2
    echo '{"kind":"container","name":"web"}'
    trap 'echo "{\"kind\":\"termination\",\"container\":{\"name\":\"web\"}}"; echo "over" >&2; exit 0' INT
    while :; do sleep 0.02; done
"#;

#[test]
fn a_tracers_lines_are_read_until_it_is_interrupted() {
    // what a shell runs in the background ignores SIGINT, and so would all below it: no shell can trap what it was born to ignore
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", "sh", "-c", STAND_IN, "stand-in"]);
    let ready = |said: Said<'_>| matches!(said, Said::Line(line) if line["kind"] == "container");
    let mut tracer = Tracer::start(command, &["--all-signals"], ready);
    let found = tracer.wait_for("a container", lab::PATIENCE, |line| line["name"] == "web");
    assert_eq!(found["kind"], "container");
    assert!(tracer.terminations().is_empty());
    lab::send("INT", tracer.pid());
    assert_eq!(tracer.termination_of("web")["kind"], "termination");
    // a second signal while the trap runs would run it twice
    let ended = tracer.wait();
    assert!(ended.status.success());
    assert_eq!((ended.lines.len(), ended.stderr.as_str()), (2, "starting\nover"));
}

#[test]
fn readiness_can_be_a_line_on_stderr() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo tracing >&2; exec sleep 1000"]);
    let tracer = Tracer::start(command, &[], |said| matches!(said, Said::Note("tracing")));
    let process = format!("/proc/{}", tracer.pid());
    drop(tracer);
    assert!(!std::path::Path::new(&process).exists(), "a dropped tracer is killed and reaped");
}
