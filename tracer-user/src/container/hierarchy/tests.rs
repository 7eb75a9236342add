use super::lines::unescape;
use super::*;

const HYBRID_MOUNTS: &str = include_str!("../../../tests/fixtures/cgroup/hybrid.mountinfo");
const HYBRID_CONTROLLERS: &str = include_str!("../../../tests/fixtures/cgroup/hybrid.cgroups");

/// systemd's hybrid layout, with controllers mounted together, as older distributions have it.
const TOGETHER: &str = "\
25 31 0:23 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
26 25 0:24 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
27 25 0:25 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
30 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct
31 25 0:29 / /sys/fs/cgroup/net_cls,net_prio rw shared:16 - cgroup cgroup rw,net_cls,net_prio
";
const TOGETHER_CONTROLLERS: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled
cpuset\t0\t1\t1\ncpu\t4\t80\t1\ncpuacct\t4\t80\t1\npids\t0\t1\t1\nnet_cls\t6\t1\t1\nnet_prio\t6\t1\t1\n";

#[track_caller]
fn check(mounts: &str, controllers: &str, v2: Option<&str>, v1: Option<(&str, &str, u32, &str)>) {
    let chosen = Hierarchies::choose(&parse_mountinfo(mounts), &parse_controllers(controllers));
    let point = |mount: &Mount| mount.point.to_str().expect("text").to_owned();
    assert_eq!(chosen.v2.as_ref().map(point).as_deref(), v2);
    let found = chosen.v1.as_ref().map(|v1| (v1.controller, v1.enum_name, v1.hierarchy_id, point(&v1.mount)));
    assert_eq!(found, v1.map(|(controller, name, id, point)| (controller, name, id, point.to_owned())));
}

#[test]
fn which_hierarchies() {
    let pids = ("pids", "pids_cgrp_id", 8, "/sys/fs/cgroup/pids");
    check(HYBRID_MOUNTS, HYBRID_CONTROLLERS, Some("/sys/fs/cgroup/unified"), Some(pids));
    let cpu = ("cpu", "cpu_cgrp_id", 4, "/sys/fs/cgroup/cpu,cpuacct");
    check(TOGETHER, TOGETHER_CONTROLLERS, Some("/sys/fs/cgroup/unified"), Some(cpu));
    let pure = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
    let none = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t94\t1\nmemory\t0\t94\t1\npids\t0\t94\t1\n";
    check(pure, none, Some("/sys/fs/cgroup"), None);
    check(pure, "", Some("/sys/fs/cgroup"), None);
    check("", "", None, None);
}

/// `blkio` is the `io` subsystem.
#[test]
fn v1_names_differ_from_the_kernels() {
    let mounts = "30 24 0:26 / /cg/blkio rw - cgroup cgroup rw,blkio\n";
    check(mounts, "blkio 7 1 1\n", None, Some(("blkio", "io_cgrp_id", 7, "/cg/blkio")));
}

/// A VPN mounts `net_cls` beside pure v2: runtimes do not use that.
#[test]
fn foreign_controllers_beside_v2() {
    let v2 = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let net = "31 24 0:27 / /opt/vpn/net_cls rw - cgroup net_cls rw,net_cls\n";
    check(&format!("{v2}{net}"), "net_cls 2 4 1\n", Some("/sys/fs/cgroup"), None);
    check(net, "net_cls 2 4 1\n", None, Some(("net_cls", "net_cls_cgrp_id", 2, "/opt/vpn/net_cls")));
}

/// An agent's container has a hierarchy of its own and the host's.
#[test]
fn the_hosts_mount_shows_more() {
    let own = "900 880 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    let host = "910 880 0:26 /../../.. /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
    for mounts in [format!("{own}{host}"), format!("{host}{own}")] {
        check(&mounts, "", Some("/host/sys/fs/cgroup"), None);
    }
    let part = "900 880 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    let whole = "910 880 0:26 / /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
    check(&format!("{part}{whole}"), "", Some("/host/sys/fs/cgroup"), None);
}

#[test]
fn mount_lines_that_make_no_sense() {
    let odd =
        "\n - \n1 2\n1 2 0:1 / \n1 2 x:y / /p rw - cgroup2 c rw\n1 2 0:1 / /p rw - cgroup\n\u{1f980} - cgroup2 - -\n";
    assert_eq!(parse_mountinfo(odd), []);
    let escaped = "1 2 0:5 /a\\040b /mnt/c\\134d\\9 rw - cgroup2 none rw\n";
    let mount = &parse_mountinfo(escaped)[0];
    assert_eq!((mount.root.as_str(), mount.point.to_str(), mount.device), ("/a b", Some("/mnt/c\\d\\9"), (0, 5)));
    assert_eq!(unescape("\\"), "\\");
    assert_eq!(unescape("\\777\\04é"), "\\777\\04é");
}

#[test]
fn controllers_that_make_no_sense() {
    assert_eq!(parse_controllers("#subsys_name hierarchy\n\npids\npids x 1 1\n"), []);
}

