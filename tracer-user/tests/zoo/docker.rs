//! Cases in Docker.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};

use super::case::{Case, Pid, Step};
use super::files;
use super::lab::PATIENCE;
use super::lab::docker::{Daemon, Options};
use super::lab::tracer::Tracer;
use super::run::{self, Container, finishes, words};

/// Ids of what a case ran.
pub(crate) struct Ran {
    pub(crate) container: String,
    pub(crate) beside: Option<String>,
}

/// Starts the container, goes through the steps, waits for its end.
pub(crate) fn run(docker: &Daemon, tracers: &[Mutex<Tracer>], case: &Case) -> Ran {
    let files = files::place(case);
    let volume = files.as_ref().map(|dir| format!("{}:{}:ro", dir.path().display(), files::INSIDE));
    let mut args = words(&case.run.args);
    if let Some(volume) = &volume {
        args.extend(["--volume", volume, "--workdir", files::INSIDE]);
    }
    let neighbour = format!("{}-beside", case.name);
    let beside = case.run.beside.as_ref();
    let beside = beside.map(|command| docker.run(&neighbour, &words(command), &Options::default()));
    let its_pids = format!("--pid=container:{neighbour}");
    match case.run.pid {
        Some(Pid::Host) => args.push("--pid=host"),
        Some(Pid::Beside) => args.push(&its_pids),
        Some(Pid::Pod) => panic!("{}: Docker has no pods", case.name),
        None => {}
    }
    let options = Options {
        stop_signal: case.run.stop_signal.as_deref(),
        init: case.run.init,
        programs: &words(&case.run.needs),
        args: &args,
        ..Options::default()
    };
    let id = docker.run(&case.name, &words(&case.run.command), &options);
    let container = InDocker { docker, name: &case.name, id };
    run::take_steps(&container, tracers, case);
    container.ends();
    if beside.is_some() {
        docker.rm(&neighbour);
    }
    Ran { container: container.id, beside }
}

struct InDocker<'a> {
    docker: &'a Daemon,
    name: &'a str,
    id: String,
}

impl InDocker<'_> {
    fn client(&self, words: &[&str]) {
        let done = finishes(&format!("{}: docker {words:?}", self.name), &mut self.docker.client(words));
        done.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Container for InDocker<'_> {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn pid(&self) -> Option<u32> {
        // While a container restarts Docker knows no pid of it.
        self.docker.inspect(self.name, "{{.State.Pid}}").parse().ok().filter(|pid| *pid != 0)
    }

    fn enter(&self, program: &str) -> Command {
        self.docker.enter(program)
    }

    /// One client that follows the log, instead of one client after the other.
    fn says(&self, text: &str) {
        let mut logs = self.docker.client(&["logs", "--follow", self.name]);
        let mut logs = logs.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("docker starts");
        let (sender, said) = mpsc::channel();
        let (out, err) = (logs.stdout.take().expect("stdout is piped"), logs.stderr.take().expect("stderr is piped"));
        let out: Box<dyn std::io::Read + Send> = Box::new(out);
        let readers = [out, Box::new(err)].map(|stream| {
            let (sender, wanted) = (sender.clone(), text.to_owned());
            std::thread::spawn(move || {
                let found = BufReader::new(stream).lines().map_while(Result::ok).any(|line| line.contains(&wanted));
                // Nobody listens any more when the deadline has passed, or the other stream has said it.
                if found {
                    sender.send(()).unwrap_or_default();
                }
            })
        });
        drop(sender);
        let found = said.recv_timeout(PATIENCE);
        drop(logs.kill());
        drop(logs.wait());
        for reader in readers {
            reader.join().expect("reading does not panic");
        }
        assert_eq!(found, Ok(()), "{} never says {text:?}:\n{}", self.name, self.docker.container_logs(self.name));
    }

    fn ends(&self) {
        self.client(&["wait", self.name]);
    }

    fn stop(&self, seconds: u32) {
        self.client(&["stop", "--time", &seconds.to_string(), self.name]);
    }

    fn exec(&self, command: &[&str]) -> bool {
        let what = format!("{}: docker exec {command:?}", self.name);
        finishes(&what, &mut self.docker.client(&[&["exec", self.name], command].concat())).is_ok()
    }

    fn special(&self, step: &Step) {
        match step {
            Step::StopAsConfigured => self.client(&["stop", self.name]),
            Step::Restart(seconds) => self.client(&["restart", "--time", &seconds.to_string(), self.name]),
            Step::Kill(signal) => self.client(&["kill", "--signal", signal, self.name]),
            Step::ExecDetached(command) => {
                self.client(&[&["exec", "--detach", self.name], &words(command)[..]].concat());
            }
            Step::ExecBeside(command) => {
                let beside = format!("{}-beside", self.name);
                self.client(&[&["exec", &beside], &words(command)[..]].concat());
            }
            other => panic!("{}: Docker cannot {other:?}", self.name),
        }
    }
}
