//! Doing what the contract suite in a booted image asks for (`protocol::staging`).

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use protocol::staging::{Stage, reply};

use crate::LIMIT;

/// All output has arrived when for so long nothing has.
const QUIET: Duration = Duration::from_millis(300);
/// How often an end is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What came of a machine that was directed.
#[derive(Debug)]
pub struct Directed {
    /// The exit status, if no signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub output: Vec<u8>,
    /// The lines of standard error that asked for nothing.
    pub error: Vec<String>,
    /// What was done.
    pub done: Vec<Stage>,
}

/// Runs `command` to its end, and does all that it asks for on its way.
pub fn direct(mut command: Command) -> Directed {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut machine = Machine::new(command.spawn().expect("the command starts"));
    let (mut error, mut done) = (Vec::new(), Vec::new());
    while let Some(line) = machine.next_error_line() {
        match Stage::parse(&line) {
            Some(stage) => {
                machine.perform(&stage);
                done.push(stage);
            }
            None => error.push(line),
        }
    }
    let status = machine.wait();
    Directed {
        status,
        output: machine.output.lock().bytes.clone(),
        error,
        done,
    }
}

/// A running machine. Dropping it ends it.
struct Machine {
    child: Child,
    input: Option<ChildStdin>,
    output: Output,
    error: Receiver<String>,
    deadline: Instant,
}

impl Machine {
    fn new(mut child: Child) -> Self {
        let output = Output::gather(child.stdout.take().expect("piped"));
        let stderr = child.stderr.take().expect("piped");
        let (sender, error) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            // Nobody listens any more once the test has failed.
            lines
                .map_while(|line| sender.send(line).ok())
                .for_each(drop);
        });
        Self {
            input: child.stdin.take(),
            child,
            output,
            error,
            deadline: Instant::now() + LIMIT,
        }
    }

    /// The next line of standard error; `None` at its end.
    fn next_error_line(&self) -> Option<String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.error.recv_timeout(left) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the machine does not come to an end"),
        }
    }

    fn perform(&mut self, stage: &Stage) {
        match stage {
            Stage::Type(bytes) => self.type_input(bytes),
            Stage::EndInput => self.input = None,
            Stage::Interrupt => self.signal(libc::SIGINT),
            Stage::Terminate => self.signal(libc::SIGTERM),
            Stage::TellOutput => self.type_input(&reply(&self.output.settled())),
        }
    }

    fn type_input(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("input that has not ended");
        match input.write_all(bytes) {
            // It ended; its exit status says why.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => {}
        }
    }

    fn signal(&self, signal: libc::c_int) {
        let process = self.child.id().cast_signed();
        // SAFETY: `kill` takes no memory of ours. The child has not been waited for, so the number
        // is still its own.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    fn wait(&mut self) -> Option<i32> {
        while Instant::now() < self.deadline {
            let status = self.child.try_wait().expect("it is our child");
            if let Some(status) = status
                && self.output.lock().has_ended
            {
                return status.code();
            }
            thread::sleep(POLL_INTERVAL);
        }
        panic!("the machine does not end");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has mostly ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream that a thread gathers.
struct Output(Arc<Mutex<Gathered>>);

#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Output {
    fn gather(mut stream: ChildStdout) -> Self {
        let gathered = Self(Arc::default());
        let sink = Self(Arc::clone(&gathered.0));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                sink.lock().bytes.extend(&buffer[..length]);
            }
            sink.lock().has_ended = true;
        });
        gathered
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that has come, once nothing more comes.
    fn settled(&self) -> Vec<u8> {
        let mut before = self.lock().bytes.len();
        loop {
            thread::sleep(QUIET);
            let gathered = self.lock();
            if gathered.bytes.len() == before {
                return gathered.bytes.clone();
            }
            before = gathered.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_done() {
        let script = "
            trap 'echo interrupted' INT
            echo 'contract needs: type one%0A' >&2; read first; echo \"read $first\"
            echo 'contract needs: output so far' >&2; read length; read content
            echo \"$length $content\"; echo other >&2
            echo 'contract needs: interrupt' >&2; sleep 1
            echo 'contract needs: end of input' >&2; cat; exit 5";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let directed = direct(command);
        let text = String::from_utf8_lossy(&directed.output);
        assert_eq!(text, "read one\n9 read one\ninterrupted\n");
        assert_eq!(directed.status, Some(5));
        assert_eq!(directed.error, ["other"]);
        assert_eq!(directed.done.len(), 4);
    }
}
