//! The running QEMU, and our ends of its channels.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::thread::JoinHandle;

use rustix::io::FdFlags;

use super::child;
use super::qemu::{Channels, Machine};

/// How much of what QEMU says is kept, in bytes: it is meant for a person.
const MESSAGES_LENGTH: u64 = 1 << 16;

/// How much is kept of what is handed over of code that failed: room for two stacks.
const FAILURE_LENGTH: u64 = 1 << 18;

/// A machine that runs, and our ends of its channels.
pub struct Process {
    /// What runs it.
    pub qemu: Qemu,
    /// The serial port.
    pub control: UnixStream,
    /// What the guest writes to standard output.
    pub output: PipeReader,
    /// What the guest writes to standard error.
    pub error: PipeReader,
    /// Where the exit status will come.
    pub status: PipeReader,
    /// What is handed over of code that failed.
    pub failure: Failure,
}

/// What a machine hands over of code that failed, as it comes.
pub struct Failure(JoinHandle<Vec<u8>>);

impl Failure {
    /// Waits until the machine has ended, and returns it.
    pub fn finish(self) -> Vec<u8> {
        // A panic there has been shown.
        self.0.join().unwrap_or_default()
    }
}

/// A running QEMU. It ends when this is dropped, and when our process ends in whatever way.
pub struct Qemu {
    child: Child,
    messages: Option<JoinHandle<Vec<u8>>>,
}

impl Process {
    /// Starts `program` for `machine`, whose console reads from `input` if it has one, and shows
    /// the command when asked.
    pub fn start(
        program: &Path,
        machine: &Machine,
        input: Option<BorrowedFd>,
        show: bool,
    ) -> io::Result<Self> {
        let (output, output_end) = io::pipe()?;
        let (error, error_end) = io::pipe()?;
        let (status, status_end) = io::pipe()?;
        let (failure, failure_end) = io::pipe()?;
        let (control, control_end) = UnixStream::pair()?;
        let wire = machine.network.and_then(|network| network.wire.as_ref());
        let channels = [
            output_end.as_fd(),
            error_end.as_fd(),
            status_end.as_fd(),
            failure_end.as_fd(),
            control_end.as_fd(),
        ];
        let wire = wire.map(AsFd::as_fd);
        for end in channels.into_iter().chain(wire).chain(input) {
            // No other program is started meanwhile, so QEMU alone inherits it.
            rustix::io::fcntl_setfd(end, FdFlags::empty())?;
        }
        let arguments = machine.arguments(Channels {
            output: output_end.as_raw_fd(),
            error: error_end.as_raw_fd(),
            status: status_end.as_raw_fd(),
            failure: failure_end.as_raw_fd(),
            control: control_end.as_raw_fd(),
            input: input.map(|input| input.as_raw_fd()),
        });
        if show {
            eprintln!("{}", shell_line(program, &arguments));
        }
        Ok(Self {
            qemu: Qemu::start(program, &arguments)?,
            control,
            output,
            error,
            status,
            failure: Failure(std::thread::spawn(|| front(failure, FAILURE_LENGTH))),
        })
    }
}

impl Qemu {
    fn start(program: &Path, arguments: &[OsString]) -> io::Result<Self> {
        let mut child = child::spawn(program, arguments)?;
        let messages = child
            .stderr
            .take()
            .map(|stderr| std::thread::spawn(|| front(stderr, MESSAGES_LENGTH)));
        Ok(Self { child, messages })
    }

    /// Ends it at once. What the guest wrote before can still be read.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// Waits until it has ended, and returns what it said.
    pub fn wait(mut self) -> io::Result<String> {
        self.child.wait()?;
        let messages = self
            .messages
            .take()
            .map(|thread| thread.join().unwrap_or_default());
        Ok(String::from_utf8_lossy(&messages.unwrap_or_default()).into_owned())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It has mostly ended before, and there is nothing to do about a failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all that comes, so that the other end never waits for us, and keeps `length` bytes.
fn front(mut from: impl Read, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A failure ends it; the rest is not worth more.
    let _ = from.by_ref().take(length).read_to_end(&mut bytes);
    let _ = io::copy(&mut from, &mut io::sink());
    bytes
}

/// The command as a person could type it into a shell.
fn shell_line(program: &Path, arguments: &[OsString]) -> String {
    let words =
        std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    let quoted: Vec<String> = words
        .map(|word| shell_word(&word.to_string_lossy()))
        .collect();
    quoted.join(" ")
}

/// `word` in quotes where a shell would otherwise see more in it than a word.
fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.,:/@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        let line = shell_line(
            Path::new("qemu"),
            &["-append".into(), "a b".into(), "it's".into()],
        );
        assert_eq!(line, "qemu -append 'a b' 'it'\\''s'");
    }
}
