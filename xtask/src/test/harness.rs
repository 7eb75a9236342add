//! What a test binary says of its tests, line by line: how many, which failed, and why.

use super::Tally;
use std::fmt::Write as _;

/// A test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its name, as the harness takes it with `--exact`.
    pub(super) name: String,
    /// What it printed; empty when the harness showed nothing of it.
    pub(super) reason: String,
}

/// Reads the output of the harness of Rust's standard library:
///
/// ```text
/// failures:
///
/// ---- module::name stdout ----
/// what it printed
///
/// failures:
///     module::name
///
/// test result: FAILED. 2 passed; 1 failed; …
/// ```
#[derive(Debug, Default)]
pub(super) struct Harness {
    /// How many passed and failed.
    pub(super) tally: Tally,
    /// Those that failed.
    pub(super) failures: Vec<Failure>,
    /// What was printed by those that failed, until their names come.
    told: Vec<Failure>,
    reading: Reading,
}

/// Where in the output we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    /// Among the tests.
    #[default]
    Tests,
    /// After the first `failures:`.
    Reasons,
    /// After the second.
    Names,
}

impl Harness {
    /// Takes in a line.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(tally) = Tally::of_line(line) {
            self.tally += tally;
            self.told.clear();
            self.reading = Reading::Tests;
        } else if line == "failures:" {
            // without anything printed there is one heading only, and the names follow at once
            self.reading = if self.reading == Reading::Tests { Reading::Reasons } else { Reading::Names };
        } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.told.push(Failure { name: name.to_owned(), reason: String::new() });
            self.reading = Reading::Reasons;
        } else if self.reading == Reading::Reasons
            && let Some(last) = self.told.last_mut()
        {
            writeln!(last.reason, "{line}").unwrap_or_default();
        } else if self.reading != Reading::Tests
            && let Some(name) = line.strip_prefix("    ")
        {
            let told = self.told.iter().find(|told| told.name == name).cloned();
            self.failures.push(told.unwrap_or_else(|| Failure { name: name.to_owned(), ..Failure::default() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Harness};
    use crate::test::Tally;

    fn read(text: &str) -> Harness {
        let mut harness = Harness::default();
        text.lines().for_each(|line| harness.line(line));
        harness
    }

    #[test]
    fn which_tests_failed_and_why() {
        let harness = read(
            "running 3 tests\ntest a::b ... ok\nKilled\ntest a::c ... FAILED\ntest d ... FAILED\n\nfailures:\n\n\
             ---- a::c stdout ----\nthread 'a::c' panicked at x.rs:1:2:\nwaited 30s\n\n\
             \nfailures:\n    a::c\n    d\n\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        );
        assert_eq!(harness.tally, Tally { passed: 1, failed: 2, skipped: 0 });
        let [first, second] = harness.failures.as_slice() else { panic!("{harness:?}") };
        assert_eq!(first.name, "a::c");
        assert!(first.reason.contains("waited 30s"), "{first:?}");
        assert_eq!(second, &Failure { name: "d".to_owned(), reason: String::new() });
    }

    #[test]
    fn several_binaries_one_after_another() {
        let one = "failures:\n\n---- a stdout ----\nno\n\nfailures:\n    a\n\n\
                   test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        let fine = "test b ... ok\n    a line that a test printed\n\n\
                    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        let harness = read(&format!("{one}{fine}{one}"));
        assert_eq!(harness.tally, Tally { passed: 1, failed: 2, skipped: 0 });
        assert_eq!(harness.failures.iter().map(|failure| failure.name.as_str()).collect::<Vec<_>>(), ["a", "a"]);
    }
}
