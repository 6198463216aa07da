//! One measured number, its bar, and whether the bar holds.

use anyhow::Result;
use serde::Serialize;

/// A measurement. Smaller is better.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// The unit of both numbers.
    pub unit: &'static str,
    /// The most that is promised.
    pub bar: f64,
    /// What was found.
    pub measured: f64,
    /// Whether it is within the bar.
    pub holds: bool,
}

impl Row {
    /// A row for `measured` against `bar`.
    pub fn new(name: &'static str, unit: &'static str, bar: f64, measured: f64) -> Self {
        Self {
            name,
            unit,
            bar,
            measured,
            holds: measured <= bar,
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
    let verdict = if row.holds { "holds" } else { "DOES NOT HOLD" };
    format!(
        "{:<44}{:>10.2} of {:>7.2} {:<8} {verdict}",
        row.name, row.measured, row.bar, row.unit
    )
}

/// The middle one of some measurements; of two in the middle the larger.
pub fn median(measurements: &mut [f64]) -> Option<f64> {
    measurements.sort_by(f64::total_cmp);
    measurements.get(measurements.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_up_to_itself() {
        assert!(Row::new("a", "KB", 96.0, 96.0).holds);
        assert!(!Row::new("a", "KB", 96.0, 96.1).holds);
    }

    #[test]
    fn the_median_shrugs_at_an_outlier() {
        assert_eq!(median(&mut [900.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn a_row_in_json_has_all_its_fields() {
        let row = Row::new("a", "KB", 2.0, 1.5);
        let text = serde_json::to_string(&row).expect("a row has no maps");
        assert_eq!(
            text,
            r#"{"name":"a","unit":"KB","bar":2.0,"measured":1.5,"holds":true}"#
        );
    }
}
