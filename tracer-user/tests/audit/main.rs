//! `tracer audit` on real containers: what it foresees is compared with what comes when they are really stopped.

#[path = "../lab/mod.rs"]
mod lab;
mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use lab::docker::{Cgroups, Daemon, Options};
use lab::tracer::{BINARY, Said, Tracer};
use lab::{PATIENCE, until};
use programs::{Program, Ready};

/// Containers that are started or stopped at a time.
const AT_ONCE: usize = 8;

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_is_foreseen_comes_on_pure_cgroup_v2() {
    compare("what_is_foreseen_comes_on_pure_cgroup_v2", Cgroups::PureV2);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_is_foreseen_comes_on_the_hosts_cgroups() {
    compare("what_is_foreseen_comes_on_the_hosts_cgroups", Cgroups::Host);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn zombies_filters_and_exit_codes() {
    if !lab::can_run("zombies_filters_and_exit_codes", &["dockerd", "containerd", "runc", "python3"]) {
        return;
    }
    let docker = Daemon::start(Cgroups::Host);
    let socket = docker.socket().display().to_string();
    let options = Options::default();
    docker.run("negligent", &["python3", "-c", NEGLIGENT], &options);
    docker.run("good", &["python3", "-c", programs::PYTHON_EXITS], &options);
    for name in ["negligent", "good"] {
        until("both to be ready", PATIENCE, || docker.container_logs(name).contains("ready").then_some(()));
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(BINARY);
        command.args(["audit", "--docker", &socket]).args(args).env("COLUMNS", "80").stdin(Stdio::null());
        let output = lab::output(&mut command);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let line = of(&audit(Command::new(BINARY), &["--docker", &socket, "-c", "negligent"]), "negligent");
    let zombies = &line["zombies"];
    assert_eq!(
        (&zombies["count"], &zombies["parents"][0]["is_first"]),
        (&Value::from(3), &Value::from(true)),
        "{line}"
    );
    assert!(zombies["fix"].as_str().is_some_and(|fix| fix.contains("an init that reaps")), "{line}");
    // the pids controller is v1's or v2's, but the host has one; a zombie counts as a process
    assert!(line["pids"]["current"].as_u64().is_some_and(|current| current >= 4), "{line}");

    assert_eq!(run(&["-c", "negligent", "--fail-on", "zombies"]).0, Some(1));
    assert_eq!(run(&["-c", "good", "--fail-on", "zombies,sigterm-dropped,unknown"]).0, Some(0));
    let (code, out, said) = run(&["-c", "goof"]);
    assert_eq!((code, out.as_str()), (Some(4), ""), "{said}");
    assert!(said.contains("did you mean good"), "{said}");
    let (code, out, _) = run(&["-c", "negligent", "-c", "good"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("negligent") && out.contains("Zombies") && out.contains("good"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(run(&["-c", "negligent", "-c", "good", "--wide"]).1.contains("VERDICT"));
    // neither has another stop signal
    assert_eq!(run(&["-c", "good", "--signal", "QUIT"]).0, Some(4));
}

/// Forks children that end, and never waits for them.
const NEGLIGENT: &str = "
import os, time
for _ in range(3):
    if os.fork() == 0: os._exit(0)
print('ready', flush=True)
time.sleep(1000)";

fn compare(test: &str, cgroups: Cgroups) {
    if !lab::can_run(test, &["dockerd", "containerd", "runc", "python3", "setpriv"]) {
        return;
    }
    // Only these, by the beginnings of their names: for the one who looks for a mistake.
    let only = std::env::var("TRACER_CASES").unwrap_or_default();
    let chosen = |program: &Program| only.split(',').any(|start| program.name.starts_with(start));
    let programs: Vec<_> = programs::all()
        .into_iter()
        .filter(chosen)
        // systemd wants a hierarchy of its own
        .filter(|program| cgroups == Cgroups::PureV2 || program.name != "systemd")
        .filter(|program| lab::can_run(program.name, program.needs))
        .collect();
    let docker = Daemon::start(cgroups);
    let socket = docker.socket().display().to_string();
    let mut failures = each(&programs, |program| {
        docker.run(program.name, program.command, &program.options);
        wait_until_ready(&docker, program);
    });
    let foreseen = audit_until_all_are_of_age(&docker, &socket);
    failures.extend(programs.iter().filter_map(|program| differs(program, &foreseen)));
    let by_proc = audit(setpriv(&docker), &["--docker", &socket]);
    failures.extend(programs.iter().filter_map(|program| contradicts(program, &foreseen, &by_proc)));
    let begun = |said: Said<'_>| matches!(said, Said::Note(note) if note.starts_with("tracer: tracing"));
    let mut tracer = Tracer::start(docker.enter(BINARY), &["--docker", &socket], begun);
    // only who knows it takes SIGRTMIN+3 for a stop signal
    for program in &programs {
        tracer.wait_for(&format!("the name of {}", program.name), PATIENCE, |line| {
            line["kind"] == "container" && line["state"] == "described" && line["name"] == program.name
        });
    }
    failures.extend(each(&programs, |program| {
        docker.stop(program.name, program.grace);
    }));
    let tracer = Mutex::new(tracer);
    failures.extend(each(&programs, |program| {
        let foreseen = of(&foreseen, program.name);
        let mut tracer = tracer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // by the id: a container that ends at once may be told before its name is known
        let came = tracer.wait_for(&format!("the termination of {}", program.name), PATIENCE, |line| {
            line["kind"] == "termination" && line["container"]["id"] == foreseen["container"]["id"]
        });
        drop(tracer);
        assert_came(program, &foreseen, &came);
    }));
    drop(tracer);
    drop(docker);
    assert!(failures.is_empty(), "{} failures:\n\n{}", failures.len(), failures.join("\n\n"));
}

/// Does something with each program, several at a time. Returns what went wrong.
fn each(programs: &[Program], act: impl Fn(&Program) + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(program))) {
                        let text = panic.downcast_ref::<String>().map_or("see above", String::as_str);
                        failures.lock().expect("nobody panics in between").push(format!("{}: {text}", program.name));
                    }
                }
            });
        }
    });
    failures.into_inner().expect("nobody panics in between")
}

