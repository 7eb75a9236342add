//! Small pieces of sentences.

/// Milliseconds as a person says them: `3 ms`, `0.25 s`, `3.0 s`, `2 min 5 s`.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0 => "less than 1 ms".to_owned(),
        1..=99 => format!("{ms} ms"),
        100..=999 => format!("{}.{:02} s", ms / 1000, ms % 1000 / 10),
        1_000..=99_949 => {
            let tenths = ms.saturating_add(50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        _ => {
            let seconds = ms.saturating_add(500) / 1000;
            match (seconds / 60, seconds % 60) {
                (minutes, 0) => format!("{minutes} min"),
                (minutes, rest) => format!("{minutes} min {rest} s"),
            }
        }
    }
}

/// A configured length of time: `30 s`, `2.5 s`.
pub(super) fn period(ms: u64) -> String {
    if ms.is_multiple_of(1000) && ms < 100_000 { format!("{} s", ms / 1000) } else { seconds(ms) }
}

/// `1 process`, `3 processes`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let said: Vec<_> = [0, 99, 100, 1_000, 3_049, 99_949, 99_950, 125_000].map(seconds).into();
        assert_eq!(said, ["less than 1 ms", "99 ms", "0.10 s", "1.0 s", "3.0 s", "99.9 s", "1 min 40 s", "2 min 5 s"]);
        assert_eq!([period(30_000), period(2_500), period(300_000)], ["30 s", "2.5 s", "5 min"]);
    }
}
