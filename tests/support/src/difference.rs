//! Two outcomes that should be one, and where they part.

use std::fmt::Write;

use crate::Outcome;

/// How much of a line is shown, in bytes.
const SHOWN: usize = 200;

/// Says how `booted` differs from `linux`; `None` when it does not.
pub fn difference(linux: &Outcome, booted: &Outcome) -> Option<String> {
    if linux == booted {
        return None;
    }
    let mut text = String::new();
    if linux.status != booted.status {
        let (linux, booted) = (linux.status, booted.status);
        text += &format!("exit status: {linux} on Linux, {booted} booted\n");
    }
    describe("standard output", &linux.stdout, &booted.stdout, &mut text);
    describe("standard error", &linux.stderr, &booted.stderr, &mut text);
    if linux.stderr == booted.stderr && !booted.stderr.is_empty() {
        let start = booted.stderr.len().saturating_sub(SHOWN);
        let end = booted.stderr[start..].escape_ascii();
        writeln!(text, "standard error of both ends: {end}").expect("a string takes all");
    }
    Some(text)
}

fn describe(name: &str, linux: &[u8], booted: &[u8], text: &mut String) {
    if linux == booted {
        return;
    }
    let offset = linux
        .iter()
        .zip(booted)
        .take_while(|(left, right)| left == right)
        .count();
    let line_number = 1 + linux[..offset]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count();
    let (linux_length, booted_length) = (linux.len(), booted.len());
    writeln!(
        text,
        "{name}: {linux_length} bytes on Linux, {booted_length} booted; they part at byte \
         {offset}, in line {line_number}:\n  Linux:  {}\n  booted: {}",
        line_around(linux, offset),
        line_around(booted, offset),
    )
    .expect("a string takes all");
}

/// The line of `text` that `offset` lies in.
fn line_around(text: &[u8], offset: usize) -> String {
    let is_newline = |&byte: &u8| byte == b'\n';
    let start = text[..offset]
        .iter()
        .rposition(is_newline)
        .map_or(0, |at| at + 1);
    let start = start.max(offset.saturating_sub(SHOWN / 2));
    let rest = &text[start..];
    let end = rest
        .iter()
        .position(is_newline)
        .map_or(rest.len(), |at| at + 1);
    if end == 0 {
        return "(its end)".to_owned();
    }
    rest[..end.min(SHOWN)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u8, stdout: &[u8]) -> Outcome {
        Outcome {
            status,
            stdout: stdout.to_vec(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn equal_outcomes_have_none() {
        assert_eq!(difference(&outcome(1, b"x"), &outcome(1, b"x")), None);
    }

    #[test]
    fn the_line_is_shown_where_they_part() {
        let text = difference(&outcome(0, b"one\ntwo\n"), &outcome(3, b"one\ntoo\n")).unwrap();
        assert_eq!(
            text,
            "exit status: 0 on Linux, 3 booted\n\
             standard output: 8 bytes on Linux, 8 booted; they part at byte 5, in line 2:\n  \
             Linux:  two\\n\n  booted: too\\n\n"
        );
    }

    #[test]
    fn what_is_missing_at_the_end_is_shown() {
        let text = difference(&outcome(0, b"one\ntwo\n"), &outcome(0, b"one\n")).unwrap();
        assert!(
            text.contains("Linux:  two\\n\n  booted: (its end)"),
            "{text}"
        );
    }
}
