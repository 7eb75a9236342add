//! Over plain directories that look like a hierarchy: the walk reads names and inode numbers, and nothing else.

use super::super::hierarchy::V1;
use super::*;

const A: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";
const B: &str = "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846";

fn mount(point: &Path) -> Mount {
    Mount { point: point.to_owned(), root: "/".to_owned(), whole: true, home: Vec::new() }
}

/// A v2 and a v1 hierarchy in a temporary directory.
fn hybrid(at: &Path) -> Hierarchies {
    let v1 = V1 { controller: "pids", enum_name: "pids_cgrp_id", hierarchy_id: 8, mount: mount(&at.join("pids")) };
    Hierarchies { v2: Some(mount(&at.join("unified"))), v1: Some(v1) }
}

fn make(at: &Path, paths: &[&str]) -> Hierarchies {
    for path in ["unified", "pids"].iter().chain(paths) {
        fs::create_dir_all(at.join(path)).expect("a directory");
    }
    hybrid(at)
}

/// `container runtime own` of a path that was just made, or `nothing`.
#[track_caller]
fn check(named: &[&str], id: u64, path: &str, expect: &str) {
    let named: Vec<_> = named.iter().map(|&name| name.to_owned()).collect();
    let found = Classifier::new(&hybrid(Path::new("/cg")), &named).classify(CgroupId(id), path, true);
    let told = found.map(|found| {
        assert!(found.new && found.path == path && found.cgroup == CgroupId(id));
        format!("{} {} {}", found.container, found.runtime, if found.own { "own" } else { "below" })
    });
    assert_eq!(told.as_deref().unwrap_or("nothing"), expect, "{path} with {named:?}");
}

#[test]
fn new_cgroups() {
    let docker = format!("/docker/{A}");
    check(&[], 7, &docker, &format!("{A} docker own"));
    check(&[], 7, &format!("{docker}/x/y"), &format!("{A} docker below"));
    check(&[], 7, "/system.slice/cron.service", "nothing");
    check(&[], 7, "/", "nothing");
}

#[test]
fn named_cgroups() {
    for name in ["/a/b", "a/b", "a/b/", "/cg/unified/a/b", "/a/./c/../b"] {
        check(&[name], 7, "/a/b", "/a/b cgroup own");
        check(&[name], 7, "/a/b/c", "/a/b cgroup below");
        check(&[name], 7, "/a/bc", "nothing");
        check(&[name], 7, "/a", "nothing");
    }
    // one that names its hierarchy is looked for there alone
    check(&["/cg/unified/a"], CGROUP_V1 | 7, "/a", "nothing");
    check(&["/cg/pids/a"], CGROUP_V1 | 7, "/a", "/a cgroup own");
    check(&["/cg/pids/a"], 7, "/a", "nothing");
    check(&["/cg/pidsa"], CGROUP_V1 | 7, "/a", "nothing");
    // the nearest one
    check(&["/a", "/a/b"], 7, "/a/b/c", "/a/b cgroup below");
    // the whole of it
    check(&["/"], 7, "/", "/ cgroup own");
    check(&["/"], 7, "/a/b", "/ cgroup below");
    check(&["/cg/unified"], 7, "/a", "/ cgroup below");
    // out of it
    check(&["/../a"], 7, "/a", "nothing");
    check(&["/cg/unified/../../etc"], 7, "/etc", "nothing");
}

/// In a container the host's hierarchies are mounted wherever; what a person names is the host's all the same.
#[test]
fn named_as_on_the_host() {
    let places = [
        ("/host/sys/fs/cgroup/unified", "/host/sys/fs/cgroup/pids"),
        ("/proc/1/root/sys/fs/cgroup/unified", "/proc/1/root/sys/fs/cgroup/pids"),
    ];
    for (v2, v1) in places {
        let mut hierarchies = hybrid(Path::new("/"));
        hierarchies.v2 = Some(mount(Path::new(v2)));
        hierarchies.v1 = hierarchies.v1.map(|of_v1| V1 { mount: mount(Path::new(v1)), ..of_v1 });
        let named = |cgroup: &str| name(&hierarchies, cgroup).map(|named| (named.path, named.v1));
        assert_eq!(named("/sys/fs/cgroup/unified/a"), Some(("/a".to_owned(), Some(false))));
        assert_eq!(named("/sys/fs/cgroup/pids/a/b"), Some(("/a/b".to_owned(), Some(true))));
        assert_eq!(named(&format!("{v2}/a")), Some(("/a".to_owned(), Some(false))));
        assert_eq!(named("/a"), Some(("/a".to_owned(), None)));
        assert_eq!(named("/sys/fs/cgroup/unified/../../etc"), None);
    }
}

