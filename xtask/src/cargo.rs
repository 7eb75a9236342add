//! Reading what cargo built from its own messages, so that no path is guessed.

use crate::sh;
use anyhow::{Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

/// An executable that cargo has built.
pub(crate) struct Artifact {
    /// The target's name: `tracer`, `lab_smoke`.
    pub(crate) name: String,
    /// The crate's directory, where cargo runs its tests.
    pub(crate) dir: PathBuf,
    /// The file.
    pub(crate) executable: PathBuf,
    /// Built with the test harness.
    pub(crate) test: bool,
}

/// Runs `cargo build …` or `cargo test --no-run …` and returns the executables that came of it.
pub(crate) fn executables(command: &mut Command) -> Result<Vec<Artifact>> {
    let (found, status) = as_far_as_it_goes(command)?;
    if !status.success() {
        bail!("`{}` failed with {status}: see its output above", sh::show(command));
    }
    Ok(found)
}

/// The same for `cargo build --keep-going …`: what could be built, and how cargo ended.
pub(crate) fn as_far_as_it_goes(command: &mut Command) -> Result<(Vec<Artifact>, ExitStatus)> {
    command.arg("--message-format=json-render-diagnostics");
    let mut found = Vec::new();
    let status = sh::lines(command, |line| found.extend(artifact(line)))?;
    Ok((found, status))
}

fn artifact(line: &str) -> Option<Artifact> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    Some(Artifact {
        name: message["target"]["name"].as_str()?.to_owned(),
        dir: manifest.parent()?.to_owned(),
        executable: PathBuf::from(message["executable"].as_str()?),
        test: message["profile"]["test"] == true,
    })
}

#[cfg(test)]
mod tests {
    use super::artifact;

    #[test]
    fn an_artifact_with_an_executable_is_found_and_others_are_not() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/tracer-user/Cargo.toml",
            "target":{"name":"lab_smoke"},"profile":{"test":true},"executable":"/w/target/debug/deps/lab_smoke-1"}"#;
        let found = artifact(line).unwrap();
        assert_eq!(found.name, "lab_smoke");
        assert_eq!(found.dir.to_str(), Some("/w/tracer-user"));
        assert!(found.test);
        assert!(artifact(&line.replace(r#""/w/target/debug/deps/lab_smoke-1""#, "null")).is_none());
        assert!(artifact("warning: not json").is_none());
    }
}
