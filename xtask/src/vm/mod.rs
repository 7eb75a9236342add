//! The finished, static binary on other kernels, each in a virtual machine of its own, and on the one that is here.

mod boot;
mod checks;
mod cpio;
mod host;
mod initramfs;
mod qemu;
mod replay;
mod report;

use crate::setup::kernels::{self, Arch};
use crate::statics::Programs;
use crate::test::Tally;
use crate::{paths, sh, statics, ui};
use anyhow::{Context, Result};
use boot::{Boot, Place};
use checks::Check;
use qemu::End;
use replay::Replay;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How the virtual machines run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the tests on other kernels, and only on these: 6.1 and 6.12 on x86-64, 6.12-arm64, host; all if none is named
    #[arg(long = "vm", value_enum, value_name = "KERNEL", num_args = 0..)]
    kernels: Option<Vec<boot::Name>>,
    /// What qemu runs the virtual machines with: tcg works everywhere, kvm is faster where it works
    #[arg(long, value_name = "NAME", default_value = "tcg")]
    accel: String,
    /// Seconds that a virtual machine may take
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    vm_seconds: u64,
    /// Virtual machines at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    vm_jobs: usize,
}

impl Options {
    /// Whether kernels were chosen, and with them this tier.
    pub(crate) fn are_given(&self) -> bool {
        self.kernels.is_some()
    }

    fn places(&self) -> Vec<Place> {
        let chosen = self.kernels.as_deref().filter(|names| !names.is_empty()).unwrap_or(&boot::Name::ALL);
        chosen.iter().flat_map(|name| name.places()).collect()
    }
}

/// A kernel, and what is checked on it.
type Plan = (Boot, Vec<&'static Check>);

/// What is checked where: every kernel that is chosen, every check that the filters let through.
fn plan(options: &Options, filters: &[String]) -> Vec<(Place, Vec<&'static Check>)> {
    let checks = |place: Place| Some((place, checks::of(place, filters))).filter(|(_, checks)| !checks.is_empty());
    options.places().into_iter().filter_map(checks).collect()
}

/// The architectures, beside this machine's, that [`run`] needs static programs for.
pub(crate) fn archs(options: &Options, filters: &[String]) -> BTreeSet<Arch> {
    plan(options, filters).into_iter().filter_map(|(place, _)| place.arch()).collect()
}

/// Runs all that is planned.
pub(crate) fn run(options: &Options, filters: &[String]) -> Result<Tally> {
    let plan = plan(options, filters);
    if plan.is_empty() {
        return Ok(Tally::default());
    }
    let here = Arch::here().with_context(|| format!("not tested on {}", std::env::consts::ARCH))?;
    let mut wanted = archs(options, filters);
    wanted.insert(here);
    let programs = statics::build(&wanted)?;
    let own = programs.of(here)?;
    // The binary itself says what it can do already; checks of the rest are skipped.
    let help = sh::read(sh::cmd(&own.tracer).arg("--help"))?;

    let mut tally = Tally::default();
    let mut boots: Vec<Plan> = Vec::new();
    for (place, checks) in plan {
        let (ready, missing): (Vec<&Check>, Vec<_>) = checks.into_iter().partition(|check| check.can_run(&help));
        tally += report::missing(place, &missing);
        match place {
            _ if ready.is_empty() => {}
            Place::Host => tally += on_host(&ready, own),
            Place::Machine(boot) => boots.push((boot, ready)),
        }
    }
    if boots.is_empty() {
        return Ok(tally);
    }
    let recorded = host::recorded("dispositions");
    let replays = recorded.and_then(|file| replay::of_this_machine(&own.tracer, file.as_deref()));
    let replays = replays.unwrap_or_else(|error| {
        tally += report::failed("vm::host::recordings-for-the-machines", &error);
        Vec::new()
    });
    let run = |(boot, checks): &Plan| run_boot(*boot, checks, programs.of(boot.kernel.arch)?, &replays, options);
    tally += at_a_time(options.vm_jobs, boots, run, |(boot, checks), console| {
        report::boot(boot, &checks, &console, &own.tracer)
    });
    Ok(tally)
}

fn on_host(checks: &[&Check], programs: &Programs) -> Tally {
    let stage = ui::Stage::start("this machine's kernel");
    let tally = match host::run(checks, programs) {
        Ok(Some(console)) => report::checks(Place::Host, checks, &console),
        Ok(None) => Tally { skipped: checks.len(), ..Tally::default() },
        Err(error) => report::absent(Place::Host, checks, &error),
    };
    stage.end(&tally.to_string());
    tally
}

/// Runs the machines, so many at a time; what comes of each is reported when it has ended, however it has.
fn at_a_time(
    jobs: usize,
    boots: Vec<Plan>,
    run: impl Fn(&Plan) -> Result<qemu::Console> + Sync,
    report: impl Fn(Plan, Result<qemu::Console>) -> Tally,
) -> Tally {
    let (sender, results) = mpsc::channel();
    let queue = Mutex::new(VecDeque::from(boots));
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (sender, queue, run) = (sender.clone(), &queue, &run);
            scope.spawn(move || {
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(plan) = next() {
                    let console = run(&plan);
                    // Whoever listens does so to the end.
                    sender.send((plan, console)).unwrap_or_default();
                }
            });
        }
        drop(sender);
        let mut tally = Tally::default();
        for (plan, console) in results {
            tally += report(plan, console);
        }
        tally
    })
}

