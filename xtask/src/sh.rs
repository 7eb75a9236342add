//! Running other programs: echoed, with errors that name the command, and as root where that is needed.

use crate::{paths, ui};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, ExitStatus, Stdio};

/// A command, run in the workspace, with nothing to read, and without what `cargo run` put into our own environment:
/// an inherited `CARGO_PKG_NAME` or `RUSTUP_TOOLCHAIN` changes what a nested cargo builds, and with what.
pub(crate) fn cmd(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(paths::workspace()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix));
        if ours || ["CARGO", "RUSTUP_TOOLCHAIN", "RUST_RECURSION_COUNT", "LD_LIBRARY_PATH"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// `cargo`, or `cargo +nightly`.
pub(crate) fn cargo(toolchain: Option<&str>) -> Command {
    let mut command = cmd("cargo");
    if let Some(name) = toolchain {
        command.arg(format!("+{name}"));
    }
    command
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// The program and arguments that go in front of what must run as root: nothing for root, sudo for others.
/// The environment goes along, except that sudo would replace `PATH`.
pub(crate) fn root_prefix() -> Result<Vec<String>> {
    if is_root() {
        return Ok(Vec::new());
    }
    if paths::which("sudo").is_none() {
        bail!("this step needs root, and there is no sudo here: run it again as root");
    }
    let mut prefix = vec!["sudo".to_owned(), "-E".to_owned()];
    // Without a terminal nobody can type a password: fail at once, do not wait for one.
    if !std::io::stdin().is_terminal() {
        prefix.push("-n".to_owned());
    }
    prefix.extend(["env".to_owned(), format!("PATH={}", std::env::var("PATH").unwrap_or_default())]);
    Ok(prefix)
}

/// A command that runs as root.
pub(crate) fn root_cmd(program: impl AsRef<OsStr>) -> Result<Command> {
    let mut prefix = root_prefix()?.into_iter();
    let Some(first) = prefix.next() else { return Ok(cmd(program)) };
    let mut command = cmd(first);
    command.args(prefix).arg(program);
    Ok(command)
}

/// Runs it, with its output passed through; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    ui::command(&line);
    let status = command.status().with_context(|| cannot_start(&line))?;
    if !status.success() {
        bail!("`{line}` failed with {status}: see its output above");
    }
    Ok(())
}

/// Runs it and returns its standard output; its standard error is passed on when it fails.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command.output().with_context(|| cannot_start(&line))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed with {}: {}", output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed something that is not UTF-8"))
}

/// Runs it and hands every line of its standard output to `each` as it comes.
pub(crate) fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let line = show(command);
    ui::command(&line);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(&line))?;
    if let Some(stdout) = child.stdout.take() {
        // Not `lines()`: a test may print bytes that are not UTF-8, and must not end the reading by it.
        for text in BufReader::new(stdout).split(b'\n') {
            let text = text.with_context(|| format!("cannot read the output of `{line}`"))?;
            each(&String::from_utf8_lossy(&text));
        }
    }
    child.wait().with_context(|| format!("cannot wait for `{line}`"))
}

fn cannot_start(line: &str) -> String {
    format!("cannot start `{line}`: is it installed? `cargo xtask setup` installs what the tasks need")
}

/// The command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '"', '$', '|', ';']) { format!("'{word}'") } else { word.into_owned() }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