/// A container keeps its id inside what is named; what is named inside a container is the more exact one.
#[test]
fn named_cgroups_and_containers() {
    let container = format!("/docker/{A}");
    check(&["/docker"], 7, &container, &format!("{A} docker own"));
    check(&["/docker"], 7, "/docker/x", "/docker cgroup below");
    check(&[&container], 7, &container, &format!("{A} docker own"));
    let inner = format!("{container}/app");
    check(&[&inner], 7, &inner, &format!("{inner} cgroup own"));
    check(&[&inner], 7, &format!("{container}/other"), &format!("{A} docker below"));
    check(&[&inner], 7, &format!("{inner}/docker/{B}"), &format!("{B} docker own"));
}

#[test]
fn a_path_that_was_cut() {
    let classifier = Classifier::default();
    let found = classifier.classify_cut(CgroupId(7), &format!("/docker/{A}/system.slice/so")).expect("its container");
    assert_eq!((found.container.as_str(), found.own), (A, false));
    // the cut went through an id: nobody knows what it would have been
    assert_eq!(classifier.classify_cut(CgroupId(7), &format!("/docker/{}", &A[..20])), None);
    assert_eq!(classifier.classify_cut(CgroupId(7), "x"), None);
}

#[test]
fn a_walk() {
    let at = tempfile::tempdir().expect("a directory");
    let (docker, pod) = (format!("unified/docker/{A}/init"), format!("pids/kubepods/besteffort/{B}"));
    let hierarchies = make(at.path(), &[&docker, &pod, "unified/system.slice/cron.service", "pids/named/x"]);
    fs::write(at.path().join("unified/docker/cgroup.procs"), "").expect("a file");

    let scan = Classifier::new(&hierarchies, &["/named".to_owned()]).scan(&hierarchies);
    assert!(!scan.cut);
    let inode = |path: &str| fs::metadata(at.path().join(path)).expect("there").ino();
    let mut told: Vec<_> = scan
        .found
        .iter()
        .map(|found| (found.cgroup.0, found.path.as_str(), found.container.as_str(), found.own))
        .collect();
    // siblings come in no order
    told.sort_by_key(|&(id, path, ..)| (id & CGROUP_V1, path));
    let own = format!("unified/docker/{A}");
    assert_eq!(
        told,
        [
            (inode(&own), own.strip_prefix("unified").expect("made so"), A, true),
            (inode(&docker), docker.strip_prefix("unified").expect("made so"), A, false),
            (inode(&pod) | CGROUP_V1, pod.strip_prefix("pids").expect("made so"), B, true),
            (inode("pids/named") | CGROUP_V1, "/named", "/named", true),
            (inode("pids/named/x") | CGROUP_V1, "/named/x", "/named", false),
        ]
    );
    assert!(scan.found.iter().all(|found| !found.new));
}

#[test]
fn a_walk_has_an_end() {
    let at = tempfile::tempdir().expect("a directory");
    let deep = format!("unified/docker/{A}{}", "/x".repeat(MAX_DEPTH + 5));
    let hierarchies = make(at.path(), &[&deep]);
    let scan = Classifier::default().scan(&hierarchies);
    assert!(scan.cut);
    assert_eq!(scan.found.len(), MAX_DEPTH - 1); // from depth 2, the container, to the last one
}

#[test]
fn what_cannot_be_read_is_said() {
    let at = tempfile::tempdir().expect("a directory");
    let hierarchies = make(at.path(), &[&format!("unified/docker/{A}")]);
    // a file where a directory should be: whoever runs the test, it cannot be listed
    let file = at.path().join("file");
    fs::write(&file, "").expect("a file");
    let mount = Mount { point: file.clone(), ..hierarchies.v2.clone().expect("made so") };
    let broken = Hierarchies { v2: Some(mount), v1: None };
    let unread = Classifier::default().scan(&broken).unread.expect("it is said");
    assert!(unread.starts_with(&format!("{}: ", file.display())), "{unread}");
    assert_eq!(Classifier::default().scan(&hierarchies).unread, None);
}

