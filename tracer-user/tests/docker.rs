//! Containers of a real Docker daemon, on the host's cgroups and on pure v2: what is found, and what is told of it.

#![expect(clippy::unwrap_used, reason = "a test")]

mod lab;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use lab::again::{again, binary, scene};
use lab::cgroup::{Cgroup, Version};
use lab::docker::{Cgroups, Daemon, IMAGE, Options};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracer_common::CGROUP_V1;
use tracer_user::container::hierarchy::Hierarchies;
use tracer_user::container::runtime::{Kind, Names, Socket, State};
use tracer_user::container::scan::{Classifier, cgroups_of, figures};
use tracer_user::event::{CgroupFound, Described, PidNamespace};
use tracer_user::signal::Signal;

/// A shell that ends when it is told to.
const POLITE: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM QUIT; while :; do sleep 0.2; done"];
/// What a daemon on a busy machine may take for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// What all of these need.
const PROGRAMS: [&str; 5] = ["dockerd", "containerd", "runc", "nsenter", "setpriv"];

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn cgroups_on_the_hosts_layout() {
    cgroups("cgroups_on_the_hosts_layout", Cgroups::Host);
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn cgroups_on_pure_v2() {
    cgroups("cgroups_on_pure_v2", Cgroups::PureV2);
}

/// In a process of its own, as it counts the files that it has open.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn names_from_a_daemon() {
    let test = "names_from_a_daemon";
    if scene().is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(names());
    } else if lab::can_run(test, &PROGRAMS) {
        again(&Command::new(binary()), test, &["alone"]);
    }
}

/// In a container with a cgroup namespace that sees the host's hierarchy, paths in `/proc` begin at that namespace's
/// root. They are told from the hierarchy's root, as the host has them.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn from_inside_a_cgroup_namespace() {
    let test = "from_inside_a_cgroup_namespace";
    let words = scene();
    match words.iter().flatten().map(String::as_str).collect::<Vec<_>>()[..] {
        ["daemon", id, mount] => move_home(test, id, mount),
        ["home", id, base] => seen_from_home(id, base),
        _ if lab::can_run(test, &PROGRAMS) => {
            let docker = Daemon::start(Cgroups::PureV2);
            let id = docker.run("elsewhere", &POLITE, &Options::default());
            let mount = docker.socket().with_file_name("own");
            fs::create_dir(&mount).unwrap();
            again(&docker.enter(binary()), test, &["daemon", &id, mount.to_str().unwrap()]);
        }
        _ => {}
    }
}

/// In the daemon's mount namespace: goes on from a cgroup two levels down, where a cgroup namespace begins. The
/// hierarchy is mounted once more there, from that namespace's root: that mount shows less than the one at hand.
fn move_home(test: &str, id: &str, mount: &str) {
    let base = Cgroup::make(Version::V2, "namespace").unwrap();
    let home = base.below("home");
    let mut way = home.command("unshare");
    way.args(["--cgroup", "--mount", "sh", "-c", r#"mount -t cgroup2 none "$0" && exec "$@""#, mount]).arg(binary());
    again(&way, test, &["home", id, &base.path]);
    home.remove();
}

fn seen_from_home(id: &str, base: &str) {
    let inode = |path: &str| fs::metadata(format!("/sys/fs/cgroup{path}")).unwrap().ino();
    let hierarchies = Hierarchies::discover().unwrap();
    let v2 = hierarchies.v2.as_ref().unwrap();
    assert_eq!((v2.root.as_str(), v2.whole, v2.home.join("/")), ("/../..", true, format!("{}/home", &base[1..])));

    // a container that is not the one we are in
    let scan = Classifier::default().scan(&hierarchies);
    let found = own(&scan.found, id, false).unwrap();
    assert_eq!(found.path, format!("/docker/{id}"));
    assert_eq!(found.cgroup.0, inode(&found.path));
    let me = &cgroups_of(&hierarchies, std::process::id()).unwrap()[0];
    let home = format!("{base}/home");
    assert_eq!((&me.path, me.id.unwrap().0), (&home, inode(&home)));
    // the one outside that put us here
    let parent = std::os::unix::process::parent_id();
    let outside = &cgroups_of(&hierarchies, parent).unwrap()[0];
    let text = fs::read_to_string(format!("/proc/{parent}/cgroup")).unwrap();
    assert!(text.contains("0::/../.."), "{text}");
    assert!(!outside.path.contains("..") && outside.id.is_some_and(|id| id.0 == inode(&outside.path)), "{outside:?}");
}

fn own<'a>(found: &'a [CgroupFound], id: &str, v1: bool) -> Option<&'a CgroupFound> {
    found.iter().find(|found| found.own && found.container == id && (found.cgroup.0 & CGROUP_V1 != 0) == v1)
}

