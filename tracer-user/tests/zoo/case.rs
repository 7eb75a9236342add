//! A case: one small file that says what is run, how it is stopped, and what must be said of it. README.md explains the
//! keys to people.
#![allow(dead_code, reason = "each test that reads cases compiles its own copy of this and uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::expect::Expect;

/// One container's story.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Of the container, the recording and the file.
    #[serde(skip)]
    pub(crate) name: String,
    /// What happens and why, for people.
    pub(crate) about: String,
    /// Where it belongs in docs/zoo.md.
    pub(crate) group: Group,
    /// What runs, in a word or two, and how it is run.
    pub(crate) program: String,
    pub(crate) how: String,
    /// The case with the fix applied.
    pub(crate) mended_by: Option<String>,
    /// Why there is no such case.
    pub(crate) unmended: Option<String>,
    /// Where it is run. Of the first of them its recording has the case's own name.
    #[serde(default = "in_docker")]
    pub(crate) places: Vec<Place>,
    pub(crate) run: Run,
    /// What must be said, wherever it ran.
    pub(crate) expect: Expect,
}

/// What runs, and what is done to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) command: Vec<String>,
    /// Files that the container finds in /app, which is its working directory then: executable. A source file, `.go`,
    /// `.c` or `.java`, is compiled, and its program is there as well: `/app/main` of `main.go`, `/app/Main.class` of
    /// `Main.java`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// The image's STOPSIGNAL.
    pub(crate) stop_signal: Option<String>,
    /// Docker's own init as PID 1.
    #[serde(default)]
    pub(crate) init: bool,
    /// Another pid namespace than its own: the host's, its pod's, or that of the container beside it.
    pub(crate) pid: Option<Pid>,
    /// What runs in a second container, `NAME-beside`, that is there before it and after it: in Docker alone.
    pub(crate) beside: Option<Vec<String>>,
    /// Anything else for `docker run`, in its own words.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Programs of this machine that it needs.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// What is waited for and done, in order. In the end the container has to exit.
    pub(crate) steps: Vec<Step>,
}

/// Whose pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pid {
    /// `--pid=host`, hostPID
    Host,
    /// shareProcessNamespace: through CRI alone
    Pod,
    /// `--pid=container:NAME-beside`: in Docker alone
    Beside,
}

/// Something to wait for, or to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Wait until the container's log says so.
    Says(String),
    /// Wait until a process of this name runs in the container.
    Runs(String),
    /// Wait until PID 1 has a handler for this signal.
    Handles(u32),
    /// Wait until PID 1 blocks no signal: a shell that forks blocks all of them for a moment.
    Unblocked,
    /// Wait until a command in the container succeeds.
    Until(Vec<String>),
    /// Wait until the tracers have told this condition of the container.
    Told(String),
    /// Wait until the container has exited by itself.
    Ends,
    /// `docker stop --time SECONDS`, or `kubectl delete pod` with that grace period.
    Stop(u32),
    /// `docker stop`
    StopAsConfigured,
    /// `docker restart --time SECONDS`
    Restart(u32),
    /// `docker kill --signal SIGNAL`
    Kill(String),
    /// A signal from a process of the host to PID 1.
    FromHost(String),
    /// A shell script on the host, as root, where the runtime is: `$PID` is the first process, `$CGROUP` the directory
    /// of its cgroup, `$ID` and `$NAME` are the container's.
    OnHost(String),
    /// `docker exec`
    Exec(Vec<String>),
    /// `docker exec --detach`
    ExecDetached(Vec<String>),
    /// `docker exec` in the container beside it
    ExecBeside(Vec<String>),
    /// `strace --attach` to PID 1, until the container ends.
    Strace,
}

/// Where a case is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// In Docker, on cgroup v2 alone.
    Docker,
    /// In Docker, on what the host has: v1, hybrid or v2.
    Host,
    /// Through CRI, as a pod, on cgroup v2 alone.
    Cri,
}

/// A part of docs/zoo.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    Shells,
    Languages,
    Servers,
    Supervisors,
    Inits,
    Dispositions,
    Ways,
    Processes,
    Conditions,
    Ends,
    Kernel,
}

fn in_docker() -> Vec<Place> {
    vec![Place::Docker]
}