#[test]
fn nothing_mounted_any_more() {
    let hierarchies = hybrid(Path::new("/nonexistent"));
    assert_eq!(Classifier::default().scan(&hierarchies), Scan::default());
    assert_eq!(figures(&hierarchies, CgroupId(7), "/a"), None);
}

#[test]
fn where_a_process_is() {
    let at = tempfile::tempdir().expect("a directory");
    let hierarchies = make(at.path(), &["unified/a", "pids/b"]);
    let id = |path: &str| fs::metadata(at.path().join(path)).expect("there").ino();
    let told = |text| {
        cgroups_in(&hierarchies, text).into_iter().map(|cgroup| (cgroup.id, cgroup.path, cgroup.v1)).collect::<Vec<_>>()
    };
    assert_eq!(
        told("9:name=systemd:/x\n8:memory,pids:/b\n0::/a\n"),
        [
            (Some(CgroupId(id("pids/b") | CGROUP_V1)), "/b".to_owned(), true),
            (Some(CgroupId(id("unified/a"))), "/a".to_owned(), false)
        ]
    );
    // a zombie's cgroup may be removed, and another may have its name by now
    assert_eq!(told("0::/a (deleted)\n"), [(None, "/a".to_owned(), false)]);
    assert_eq!(told("0::/../a\n"), [(None, "/../a".to_owned(), false)]);
    assert_eq!(told(""), []);
}

#[test]
fn figures_of_a_cgroup() {
    let at = tempfile::tempdir().expect("a directory");
    let hierarchies = make(at.path(), &["unified/a", "pids/a"]);
    let write = |file: &str, text: &str| fs::write(at.path().join(file), text).expect("a file");
    assert_eq!(figures(&hierarchies, CgroupId(7), "/a"), None);
    write("unified/a/pids.current", "12\n");
    write("unified/a/pids.max", "max\n");
    let expect = CgroupFigures { cgroup: CgroupId(7), pids_current: Some(12), pids_max: None };
    assert_eq!(figures(&hierarchies, CgroupId(7), "/a"), Some(expect));
    write("pids/a/pids.current", "3\n");
    write("pids/a/pids.max", "100\n");
    let id = CgroupId(7 | CGROUP_V1);
    let expect = CgroupFigures { cgroup: id, pids_current: Some(3), pids_max: Some(100) };
    assert_eq!(figures(&hierarchies, id, "/a"), Some(expect));
    assert_eq!(figures(&hierarchies, id, "/../pids/a"), None);
    write("pids/a/pids.current", "three\n");
    assert_eq!(figures(&hierarchies, id, "/a"), None);
}

#[test]
fn whether_a_cgroup_is_there() {
    let at = tempfile::tempdir().expect("a directory");
    let mut hierarchies = make(at.path(), &["unified/a", "pids/a"]);
    let inode = |path: &str| fs::metadata(at.path().join(path)).expect("it is there").ino();
    let (new, old) = (inode("unified/a"), inode("pids/a") | CGROUP_V1);
    assert_eq!(is_there(&hierarchies, CgroupId(new), "/a"), Some(true));
    assert_eq!(is_there(&hierarchies, CgroupId(old), "/a"), Some(true));
    assert_eq!(is_there(&hierarchies, CgroupId(new), "/b"), Some(false));
    assert_eq!(is_there(&hierarchies, CgroupId(new + 1), "/a"), Some(false), "another one of that name");
    // what cannot be seen is not gone
    assert_eq!(is_there(&hierarchies, CgroupId(new), "/../a"), None);
    hierarchies.v1 = None;
    assert_eq!(is_there(&hierarchies, CgroupId(old), "/a"), None);
    hierarchies.v2.as_mut().expect("it is there").whole = false;
    assert_eq!(is_there(&hierarchies, CgroupId(new), "/b"), None);
}
