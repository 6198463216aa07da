//! The lines of a process, and when each of them came.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Instant, SystemTime};

use crate::LIMIT;

/// A line of standard output.
#[derive(Debug)]
pub struct TimedLine {
    /// The line, without its end.
    pub text: String,
    /// When it had come.
    pub at: Instant,
    /// The same on the clock on the wall.
    pub wall: SystemTime,
}

/// Runs `command` to its end, which must be a success.
pub fn timed_lines(mut command: Command) -> Vec<TimedLine> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let output = child.stdout.take().expect("piped");
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            let (at, wall) = (Instant::now(), SystemTime::now());
            if sender.send(TimedLine { text, at, wall }).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + LIMIT;
    let mut lines = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                panic!("{command:?} does not come to an end");
            }
        }
    }
    // Its output has ended, so it has too, or does in a moment.
    let status = child.wait().expect("it is our child");
    assert!(status.success(), "{command:?} ended with {status}");
    lines
}
