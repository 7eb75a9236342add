//! From time since boot to the time on the wall.

use std::fmt;

use time::{Date, OffsetDateTime};

use crate::event::BootNs;

/// Turns `CLOCK_BOOTTIME` into UTC. The offset is taken once, at start, and kept in the recording, so that a replay
/// shows the same times even where the wall clock was set in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// What to add to nanoseconds since boot to get nanoseconds since 1970-01-01 UTC.
    pub boot_to_wall_ns: i64,
}

impl Clock {
    /// The moment in UTC.
    #[must_use]
    pub fn wall(self, at: BootNs) -> OffsetDateTime {
        let nanos = i128::from(self.boot_to_wall_ns) + i128::from(at.0);
        // Every sum of an i64 and a u64 lies between the years 1677 and 2847, which `time` can tell.
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The day in UTC.
    #[must_use]
    pub fn date(self, at: BootNs) -> Date {
        self.wall(at).date()
    }

    /// `2026-11-21T14:03:07.284000000Z`: RFC 3339 with all nine digits, so that lines sort as text.
    #[must_use]
    pub fn rfc3339(self, at: BootNs) -> impl fmt::Display {
        let wall = self.wall(at);
        fmt::from_fn(move |f| {
            let (year, month, day) = wall.to_calendar_date();
            let (hour, minute, second, nano) = wall.to_hms_nano();
            let month = u8::from(month);
            write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nano:09}Z")
        })
    }

    /// `14:03:07.284`: the time of day in UTC, ms.
    #[must_use]
    pub fn time_of_day(self, at: BootNs) -> impl fmt::Display {
        let (hour, minute, second, milli) = self.wall(at).to_hms_milli();
        fmt::from_fn(move |f| write!(f, "{hour:02}:{minute:02}:{second:02}.{milli:03}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits_whatever_they_are() {
        let clock = Clock { boot_to_wall_ns: 1_795_269_787_000_000_000 };
        assert_eq!(clock.rfc3339(BootNs(0)).to_string(), "2026-11-21T14:03:07.000000000Z");
        assert_eq!(clock.rfc3339(BootNs(284_000_001)).to_string(), "2026-11-21T14:03:07.284000001Z");
        assert_eq!(clock.time_of_day(BootNs(284_999_999)).to_string(), "14:03:07.284");
    }

    #[test]
    fn no_offset_is_out_of_range() {
        for boot_to_wall_ns in [i64::MIN, -1, 0, i64::MAX] {
            for at in [0, u64::MAX] {
                let year = Clock { boot_to_wall_ns }.wall(BootNs(at)).year();
                assert!((1677..=2847).contains(&year), "{year}");
            }
        }
        assert_eq!(Clock { boot_to_wall_ns: i64::MAX }.rfc3339(BootNs(u64::MAX)).to_string().len(), 30);
    }
}
