//! Installing servers for the tests must not make this machine serve: no daemon is started, no database is made.

use crate::{sh, ui};
use anyhow::Result;
use std::path::Path;

/// What Debian's packages ask before they start something, and the answer. Where somebody has answered already, that
/// stands.
const ANSWERS: [(&str, &str, &str); 2] = [
    // https://www.debian.org/doc/debian-policy/ch-opersys.html#interfacing-with-init-systems: 101 is "forbidden".
    ("/usr/sbin/policy-rc.d", "755", "#!/bin/sh\nexit 101\n"),
    // `postgresql-common` makes and starts a cluster for each new version of the server, if not told otherwise.
    ("/etc/postgresql-common/createcluster.d/tracer.conf", "644", "create_main_cluster = false\n"),
];

/// As long as it lives, packages that are installed start nothing.
pub(super) struct Quiet {
    /// The files that were not there before.
    ours: Vec<&'static str>,
}

impl Quiet {
    /// Gives the answers that nobody has given.
    pub(super) fn start() -> Result<Self> {
        let mut quiet = Self { ours: Vec::new() };
        for (path, mode, text) in ANSWERS {
            if !Path::new(path).exists() {
                quiet.ours.push(path);
                write(path, mode, text)?;
            }
        }
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        for path in &self.ours {
            let removed = sh::root_cmd("rm").and_then(|mut command| sh::run(command.args(["--force", path])));
            if let Err(error) = removed {
                ui::note(format!("{error:#}; remove {path} by hand, or services that you install are not started"));
            }
        }
    }
}

/// Writes a file as root.
fn write(path: &str, mode: &str, text: &str) -> Result<()> {
    let mut command = sh::root_cmd("sh")?;
    let script = r#"mkdir -p "${1%/*}" && printf %s "$3" >"$1" && chmod "$2" "$1""#;
    sh::run(command.args(["-c", script, "write", path, mode, text]))
}
