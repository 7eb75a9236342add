//! What this kernel, these privileges and these sockets allow, and how to mend what is missing.
//!
//! [`Facts::gather`] looks, [`checks`] judges. The judgement is pure: any machine can be made up and judged.

use std::fmt;

use serde::Serialize;

mod checks;
pub mod facts;
mod gather;
mod host;
pub mod mounts;

pub use checks::{OLDEST_POSSIBLE, OLDEST_SUPPORTED, checks};
pub use facts::Facts;

/// Exit code of every command that cannot do its work here: not permitted, or the kernel is unsuitable.
pub const EXIT_UNSUITABLE: u8 = 3;

/// How good a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Something is missing that one can do without.
    Warn,
    /// Live tracing is impossible.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short name, in kebab case.
    pub name: &'static str,
    /// How good it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, unless all is well.
    pub mend: Option<String>,
}

/// The state of all together.
#[must_use]
pub fn overall(checks: &[Check]) -> State {
    checks.iter().map(|check| check.state).max().unwrap_or(State::Ok)
}

/// Why live tracing, or an audit, is impossible here. Ends the command with [`EXIT_UNSUITABLE`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unsuitable {
    /// What cannot be done.
    pub work: &'static str,
    /// What stands in the way first.
    pub first: Check,
    /// How many other things do.
    pub more: usize,
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} here: {}", self.work, self.first.found)?;
        if let Some(mend) = &self.first.mend {
            write!(f, "; {mend}")?;
        }
        match self.more {
            0 => Ok(()),
            1 => write!(f, " (and one more problem: see `tracer doctor`)"),
            more => write!(f, " (and {more} more problems: see `tracer doctor`)"),
        }
    }
}

/// Whether live tracing is possible, for the commands that trace.
///
/// # Errors
/// When it is not, with what to do about it.
pub fn preflight() -> Result<(), Unsuitable> {
    judge("trace", checks(&Facts::gather_without_runtimes()))
}

/// Whether an audit would see every container: it needs no BPF, but must not take what is hidden for what is not there.
///
/// # Errors
/// When it would not, with what to do about it.
pub fn preflight_audit() -> Result<(), Unsuitable> {
    judge("audit", checks::audit_checks(&Facts::gather_without_runtimes()))
}

fn judge(work: &'static str, checks: Vec<Check>) -> Result<(), Unsuitable> {
    let mut failing = checks.into_iter().filter(|check| check.state == State::Fail);
    match failing.next() {
        None => Ok(()),
        Some(first) => Err(Unsuitable { work, first, more: failing.count() }),
    }
}

#[cfg(test)]
mod tests;
