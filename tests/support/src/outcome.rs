//! What a program did: two streams and a status.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a program ended, and all that it wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; 128 and the signal's number where a signal ended it.
    pub status: u8,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Outcome {
    pub(crate) fn new(status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        let signal = || 128 + status.signal().expect("it exited or was killed");
        let status = status.code().unwrap_or_else(signal);
        Self {
            status: u8::try_from(status).expect("a status has 8 bits"),
            stdout,
            stderr,
        }
    }

    /// Standard output as text.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.stdout).expect("standard output is UTF-8")
    }

    /// Standard error as text.
    pub fn error_text(&self) -> &str {
        str::from_utf8(&self.stderr).expect("standard error is UTF-8")
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Outcome")
            .field("status", &self.status)
            .field("stdout", &String::from_utf8_lossy(&self.stdout))
            .field("stderr", &String::from_utf8_lossy(&self.stderr))
            .finish()
    }
}
