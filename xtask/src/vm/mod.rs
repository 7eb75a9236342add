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
use crate::test::Tally;
use crate::{build, elf, paths, sh, ui};
use anyhow::{Context, Result};
use boot::{Boot, Place};
use checks::Check;
use initramfs::Programs;
use replay::Replay;
use std::collections::VecDeque;
use std::path::Path;
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

/// Runs on every kernel that is chosen every check that the filters let through.
pub(crate) fn run(options: &Options, filters: &[String]) -> Result<Tally> {
    let places = options.places();
    let checks = |place: Place| Some((place, checks::of(place, filters))).filter(|(_, checks)| !checks.is_empty());
    let plan: Vec<(Place, Vec<&Check>)> = places.into_iter().filter_map(checks).collect();
    if plan.is_empty() {
        return Ok(Tally::default());
    }
    let here = Arch::here().with_context(|| format!("not tested on {}", std::env::consts::ARCH))?;
    let own = programs(here)?;
    let foreign = plan.iter().any(|(place, _)| place.arch().is_some_and(|arch| arch != here));
    let other = if here == Arch::X86 { Arch::Arm } else { Arch::X86 };
    let foreign = if foreign { Some(programs(other)?) } else { None };
    // The binary itself says what it can do already; checks of the rest are skipped.
    let help = sh::read(sh::cmd(&own.tracer).arg("--help"))?;

    let mut tally = Tally::default();
    let mut boots: Vec<Plan> = Vec::new();
    for (place, checks) in plan {
        let (ready, missing): (Vec<&Check>, Vec<_>) = checks.into_iter().partition(|check| check.can_run(&help));
        tally += report::missing(place, &missing);
        match place {
            _ if ready.is_empty() => {}
            Place::Host => tally += on_host(&ready, &own)?,
            Place::Machine(boot) => boots.push((boot, ready)),
        }
    }
    if boots.is_empty() {
        return Ok(tally);
    }
    let replays = replay::of_this_machine(&own.tracer, host::recorded("dispositions")?.as_deref())?;
    let of = |arch| foreign.as_ref().filter(|_| arch != here).unwrap_or(&own);
    let run = |(boot, checks): &Plan| run_boot(*boot, checks, of(boot.kernel.arch), &replays, options);
    at_a_time(options.vm_jobs, boots, run, |(boot, checks), console| {
        tally += report::boot(boot, &checks, &console?, &own.tracer)?;
        Ok(())
    })?;
    Ok(tally)
}

/// The static programs for an architecture.
fn programs(arch: Arch) -> Result<Programs> {
    let stage = ui::Stage::start(format!("tracer for {}", arch.triple()));
    let program = |name| build::executable(build::Profile::Quick, Some(arch.triple()), name);
    let programs = Programs { tracer: program("tracer")?, dispositions: program("dispositions")? };
    elf::assert_static(&programs.tracer)?;
    stage.end("static");
    Ok(programs)
}

fn on_host(checks: &[&Check], programs: &Programs) -> Result<Tally> {
    let stage = ui::Stage::start("this machine's kernel");
    let tally = match host::run(checks, programs)? {
        Some(console) => report::checks(Place::Host, checks, &console),
        None => Tally { skipped: checks.len(), ..Tally::default() },
    };
    stage.end(&tally.to_string());
    Ok(tally)
}

/// Runs the machines, so many at a time; what comes of each is reported when it has ended.
fn at_a_time(
    jobs: usize,
    boots: Vec<Plan>,
    run: impl Fn(&Plan) -> Result<qemu::Console> + Sync,
    mut report: impl FnMut(Plan, Result<qemu::Console>) -> Result<()>,
) -> Result<()> {
    let (sender, results) = mpsc::channel();
    let queue = Mutex::new(VecDeque::from(boots));
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (sender, queue, run) = (sender.clone(), &queue, &run);
            scope.spawn(move || {
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(plan) = next() {
                    let console = run(&plan);
                    // Whoever listens has given up only if a report failed.
                    sender.send((plan, console)).unwrap_or_default();
                }
            });
        }
        drop(sender);
        results.into_iter().try_for_each(|(plan, console)| report(plan, console))
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
    let log = log(&dir, boot);
    std::fs::write(&log, console.text.join("\n")).with_context(|| format!("cannot write {}", log.display()))?;
    stage.end(if console.done { "done" } else { "not done" });
    Ok(console)
}

/// Where the console of a machine is kept.
fn log(dir: &Path, boot: Boot) -> std::path::PathBuf {
    dir.join(format!("{boot}.log"))
}
