//! The console: three descriptors, which others may share.
//!
//! Their flags are left alone, as O_NONBLOCK would be seen by everybody who has the same open
//! file (the shell, for a terminal). So a read first asks poll(2) whether it would block, and a
//! write waits there if somebody else has set the flag.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hypercall::{ConsoleError, Input, Stream};

use crate::wait::{self, Readiness};

/// Standard input, output and error of one host.
#[derive(Debug)]
pub(crate) struct Console {
    input: Readiness,
    output: File,
    error: File,
    /// Whether each is a terminal, in the order of their numbers.
    terminals: [bool; 3],
    ended: bool,
}

impl Console {
    /// The process's own streams, under descriptors of their own.
    pub fn standard() -> io::Result<Self> {
        Ok(Self::new(
            io::stdin().as_fd().try_clone_to_owned()?,
            io::stdout().as_fd().try_clone_to_owned()?,
            io::stderr().as_fd().try_clone_to_owned()?,
        ))
    }

    pub fn new(input: OwnedFd, output: OwnedFd, error: OwnedFd) -> Self {
        let terminals = [&input, &output, &error].map(IsTerminal::is_terminal);
        Self {
            input: Readiness::new(input),
            output: output.into(),
            error: error.into(),
            terminals,
            ended: false,
        }
    }

    pub fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Input => self.terminals[0],
            Stream::Output => self.terminals[1],
            Stream::Error => self.terminals[2],
        }
    }

    /// What ends a wait for input.
    pub fn input(&self) -> &Readiness {
        &self.input
    }

    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        let mut file = match stream {
            Stream::Input => return Err(ConsoleError::Closed),
            Stream::Output => &self.output,
            Stream::Error => &self.error,
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            match file.write(bytes) {
                Ok(0) => return Err(ConsoleError::Failed),
                Ok(count) => return Ok(count),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => wait_for_room(file)?,
                    ErrorKind::BrokenPipe => return Err(ConsoleError::Closed),
                    _ => return Err(ConsoleError::Failed),
                },
            }
        }
    }

    /// Another reader of the same pipe or terminal may take the bytes between the question and the
    /// read, which then waits for the next ones.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        if self.ended {
            return Ok(Input::End);
        }
        match self.read_now(buffer) {
            Ok(0) => {
                self.ended = true;
                Ok(Input::End)
            }
            Ok(count) => Ok(Input::Bytes(count)),
            Err(error) if is_passing(&error) => {
                self.input.arm(libc::POLLIN);
                Ok(Input::Pending)
            }
            Err(_) => Err(ConsoleError::Failed),
        }
    }

    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut input = self.input.file();
        if !wait::is_ready(input.as_fd(), libc::POLLIN, Some(Duration::ZERO))? {
            return Err(ErrorKind::WouldBlock.into());
        }
        input.read(buffer)
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

fn wait_for_room(file: &File) -> Result<(), ConsoleError> {
    match wait::is_ready(file.as_fd(), libc::POLLOUT, None) {
        Ok(_) => Ok(()),
        Err(error) if is_passing(&error) => Ok(()),
        Err(_) => Err(ConsoleError::Failed),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A console of pipes, and their far ends: input, output, error.
    fn piped() -> (Console, io::PipeWriter, io::PipeReader, io::PipeReader) {
        let (input, typist) = io::pipe().expect("a pipe");
        let (reader, output) = io::pipe().expect("a pipe");
        let (error_reader, error) = io::pipe().expect("a pipe");
        let console = Console::new(input.into(), output.into(), error.into());
        (console, typist, reader, error_reader)
    }

    #[test]
    fn a_reader_that_has_gone_closes_the_stream() {
        let (mut console, _typist, reader, _errors) = piped();
        drop(reader);
        assert_eq!(
            console.write(Stream::Output, b"x"),
            Err(ConsoleError::Closed)
        );
        assert_eq!(console.write(Stream::Error, b"x"), Ok(1));
    }

    #[test]
    fn a_full_stream_that_others_made_non_blocking_is_waited_for() {
        let (input, _typist) = io::pipe().expect("a pipe");
        let (mut reader, output) = UnixStream::pair().expect("sockets");
        let (_, error) = io::pipe().expect("a pipe");
        output.set_nonblocking(true).expect("a flag");
        let mut console = Console::new(input.into(), output.into(), error.into());
        let length = 4 << 20;
        let thread = std::thread::spawn(move || {
            let mut received = vec![0; length];
            reader.read_exact(&mut received).map(|()| received)
        });
        let text: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut rest = &text[..];
        while !rest.is_empty() {
            rest = &rest[console.write(Stream::Output, rest).expect("it goes on")..];
        }
        let received = thread.join().expect("it only reads").expect("all of it");
        assert!(received == text);
    }

    #[test]
    fn flags_of_the_descriptors_stay_as_they_are() {
        // SAFETY: F_GETFL takes and gives numbers only.
        let flags = |file: &File| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
        let (mut console, _typist, _reader, _errors) = piped();
        let before = flags(console.input.file());
        assert_eq!(console.read(&mut [0; 4]), Ok(Input::Pending));
        assert_eq!(console.write(Stream::Output, b"x"), Ok(1));
        assert_eq!(flags(console.input.file()), before);
        assert_eq!(flags(&console.output) & libc::O_NONBLOCK, 0);
    }
}
