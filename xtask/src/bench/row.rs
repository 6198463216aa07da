//! One measured number, its bar, and whether the bar holds.

use anyhow::Result;
use serde::Serialize;

/// A measurement.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// The unit of all its numbers.
    pub unit: &'static str,
    /// What is promised, if anything is.
    pub bar: Option<Bar>,
    /// What was found; of several measurements the median.
    pub measured: f64,
    /// The smallest and the largest of several measurements.
    pub spread: Option<(f64, f64)>,
    /// Whether it is within the bar; true without one.
    pub holds: bool,
}

/// A promise.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Smaller is better.
    AtMost(f64),
    /// Larger is better.
    AtLeast(f64),
}

impl Bar {
    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(bar) => measured <= bar,
            Self::AtLeast(bar) => measured >= bar,
        }
    }
}

impl Row {
    /// A row for `measured`, which must not be more than `bar`.
    pub fn at_most(name: &'static str, unit: &'static str, bar: f64, measured: f64) -> Self {
        Self::single(name, unit, Some(Bar::AtMost(bar)), measured)
    }

    /// A row for the median of `measurements` and their spread; `None` without any.
    pub fn of_median(
        name: &'static str,
        unit: &'static str,
        bar: Option<Bar>,
        measurements: &[f64],
    ) -> Option<Self> {
        let mut sorted = measurements.to_vec();
        let mut row = Self::single(name, unit, bar, median(&mut sorted)?);
        row.spread = sorted.first().copied().zip(sorted.last().copied());
        Some(row)
    }

    fn single(name: &'static str, unit: &'static str, bar: Option<Bar>, measured: f64) -> Self {
        Self {
            name,
            unit,
            bar,
            measured,
            spread: None,
            holds: bar.is_none_or(|bar| bar.holds(measured)),
        }
    }
}

/// The rows as one JSON array on standard output.
pub fn print_json(rows: &[Row]) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(rows)?);
    Ok(())
}

/// The rows as a table on standard output.
pub fn print_table(rows: &[Row]) {
    for row in rows {
        println!("{}", line(row));
    }
}

fn line(row: &Row) -> String {
    let bar = match row.bar {
        Some(Bar::AtMost(bar)) => format!("<= {bar:.2}"),
        Some(Bar::AtLeast(bar)) => format!(">= {bar:.2}"),
        None => String::new(),
    };
    let verdict = match (row.bar, row.holds) {
        (None, _) => "",
        (_, true) => "holds",
        (_, false) => "DOES NOT HOLD",
    };
    let spread = row.spread.map_or_else(String::new, |(lowest, highest)| {
        format!("{lowest:.2} to {highest:.2}")
    });
    let line = format!(
        "{:<44}{:>10.2} {:<12}{bar:<11}{verdict:<15}{spread}",
        row.name, row.measured, row.unit
    );
    line.trim_end().to_owned()
}

/// The middle one of some measurements, which are sorted; of two in the middle the larger.
pub fn median(measurements: &mut [f64]) -> Option<f64> {
    measurements.sort_by(f64::total_cmp);
    measurements.get(measurements.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_up_to_itself() {
        assert!(Row::at_most("a", "KB", 96.0, 96.0).holds);
        assert!(!Row::at_most("a", "KB", 96.0, 96.1).holds);
        let at_least = |measured| Row::of_median("a", "x", Some(Bar::AtLeast(1.5)), &[measured]);
        assert_eq!(at_least(1.5).map(|row| row.holds), Some(true));
        assert_eq!(at_least(1.4).map(|row| row.holds), Some(false));
    }

    #[test]
    fn the_median_shrugs_at_an_outlier() {
        assert_eq!(median(&mut [900.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_row_of_many_shows_how_far_they_are_apart() {
        let row = Row::of_median("a", "x", None, &[3.0, 1.0, 2.0]).expect("there are some");
        assert_eq!((row.measured, row.spread), (2.0, Some((1.0, 3.0))));
        assert!(row.holds);
        assert!(line(&row).ends_with("1.00 to 3.00"));
    }

    #[test]
    fn a_row_in_json_has_all_its_fields() {
        let row = Row::at_most("a", "KB", 2.0, 1.5);
        let text = serde_json::to_string(&row).expect("a row has no maps");
        assert_eq!(
            text,
            r#"{"name":"a","unit":"KB","bar":{"at_most":2.0},"measured":1.5,"spread":null,"holds":true}"#
        );
    }
}
