//! `tracer replay FILE`: the same views over a recording.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::live::Pipeline;
use crate::live::sink::Buffer;
use crate::output::Clock;
use crate::stream::{ReadError, Reader};
use crate::tui::replay::Player;

use super::live::unmatched;
use super::options::{Failure, Format, Shown, View, note, print};
use super::{DONE, NO_MATCH};

/// Options of `tracer replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recording, made with --record; - for standard input
    file: PathBuf,
    #[command(flatten)]
    filters: Shown,
    #[command(flatten)]
    view: View,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (name, input) = open(&args.file)?;
    let mut reader = Reader::new(input).with_context(|| format!("cannot replay {name}"))?;
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let Read { damage, missing } = match args.view.format() {
        Format::Tui => on_screen(args, &mut reader, clock)?,
        format => as_lines(args, format, &mut reader, clock)?,
    };
    if let Some(error) = damage {
        let events = reader.events();
        note(&format!("{events} {} of {name} could be read", if events == 1 { "event" } else { "events" }));
        return Err(anyhow::Error::new(error).context(format!("cannot replay {name} to its end")));
    }
    if let Some(missing) = missing {
        return Err(Failure::new(NO_MATCH, format!("nothing in {name} matches: {missing}")).into());
    }
    Ok(ExitCode::from(DONE))
}

type Recording = Reader<Box<dyn BufRead>>;

/// What came of a recording.
struct Read {
    /// Why it could not be read to its end.
    damage: Option<ReadError>,
    /// What to say when the filters left nothing of it.
    missing: Option<String>,
}

/// Writes it down as it is read.
fn as_lines(args: &Args, format: Format, reader: &mut Recording, clock: Clock) -> anyhow::Result<Read> {
    let buffer = Buffer::default();
    let mut pipeline = Pipeline::new(args.filters.build(), args.view.open(format, buffer.clone(), clock), None);
    let mut damage = None;
    for event in reader {
        match event {
            Ok(event) => pipeline.take(&[event])?,
            Err(error) => damage = Some(error),
        }
        // nobody here could let go of them
        drop(pipeline.gate.take_unwanted());
        if buffer.is_large() {
            pipeline.flush()?;
            print(&buffer.take())?;
        }
    }
    pipeline.conclude()?;
    pipeline.flush()?;
    print(&buffer.take())?;
    Ok(Read { damage, missing: unmatched(&pipeline) })
}

/// Shows it on the terminal UI, as far as it can be read.
fn on_screen(args: &Args, reader: &mut Recording, clock: Clock) -> anyhow::Result<Read> {
    let (mut events, mut damage) = (Vec::new(), None);
    for event in reader.by_ref() {
        match event {
            Ok(event) => events.push(event),
            Err(error) => damage = Some(error),
        }
    }
    let mut player = Player::new(events, args.filters.build(), clock, args.view.colors.style().into())?;
    let missing = unmatched(player.pipeline());
    if damage.is_none() && missing.is_some() {
        // there is nothing to look at
        return Ok(Read { damage, missing });
    }
    player.set_start(reader.start().clone());
    if let Some(error) = &damage {
        player.app.say(format!("the recording is damaged: {error}"));
    }
    let runtime = super::event_loop()?;
    let result = runtime.block_on(player.run(note));
    // a thread that is stuck in a write must not keep us
    runtime.shutdown_background();
    result.map(|()| Read { damage, missing })
}

/// The recording, and what to call it.
fn open(file: &Path) -> anyhow::Result<(String, Box<dyn BufRead>)> {
    if file == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(io::stdin().lock())));
    }
    let name = file.display().to_string();
    let opened = File::open(file).with_context(|| format!("cannot open the recording {name}"))?;
    Ok((name, Box::new(BufReader::new(opened))))
}