/// Each look is taken in the daemon's mount namespace: there the cgroups are laid out as the test wants them.
fn cgroups(test: &str, layout: Cgroups) {
    let words = scene();
    match words.iter().flatten().map(String::as_str).collect::<Vec<_>>()[..] {
        ["runs", id, pid] => found(layout, id, pid.parse().unwrap()),
        ["stopped", id] => {
            let scan = Classifier::default().scan(&Hierarchies::discover().unwrap());
            assert!(scan.found.iter().all(|found| found.container != id), "{id} is gone and was found");
        }
        _ if lab::can_run(test, &PROGRAMS) => {
            let docker = Daemon::start(layout);
            let id = docker.run("polite", &POLITE, &Options::default());
            let pid = docker.pid("polite").to_string();
            again(&docker.enter(binary()), test, &["runs", &id, &pid]);
            docker.stop("polite", 10);
            again(&docker.enter(binary()), test, &["stopped", &id]);
        }
        _ => {}
    }
}

/// The container's cgroups, in the hierarchies where it has one, are those of its first process.
fn found(layout: Cgroups, id: &str, pid: u32) {
    let hierarchies = Hierarchies::discover().unwrap();
    if layout == Cgroups::PureV2 {
        assert_eq!(hierarchies.v1, None);
        assert_eq!(hierarchies.v2.as_ref().unwrap().point.to_str(), Some("/sys/fs/cgroup"));
    }
    let scan = Classifier::default().scan(&hierarchies);
    assert!(!scan.cut);
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut seen = 0;
    for cgroup in cgroups_of(&hierarchies, pid).unwrap() {
        assert!(lines.lines().any(|line| line.ends_with(&format!(":{}", cgroup.path))), "{cgroup:?} of\n{lines}");
        let found = own(&scan.found, id, cgroup.v1);
        // v2 beside v1: a runtime may leave it alone, and then its processes stay where the daemon is
        let Some(found) = found else {
            assert!(!cgroup.path.contains(id), "{id} was not found at {}", cgroup.path);
            continue;
        };
        assert_eq!((Some(found.cgroup), &found.path), (cgroup.id, &cgroup.path));
        assert_eq!((found.runtime.as_str(), found.new, &found.pod_uid), ("docker", false, &None));
        let mount = if cgroup.v1 { &hierarchies.v1.as_ref().unwrap().mount } else { hierarchies.v2.as_ref().unwrap() };
        assert!(mount.whole);
        let directory = mount.below(&found.path).unwrap();
        assert_eq!(found.cgroup.0 & !CGROUP_V1, fs::metadata(&directory).unwrap().ino());
        assert!(
            fs::read_to_string(directory.join("cgroup.procs")).unwrap().lines().any(|line| line == pid.to_string())
        );
        if directory.join("pids.current").exists() {
            let figures = figures(&hierarchies, found.cgroup, &found.path).unwrap();
            assert!(figures.pids_current.is_some_and(|count| (1..100).contains(&count)), "{figures:?}");
        }
        // and as the kernel tells it when it is made
        let told = Classifier::default().classify(found.cgroup, &found.path, true).unwrap();
        assert_eq!(told, CgroupFound { new: true, ..found.clone() });
        seen += 1;
    }
    assert!(seen > 0, "{id} is in no hierarchy that was chosen: {hierarchies:?}\n{lines}");
    if layout == Cgroups::Host && hierarchies.v1.is_some() {
        let found = own(&scan.found, id, true).expect("its v1 cgroup");
        assert!(figures(&hierarchies, found.cgroup, &found.path).is_some());
    }

    // a cgroup named on the command line, inside the container
    let mount = hierarchies.v1.as_ref().map_or_else(|| hierarchies.v2.as_ref().unwrap(), |v1| &v1.mount);
    let inner = mount.point.join("docker").join(id).join("app");
    fs::create_dir(&inner).unwrap();
    let named = Classifier::new(&hierarchies, &[inner.to_str().unwrap().to_owned()]).scan(&hierarchies);
    fs::remove_dir(&inner).unwrap();
    let name = format!("/docker/{id}/app");
    assert!(named.found.iter().any(|found| found.container == name && found.own && found.runtime == "cgroup"));
}

