//! What came of the cases, as a table for people.
#![expect(clippy::print_stdout, reason = "the table is what `cargo xtask zoo` shows")]

use std::fmt::Write as _;
use std::time::Duration;

use super::case::{Case, Place};
use super::expect::Expect;
use super::stops::observed::Judgement;

/// So many cases may be wrong at the first attempt. Real servers do not do the same every time, the less so while seven others
/// run: whoever is right when it is run with few others is right. More than these are no matter of luck.
const FEW: usize = 5;

/// Rows of it, a case each, and what is wrong.
pub(crate) struct Table {
    place: Place,
    rows: Vec<Row>,
    complaints: Vec<String>,
}

struct Row {
    case: String,
    told: String,
    expected: String,
    right: bool,
    time: Option<Duration>,
}

impl Table {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, rows: Vec::new(), complaints: Vec::new() }
    }

    /// A case that panicked. Why, it has said itself.
    pub(crate) fn did_not_run(&mut self, case: &Case) {
        let told = "did not run to its end".to_owned();
        self.rows.push(Row {
            case: case.name.clone(),
            told,
            expected: case.expect.summary(),
            right: false,
            time: None,
        });
        self.complaints.push(format!("{} did not run to its end, see above", case.name));
    }

    /// What one of the tracers told of a case. All of them share a row, where the first that is wrong is shown.
    pub(crate) fn add(&mut self, case: &Case, tracer: &str, expect: &Expect, judgement: Judgement, time: Duration) {
        let complaint = judgement.complaint();
        let right = complaint.is_none();
        self.complaints.extend(complaint.map(|how| format!("{}, {tracer}:\n  {how}", case.name)));
        let row =
            Row { case: case.name.clone(), told: judgement.told, expected: expect.summary(), right, time: Some(time) };
        match self.rows.iter_mut().find(|row| row.case == case.name) {
            Some(old) if old.right => *old = row,
            Some(_) => {}
            None => self.rows.push(row),
        }
    }

    /// Prints it. Returns the cases that were wrong, if they may be run again and are few; panics with all that differs
    /// otherwise.
    #[track_caller]
    pub(crate) fn settle(mut self, again: bool) -> Vec<String> {
        self.rows.sort_by(|one, other| one.case.cmp(&other.case));
        println!("\n{}", self.show());
        let wrong: Vec<_> = self.rows.iter().filter(|row| !row.right).map(|row| row.case.clone()).collect();
        let complaint = format!("{} of {} differ:\n\n{}", wrong.len(), self.rows.len(), self.complaints.join("\n"));
        assert!(wrong.is_empty() || (again && wrong.len() <= FEW), "{complaint}");
        if !wrong.is_empty() {
            println!("{complaint}\n\nOnce more, by themselves: {}", wrong.join(", "));
        }
        wrong
    }

    fn show(&self) -> String {
        let width = |column: fn(&Row) -> &str, title: &str| {
            self.rows.iter().map(|row| column(row).len()).chain([title.len()]).max().unwrap_or_default()
        };
        let case = width(|row| &row.case, "case");
        let told = width(|row| &row.told, "verdict");
        let mut text = format!("{}\n", self.place.title());
        let mut line = |name: &str, verdict: &str, time: &str, outcome: &str| {
            let line = format!("  {name:case$}  {verdict:told$}  {time:>6}  {outcome}");
            writeln!(text, "{}", line.trim_end()).expect("memory");
        };
        line("case", "verdict", "time", "");
        for row in &self.rows {
            let outcome = match (row.right, row.told == row.expected) {
                (true, _) => "ok".to_owned(),
                (false, true) => "WRONG: see below".to_owned(),
                (false, false) => format!("WRONG: should be {}", row.expected),
            };
            let time = row.time.map_or_else(String::new, |time| format!("{:.1} s", time.as_secs_f64()));
            line(&row.case, &row.told, &time, &outcome);
        }
        let right = self.rows.iter().filter(|row| row.right).count();
        writeln!(text, "  {right} of {} are right", self.rows.len()).expect("memory");
        text
    }
}
