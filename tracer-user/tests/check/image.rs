//! Images, in containers that a real Docker daemon makes.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lab::docker::{Cgroups, Daemon, IMAGE};
use crate::lab::tracer::BINARY;
use crate::lab::{PATIENCE, can_run, host, read, send, until};
use crate::{check, report};

const PROGRAMS: [&str; 5] = ["dockerd", "containerd", "runc", "nsenter", "dash"];
const POLITE: &str = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done";

/// The options that every container needs here, and the image.
fn options(docker: &Daemon, image: &str) -> Vec<String> {
    let socket = docker.socket().display().to_string();
    let plain = ["--docker", &socket, "--image", image, "--network", "none"].map(str::to_owned);
    let mounts =
        host::mounts(&[]).into_iter().flat_map(|dir| ["--volume".to_owned(), format!("{0}:{0}:ro", dir.display())]);
    plain.into_iter().chain(mounts).collect()
}

#[track_caller]
fn checked(docker: &Daemon, image: &str, args: &[&str], command: &[&str]) -> (Value, i32) {
    let options = options(docker, image);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let all = [&["-o", "json", "--grace", "2s"], &options[..], args, &["--"], command].concat();
    report(&check(docker.enter(BINARY), &all))
}

fn containers(docker: &Daemon) -> String {
    read(&mut docker.client(&["ps", "--all", "--quiet"]))
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn images_on_the_hosts_cgroups() {
    images("images_on_the_hosts_cgroups", Cgroups::Host);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn images_on_pure_v2() {
    images("images_on_pure_v2", Cgroups::PureV2);
}

fn images(test: &str, cgroups: Cgroups) {
    if !can_run(test, &PROGRAMS) {
        return;
    }
    let docker = Daemon::start(cgroups);
    let (report, code) = checked(&docker, IMAGE, &[], &["dash", "-c", "sleep 1000; true"]);
    assert_eq!((code, &report["verdict"]), (1, &json!("sigterm-dropped")), "{report}");
    assert_eq!(report["termination"]["grace"]["budget_s"], 2, "{report}");
    let (report, code) = checked(&docker, IMAGE, &[], &["dash", "-c", POLITE]);
    assert_eq!((code, &report["verdict"], &report["output"]), (0, &json!("graceful"), &json!(["up"])), "{report}");
    let ready = ["--ready", "grep -q dash /proc/1/comm", "--env", "GREETING=hello"];
    let (report, code) = checked(&docker, IMAGE, &ready, &["dash", "-c", &format!("echo $GREETING; {POLITE}")]);
    assert_eq!((code, &report["ready"]["by"]), (0, &json!("command")), "{report}");
    assert_eq!(report["output"], json!(["hello", "up"]));

    // the image's own stop signal
    read(&mut docker.client(&["create", "--stop-signal", "QUIT", "--name", "base", IMAGE, "x"]));
    read(&mut docker.client(&["commit", "base", "quits"]));
    read(&mut docker.client(&["rm", "base"]));
    let quits = POLITE.replace("TERM", "QUIT");
    let (report, code) = checked(&docker, "quits", &["--ready-log", "up"], &["dash", "-c", &quits]);
    assert_eq!((code, &report["termination"]["stop_signal"]), (0, &json!("SIGQUIT")), "{report}");

    let (report, code) = checked(&docker, IMAGE, &[], &["/nowhere/server"]);
    assert_eq!(code, 1);
    let error = report["error"].as_str().expect("an error");
    assert!(error.starts_with("cannot start the container: ") && error.contains("/nowhere/server"), "{error}");
    let (report, code) = checked(&docker, "no-such-image:1", &[], &["x"]);
    let told = "there is no image no-such-image:1 here: docker pull no-such-image:1, or docker build, first (";
    let error = report["error"].as_str().expect("an error");
    assert!(code == 1 && error.starts_with(told) && error.ends_with(')'), "{code}: {error}");
    assert_eq!(containers(&docker), "", "all are removed");
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn whatever_ends_a_check_its_container_is_removed() {
    if !can_run("whatever_ends_a_check_its_container_is_removed", &PROGRAMS) {
        return;
    }
    let docker = Daemon::start(Cgroups::Host);
    for signal in ["INT", "KILL"] {
        let mut tracer = docker.enter(BINARY);
        tracer.arg("check").args(options(&docker, IMAGE)).args(["--ready", "false", "--", "dash", "-c", POLITE]);
        let mut tracer =
            tracer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        until("the container to run", PATIENCE, || {
            (!read(&mut docker.client(&["ps", "--quiet"])).is_empty()).then_some(())
        });
        send(signal, tracer.id());
        tracer.wait().expect("it ends");
        until(&format!("the container to be removed after {signal}"), PATIENCE, || {
            containers(&docker).is_empty().then_some(())
        });
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn without_a_daemon_it_says_so() {
    if !can_run("without_a_daemon_it_says_so", &[]) {
        return;
    }
    let output = check(Command::new(BINARY), &["--docker", "/nowhere/docker.sock", "--image", "x"]);
    assert_eq!(output.status.code(), Some(3));
    let told = "tracer: error: no Docker daemon answers at /nowhere/docker.sock: is it running?\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), told);
}
