//! The finished, static binary on other kernels, each in a virtual machine of its own.

mod boot;
mod checks;
mod cpio;
mod qemu;

use crate::setup::kernels;
use crate::test::Tally;
use crate::{build, elf, paths, sh, ui};
use anyhow::{Context, Result};
use boot::Boot;
use checks::Check;
use regex_lite::Regex;
use std::time::Duration;

/// How the virtual machines run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What qemu runs the virtual machines with: tcg works everywhere, kvm is faster where it works
    #[arg(long, value_name = "NAME", default_value = "tcg")]
    accel: String,
    /// Seconds that a virtual machine may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    vm_seconds: u64,
}

/// Boots every kernel and runs every check in it that the filters let through.
pub(crate) fn run(options: &Options, filters: &[String]) -> Result<Tally> {
    let plan: Vec<(Boot, Vec<&Check>)> = boot::ALL.iter().map(|boot| (*boot, checks::of(*boot, filters))).collect();
    if plan.iter().all(|(_, checks)| checks.is_empty()) {
        return Ok(Tally::default());
    }
    let triple = "x86_64-unknown-linux-musl";
    let stage = ui::Stage::start(format!("tracer for {triple}"));
    let tracer = build::tracer(build::Profile::Quick, Some(triple))?;
    elf::assert_static(&tracer)?;
    // The binary itself says what it can do already; checks of the rest are skipped.
    let help = sh::read(sh::cmd(&tracer).arg("--help"))?;
    stage.end("static");

    let mut tally = Tally::default();
    for (boot, checks) in plan {
        let (ready, missing): (Vec<&Check>, Vec<_>) = checks.into_iter().partition(|check| check.can_run(&help));
        for check in missing {
            ui::result(format!("test {} ... skipped: this tracer has no such command", check.full_name(boot)));
            tally.skipped += 1;
        }
        if !ready.is_empty() {
            tally += run_boot(boot, &ready, &tracer, options)?;
        }
    }
    Ok(tally)
}

/// One virtual machine.
fn run_boot(boot: Boot, checks: &[&Check], tracer: &std::path::Path, options: &Options) -> Result<Tally> {
    let kernel = kernels::image(boot.series)?;
    let kernel = kernel.with_context(|| format!("no Linux {} in target/vm: `cargo xtask setup vm`", boot.series))?;
    let dir = paths::target_dir("vm")?;
    let stage = ui::Stage::start(format!("boot {boot}: {}", kernel.file_name().unwrap_or_default().display()));
    let initramfs = dir.join(format!("{boot}.cpio"));
    boot::initramfs(boot, checks, tracer, &initramfs)?;
    let log = dir.join(format!("{boot}.log"));
    let machine = qemu::Machine { kernel: &kernel, initramfs: &initramfs, accel: &options.accel };
    let console = machine.run(Duration::from_secs(options.vm_seconds), boot::DONE)?;
    std::fs::write(&log, console.text.join("\n")).with_context(|| format!("cannot write {}", log.display()))?;

    let mut tally = Tally::default();
    let mut report = |name: &str, problem: Option<String>| {
        match &problem {
            None => ui::result(format!("test {name} ... ok")),
            Some(reason) => ui::result(format!("test {name} ... FAILED\n{reason}")),
        }
        tally += Tally {
            passed: usize::from(problem.is_none()),
            failed: usize::from(problem.is_some()),
            ..Tally::default()
        };
    };
    for check in checks {
        report(&check.full_name(boot), check.judge(&console.text));
    }
    let name = format!("vm::{boot}::the-kernel-stays-calm");
    report(&name, unrest(&console).map(|what| format!("{what}; the console is in {}", log.display())));
    stage.end(&tally.to_string());
    Ok(tally)
}

/// What went wrong with the machine as a whole.
fn unrest(console: &qemu::Console) -> Option<String> {
    let alarm = Regex::new(r"Kernel panic|Oops:|BUG: |WARNING: CPU|blocked for more than").ok()?;
    if let Some(line) = console.text.iter().find(|line| alarm.is_match(line)) {
        return Some(format!("the kernel says: {line}"));
    }
    match (console.done, console.text.is_empty()) {
        (true, _) => None,
        (false, true) => Some("nothing came on the console: did qemu start? does --accel tcg work?".to_owned()),
        (false, false) => Some("the machine did not come to the end of its checks in time".to_owned()),
    }
}
