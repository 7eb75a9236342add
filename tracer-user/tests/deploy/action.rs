//! `tracer check` in pipelines, as far as it can be tried without the servers it is for: the script of the GitHub Action
//! runs, with a stand-in for the tracer, and each option in there is one that the tracer has.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ACTION: &str = include_str!("../../../deploy/github-action/action.yml");
const GITLAB: &str = include_str!("../../../deploy/gitlab/tracer-check.yml");

/// The lines below `key`, which are indented deeper, without that indentation.
fn below<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    let mut lines = yaml.lines().skip_while(|line| line.trim() != key);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines.next().unwrap_or_else(|| panic!("there is {key}")));
    let block: Vec<&str> = lines.take_while(|line| line.is_empty() || indent(line) > own).collect();
    let least = block.iter().filter(|line| !line.is_empty()).map(|line| indent(line)).min().unwrap_or_default();
    block.into_iter().map(|line| line.get(least..).unwrap_or_default()).collect()
}

/// The names of a mapping's entries.
fn keys<'a>(block: &[&'a str]) -> BTreeSet<&'a str> {
    block
        .iter()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key)
        .collect()
}

/// Runs the action's script with these variables, and returns the arguments that it gives the tracer.
fn run(variables: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let program = |name: &str, script: &str| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path
    };
    program("sudo", "shift; exec \"$@\"");
    let tracer = program("tracer", "printf '%s\\n' \"$@\"");
    let path = std::env::var("PATH").expect("a PATH");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &below(ACTION, "run: |").join("\n")]);
    bash.env("PATH", format!("{}:{path}", directory.path().display())).env("TRACER", tracer);
    for name in ["COMMAND", "IMAGE", "STOP_SIGNAL", "READY", "READY_LOG", "JUNIT", "ARGS"] {
        bash.env(name, "");
    }
    bash.env("GRACE", "30s").env("EXPECT", "graceful").envs(variables.iter().copied());
    let output = bash.stdin(Stdio::null()).output().expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn the_action_gives_the_tracer_what_its_inputs_say() {
    let plain = ["check", "--grace", "30s", "--expect", "graceful"];
    let told = run(&[("COMMAND", "./server --name 'a b'")]);
    assert_eq!(told, [&plain[..], &["--", "bash", "-c", "exec ./server --name 'a b'"]].concat());
    let told = run(&[("IMAGE", "web:1"), ("READY", "test -e /up"), ("STOP_SIGNAL", "QUIT"), ("ARGS", "--init -v")]);
    let rest = ["--stop-signal", "QUIT", "--ready", "test -e /up", "--image", "web:1", "--init", "-v"];
    assert_eq!(told, [&plain[..], &rest].concat());
    // what is in an input is never a part of the script
    let told = run(&[("READY_LOG", "$(id); `id` \"up\""), ("COMMAND", "true")]);
    assert!(told.contains(&"$(id); `id` \"up\"".to_owned()), "{told:?}");
}

#[test]
fn every_input_is_declared_with_a_description_and_used() {
    let declared = below(ACTION, "inputs:");
    let used: BTreeSet<&str> =
        ACTION.split("${{ inputs.").skip(1).filter_map(|rest| rest.split(" }}").next()).collect();
    assert_eq!(keys(&declared), used);
    for name in used {
        let entry = below(ACTION, &format!("{name}:"));
        assert_eq!(keys(&entry), BTreeSet::from(["description", "default"]), "{name}");
    }
    let top: Vec<&str> = ACTION.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(keys(&top), BTreeSet::from(["name", "description", "inputs", "runs"]));
    assert!(below(ACTION, "runs:").contains(&"using: composite"));
    let script = below(ACTION, "run: |").join("\n");
    for (variable, _) in below(ACTION, "env:").iter().filter_map(|line| line.split_once(':')) {
        assert!(script.contains(&format!("${variable}")), "{variable} is used");
    }
}

#[test]
fn every_option_is_one_that_the_tracer_has() {
    let help = Command::new(env!("CARGO_BIN_EXE_tracer")).args(["check", "--help"]).output().expect("it starts");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let script = below(ACTION, "run: |").join("\n");
    let job = GITLAB.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
    };
    let mut options = words(&script);
    assert!(options.remove("--preserve-env"), "that is sudo's");
    options.extend(words(&job));
    assert!(options.len() >= 6, "{options:?}");
    for option in options {
        assert!(help.contains(&format!("{option} <")) || help.contains(&format!("{option}\n")), "{option}");
    }
}

#[test]
fn the_documents_name_the_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let guide = fs::read_to_string(root.join("docs/check.md")).expect("the guide");
    for file in ["deploy/github-action/action.yml", "deploy/gitlab/tracer-check.yml"] {
        assert!(root.join(file).is_file() && guide.contains(file), "{file}");
    }
}
