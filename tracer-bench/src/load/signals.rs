//! Signals to oneself.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

use super::{Batches, Place, disposition};

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fate {
    /// SIGUSR1, which is ignored
    Ignored,
    /// SIGUSR1, which a handler takes
    Handled,
    /// SIGURG, which is noise: tracer only counts it
    Counted,
    /// SIGUSR1 at an init without a handler for it: who asks for this must be PID 1
    Dropped,
}

/// Options of the load.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What becomes of them
    #[arg(value_enum)]
    fate: Fate,
    /// How many
    #[arg(long)]
    times: u32,
    /// How many are timed together
    #[arg(long, default_value_t = 1_000)]
    batch: u32,
    /// Rest after each batch, microseconds
    #[arg(long, default_value_t = 0)]
    rest: u64,
    /// Keep to so many a second; 0 is as many as can be
    #[arg(long, default_value_t = 0)]
    rate: u32,
    #[command(flatten)]
    place: Place,
}

/// Sends them.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.place.enter()?;
    let own = getpid();
    let which = if args.fate == Fate::Counted { Signal::SIGURG } else { Signal::SIGUSR1 };
    match args.fate {
        Fate::Ignored => disposition::ignore(which)?,
        Fate::Handled => disposition::handle(which)?,
        Fate::Counted => {}
        Fate::Dropped => anyhow::ensure!(own.as_raw() == 1, "only an init drops signals"),
    }
    let send = || kill(own, which).context("cannot signal oneself");
    for _ in 0..args.batch.min(100) {
        send()?;
    }
    let mut batches = Batches::new(args.batch);
    let begun = Instant::now();
    for batch in 1..=args.times.div_ceil(args.batch) {
        batches.run(send)?;
        if args.rate > 0 {
            let due = Duration::from_secs_f64(f64::from(batch * args.batch) / f64::from(args.rate));
            sleep(due.saturating_sub(begun.elapsed()));
        } else if args.rest > 0 {
            sleep(Duration::from_micros(args.rest));
        }
    }
    batches.tell()
}
