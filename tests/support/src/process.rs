//! A process with a deadline: fed, watched, signalled, and never left behind.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::stream::Stream;

/// How often an exit is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// What standard input gives.
pub enum Feed {
    /// These bytes, then its end.
    Bytes(Vec<u8>),
    /// Nothing until [`Process::feed`] is called, and no end.
    Silence,
    /// Whatever the command was given already.
    Given,
}

/// A process started by a test, with all processes that it starts.
pub struct Process {
    child: Child,
    output: Stream,
    error: Stream,
    deadline: Instant,
    description: String,
    /// Open for as long as the process has no end of input.
    input: Option<ChildStdin>,
}

impl Process {
    /// Starts `command`, which must end within `limit`.
    ///
    /// Standard output and error are gathered unless `feed` is [`Feed::Given`], where the command
    /// decides about all three: then what it made a pipe is gathered.
    pub fn start(mut command: Command, feed: Feed, limit: Duration) -> Self {
        let description = format!("{command:?}");
        if !matches!(feed, Feed::Given) {
            command.stdin(Stdio::piped());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        // A group of its own, so that the deadline ends its children too.
        let mut child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{description}: {error}"));
        let output = child
            .stdout
            .take()
            .map_or_else(Stream::ended, Stream::gather);
        let error = child
            .stderr
            .take()
            .map_or_else(Stream::ended, Stream::gather);
        let mut input = child.stdin.take();
        if let Feed::Bytes(bytes) = feed {
            let pipe = input.take().expect("standard input is a pipe");
            thread::spawn(move || feed_whole(pipe, &bytes));
        }
        Self {
            child,
            output,
            error,
            deadline: Instant::now() + limit,
            description,
            input,
        }
    }

    /// Waits until standard output holds `text`.
    pub fn wait_for_output(&self, text: &str) {
        let has_come = self.output.wait_for(text.as_bytes(), self.deadline);
        assert!(has_come, "{text:?} never came from {}", self.report());
    }

    /// Writes `text` to a standard input that has been silent so far.
    pub fn feed(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it was started in silence");
        let written = input.write_all(text.as_bytes());
        written.unwrap_or_else(|error| panic!("{error}: {}", self.report()));
    }

    /// Sends `signal` to the process itself, as `kill` does.
    pub fn signal(&self, signal: libc::c_int) {
        let process = self.child.id().cast_signed();
        // SAFETY: `kill` takes no memory of ours. The process has not been waited for, so the
        // number is still its own.
        let result = unsafe { libc::kill(process, signal) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// Waits for the end and tells how it was.
    pub fn finish(mut self) -> Outcome {
        let Some(status) = self.wait_for_exit() else {
            panic!("no end in time: {}", self.report());
        };
        let is_whole =
            self.output.wait_for_end(self.deadline) && self.error.wait_for_end(self.deadline);
        assert!(is_whole, "something outlives {}", self.report());
        Outcome::new(status, self.output.bytes(), self.error.bytes())
    }

    fn wait_for_exit(&mut self) -> Option<ExitStatus> {
        loop {
            let status = self.child.try_wait().expect("it is our child");
            if status.is_some() || Instant::now() >= self.deadline {
                return status;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn report(&self) -> String {
        format!(
            "{}\nstandard output: {}\nstandard error: {}",
            self.description,
            self.output.bytes().escape_ascii(),
            self.error.bytes().escape_ascii()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = self.child.id().cast_signed();
            // SAFETY: as in `signal`; the group is the one that `start` made.
            unsafe { libc::kill(-group, libc::SIGKILL) };
            // Reaps it; it cannot refuse the signal.
            let _ = self.child.wait();
        }
    }
}

/// Feeds all of `bytes`. A process may end without reading its input.
fn feed_whole(mut pipe: ChildStdin, bytes: &[u8]) {
    let _ = pipe.write_all(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn streams_and_status_come_apart() {
        let script = "cat; echo oops >&2; exit 200";
        let input = vec![b'x'; 1 << 20];
        let outcome = Process::start(shell(script), Feed::Bytes(input.clone()), LIMIT).finish();
        assert_eq!(outcome.status, 200);
        assert_eq!(outcome.stdout, input);
        assert_eq!(outcome.stderr, b"oops\n");
    }

    #[test]
    fn a_signal_counts_as_a_shell_counts_it() {
        let process = Process::start(shell("echo ready; read line"), Feed::Silence, LIMIT);
        process.wait_for_output("ready\n");
        process.signal(libc::SIGTERM);
        assert_eq!(process.finish().status, 128 + 15);
    }

    #[test]
    fn input_comes_when_it_is_given() {
        let mut process = Process::start(
            shell("read a; echo $a; read b; echo $b"),
            Feed::Silence,
            LIMIT,
        );
        for line in ["one\n", "two\n"] {
            process.feed(line);
            process.wait_for_output(line);
        }
        assert_eq!(process.finish().stdout, b"one\ntwo\n");
    }

    #[test]
    #[should_panic(expected = "no end in time")]
    fn a_process_that_does_not_end_is_ended() {
        let limit = Duration::from_millis(100);
        Process::start(shell("sleep 60 & wait"), Feed::Silence, limit).finish();
    }

    #[test]
    #[should_panic(expected = "never came")]
    fn output_that_does_not_come_is_missed() {
        let process = Process::start(shell("echo other"), Feed::Silence, LIMIT);
        process.wait_for_output("ready");
    }
}
