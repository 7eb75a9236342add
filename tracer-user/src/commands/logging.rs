//! `-v`: what the tracer itself does, on standard error. Nothing is logged per event.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::options::note;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // the libraries below have nothing to say that helps here, but for the kernel programs' own words
        let target = metadata.target();
        target.starts_with("tracer") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            note(&format!("{}: {}", record.level().as_str().to_ascii_lowercase(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Sets the level by how often `-v` was given: once for what the tracer does, twice for the kernel programs too.
pub(super) fn init(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Off,
        1 => LevelFilter::Info,
        _ => LevelFilter::Trace,
    };
    // a logger that is there already stays: only tests have one
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
