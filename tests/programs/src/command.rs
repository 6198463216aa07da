//! Commands that must succeed, and that show why when they do not.

use std::process::Command;
use std::time::Duration;

use test_support::{Feed, Process};

/// How many bytes of a failed command's output are shown.
const SHOWN: usize = 4000;

/// Runs `command`, which must succeed within `limit`; returns both of its streams as text.
pub fn run(command: Command, limit: Duration) -> String {
    let description = format!("{command:?}");
    let outcome = Process::start(command, Feed::Bytes(Vec::new()), limit).finish();
    let bytes = [outcome.stdout, outcome.stderr].concat();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let start = text.floor_char_boundary(text.len().saturating_sub(SHOWN));
    assert_eq!(
        outcome.status,
        0,
        "{description} failed:\n{}",
        &text[start..]
    );
    text
}
