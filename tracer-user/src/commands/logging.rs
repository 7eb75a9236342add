//! What the tracer itself has to say while it works, on standard error: warnings always, more with `-v`. Nothing is
//! logged per event.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::options::note;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // ours and the kernel programs'; what the libraries below say helps nobody here
        metadata.target().starts_with("tracer")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.level() {
            Level::Error | Level::Warn => note(&record.args().to_string()),
            level => note(&format!("{}: {}", level.as_str().to_ascii_lowercase(), record.args())),
        }
    }

    fn flush(&self) {}
}

/// Sets the level by how often `-v` was given: once for what the tracer does, twice for the kernel programs too.
pub(super) fn init(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Trace,
    };
    // a logger that is there already stays: only tests have one
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
