//! Runs a case: the container is started, and every step is done when the one before has really come true.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use super::cases::{Case, Step};
use super::lab::docker::Daemon;
use super::lab::tracer::Tracer;
use super::lab::{PATIENCE, host, send, until};
use super::stops::observed;

/// Starts the container, goes through the steps, waits for its end. Returns its id.
pub(crate) fn run(docker: &Daemon, tracers: &[Mutex<Tracer>], case: &Case) -> String {
    let id = docker.run(case.name, case.command, &case.options);
    let mut straces = Straces::default();
    for step in case.steps {
        take(docker, tracers, case, &id, *step, &mut straces);
    }
    ends(docker, case.name);
    id
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

fn take(docker: &Daemon, tracers: &[Mutex<Tracer>], case: &Case, id: &str, step: Step, straces: &mut Straces) {
    let name = case.name;
    let what = format!("{name}: {step:?}");
    let client = |words: &[&str]| finishes(&what, &mut docker.client(words));
    match step {
        Step::Says(text) => says(docker, name, text),
        Step::Runs(comm) => until(&what, PATIENCE, || host::runs(id, comm).then_some(())),
        Step::Handles(signal) => until(&what, PATIENCE, || {
            // While a container restarts Docker knows no pid of it.
            let pid: u32 = docker.inspect(name, "{{.State.Pid}}").parse().ok().filter(|pid| *pid != 0)?;
            (host::status(pid, "SigCgt", 16)? >> (signal - 1) & 1 == 1).then_some(())
        }),
        Step::Told(condition) => {
            for tracer in tracers {
                until(&what, PATIENCE, || {
                    let mut tracer = tracer.lock().expect("no other case panics with the tracer in its hands");
                    let told = observed::of_containers(tracer.lines(), &[id]);
                    told.iter().any(|line| line["condition"] == condition).then_some(())
                });
            }
        }
        Step::Ends => ends(docker, name),
        Step::Stop(seconds) => client(&["stop", "--time", &seconds.to_string(), name]),
        Step::StopAsConfigured => client(&["stop", name]),
        Step::Restart(seconds) => client(&["restart", "--time", &seconds.to_string(), name]),
        Step::Kill(signal) => client(&["kill", "--signal", signal, name]),
        Step::FromHost(signal) => send(signal, docker.pid(name)),
        Step::Exec(command) => client(&[&["exec", name], command].concat()),
        Step::ExecDetached(command) => client(&[&["exec", "--detach", name], command].concat()),
        Step::Strace => {
            let pid = docker.pid(name);
            let mut strace = Command::new(host::program("strace").expect("the case says that it needs it"));
            strace.args(["--attach", &pid.to_string(), "--output", "/dev/null"]);
            straces.0.push(strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace starts"));
            until(&what, PATIENCE, || host::status(pid, "TracerPid", 10).filter(|tracer| *tracer != 0).map(drop));
        }
    }
}

/// Waits for a line of the container's log: one client that follows it, instead of one client after the other.
fn says(docker: &Daemon, name: &str, text: &str) {
    let mut logs = docker.client(&["logs", "--follow", name]);
    let mut logs = logs.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("docker starts");
    let out = logs.stdout.take().expect("stdout is piped");
    let (sender, said) = mpsc::channel();
    let wanted = text.to_owned();
    let reader = std::thread::spawn(move || {
        let found = BufReader::new(out).lines().map_while(Result::ok).any(|line| line.contains(&wanted));
        // Nobody listens any more when the deadline has passed.
        sender.send(found).unwrap_or_default();
    });
    let found = said.recv_timeout(PATIENCE);
    drop(logs.kill());
    drop(logs.wait());
    reader.join().expect("reading does not panic");
    assert_eq!(found, Ok(true), "{name} never says {text:?}:\n{}", docker.container_logs(name));
}

fn ends(docker: &Daemon, name: &str) {
    finishes(&format!("{name}: docker wait"), &mut docker.client(&["wait", name]));
}

/// Runs a command that must succeed within [`PATIENCE`].
fn finishes(what: &str, command: &mut Command) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("docker starts");
    let mut errors = child.stderr.take().expect("stderr is piped");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("docker can be waited for") {
            break status;
        }
        if started.elapsed() > PATIENCE {
            drop(child.kill());
            drop(child.wait());
            panic!("{what} takes longer than {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    drop(errors.read_to_string(&mut text));
    assert!(status.success(), "{what}: {status}: {text}");
}
