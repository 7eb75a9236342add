//! Runs a case: the container is started, and every step is done when the one before has really come true.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use super::case::{Case, Step};
use super::lab::tracer::Tracer;
use super::lab::{PATIENCE, host, output, send, until};
use super::stops::observed;

/// A container of some runtime. What the runtime cannot do is a mistake in the case, and panics.
pub(crate) trait Container {
    /// Its id; the last one, if it was started again.
    fn id(&self) -> String;
    /// Its first process, as the host sees it; `None` while there is none.
    fn pid(&self) -> Option<u32>;
    /// A command that runs where the runtime runs.
    fn enter(&self, program: &str) -> Command;
    /// Waits until its log says so.
    fn says(&self, text: &str);
    /// Waits until it has exited by itself.
    fn ends(&self);
    /// Stops it with that grace period, s.
    fn stop(&self, seconds: u32);
    /// Runs a command in it to its end; whether it succeeded.
    fn exec(&self, command: &[&str]) -> bool;
    /// Does what only this runtime can do.
    fn special(&self, step: &Step);
}

/// Goes through the steps of a case.
pub(crate) fn take_steps(container: &impl Container, tracers: &[Mutex<Tracer>], case: &Case) {
    let mut straces = Straces::default();
    for step in &case.run.steps {
        take(container, tracers, case, step, &mut straces);
    }
}

/// Tracers of single processes, ended with the case.
#[derive(Default)]
struct Straces(Vec<Child>);

impl Drop for Straces {
    fn drop(&mut self) {
        for strace in &mut self.0 {
            drop(strace.kill());
            drop(strace.wait());
        }
    }
}

fn take(container: &impl Container, tracers: &[Mutex<Tracer>], case: &Case, step: &Step, straces: &mut Straces) {
    let what = format!("{}: {step:?}", case.name);
    let mask = |field: &str| host::status(container.pid()?, field, 16);
    let pid = || container.pid().expect("it runs");
    match step {
        Step::Says(text) => container.says(text),
        Step::Runs(comm) => until(&what, PATIENCE, || host::runs(&container.id(), comm).then_some(())),
        Step::Handles(signal) => until(&what, PATIENCE, || (mask("SigCgt")? >> (signal - 1) & 1 == 1).then_some(())),
        Step::Unblocked => until(&what, PATIENCE, || (mask("SigBlk")? == 0).then_some(())),
        Step::Until(command) => until(&what, PATIENCE, || container.exec(&words(command)).then_some(())),
        Step::Told(condition) => {
            for tracer in tracers {
                until(&what, PATIENCE, || {
                    let mut tracer = tracer.lock().expect("no other case panics with the tracer in its hands");
                    let told = observed::of_containers(tracer.lines(), &[&container.id()]);
                    told.iter().any(|line| line["condition"] == *condition).then_some(())
                });
            }
        }
        Step::Ends => container.ends(),
        Step::Stop(seconds) => container.stop(*seconds),
        Step::FromHost(signal) => send(signal, pid()),
        Step::OnHost(script) => on_host(container, case, script),
        Step::Exec(command) => {
            // PID 1 may be gone by it, and the command with it.
            container.exec(&words(command));
        }
        Step::Strace => {
            let pid = pid();
            let mut strace = Command::new(host::program("strace").expect("the case says that it needs it"));
            strace.args(["--attach", &pid.to_string(), "--output", "/dev/null"]);
            straces.0.push(strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace starts"));
            until(&what, PATIENCE, || host::status(pid, "TracerPid", 10).filter(|tracer| *tracer != 0).map(drop));
        }
        Step::StopAsConfigured | Step::Restart(_) | Step::Kill(_) | Step::ExecDetached(_) | Step::ExecBeside(_) => {
            container.special(step);
        }
    }
}

/// Runs a script with the names of what it may act upon. It must succeed.
fn on_host(container: &impl Container, case: &Case, script: &str) {
    let pid = container.pid().unwrap_or_default();
    let id = container.id();
    let mut sh = container.enter("env");
    sh.arg(format!("PID={pid}")).arg(format!("ID={id}")).arg(format!("NAME={}", case.name));
    sh.arg(format!("CGROUP={}", cgroup(pid).display())).args(["sh", "-euc", script]).stdin(Stdio::null());
    let done = output(&mut sh);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: on_host {script:?}: {}: {said}", case.name, done.status);
}

/// The directory of the first process's cgroup v2, where the runtime sees nothing else.
fn cgroup(pid: u32) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    PathBuf::from("/sys/fs/cgroup").join(path)
}

/// Borrowed, as everybody who takes a command wants it.
pub(crate) fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

/// Waits for a command to end; whether it succeeded, and what it said if it did not.
pub(crate) fn finishes(what: &str, command: &mut Command) -> Result<(), String> {
    let errors = tempfile::tempfile().expect("a temporary file can be made");
    let copy = errors.try_clone().expect("a file can be opened twice");
    let mut child = command.stdout(Stdio::null()).stderr(copy).spawn().expect("the runtime's client starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the runtime's client can be waited for") {
            break status;
        }
        if started.elapsed() > PATIENCE {
            drop(child.kill());
            drop(child.wait());
            panic!("{what} takes longer than {PATIENCE:?}");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    if status.success() { Ok(()) } else { Err(format!("{what}: {status}: {}", said(errors))) }
}

fn said(mut file: std::fs::File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut text = String::new();
    drop(file.rewind());
    drop(file.read_to_string(&mut text));
    text
}
