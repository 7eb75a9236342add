//! `tracer agent`, as it is measured.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Bench;
use super::process::Running;

/// One of our own, on a socket and a port of its own.
pub(super) struct Agent {
    pub(super) running: Running,
    metrics: SocketAddr,
    dir: PathBuf,
}

impl Agent {
    /// Of all cgroups of this run.
    pub(super) fn start(bench: &Bench) -> Result<Self> {
        Self::of(bench, &[bench.group.path()])
    }

    /// Of these cgroups.
    pub(super) fn of(bench: &Bench, cgroups: &[String]) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("tracer-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        // a port that was free a moment ago
        let metrics = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?;
        let mut command = Command::new(&bench.tracer);
        command.arg("agent").arg("--socket").arg(dir.join("socket"));
        command.args(["--metrics-listen", &metrics.to_string()]).stdout(Stdio::null());
        for cgroup in cgroups {
            command.args(["--cgroup", cgroup]);
        }
        let running = Running::start(&mut command, &["clients attach on"])?;
        Ok(Self { running, metrics, dir })
    }

    /// The sum of all metrics whose lines begin so.
    pub(super) fn metric(&self, prefix: &str) -> Result<f64> {
        let mut stream = TcpStream::connect(self.metrics).context("the agent serves no metrics")?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("cannot read the agent's metrics")?;
        let lines = text.lines().filter(|line| line.starts_with(prefix));
        let values: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        anyhow::ensure!(!values.is_empty(), "the agent tells no {prefix}");
        Ok(values.iter().sum())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap_or_default();
    }
}
