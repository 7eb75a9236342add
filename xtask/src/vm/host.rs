//! The checks on this machine's own kernel, without a virtual machine.

use super::checks::Check;
use crate::statics::Programs;
use crate::test::strict;
use crate::{paths, sh, ui};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Runs the checks as root and writes down what a machine's console would show. `None`, and that is said, where root is
/// not to be had; under CI that is an error.
pub(super) fn run(checks: &[&Check], programs: &Programs) -> Result<Option<Vec<String>>> {
    match sh::root_prefix() {
        Err(error) if !strict() => {
            ui::note(format!("skipped: {error:#}"));
            return Ok(None);
        }
        prefix => drop(prefix?),
    }
    let work = work()?;
    let bin = programs.tracer.parent().map(Path::to_owned).unwrap_or_default();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut console = Vec::new();
    for check in checks {
        let script = work.join(check.name);
        std::fs::write(&script, check.script()).with_context(|| format!("cannot write {}", script.display()))?;
        let mut command = sh::root_cmd("env")?;
        command.arg(format!("PATH={path}")).arg(format!("WORK={}", work.display()));
        // What root leaves there is for whoever runs the tests.
        command.args(["sh", "-c", r#"sh "$0" 2>&1; code=$?; chmod -R a+rX "$WORK"; exit $code"#]).arg(&script);
        console.push(format!("@@begin {}", check.name));
        let status = sh::lines(&mut command, |line| console.push(line.to_owned()))?;
        console.push(format!("@@end {} {}", check.name, status.code().unwrap_or(-1)));
    }
    Ok(Some(console))
}

/// What the check of that name has recorded here, if it has.
pub(super) fn recorded(name: &str) -> Result<Option<PathBuf>> {
    let file = work()?.join(format!("{name}.rec"));
    Ok(file.exists().then_some(file))
}

fn work() -> Result<PathBuf> {
    paths::target_dir("vm/host")
}
