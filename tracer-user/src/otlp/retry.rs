//! When to try again. Pure: chance and the time are arguments.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::limits;

/// Waits that grow as long as it does not work.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl From<Duration> for Backoff {
    /// That long at first.
    fn from(first: Duration) -> Self {
        Self(first)
    }
}

impl Backoff {
    /// How long to wait now. `asked` is what the collector wants; `chance` is from 0 to 1, so that not all agents come back
    /// at the same moment.
    pub(super) fn wait(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let usual = self.0.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0);
        self.0 = (self.0 * 2).min(limits::BACKOFF_MAX);
        asked.map_or(usual, |asked| asked.min(limits::RETRY_AFTER_MAX))
    }
}

/// What `Retry-After` says: seconds, or a date.
pub(super) fn retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    // one that is over already is no wait
    Some((then - now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::from(limits::BACKOFF);
        let waits: Vec<_> = (0..8).map(|_| backoff.wait(None, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.wait(None, 1.0), Duration::from_secs(30));
        assert_eq!(backoff.wait(Some(Duration::from_secs(7)), 1.0), Duration::from_secs(7));
        assert_eq!(backoff.wait(Some(Duration::from_secs(u64::MAX)), 0.5), limits::RETRY_AFTER_MAX);
    }

    #[test]
    fn a_collector_may_name_seconds_or_a_date() {
        let now = OffsetDateTime::from_unix_timestamp(784_111_777).expect("1994");
        let told = |text: &str| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(told("120"), Some(120));
        assert_eq!(told("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(told("Sun, 06 Nov 1994 08:49:27 GMT"), Some(0));
        assert_eq!(told("soon"), None);
        assert_eq!(told("-1"), None);
    }
}
