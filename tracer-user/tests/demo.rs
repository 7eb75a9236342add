//! Every scenario of the demo does what it says, by the word of `/proc` and of the wait status, and leaves nothing.
//!
//! `TRACER_BIN` names the binary to run, for machines on which it was not built.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tracer_user::demo::scenarios::{Exit, Scenario};
use tracer_user::demo::{Container, Ended, SCENARIOS, Stage};
use tracer_user::model::ExitStatus;
use tracer_user::sandbox::cgroup;
use tracer_user::signal::{Signal, SignalSet};

const DEADLINE: Duration = Duration::from_secs(20);

fn binary() -> PathBuf {
    std::env::var_os("TRACER_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_tracer")), PathBuf::from)
}

fn stage() -> Stage {
    Stage::with_binary(binary()).expect("a stage")
}

async fn start(stage: &Stage, name: &str) -> Container {
    stage.start(Scenario::named(name).expect("a scenario")).await.expect("a container")
}

/// Ends a container in the scenario's way, and proves that nothing is left of it.
async fn end(mut container: Container) -> Ended {
    let (dir, pid, scenario) = (container.cgroup.dir.clone(), container.pid, container.scenario);
    let members = cgroup::processes(&dir).expect("a cgroup");
    let ended = container.stop().await.expect("an end");
    container.finish().await.expect("a clean end");
    assert!(!dir.exists(), "{} is still there", dir.display());
    for member in members.into_iter().chain([pid]) {
        assert!(!Path::new(&format!("/proc/{member}")).exists(), "process {member} is still there");
    }
    let exit = match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.expect("code or signal")),
    };
    assert_eq!(exit, scenario.expect.exit, "{}", scenario.name);
    if let Some(stop) = scenario.stop {
        assert_eq!(ended.killed, ended.took >= stop.grace, "{}: {ended:?}", scenario.name);
    }
    ended
}

fn status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

fn mask(pid: u32, field: &str) -> SignalSet {
    SignalSet(u64::from_str_radix(&status(pid, field).expect("a mask"), 16).expect("hexadecimal"))
}

