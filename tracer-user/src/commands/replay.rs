//! `tracer replay FILE`: the same views over a recording.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::live::Pipeline;
use crate::live::sink::Buffer;
use crate::output::Clock;
use crate::stream::{ReadError, Reader};
use crate::tui::replay::Player;

use super::options::{Failure, Format, Shown, View, note};
use super::{DONE, NO_MATCH};

/// Options of `tracer replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recording, made with --record
    file: PathBuf,
    #[command(flatten)]
    filters: Shown,
    #[command(flatten)]
    view: View,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("cannot open the recording {name}"))?;
    let mut reader = Reader::new(BufReader::new(file)).with_context(|| format!("cannot replay {name}"))?;
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let damage = match args.view.format() {
        Format::Tui => on_screen(args, &mut reader, clock)?,
        format => as_lines(args, format, &mut reader, clock)?,
    };
    if let Some(error) = damage {
        note(&format!("{} events of {name} could be read", reader.events()));
        return Err(anyhow::Error::new(error).context(format!("{name} is damaged")));
    }
    Ok(ExitCode::from(DONE))
}

type Recording = Reader<BufReader<File>>;

/// Writes it down as it is read.
fn as_lines(args: &Args, format: Format, reader: &mut Recording, clock: Clock) -> anyhow::Result<Option<ReadError>> {
    let buffer = Buffer::default();
    let mut pipeline = Pipeline::new(args.filters.build(), args.view.open(format, buffer.clone(), clock), None);
    let mut out = io::stdout().lock();
    let mut damage = None;
    for event in reader {
        match event {
            Ok(event) => pipeline.take(&[event])?,
            Err(error) => damage = Some(error),
        }
        if buffer.is_large() {
            pipeline.flush()?;
            out.write_all(&buffer.take())?;
        }
    }
    pipeline.flush()?;
    out.write_all(&buffer.take())?;
    out.flush()?;
    match damage {
        None => matched(args, &pipeline).map(|()| None),
        damage => Ok(damage),
    }
}

/// Shows it on the terminal UI, as far as it can be read.
fn on_screen(args: &Args, reader: &mut Recording, clock: Clock) -> anyhow::Result<Option<ReadError>> {
    let (mut events, mut damage) = (Vec::new(), None);
    for event in reader {
        match event {
            Ok(event) => events.push(event),
            Err(error) => damage = Some(error),
        }
    }
    let mut player = Player::new(events, args.filters.build(), clock, args.view.colors.style().into())?;
    if damage.is_none() {
        matched(args, player.pipeline())?;
    }
    if let Some(error) = &damage {
        player.app.say(format!("the recording is damaged: {error}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(player.run());
    // a thread that is stuck in a write must not keep us
    runtime.shutdown_background();
    result.map(|()| damage)
}

/// Whether the filters left anything of it.
fn matched(args: &Args, pipeline: &Pipeline) -> anyhow::Result<()> {
    let gate = &pipeline.gate;
    if gate.matched() > 0 || gate.filters().is_everything() {
        return Ok(());
    }
    Err(Failure::new(NO_MATCH, format!("nothing in {} matches the filters", args.file.display())).into())
}
