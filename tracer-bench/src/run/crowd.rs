//! Containers with processes that sleep.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use super::Bench;
use super::group::Group;
use crate::load::enter;

/// They end when it is dropped.
pub(super) struct Crowd {
    processes: Vec<Child>,
    groups: Vec<Group>,
}

impl Crowd {
    /// So many containers, with so many processes each.
    pub(super) fn gather(bench: &Bench, containers: u32, each: u32) -> Result<Self> {
        let mut crowd = Self { processes: Vec::new(), groups: Vec::new() };
        for index in 0..containers {
            let group = bench.group.below(&format!("crowd-{index}"))?;
            // children begin where their parent is
            enter(group.dir())?;
            crowd.groups.push(group);
            for _ in 0..each {
                let sleeper = Command::new("sleep").arg("infinity").stdin(Stdio::null()).spawn();
                crowd.processes.push(sleeper.context("cannot start sleep")?);
            }
        }
        enter(bench.group.root())?;
        Ok(crowd)
    }

    /// What `--cgroup` calls them.
    pub(super) fn paths(&self) -> Vec<String> {
        self.groups.iter().map(Group::path).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().unwrap_or_default();
        }
        for process in &mut self.processes {
            process.wait().map(drop).unwrap_or_default();
        }
    }
}