fn alive(pid: u32) -> bool {
    status(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Every process below the container's first one, zombies included. By ancestry: on cgroup v1 `/proc/PID/cgroup` shows
/// zombies in the root.
fn children(container: &Container) -> Vec<u32> {
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: u32| status(pid, "PPid").and_then(|parent| parent.parse::<u32>().ok());
    let below = |&pid: &u32| std::iter::successors(parent(pid), |&pid| parent(pid)).any(|pid| pid == container.pid);
    pids.filter(below).collect()
}

/// The same, and the first one.
fn everyone(container: &Container) -> Vec<u32> {
    [vec![container.pid], children(container)].concat()
}

fn zombies(container: &Container) -> Vec<u32> {
    let is_zombie = |pid: &u32| status(*pid, "State").is_some_and(|state| state.starts_with('Z'));
    children(container).into_iter().filter(is_zombie).collect()
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends SIGTERM, and returns when the kernel has decided what becomes of it: the shim has nothing left to read, and
/// sleeps after it read that.
async fn term_is_decided(container: &mut Container) {
    let shim = status(container.pid, "PPid").expect("a parent").parse::<u32>().expect("a pid");
    container.signal(Signal::TERM).expect("sent");
    let sent = || !has_orders(shim) && status(shim, "State").is_some_and(|state| state.starts_with('S'));
    until("the shim has sent it", || sent().then_some(())).await;
}

/// Whether a pipe's reader has something left to read.
fn has_orders(shim: u32) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd as _;
    let pipe = fs::File::open(format!("/proc/{shim}/fd/0")).expect("its standard input");
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).expect("a look") > 0
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn a_container_is_one() {
    let stage = stage();
    let container = start(&stage, "dropped").await;
    let pid = container.pid;
    assert_eq!(status(pid, "NSpid").expect("pids").split_whitespace().last(), Some("1"));
    for namespace in ["pid", "mnt", "uts"] {
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).expect("a namespace");
        assert_ne!(link(&pid.to_string()), link("self"), "{namespace}");
    }
    assert_eq!(status(pid, "Name").as_deref(), Some("app"));
    let inner = fs::read_to_string(format!("/proc/{pid}/root/proc/1/comm")).unwrap_or_default();
    assert_ne!(inner, "", "its own /proc is mounted");
    assert_eq!(container.cgroup.id, stage.hierarchy().id(&container.cgroup.dir).expect("an id"));
    assert_eq!(everyone(&container).len(), 2);
    end(container).await;
    let dir = stage.dir().to_owned();
    drop(stage);
    assert!(!dir.exists());
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn dropped() {
    let stage = stage();
    let mut container = start(&stage, "dropped").await;
    let pid = container.pid;
    for set in ["SigCgt", "SigBlk"] {
        assert!(mask(pid, set).is_empty(), "{set}");
    }
    // glibc's posix_spawn leaves its own two signals ignored; every program that it started has that.
    assert!(mask(pid, "SigIgn").iter().all(|signal| matches!(signal.number(), 32 | 33)));
    term_is_decided(&mut container).await;
    assert!(mask(pid, "ShdPnd").is_empty(), "it is not queued");
    assert!(alive(pid), "PID 1 survived");
    end(container).await;
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn graceful_and_tini() {
    let stage = stage();
    let container = start(&stage, "graceful").await;
    assert!(mask(container.pid, "SigCgt").has(Signal::TERM));
    assert!(!end(container).await.killed);

    let container = start(&stage, "tini-wait").await;
    assert!(!mask(container.pid, "SigCgt").has(Signal::TERM));
    // In sigtimedwait the kernel shows neither: the set is in real_blocked.
    let number = if cfg!(target_arch = "aarch64") { "137 " } else { "128 " };
    let syscall = || fs::read_to_string(format!("/proc/{}/syscall", container.pid)).ok();
    until("it waits for signals", || syscall().filter(|text| text.starts_with(number))).await;
    assert!(!end(container).await.killed);
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn nobody_tells_the_child() {
    let stage = stage();
    let mut container = start(&stage, "not-forwarded").await;
    let [child] = children(&container)[..] else { panic!("one child") };
    assert!(mask(container.pid, "SigCgt").has(Signal::TERM));
    term_is_decided(&mut container).await;
    assert!(alive(child), "a SIGTERM would have killed it");
    end(container).await;

    let container = start(&stage, "torn-down").await;
    let [child] = children(&container)[..] else { panic!("one child") };
    assert!(alive(child));
    assert!(!end(container).await.killed, "PID 1 went by itself, and the child with it");
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn taken_too_late_or_never() {
    let stage = stage();
    let container = start(&stage, "too-slow").await;
    assert!(mask(container.pid, "SigCgt").has(Signal::TERM));
    end(container).await;

    let container = start(&stage, "ignored").await;
    assert!(mask(container.pid, "SigIgn").has(Signal::TERM));
    end(container).await;

    let mut container = start(&stage, "blocked").await;
    assert!(mask(container.pid, "SigBlk").has(Signal::TERM));
    container.signal(Signal::TERM).expect("sent");
    until("it is pending", || mask(container.pid, "ShdPnd").has(Signal::TERM).then_some(())).await;
    end(container).await;
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn reraised() {
    let stage = stage();
    let mut container = start(&stage, "handler-reraised").await;
    let pid = container.pid;
    assert!(mask(pid, "SigCgt").has(Signal::TERM), "there is a handler");
    container.signal(Signal::TERM).expect("sent");
    until("the handler took itself away", || (!mask(pid, "SigCgt").has(Signal::TERM)).then_some(())).await;
    until("it sleeps again, and nothing is pending", || {
        (status(pid, "State")?.starts_with('S') && mask(pid, "ShdPnd").is_empty() && mask(pid, "SigPnd").is_empty())
            .then_some(())
    })
    .await;
    end(container).await;
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn first_process_that_is_no_init() {
    let stage = stage();
    let container = start(&stage, "default-action").await;
    assert_eq!(status(container.pid, "NSpid"), Some(container.pid.to_string()), "no namespace of its own");
    assert!(!end(container).await.killed);
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn trap_deferred() {
    let scenario = Scenario::named("trap-deferred").expect("a scenario");
    assert!(scenario.is_available(), "there is no /bin/sh here: this test needs one");
    let stage = stage();
    let container = start(&stage, scenario.name).await;
    assert!(mask(container.pid, "SigCgt").has(Signal::TERM), "the trap is set");
    assert_eq!(children(&container).len(), 1, "the foreground child");
    end(container).await;
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn zombies_build_up() {
    let stage = stage();
    for (name, comm) in [("zombies", "job"), ("orphan-adoption", "helper")] {
        let container = start(&stage, name).await;
        // the last of them closed its end of the pipe, which is a moment before it is a zombie
        let first = until("the first zombies", || {
            Some(zombies(&container)).filter(|zombies| zombies.len() >= tracer_user::demo::actors::ZOMBIES)
        })
        .await;
        for &zombie in &first {
            assert_eq!(status(zombie, "PPid"), Some(container.pid.to_string()), "{name}: PID 1 should reap it");
            assert_eq!(status(zombie, "Name").as_deref(), Some(comm));
        }
        until("there are more", || (zombies(&container).len() > first.len()).then_some(())).await;
        assert!(end(container).await.killed);
    }
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn respawn_loop() {
    let stage = stage();
    let container = start(&stage, "respawn-loop").await;
    let mut workers = std::collections::BTreeSet::new();
    until("five workers came and went", || {
        workers.extend(children(&container));
        (workers.len() > 5).then_some(())
    })
    .await;
    assert!(alive(container.pid), "the supervisor is up");
    assert!(end(container).await.killed);
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn kill_from_inside_does_nothing() {
    let stage = stage();
    let mut container = start(&stage, "kill-from-inside").await;
    // It says that it is ready after both signals were sent to it.
    container.watch().await.expect("time to pass");
    assert!(alive(container.pid));
    assert!(end(container).await.killed);
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn orphan_exit() {
    let stage = stage();
    let mut container = start(&stage, "orphan-exit").await;
    container.watch().await.expect("its end");
    let ended = end(container).await;
    assert_eq!((ended.killed, ended.status), (false, ExitStatus { raw: 1 << 8 }), "it ended by itself");
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn the_whole_tour_at_once_leaves_nothing() {
    let stage = stage();
    let mut containers = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.is_available()) {
        containers.push(stage.start(scenario).await.expect("a container"));
    }
    let dir = stage.dir().to_owned();
    let runs = containers.into_iter().map(|mut container| {
        tokio::spawn(async move {
            container.watch().await.expect("time to pass");
            end(container).await
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.expect("what the scenario claims");
    }
    drop(stage);
    assert!(!dir.exists());
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn dropping_is_enough() {
    let stage = stage();
    let container = start(&stage, "not-forwarded").await;
    let (root, dir, members) = (stage.dir().to_owned(), container.cgroup.dir.clone(), everyone(&container));
    assert_eq!(members.len(), 2);
    drop(container);
    assert!(!dir.exists());
    drop(stage);
    assert!(!root.exists() && members.iter().all(|pid| status(*pid, "State").is_none()));
}

/// Not a test: what [`killing_the_demo_is_enough`] and [`even_killing_everything_is_enough`] run and kill.
#[tokio::test]
#[ignore = "needs root: started by other tests"]
async fn demo_to_be_killed() {
    if std::env::var_os("TRACER_TEST_DEMO").is_none() {
        return;
    }
    let stage = stage();
    let container = start(&stage, "not-forwarded").await;
    let mut pids = everyone(&container);
    pids.push(status(container.pid, "PPid").expect("a shim").parse().expect("a pid"));
    writeln!(std::io::stderr(), "DEMO {} {pids:?}", stage.dir().display()).expect("a reader");
    tokio::time::sleep(DEADLINE).await;
    drop(container);
}

/// Runs a demo in a process of its own; tells its cgroup, and the pids of the container, the shim last.
fn other_demo() -> (std::process::Child, PathBuf, Vec<u32>) {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["demo_to_be_killed", "--exact", "--ignored", "--nocapture"]).env("TRACER_TEST_DEMO", "1");
    let mut demo = command.process_group(0).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a demo");
    let lines = BufReader::new(demo.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.starts_with("DEMO ")).expect("it says where it is");
    let (dir, pids) = line["DEMO ".len()..].split_once(' ').expect("two words");
    let pids = pids.trim_matches(['[', ']']).split(", ").map(|pid| pid.parse().expect("a pid")).collect();
    (demo, PathBuf::from(dir), pids)
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn killing_the_demo_is_enough() {
    let (mut demo, dir, pids) = other_demo();
    assert!(dir.exists() && pids.len() == 3, "{pids:?}");
    // SIGKILL: no guard, no handler runs.
    demo.kill().expect("killed");
    demo.wait().expect("reaped");
    until("everything is gone", || (!dir.exists() && !pids.iter().any(|&pid| alive(pid))).then_some(())).await;
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test runs it"]
async fn even_killing_everything_is_enough() {
    use nix::sys::signal::{Signal as Nix, kill};
    use nix::unistd::Pid;
    let (mut demo, dir, pids) = other_demo();
    let shim = Pid::from_raw(i32::try_from(*pids.last().expect("a shim")).expect("a pid"));
    // Stopped first: otherwise one of the two would have time to clean up.
    kill(shim, Nix::SIGSTOP).expect("stopped");
    demo.kill().expect("killed");
    demo.wait().expect("reaped");
    kill(shim, Nix::SIGKILL).expect("killed");
    until("the container died with its shim", || (!pids.iter().any(|&pid| alive(pid))).then_some(())).await;
    // Nobody was left to remove the cgroup but the next demo; and that lets alone those that live.
    let (first, second) = (stage(), stage());
    assert!(!dir.exists(), "it is still there");
    assert!(first.dir().exists() && second.dir().exists() && first.dir() != second.dir());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn hidden_subcommands_refuse_nonsense() {
    for args in [&["demo-actor", "nobody"][..], &["demo-actor"], &["sandbox-init", "shim", "{}"], &["sandbox-init"]] {
        let output = Command::new(binary()).args(args).output().expect("it runs");
        assert!(!output.status.success(), "{args:?}");
    }
}
