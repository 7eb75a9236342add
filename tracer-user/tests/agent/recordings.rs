//! What an agent keeps on a disk, and what a full one or a client that does not read does to it.

use std::fs;

use super::*;

/// A file system of its own, in memory, with so many bytes.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(size: &str) -> Self {
        let dir = directory();
        let options = format!("size={size}");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).expect("as root");
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        umount2(self.0.path(), MntFlags::MNT_DETACH).unwrap_or_default();
    }
}

fn recordings(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "rec")).collect();
    found.sort();
    found
}

fn replayed(file: &Path) -> (std::process::Output, Vec<Value>) {
    let output = output(Command::new(BINARY).arg("replay").arg(file).args(["--output", "json"]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    (output, lines)
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn recordings_are_rotated_and_each_can_be_replayed() {
    if !lab::can_run("recordings_are_rotated_and_each_can_be_replayed", &["unshare"]) {
        return;
    }
    let (dir, records, cgroup) = (directory(), directory(), Cgroup::any("agent-rotates"));
    let (storm, quiet) = (cgroup.below("storm"), cgroup.below("quiet"));
    let record = records.path().to_str().expect("text");
    let more = ["--record-dir", record, "--record-size", "128KiB", "--record-files", "3"];
    let agent = Agent::start(dir.path(), &[&storm, &quiet], &more);
    let stays = Workload::init(&quiet, DROPS);
    let storming = Workload::init(&storm, STORM);
    let mut seen = std::collections::BTreeSet::new();
    until("more recordings than are kept", PATIENCE * 2, || {
        seen.extend(recordings(records.path()));
        (seen.len() > 3).then_some(())
    });
    drop(storming);
    // in one of the last, which began long after the container did
    stays.drops_and_dies();
    let mut client = agent.client(&[]);
    client.wait_for("its end", PATIENCE, verdict_is("sigterm-dropped"));
    agent.end();
    let files = recordings(records.path());
    assert_eq!(files.len(), 3, "{files:?}");
    let mut end = None;
    for file in &files {
        let (output, lines) = replayed(file);
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
        let quiet = lines.iter().any(|line| line["kind"] == "container" && line["state"] == "found");
        assert!(quiet || end.is_some(), "{} begins with what is there", file.display());
        if let Some(told) = lines.iter().find(|line| verdict_is("sigterm-dropped")(line)) {
            // a machine that is too busy may lose events of the storm, and then it is said
            assert!(told["certain"] == true || lines.iter().any(|line| line["kind"] == "lost"), "{told}");
            end = Some(told.clone());
        }
    }
    assert!(end.is_some(), "its end is in none of {files:?}");
}

/// Both at once: each is about how long the agent waits for somebody, and those times need not be waited for twice.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn neither_a_client_that_does_not_read_nor_a_full_disk_harms_anybody() {
    if !lab::can_run("neither_a_client_that_does_not_read_nor_a_full_disk_harms_anybody", &["unshare"]) {
        return;
    }
    let (dir, cgroup) = (directory(), Cgroup::any("agent-stalls"));
    let (storm, quiet) = (cgroup.below("storm"), cgroup.below("quiet"));
    let disk = Small::mount("4m");
    let record = disk.0.path().to_str().expect("text");
    fs::write(disk.0.path().join("filler"), vec![0; (4 << 20) - (256 << 10)]).expect("there is room");
    let more = ["--record-dir", record, "--record-size", "8MiB", "--record-files", "2"];
    let agent = Agent::start(dir.path(), &[&storm, &quiet], &more);
    let stalled = agent.client(&[]);
    let mut other = agent.client(&[]);
    send("STOP", stalled.pid());
    let storms: Vec<_> = (0..2).map(|_| Workload::init(&storm, STORM)).collect();
    agent.wait_for_log("cannot record in");
    // tracing goes on, and whoever reads is told
    Workload::init(&quiet, HANDLES).stops();
    other.wait_for("an end, beside one who does not read", PATIENCE, |line| line["kind"] == "termination");
    // more than any socket holds
    until("a storm worth its name", PATIENCE * 2, || (other.lines().len() > 5_000).then_some(()));
    drop(storms);
    // the filler last: until it is gone the agent may try again, and what it begins then is not ours to remove
    for file in recordings(disk.0.path()) {
        fs::remove_file(file).expect("it is ours");
    }
    fs::remove_file(disk.0.path().join("filler")).expect("it is ours");
    agent.wait_for_log("recordings go on with");
    agent.wait_for_log("was cut off: it has read nothing for");
    let memory = agent.memory();
    assert!(memory < 250 << 10, "{memory} KiB");
    send("CONT", stalled.pid());
    assert!(other.interrupt().status.success());
    let log = agent.end();
    assert_eq!(log.matches("cannot record in").count(), 1, "{log}");
}
