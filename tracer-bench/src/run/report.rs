//! What came of it: rows, as a table and as JSON.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::machine::{self, Machine};

/// All that was measured in one run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    machine: Machine,
    /// Few and short rounds: no measurement.
    quick: bool,
    /// Load averages of the last minute, at the beginning and at the end.
    load_average: [f64; 2],
    /// Peers that are not installed here.
    absent: Vec<String>,
    pub(super) rows: Vec<Row>,
    bars: Vec<Bar>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// What was measured.
    pub(super) measure: String,
    /// Of whom.
    pub(super) of: String,
    pub(super) unit: String,
    #[serde(flatten)]
    pub(super) spread: Spread,
    /// What else is to be known.
    pub(super) note: String,
}

/// What the rounds gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) rounds: usize,
}

impl Spread {
    /// Of some values; of none it is all zero.
    pub(super) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) && middle > 0 {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        Self { median, least: at(0), most: at(sorted.len().saturating_sub(1)), rounds: sorted.len() }
    }
}

/// A bar that a figure must not miss.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bar {
    pub(super) what: String,
    /// What was found, in words.
    pub(super) found: String,
    pub(super) met: bool,
}

impl Report {
    pub(super) fn new(quick: bool, absent: Vec<String>) -> Result<Self> {
        let load_average = [machine::load_average()?; 2];
        Ok(Self { machine: Machine::this()?, quick, load_average, absent, rows: Vec::new(), bars: Vec::new() })
    }

    /// Adds a figure, and tells it.
    pub(super) fn add(&mut self, measure: &str, of: &str, unit: &str, values: &[f64]) {
        self.add_noted(measure, of, unit, values, String::new());
    }

    /// As [`Report::add`], with something to say.
    pub(super) fn add_noted(&mut self, measure: &str, of: &str, unit: &str, values: &[f64], note: String) {
        let (measure, of, unit) = (measure.to_owned(), of.to_owned(), unit.to_owned());
        let row = Row { measure, of, unit, spread: Spread::of(values), note };
        super::say(&format!("    {}", cells(&row).join("  ")));
        self.rows.push(row);
    }

    /// The median of a figure.
    pub(super) fn median(&self, measure: &str, of: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.measure == measure && row.of == of).map(|row| row.spread.median)
    }

    pub(super) fn close(&mut self, bars: Vec<Bar>) -> Result<()> {
        self.bars = bars;
        self.load_average[1] = machine::load_average()?;
        Ok(())
    }

    /// For people, and in Markdown.
    pub(super) fn table(&self) -> String {
        let [begun, ended] = self.load_average;
        let mut lines = vec![format!("{}; load average {begun:.1} to {ended:.1}", self.machine)];
        if self.quick {
            lines.push("Quick mode: this shows that it works, and is no measurement.".to_owned());
        }
        if !self.absent.is_empty() {
            lines.push(format!("Not installed here: {}.", self.absent.join(", ")));
        }
        let mut measure = "";
        for row in &self.rows {
            if row.measure != measure {
                measure = &row.measure;
                let head = format!("| {measure} | median | least to most | rounds | |");
                lines.extend([String::new(), head, "|---|--:|--:|--:|---|".to_owned()]);
            }
            let [_, of, median, spread, rounds, note] = cells(row);
            lines.push(format!("| {of} | {median} | {spread} | {rounds} | {note} |"));
        }
        if !self.bars.is_empty() {
            lines.extend(["", "| bar | found | |", "|---|---|---|"].map(str::to_owned));
        }
        for Bar { what, found, met } in &self.bars {
            let met = if *met { "met" } else { "missed" };
            lines.push(format!("| {what} | {found} | {met} |"));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

fn cells(row: &Row) -> [String; 6] {
    let Row { measure, of, unit, spread, note } = row;
    let Spread { median, least, most, rounds } = *spread;
    let [median, least, most] = [median, least, most].map(figure);
    let unit = format!("{median} {unit}");
    [measure.clone(), of.clone(), unit, format!("{least} to {most}"), rounds.to_string(), note.clone()]
}

/// Three digits that count, and thousands apart.
fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        below if below < 0.1 => 3,
        below if below < 10.0 => 2,
        below if below < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, _)| (whole, &text[whole.len()..]));
    let mut apart = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && !apart.ends_with('-') {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| {
            let Spread { median, least, most, rounds } = Spread::of(values);
            format!("{median} {least} {most} {rounds}")
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "2 1 3 3");
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), "2.5 1 4 4");
        assert_eq!(spread(&[7.0]), "7 7 7 1");
        assert_eq!(spread(&[]), "0 0 0 0");
    }

    #[test]
    fn figures_have_three_digits_that_count_and_thousands_apart() {
        let all = [0.0, 0.0123, 1.234, 12.34, 123.4, -123.4, 1_234.5, 1_234_567.0, -1_234.5];
        assert_eq!(all.map(figure).join(" "), "0 0.012 1.23 12.3 123 -123 1,234 1,234,567 -1,234");
    }
}
