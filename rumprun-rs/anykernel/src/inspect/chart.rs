//! A bar chart in a terminal.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use crate::sizes::Size;

/// How wide a line is that nobody measures.
const PLAIN_WIDTH: usize = 80;
/// How long a bar is at least, however narrow the terminal.
const BAR_MIN: usize = 8;
/// A full block, and what is left of one by eighths (Unicode, Block Elements).
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const BLOCK: &str = "█";

/// How a chart is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// In ASCII, 80 columns wide.
    Plain,
    /// In blocks, for a terminal of so many columns.
    Terminal(usize),
}

impl Style {
    /// What fits standard output.
    pub fn of_standard_output() -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Self::Plain;
        }
        let columns = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| size.ws_col);
        Self::Terminal(match columns {
            // A terminal that does not know.
            0 => PLAIN_WIDTH,
            columns => columns.into(),
        })
    }

    /// A bar of `eighths` of a column.
    fn bar(self, eighths: usize) -> String {
        match self {
            Self::Plain => "#".repeat(eighths.div_ceil(8)),
            Self::Terminal(_) => BLOCK.repeat(eighths / 8) + EIGHTHS[eighths % 8],
        }
    }
}

/// A line for each size: name, bytes, percent, bar. No line is wider than the style says unless a
/// name leaves no choice.
pub fn draw(sizes: &[Size], style: Style) -> String {
    let name_width = sizes.iter().map(|size| size.part.chars().count()).max();
    let name_width = name_width.unwrap_or(0);
    let largest = sizes
        .iter()
        .map(|size| size.bytes)
        .max()
        .unwrap_or(0)
        .max(1);
    let total: u64 = sizes.iter().map(|size| size.bytes).sum();
    let width = match style {
        Style::Plain => PLAIN_WIDTH,
        Style::Terminal(columns) => columns,
    };
    // Name, bytes and percent, with what stands between them.
    let bar_width = width.saturating_sub(name_width + 21).max(BAR_MIN);
    let mut chart = String::new();
    for Size { part, bytes } in sizes {
        // A part of some bytes is seen.
        let eighths = (bar_width as u64 * 8 * bytes / largest).max(1);
        let bar = style.bar(eighths as usize);
        let percent = *bytes as f64 * 100.0 / total as f64;
        writeln!(
            chart,
            "{part:<name_width$} {bytes:>10} {percent:>5.1} % {bar}"
        )
        .expect("a string takes all");
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(style: Style) -> Vec<String> {
        let size = |part: &str, bytes| Size {
            part: part.to_owned(),
            bytes,
        };
        let sizes = [size("program", 600), size("net", 399), size("kvm", 1)];
        draw(&sizes, style).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_plain_chart_is_ascii() {
        let lines = chart(Style::Plain);
        let bar = "#".repeat(52);
        assert_eq!(lines[0], format!("program        600  60.0 % {bar}"));
        assert_eq!(lines[2], "kvm              1   0.1 % #");
        assert!(lines.iter().all(|line| line.is_ascii()));
    }

    #[test]
    fn a_chart_is_as_wide_as_its_terminal() {
        for columns in [40, 80, 200] {
            let lines = chart(Style::Terminal(columns));
            let widths = lines.iter().map(|line| line.chars().count());
            assert!(
                widths
                    .max()
                    .is_some_and(|width| (columns - 1..=columns).contains(&width))
            );
            assert!(lines[2].ends_with(['▏', '▎']), "{lines:?}");
        }
        assert!(chart(Style::Terminal(5))[0].ends_with(&BLOCK.repeat(BAR_MIN)));
    }
}
