//! The console's vocabulary: three byte streams, as a program knows them.

use core::fmt;

use thiserror::Error;

use crate::Host;

/// One of a console's streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What [`Host::console_read`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// So many bytes, one at least, now lie at the front of the buffer.
    Bytes(usize),
    /// Nothing for now. The host's waker fires when there is something.
    Pending,
    /// The input has ended, for good.
    End,
}

/// Why a console would not take or give bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ConsoleError {
    /// Whoever read the stream has gone.
    #[error("the console's other end is closed")]
    Closed,
    /// The host failed to carry the bytes.
    #[error("the console failed")]
    Failed,
}

impl embedded_io::Error for ConsoleError {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Closed => embedded_io::ErrorKind::BrokenPipe,
            Self::Failed => embedded_io::ErrorKind::Other,
        }
    }
}

/// A host's output stream as a writer, for `write!` and for whatever speaks `embedded_io`.
#[derive(Debug)]
pub struct ConsoleWriter<'a, H: Host> {
    host: &'a mut H,
    stream: Stream,
}

impl<'a, H: Host> ConsoleWriter<'a, H> {
    /// Writes to `stream` of `host`.
    pub fn new(host: &'a mut H, stream: Stream) -> Self {
        Self { host, stream }
    }
}

impl<H: Host> embedded_io::ErrorType for ConsoleWriter<'_, H> {
    type Error = ConsoleError;
}

impl<H: Host> embedded_io::Write for ConsoleWriter<'_, H> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ConsoleError> {
        self.host.console_write(self.stream, bytes)
    }

    fn flush(&mut self) -> Result<(), ConsoleError> {
        Ok(())
    }
}

impl<H: Host> fmt::Write for ConsoleWriter<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        embedded_io::Write::write_all(self, text.as_bytes()).map_err(|_| fmt::Error)
    }
}