/// Waits for a description that `is` what is meant.
async fn told(from: &mut mpsc::Receiver<Described>, is: impl Fn(&Described) -> bool) -> Described {
    let mut others = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while let Ok(described) = timeout(deadline - Instant::now(), from.recv()).await {
        let described = described.expect("the task runs");
        if is(&described) {
            return described;
        }
        others.push(described);
    }
    panic!("not told in time; told was {others:#?}");
}

async fn state(names: &Names, is: impl Fn(&State) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, state) = names.states().next().unwrap();
        if is(&state) {
            return;
        }
        assert!(Instant::now() < deadline, "it stays {state:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn names() {
    let mut daemon = Daemon::start(Cgroups::PureV2);
    let big = format!("--label=big={}", "x".repeat(70_000));
    let args: &[&str] = &["--label=a=b", &big];
    let options = Options { stop_signal: Some("QUIT"), stop_timeout: Some(3), init: true, args, ..Options::default() };
    let first = daemon.run("first", &POLITE, &options);
    let pid_of_first = daemon.pid("first");

    let (out, mut from) = mpsc::channel(16);
    let names = Names::start(vec![Socket { path: daemon.socket(), kind: Kind::Docker }], &out);
    // what runs; if that was created in this very second, its creation is told again before, and has no pid
    let described = told(&mut from, |told| told.id == first && told.pid.is_some()).await;
    let labels = [("a".to_owned(), "b".to_owned()), ("big".to_owned(), "x".repeat(64 << 10))].into();
    let expect = Described {
        id: first.clone(),
        name: Some("first".to_owned()),
        image: Some(IMAGE.to_owned()),
        runtime: Some("docker".to_owned()),
        pid: Some(pid_of_first),
        stop_signal: Some(Signal::QUIT),
        grace_ms: Some(3000),
        grace_source: Some("docker".to_owned()),
        labels,
        command: POLITE.map(str::to_owned).to_vec(),
        init: true,
        pid_namespace: Some(PidNamespace::Container),
        ..Described::default()
    };
    assert_eq!(described, expect);
    state(&names, |state| matches!(state, State::Connected { runtime, .. } if runtime == "docker")).await;

    // what starts, with nothing set
    let second = daemon.run("second", &POLITE, &Options::default());
    let described = told(&mut from, |told| told.id == second && told.pid.is_some()).await;
    assert_eq!(described.pid, Some(daemon.pid(&second)));
    assert_eq!((described.stop_signal, described.grace_ms), (Some(Signal::TERM), Some(10_000)));
    assert_eq!((described.grace_source.as_deref(), described.init), (Some("default"), false));

    // what is renamed, and what is wanted though nothing is new
    lab::read(&mut daemon.client(&["rename", "second", "third"]));
    told(&mut from, |told| told.id == second && told.name.as_deref() == Some("third")).await;
    assert!(names.want(&first));
    told(&mut from, |told| told.id == first).await;

    // one that is restarted has another first process
    lab::read(&mut daemon.client(&["restart", "third"]));
    let pid = daemon.pid(&second);
    told(&mut from, |told| told.id == second && told.pid == Some(pid)).await;
    daemon.stop("third", 10);

    // a daemon that hangs: nothing piles up, and what was wanted comes when it goes on
    let before = open_files();
    daemon.hang_dockerd();
    assert!(names.want(&first));
    state(&names, |state| *state == State::Hanging).await;
    assert!(open_files() <= before + 4, "{} open files, {before} before", open_files());
    daemon.wake_dockerd();
    told(&mut from, |told| told.id == first).await;
    state(&names, |state| matches!(state, State::Connected { .. })).await;

    // one that is gone, and comes back: what ran all the while is told again
    daemon.stop_dockerd();
    state(&names, |state| *state == State::Absent).await;
    daemon.start_dockerd();
    told(&mut from, |told| told.id == first && told.pid == Some(pid_of_first)).await;
    let last = daemon.run("last", &POLITE, &Options::default());
    assert!(names.want(&last));
    told(&mut from, |told| told.id == last && told.name.as_deref() == Some("last")).await;

    drop(names);
    let deadline = Instant::now() + PATIENCE;
    drop(out);
    while timeout(deadline - Instant::now(), from.recv()).await.expect("the task ends").is_some() {}
    while open_files() >= before && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(open_files() < before, "connections stay open");
}
