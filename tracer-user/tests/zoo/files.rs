//! Files that a case places into its container, and programs that are compiled of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use super::case::{self, Case};
use super::lab::{host, read};

/// Where the container finds them.
pub(crate) const INSIDE: &str = "/app";

/// A directory with all of the case's files; it goes when the case is over.
#[track_caller]
pub(crate) fn place(case: &Case) -> Option<TempDir> {
    if case.run.files.is_empty() {
        return None;
    }
    let dir = tempfile::Builder::new().prefix("tracer-zoo-").tempdir().expect("a temporary directory can be made");
    executable(dir.path());
    for (name, text) in &case.run.files {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("a file can be written");
        executable(&file);
        if let Some((compiler, program)) = case::compiler(name) {
            let compiled = compile(compiler, &file, text, &program);
            std::fs::copy(compiled, dir.path().join(program)).expect("a program can be copied");
        }
    }
    Some(dir)
}

/// For everybody: programs in containers may be other users.
fn executable(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("they are ours");
}

/// The program of that source: compiled once and kept, since compilers are slow.
#[track_caller]
fn compile(compiler: &str, source: &Path, text: &str, file: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A compiler that failed for one case has done nothing to the next.
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut hasher = DefaultHasher::new();
    (compiler, text).hash(&mut hasher);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zoo");
    let program = kept.join(format!("{:016x}", hasher.finish()));
    if program.exists() {
        return program;
    }
    std::fs::create_dir_all(&kept).expect("a directory can be made");
    // In another directory first: half a program must not be found the next time.
    let fresh = tempfile::tempdir_in(&kept).expect("a temporary directory can be made");
    let made = fresh.path().join(file);
    let mut command =
        Command::new(host::program(compiler).expect("the case needs it, and was asked whether it can run"));
    match compiler {
        "go" => command.args(["build", "-o"]).arg(&made).arg(source),
        "javac" => command.arg("-d").arg(fresh.path()).arg(source),
        _ => command.args(["-static", "-O1", "-pthread", "-o"]).arg(&made).arg(source),
    };
    // What Go keeps for itself, and no modules: these programs need nothing but what comes with it.
    command.env("GOCACHE", kept.join("go")).env("GO111MODULE", "off").env("CGO_ENABLED", "0").env("GOFLAGS", "");
    read(&mut command);
    std::fs::rename(&made, &program).expect("a file can be renamed");
    program
}
