//! Recordings that cross from one kernel to another: those of this one are replayed in the virtual machines, and those
//! of the machines are replayed here.

use crate::{paths, sh};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A recording for the machines, and the text that its replay must give there.
pub(super) struct Replay {
    /// Its name.
    pub(super) name: String,
    /// The recording.
    pub(super) recording: Vec<u8>,
    /// What its replay on this machine says.
    pub(super) text: Vec<u8>,
}

/// Scenarios that were recorded on a 6.18 kernel, of each kind that replays differently: one container, pods with
/// several, events that were lost, and hybrid cgroups.
const SCENARIOS: [&str; 5] = ["dash-drops", "kubelet-prestop", "cri-sidecar", "cri-dropped-hybrid", "lost-events"];

/// The scenarios, and what was recorded here.
pub(super) fn of_this_machine(tracer: &Path, recorded: Option<&Path>) -> Result<Vec<Replay>> {
    let scenarios = paths::workspace().join("tracer-user/tests/scenarios");
    let mut files: Vec<PathBuf> = SCENARIOS.iter().map(|name| scenarios.join(format!("{name}.rec"))).collect();
    files.extend(recorded.map(Path::to_owned));
    files.iter().map(|file| replay(tracer, file)).collect()
}

fn replay(tracer: &Path, file: &Path) -> Result<Replay> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let recording = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut command = sh::cmd(tracer);
    // What the machines have in their environment; the rest of ours is not there.
    command.env_clear().env("LC_ALL", "C.UTF-8").args(["replay", "--output", "text"]).arg(file);
    Ok(Replay { name, recording, text: sh::read(&mut command)?.into_bytes() })
}

/// The files that a machine has written on its console, in base64 and compressed: by name, what is between
/// `@@file NAME` and `@@file-end`.
pub(super) fn files(console: &[String]) -> BTreeMap<&str, String> {
    let mut files = BTreeMap::new();
    let mut lines = console.iter();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("@@file ") {
            let text: Vec<&str> = lines.by_ref().map(String::as_str).take_while(|line| *line != "@@file-end").collect();
            files.insert(name, text.join("\n"));
        }
    }
    files
}

/// What is wrong with the replay, by `tracer` on this machine, of the recording `NAME.rec` that a machine has written:
/// its ends and conditions must be those that were told live there, `NAME.json`. Both are kept in `dir`.
pub(super) fn judge(files: &BTreeMap<&str, String>, name: &str, tracer: &Path, dir: &Path) -> Result<Option<String>> {
    let [recording, live] = ["rec", "json"].map(|kind| format!("{name}.{kind}"));
    let (Some(recorded), Some(told)) = (files.get(&*recording), files.get(&*live)) else {
        return Ok(Some(format!("{recording} or {live} did not come out of the machine")));
    };
    let recording = unpack(recorded, &dir.join(recording))?;
    let live = unpack(told, &dir.join(live))?;
    let live = fs::read_to_string(&live).with_context(|| format!("cannot read {}", live.display()))?;
    let replayed = sh::read(sh::cmd(tracer).args(["replay", "--output", "json"]).arg(&recording))?;
    Ok(difference(&live, &replayed))
}

fn unpack(base64: &str, to: &Path) -> Result<PathBuf> {
    let packed = to.with_extension("packed");
    fs::write(&packed, base64).with_context(|| format!("cannot write {}", packed.display()))?;
    let script = r#"set -o pipefail; base64 --decode "$1" | gzip --decompress >"$2""#;
    sh::read(sh::cmd("bash").args(["-c", script, "unpack"]).arg(&packed).arg(to))?;
    Ok(to.to_owned())
}

fn difference(live: &str, replayed: &str) -> Option<String> {
    let judged = |text: &str| -> Vec<String> {
        let of_kind = |line: &&str| {
            ["termination", "condition"].iter().any(|kind| line.starts_with(&format!(r#"{{"kind":"{kind}""#)))
        };
        text.lines().filter(of_kind).map(str::to_owned).collect()
    };
    let (live, replayed) = (judged(live), judged(replayed));
    if live.is_empty() {
        return Some("nothing was judged live".to_owned());
    }
    let missing: Vec<_> = live.iter().filter(|line| !replayed.contains(line)).map(String::as_str).collect();
    let more: Vec<_> = replayed.iter().filter(|line| !live.contains(line)).map(String::as_str).collect();
    let problem = || {
        format!("told live and not in the replay:\n{}\nonly in the replay:\n{}", missing.join("\n"), more.join("\n"))
    };
    (live != replayed).then(problem)
}

#[cfg(test)]
mod tests {
    use super::{SCENARIOS, difference, files};
    use crate::paths;

    #[test]
    fn files_are_found_on_a_console() {
        let console = ["@@end a 0", "@@file a.rec", "AAA=", "BBB", "@@file-end", "@@file b", "@@file-end", "@@done"];
        let console = console.map(str::to_owned);
        let files = files(&console);
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("a.rec", "AAA=\nBBB".to_owned()), ("b", String::new())]);
    }

    #[test]
    fn ends_are_compared_and_the_rest_is_not() {
        let told = |kind: &str, verdict: &str| format!("{{\"kind\":\"{kind}\",\"verdict\":\"{verdict}\"}}\n");
        let live = told("termination", "graceful") + &told("exit", "a");
        assert_eq!(difference(&live, &(told("exit", "b") + &told("termination", "graceful"))), None);
        assert!(difference(&live, &told("termination", "killed")).is_some());
        assert!(difference(&live, "").is_some());
        assert!(difference("", "").is_some());
        assert!(difference(&live, &live.repeat(2)).is_some());
    }

    #[test]
    fn the_scenarios_are_there() {
        let dir = paths::workspace().join("tracer-user/tests/scenarios");
        assert!(SCENARIOS.iter().all(|name| dir.join(format!("{name}.rec")).exists()));
    }
}
