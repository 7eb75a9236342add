//! What the agent itself uses, as every Prometheus client tells it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::live::wall_clock;

/// What this process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Process {
    /// Processor time, s.
    pub(super) cpu_s: f64,
    /// Resident memory, bytes.
    pub(super) resident: u64,
    /// When it began, seconds since 1970.
    pub(super) started_s: f64,
}

impl Process {
    /// As it is now; `None` when `/proc` does not tell.
    pub(super) fn look() -> Option<Self> {
        let stat = procfs::process::Process::myself().and_then(|own| own.stat()).ok()?;
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(u64::try_from(used.tv_sec).ok()?, u32::try_from(used.tv_nsec).ok()?);
        let ticks = stat.starttime.checked_mul(1_000_000_000)? / procfs::ticks_per_second();
        let started = u64::try_from(i64::try_from(ticks).ok()?.checked_add(wall_clock().boot_to_wall_ns)?).ok()?;
        Some(Self {
            cpu_s: cpu.as_secs_f64(),
            resident: stat.rss.checked_mul(procfs::page_size())?,
            started_s: Duration::from_nanos(started).as_secs_f64(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_itself() {
        let own = Process::look().expect("/proc is mounted");
        let now = Duration::from_nanos(
            u64::try_from(wall_clock().boot_to_wall_ns).expect("after 1970") + crate::live::boot_now().0,
        );
        let age = now.as_secs_f64() - own.started_s;
        assert!((0.0..3_600.0).contains(&age), "{age} s");
        assert!(own.resident > 1 << 20 && own.cpu_s > 0.0, "{own:?}");
    }
}