/// Where the files are.
pub(crate) fn directory() -> PathBuf {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&crate_dir).join("tests/zoo/cases")
}

/// All cases, by name.
#[track_caller]
pub(crate) fn all() -> Vec<Case> {
    let files = std::fs::read_dir(directory()).expect("the directory of the cases is there");
    let paths: BTreeSet<PathBuf> = files.map(|file| file.expect("it can be listed").path()).collect();
    paths.iter().map(|path| read(path)).collect()
}

#[track_caller]
fn read(path: &Path) -> Case {
    let file = path.display();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name in plain text");
    name.clone_into(&mut case.name);
    case
}

/// What is recorded, with what must come of its replay: a recording for each place where a case runs.
#[track_caller]
pub(crate) fn recordings() -> BTreeMap<String, Expect> {
    let cases = all();
    let each = cases
        .iter()
        .flat_map(|case| case.places.iter().map(|place| (case.recording(*place), case.expected_in(*place))));
    each.collect()
}

impl Case {
    /// The recording of its run there.
    pub(crate) fn recording(&self, place: Place) -> String {
        if self.places.first() == Some(&place) { self.name.clone() } else { format!("{}-{}", self.name, place.slug()) }
    }

    /// What must be said of its run there: a pod's grace period is known from the runtime.
    pub(crate) fn expected_in(&self, place: Place) -> Expect {
        match place {
            Place::Docker | Place::Host => self.expect.clone(),
            Place::Cri => self.expect.clone().of_a_pod(self.grace()),
        }
    }

    /// The grace period of its pod, s: what its first stop is given.
    pub(crate) fn grace(&self) -> u32 {
        let stop = |step: &Step| if let Step::Stop(seconds) = step { Some(*seconds) } else { None };
        self.run.steps.iter().find_map(stop).unwrap_or(10)
    }

    /// How long it takes at least, s.
    pub(crate) fn patience(&self) -> u32 {
        let lasting = |step: &Step| if let Step::Stop(seconds) | Step::Restart(seconds) = step { *seconds } else { 0 };
        if self.is_bad() { self.run.steps.iter().map(lasting).sum::<u32>() + 1 } else { 0 }
    }

    /// What is wrong with it, if anything is: verdicts other than a good end, and conditions.
    pub(crate) fn is_bad(&self) -> bool {
        self.expect.tells_something_bad()
    }

    /// All programs that must be on this machine.
    pub(crate) fn programs(&self) -> Vec<&str> {
        let compiler = |file: &str| Some(compiler(file)?.0);
        let compilers = self.run.files.keys().filter_map(|file| compiler(file));
        self.run.needs.iter().map(String::as_str).chain(compilers).collect()
    }
}

/// What compiles a source file, and the name of the program that comes of it.
pub(crate) fn compiler(file: &str) -> Option<(&'static str, String)> {
    let (stem, extension) = file.rsplit_once('.')?;
    match extension {
        "go" => Some(("go", stem.to_owned())),
        "c" => Some(("cc", stem.to_owned())),
        "java" => Some(("javac", format!("{stem}.class"))),
        _ => None,
    }
}

impl Place {
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Host => "host",
            Self::Cri => "cri",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Docker => "In Docker, on cgroup v2",
            Self::Host => "In Docker, on the cgroups of this host",
            Self::Cri => "Through CRI, as pods",
        }
    }
}

impl Group {
    /// In the order of docs/zoo.md.
    pub(crate) const ALL: [Self; 11] = [
        Self::Shells,
        Self::Languages,
        Self::Servers,
        Self::Supervisors,
        Self::Inits,
        Self::Dispositions,
        Self::Ways,
        Self::Processes,
        Self::Conditions,
        Self::Ends,
        Self::Kernel,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Shells => "Shells",
            Self::Languages => "Languages and their runtimes",
            Self::Servers => "Servers",
            Self::Supervisors => "Supervisors and prefork servers",
            Self::Inits => "Inits made for containers",
            Self::Dispositions => "What PID 1 can do with the signal",
            Self::Ways => "Ways of sending it",
            Self::Processes => "The processes below PID 1",
            Self::Conditions => "What is wrong without being the end",
            Self::Ends => "Ends without a stop signal",
            Self::Kernel => "What else the kernel does",
        }
    }
}