fn wait_until_ready(docker: &Daemon, program: &Program) {
    let (name, what) = (program.name, format!("{} to be ready", program.name));
    let pid = docker.pid(name);
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    until(&what, PATIENCE, || {
        let is_ready = match program.ready {
            Ready::Says => docker.container_logs(name).contains("ready"),
            Ready::Runs(comm) => runs(docker, name, comm),
            Ready::Handles(comm, signal) => read("comm").trim() == comm && handles(&read("status"), signal),
            Ready::HasSignalFd(comm) => {
                let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
                let mut targets = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
                read("comm").trim() == comm && targets.any(|target| target.ends_with("anon_inode:[signalfd]"))
            }
        };
        is_ready.then_some(())
    });
}

fn handles(status: &str, signal: u32) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Whether a process of that name runs in a container.
fn runs(docker: &Daemon, name: &str, comm: &str) -> bool {
    let top = docker.client(&["top", name, "-eo", "pid,comm"]).output().expect("docker starts");
    String::from_utf8_lossy(&top.stdout).lines().any(|line| line.split_whitespace().nth(1) == Some(comm))
        || String::from_utf8_lossy(
            &docker.client(&["top", name, "-eo", "pid,args"]).output().expect("docker starts").stdout,
        )
        .lines()
        .any(|line| line.contains(": ") && line.contains(comm))
}

/// A tracer that may not use BPF.
fn setpriv(docker: &Daemon) -> Command {
    let mut command = docker.enter("setpriv");
    command.args(["--bounding-set", "-bpf,-perfmon,-sys_admin", "--inh-caps", "-bpf,-perfmon,-sys_admin", BINARY]);
    command
}

/// The lines of one audit.
#[track_caller]
fn audit(mut command: Command, args: &[&str]) -> Vec<Value> {
    command.args(["audit", "--output", "json"]).args(args).stdin(Stdio::null());
    let output = lab::output(&mut command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Of a process that has just begun an audit says nothing: that passes.
fn audit_until_all_are_of_age(docker: &Daemon, socket: &str) -> Vec<Value> {
    until("all containers to be of age", PATIENCE, || {
        let lines = audit(docker.enter(BINARY), &["--docker", socket]);
        let young = lines.iter().any(|line| text(line, "explanation").contains("it may not have come to"));
        (!young).then_some(lines)
    })
}

fn of(lines: &[Value], name: &str) -> Value {
    lines.iter().find(|line| line["container"]["name"] == name).cloned().unwrap_or_default()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// Where the audit does not say what it should.
fn differs(program: &Program, foreseen: &[Value]) -> Option<String> {
    let line = of(foreseen, program.name);
    let noted =
        |note: &str| line["notes"].as_array().is_some_and(|notes| notes.iter().any(|told| told["note"] == note));
    let signal = program.options.stop_signal.unwrap_or("SIGTERM");
    let as_expected = line["outcome"] == program.outcome
        && line["cause"].as_str() == program.cause
        && line["stop_signal"] == signal
        && line["stop_signal_source"] == "docker"
        && line["evidence_source"] == "kernel"
        && line["certain"] == (program.outcome != "unknown")
        && program.note.is_none_or(noted);
    (!as_expected).then(|| format!("{program:?} is not foreseen as it should be:\n{line}"))
}

/// Without BPF more is unknown, and nothing is said that the kernel's own structures do not say.
fn contradicts(program: &Program, foreseen: &[Value], by_proc: &[Value]) -> Option<String> {
    let (line, weaker) = (of(foreseen, program.name), of(by_proc, program.name));
    let same =
        weaker["outcome"] == line["outcome"] && (weaker["cause"] == line["cause"] || weaker["verdict"].is_null());
    let fine = weaker["evidence_source"] == "proc" && (same || weaker["outcome"] == "unknown");
    (!fine).then(|| format!("{}: /proc alone says something else:\n{line}\n{weaker}", program.name))
}

/// What was foreseen came.
#[track_caller]
fn assert_came(program: &Program, foreseen: &Value, came: &Value) {
    let (outcome, verdict, taken) = (text(came, "outcome"), text(came, "verdict"), came["taken"] == true);
    let fits = match text(foreseen, "outcome") {
        "dropped" => verdict == "sigterm-dropped" && came["cause"] == foreseen["cause"],
        "ignored" => verdict == "sigterm-ignored",
        "caught" if foreseen["cause"].is_null() => outcome == "caught" && verdict != "sigterm-dropped",
        "caught" => outcome == "caught" && came["cause"] == foreseen["cause"],
        "taken" => outcome == "blocked" && taken,
        "default" => verdict == text(foreseen, "verdict"),
        "unknown" => true,
        _ => false,
    };
    assert!(fits, "{}: foreseen:\n{foreseen}\ncame:\n{came}", program.name);
}