#[test]
fn memberships() {
    let text =
        "12:cpu,cpuacct:/docker/a\n3:name=systemd:/x:y\n0::/../b (deleted)\n\nx::/\n1:\n2:pids\n4:pids:relative\n";
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let line = |hierarchy, controllers: &[&str], path: &str, deleted| Membership {
        hierarchy,
        controllers: names(controllers),
        path: path.to_owned(),
        deleted,
    };
    assert_eq!(
        parse_membership(text),
        [
            line(12, &["cpu", "cpuacct"], "/docker/a", false),
            line(3, &["name=systemd"], "/x:y", false),
            line(0, &[], "/../b", true)
        ]
    );
}

#[track_caller]
fn check_directory(root: &str, path: &str, expect: Option<&str>) {
    let mount = Mount { point: "/cg".into(), root: root.to_owned(), whole: true, home: Vec::new() };
    assert_eq!(mount.directory(path), expect.map(PathBuf::from), "{path} in a mount of {root}");
}

#[test]
fn directories() {
    check_directory("/", "/", Some("/cg"));
    check_directory("/", "/docker/a", Some("/cg/docker/a"));
    check_directory("/", "/../x", None); // outside our namespace and our mount
    check_directory("/docker/a", "/docker/a/b", Some("/cg/b"));
    check_directory("/docker/a", "/docker/ab", None);
    check_directory("/../..", "/../../x/y", Some("/cg/x/y"));
    check_directory("/../..", "/../y", None); // the name of what is between is not known
    check_directory("/../..", "/../../..", None);
    let home = ["kubepods", "a"].map(str::to_owned).to_vec();
    let mount = Mount { point: "/cg".into(), root: "/../..".to_owned(), whole: true, home };
    for (path, expect) in [("/../../x/y", "/cg/x/y"), ("/../b", "/cg/kubepods/b"), ("/c", "/cg/kubepods/a/c")] {
        assert_eq!(mount.directory(path), Some(PathBuf::from(expect)), "{path}");
    }
    assert_eq!(mount.directory("/../../.."), None);
}

#[track_caller]
fn check_path(root: &str, home: &[&str], shown: &str, expect: Option<&str>) {
    let home = home.iter().map(|&name| name.to_owned()).collect();
    let mount = Mount { point: "/cg".into(), root: root.to_owned(), whole: true, home };
    assert_eq!(mount.path(shown).as_deref(), expect, "{shown} in a mount of {root}");
}

/// Paths are told as the host knows them.
#[test]
fn paths_from_the_root() {
    check_path("/", &[], "/docker/a", Some("/docker/a"));
    check_path("/", &[], "/", Some("/"));
    check_path("/docker/a", &[], "/docker/a/b", Some("/docker/a/b")); // v1 shows a container its own part
    let home = ["kubepods", "burstable", "pod", "a"];
    check_path("/../../../..", &home, "/", Some("/kubepods/burstable/pod/a"));
    check_path("/../../../..", &home, "/../b/c", Some("/kubepods/burstable/pod/b/c"));
    check_path("/../../../..", &home, "/../../../../system.slice", Some("/system.slice"));
    check_path("/../../../..", &home, "/../../../..", Some("/"));
    check_path("/../../../..", &home, "/../../../../../x", None);
    check_path("/../..", &[], "/../../x", Some("/x")); // climbs all the way: no name is missing
    check_path("/../..", &[], "/../x", None);
    check_path("/", &[], "/../x", None); // a mount of our own namespace
}

/// Our cgroup namespace's root, by the way from there to the cgroup that has us in it.
#[test]
fn home_without_a_mount_of_our_own() {
    let at = tempfile::tempdir().expect("a directory");
    let cgroup = |path: &str, processes: &str| {
        let directory = at.path().join(path);
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("cgroup.procs"), processes).expect("a file");
    };
    let us = std::process::id();
    cgroup("docker/other/init", &format!("1\n{us}0\n"));
    cgroup("docker/ours/init", &format!("1\n{us}\n"));
    cgroup("docker/ours", "");
    cgroup("deeper/docker/wrong/init", &format!("{us}\n"));
    let mount = |root: &str| Mount { point: at.path().into(), root: root.to_owned(), whole: true, home: Vec::new() };
    let found = |root: &str, shown: &str| {
        let lines = parse_membership(&format!("0::{shown}\n"));
        home::find(&mount(root), &[], lines.first()).join("/")
    };
    assert_eq!(found("/../..", "/init"), "docker/ours");
    assert_eq!(found("/../../..", "/"), "docker/ours/init");
    assert_eq!(found("/..", "/init"), "", "not so high up");
    assert_eq!(found("/", "/docker/ours/init"), "");
    assert_eq!(found("/../..", "/../elsewhere"), "", "in another's cgroup");
}

/// A path from a record or a person never leaves the mount.
#[test]
fn nothing_leaves_the_mount() {
    let mount = Mount { point: "/cg".into(), root: "/".to_owned(), whole: true, home: Vec::new() };
    assert_eq!(mount.below("/a/../../etc"), None);
    assert_eq!(mount.below("../etc"), None);
    assert_eq!(mount.below("a//b/./c/.."), Some("/cg/a/b".into()));
    assert_eq!(mount.below(""), Some("/cg".into()));
    let part = Mount { point: "/cg".into(), root: "/docker/a".to_owned(), whole: false, home: Vec::new() };
    assert_eq!(part.below("/docker/a/b"), Some("/cg/b".into()));
    assert_eq!(part.below("/docker/b"), None);
}
