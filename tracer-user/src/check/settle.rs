//! Ready without being told so: the program has started what it starts, handles what it handles, and waits.
//!
//! For a whole [`QUIET`] nobody came or went, no process changed which signals it handles or ignores or became another
//! program, and all of them together worked for less than [`BUSY`]. Nothing sleeps for a fixed time: a program that is
//! busy for ten seconds is waited for, up to [`LONGEST`].

use std::collections::BTreeMap;
use std::time::Duration;

use procfs::process::Process;

/// How long everything must be quiet.
pub const QUIET: Duration = Duration::from_secs(1);
/// How much all processes may work meanwhile: a tenth of one CPU.
pub const BUSY: Duration = Duration::from_millis(100);
/// A program that never comes to rest is stopped all the same after this long.
pub const LONGEST: Duration = Duration::from_secs(10);
/// Time between two looks.
pub const INTERVAL: Duration = Duration::from_millis(50);
/// `USER_HZ`, in which `/proc` counts, on every architecture we support.
const TICK: Duration = Duration::from_millis(10);

/// The processes of a container, as they are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Each by pid and start.
    processes: BTreeMap<(u32, u64), Face>,
    /// CPU time that they have used.
    cpu: Duration,
}

/// What of a process changes while it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Face {
    comm: String,
    caught: u64,
    ignored: u64,
}

impl Sample {
    /// Looks at these processes. Those that are gone by now are left out.
    pub fn take(pids: impl Iterator<Item = u32>) -> Self {
        let mut sample = Self::default();
        for pid in pids {
            let Some(process) = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()) else { continue };
            let (Ok(stat), Ok(status)) = (process.stat(), process.status()) else { continue };
            let face = Face { comm: stat.comm.clone(), caught: status.sigcgt, ignored: status.sigign };
            sample.processes.insert((pid, stat.starttime), face);
            let ticks = u32::try_from(stat.utime.saturating_add(stat.stime)).unwrap_or(u32::MAX);
            sample.cpu = sample.cpu.saturating_add(TICK.saturating_mul(ticks));
        }
        sample
    }
}

/// Waits for quiet. Pure: what is seen and when are told to it.
#[derive(Clone, Debug, Default)]
pub struct Settling {
    /// Since when everything is as it was then.
    since: Option<(Duration, Sample)>,
}

impl Settling {
    /// What is seen at `at`. Returns whether it has been quiet for long enough.
    pub fn observe(&mut self, at: Duration, sample: Sample) -> bool {
        let quiet = |(_, before): &(Duration, Sample)| {
            before.processes == sample.processes && sample.cpu.saturating_sub(before.cpu) < BUSY
        };
        match &self.since {
            Some(since) if quiet(since) => at.saturating_sub(since.0) >= QUIET && !sample.processes.is_empty(),
            _ => {
                self.since = Some((at, sample));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(processes: &[(u32, u64)], cpu_ms: u64) -> Sample {
        let processes =
            processes.iter().map(|&(pid, caught)| ((pid, 1), Face { comm: "app".to_owned(), caught, ignored: 0 }));
        Sample { processes: processes.collect(), cpu: Duration::from_millis(cpu_ms) }
    }

    /// When it is found to be ready, ms; looked at every 50 ms.
    fn ready(seen: impl Fn(u64) -> Sample) -> Option<u64> {
        let mut settling = Settling::default();
        (0..10_000).step_by(50).find(|&at| settling.observe(Duration::from_millis(at), seen(at)))
    }

    #[test]
    fn who_does_nothing_is_ready_after_the_quiet_time_and_no_sooner() {
        assert_eq!(ready(|_| sample(&[(1, 0)], 5)), Some(1000));
    }

    #[test]
    fn nobody_is_never_ready() {
        assert_eq!(ready(|_| sample(&[], 0)), None);
    }

    #[test]
    fn a_new_process_or_handler_begins_it_anew() {
        assert_eq!(ready(|at| if at < 700 { sample(&[(1, 0)], 5) } else { sample(&[(1, 0), (2, 0)], 5) }), Some(1700));
        assert_eq!(ready(|at| sample(&[(1, if at < 950 { 0 } else { 1 << 14 })], 5)), Some(1950));
    }

    #[test]
    fn whoever_works_is_not_ready_until_it_rests() {
        // a whole CPU until 3 s; the window that begins last before that may hold a little less than BUSY
        let at = ready(|at| sample(&[(1, 0)], at.min(3000))).expect("it rests");
        assert!((3900..=4000).contains(&at), "{at}");
        // a twentieth of a CPU is what a program that waits may use
        assert_eq!(ready(|at| sample(&[(1, 0)], at / 20)), Some(1000));
        assert_eq!(ready(|at| sample(&[(1, 0)], at)), None);
    }

    #[test]
    fn a_program_that_is_replaced_all_the_time_never_settles() {
        assert_eq!(ready(|at| sample(&[(1, 0), (u32::try_from(at / 500).expect("few") + 2, 0)], 0)), None);
    }

    #[test]
    fn we_see_ourselves() {
        let own = Sample::take(std::iter::once(std::process::id()));
        assert_eq!(own.processes.len(), 1);
        assert_eq!(Sample::take(std::iter::once(0)), Sample::default());
    }
}