/// One virtual machine.
fn run_boot(
    boot: Boot,
    checks: &[&Check],
    programs: &Programs,
    replays: &[Replay],
    options: &Options,
) -> Result<qemu::Console> {
    let kernel = kernels::image(boot.kernel)?;
    let kernel = kernel.with_context(|| format!("no Linux {} in target/vm: `cargo xtask setup vm`", boot.kernel))?;
    let stage = ui::Stage::start(format!("boot {boot}: {}", kernel.file_name().unwrap_or_default().display()));
    let dir = paths::target_dir("vm")?;
    let file = dir.join(format!("{boot}.cpio"));
    initramfs::write(boot, checks, programs, replays, &file)?;
    let arch = boot.kernel.arch;
    let accel = if Arch::here() == Some(arch) { &options.accel } else { "tcg" };
    let machine = qemu::Machine { arch, kernel: &kernel, initramfs: &file, accel };
    let console = machine.run(Duration::from_secs(options.vm_seconds), report::DONE)?;
    let log = log(boot);
    std::fs::write(&log, console.text.join("\n")).with_context(|| format!("cannot write {}", log.display()))?;
    stage.end(if console.end == End::Done { "done" } else { "not done" });
    Ok(console)
}

/// Where the console of a machine is kept.
fn log(boot: Boot) -> PathBuf {
    paths::target().join(format!("vm/{boot}.log"))
}

#[cfg(test)]
mod tests {
    use super::boot::{ALL, Place};
    use super::qemu::{Console, End};
    use super::{Plan, at_a_time, checks, report};
    use crate::test::Tally;
    use anyhow::bail;
    use std::path::Path;
    use std::time::Duration;

    /// Three checks each, with that of the machine itself.
    fn plan() -> Vec<Plan> {
        let filters = ["::kernel", "::btf"].map(str::to_owned);
        ALL.into_iter().map(|boot| (boot, checks::of(Place::Machine(boot), &filters))).collect()
    }

    #[test]
    fn a_machine_that_cannot_be_run_or_is_late_costs_no_other_its_results() {
        let whole = "@@begin kernel\n6\n@@end kernel 0\n@@begin btf\n 1234567 \n@@end btf 0";
        for jobs in [0, 1, 2, 9] {
            let run = |(boot, _): &Plan| {
                let (text, end) = match ALL.iter().position(|other| other == boot) {
                    Some(0) => bail!("no such machine"),
                    Some(1) => ("@@begin kernel\n6\n@@end kernel 0\n@@begin btf", End::Late(Duration::from_secs(1))),
                    Some(2) => ("", End::Off),
                    _ => (whole, End::Done),
                };
                Ok(Console { text: text.lines().map(str::to_owned).collect(), end })
            };
            let tally = at_a_time(jobs, plan(), run, |(boot, checks), console| {
                report::boot(boot, &checks, &console, Path::new("tracer"))
            });
            assert_eq!(tally, Tally { passed: 4, failed: 8, skipped: 0 }, "{jobs} at a time");
        }
    }
}
