//! What the tracer has to say while the terminal is taken: it must not garble the screen, and must not be lost.
//!
//! While a [`Held`] lives, [`keep`] takes what would go to standard error. The screen shows it in its last line, and it
//! is said again when the terminal is given back.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notices kept for the end; later ones are counted.
const KEPT: usize = 200;

#[derive(Debug, Default)]
struct Notices {
    lines: Vec<String>,
    /// How many of them were on the screen.
    shown: usize,
    /// How many found no room.
    more: usize,
}

static NOTICES: Mutex<Option<Notices>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Notices>> {
    NOTICES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notices are held back as long as this lives, and said when it is dropped. There is one terminal, so there is one of
/// these.
#[derive(Debug)]
pub struct Held {
    say: fn(&str),
}

/// Holds notices back from now on, to be said by `say` in the end.
#[must_use]
pub fn hold(say: fn(&str)) -> Held {
    lock().get_or_insert_default();
    Held { say }
}

/// Keeps a line for later, if notices are held back. It is safe for a terminal.
#[must_use]
pub fn keep(line: &str) -> bool {
    let mut notices = lock();
    let Some(notices) = &mut *notices else { return false };
    if notices.lines.len() < KEPT {
        notices.lines.push(line.to_owned());
    } else {
        notices.more += 1;
    }
    true
}

/// The next notice that was not on the screen yet.
#[must_use]
pub fn next() -> Option<String> {
    let mut notices = lock();
    let notices = notices.as_mut()?;
    let line = notices.lines.get(notices.shown)?.clone();
    notices.shown += 1;
    Some(line)
}

/// Whether [`next`] has one.
#[must_use]
pub fn any() -> bool {
    lock().as_ref().is_some_and(|notices| notices.shown < notices.lines.len())
}

/// All that was kept; nothing is from now on.
fn release() -> Vec<String> {
    let Notices { mut lines, more, .. } = lock().take().unwrap_or_default();
    if more > 0 {
        lines.push(format!("and {more} more such lines"));
    }
    lines
}

impl Drop for Held {
    fn drop(&mut self) {
        for line in release() {
            (self.say)(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_wait_while_the_terminal_is_taken() {
        assert!(!keep("nobody holds it back"));
        let held = hold(|_| {});
        for n in 0..KEPT + 3 {
            assert!(keep(&format!("line {n}")));
        }
        assert!(any());
        assert_eq!(next().as_deref(), Some("line 0"));
        assert_eq!(std::iter::from_fn(next).count(), KEPT - 1);
        assert!(!any());
        let kept = release();
        assert_eq!((kept.len(), kept.last().map(String::as_str)), (KEPT + 1, Some("and 3 more such lines")));
        drop(held);
        assert!(next().is_none() && !keep("again"));
    }
}
