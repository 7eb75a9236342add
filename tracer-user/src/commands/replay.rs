//! `tracer replay FILE`: the same views over a recording.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::live::Pipeline;
use crate::live::sink::Buffer;
use crate::output::Clock;
use crate::stream::Reader;

use super::live::unmatched;
use super::options::{Failure, Shown, View, note};
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
    let buffer = Buffer::default();
    let mut pipeline = Pipeline::new(args.filters.build(), args.view.open(buffer.clone(), clock), None);
    let mut out = io::stdout().lock();
    let mut damage = None;
    for event in &mut reader {
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
    if let Some(error) = damage {
        note(&format!("{} events of {name} could be read", reader.events()));
        return Err(anyhow::Error::new(error).context(format!("{name} is damaged")));
    }
    if let Some(missing) = unmatched(&pipeline) {
        return Err(Failure::new(NO_MATCH, format!("nothing in {name} matches: {missing}")).into());
    }
    Ok(ExitCode::from(DONE))
}
