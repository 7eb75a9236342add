//! `tracer replay FILE`: the same views over a recording.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::live::Pipeline;
use crate::live::sink::Buffer;
use crate::output::Clock;
use crate::stream::Reader;

use super::live::unmatched;
use super::options::{Failure, Shown, View, note, print};
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
    let buffer = Buffer::default();
    let mut pipeline = Pipeline::new(args.filters.build(), args.view.open(buffer.clone(), clock), None);
    let mut damage = None;
    for event in &mut reader {
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
    if let Some(error) = damage {
        let events = reader.events();
        note(&format!("{events} {} of {name} could be read", if events == 1 { "event" } else { "events" }));
        return Err(anyhow::Error::new(error).context(format!("cannot replay {name} to its end")));
    }
    if let Some(missing) = unmatched(&pipeline) {
        return Err(Failure::new(NO_MATCH, format!("nothing in {name} matches: {missing}")).into());
    }
    Ok(ExitCode::from(DONE))
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
