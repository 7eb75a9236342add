//! What the tracer itself has to say while it works, on standard error: warnings always, more with `-v`. Nothing is
//! logged per event.

use std::sync::atomic::{AtomicBool, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::agent::config::LogFormat;
use crate::live::{boot_now, wall_clock};

use super::options::{note, say};

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

/// The agent's: structured, with the time.
struct Structured;

/// How its lines look: a [`LogFormat`], 1 for JSON.
static AS_JSON: AtomicBool = AtomicBool::new(false);

impl Log for Structured {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Stderr.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_ascii_lowercase();
            let time = wall_clock().rfc3339(boot_now()).to_string();
            let message = record.args().to_string();
            say(&format!("{}\n", structured(AS_JSON.load(Ordering::Relaxed), &time, &level, &message)));
        }
    }

    fn flush(&self) {}
}

/// One line of the agent's log.
fn structured(json: bool, time: &str, level: &str, message: &str) -> String {
    // JSON escapes what does not belong on a terminal, but for a few that it need not
    let message = crate::printable::text(message);
    let quoted = serde_json::to_string(&message).unwrap_or_default();
    if json {
        format!(r#"{{"time":"{time}","level":"{level}","message":{quoted}}}"#)
    } else {
        format!("time={time} level={level} message={quoted}")
    }
}

/// Begins the agent's log.
pub(super) fn init_agent(level: LevelFilter, format: LogFormat) {
    // a logger that is there already stays: only tests have one
    if log::set_logger(&Structured).is_ok() {
        set_agent(level, format);
    }
}

/// Another level or format from now on.
pub(super) fn set_agent(level: LevelFilter, format: LogFormat) {
    AS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    log::set_max_level(level);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_structured_and_bear_what_strangers_write() {
        assert_eq!(structured(false, "T", "warn", "a \"b\" c"), r#"time=T level=warn message="a \"b\" c""#);
        let line = structured(true, "T", "info", "one\ntwo \u{1b}[31m");
        let value: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!((&value["time"], &value["level"]), (&"T".into(), &"info".into()));
        assert!(!line.contains('\n') && !line.contains('\u{1b}'), "{line}");
    }
}
