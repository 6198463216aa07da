//! The host's console as descriptors 0, 1 and 2, with input read ahead so that it can be polled.

use alloc::vec::Vec;

use hypercall::{ConsoleError, Host, Input, Sink, Source, Stream};

use crate::description::{DescriptionId, Object};
use crate::flags::{Access, StatusFlags};
use crate::readiness::{Readiness, Step, StepResult};
use crate::ring::ByteRing;
use crate::{Errno, Fd, Kernel};

/// How many bytes of input are read ahead.
const READ_AHEAD: usize = 4096;

/// How many bytes of output go to the host at a time.
const CHUNK: usize = 512;

/// What is known of the console's input.
#[derive(Debug)]
pub(crate) struct Console {
    input: ByteRing,
    ended: bool,
    /// Descriptions of it that some epoll watches.
    watched: Vec<DescriptionId>,
}

impl Console {
    pub(crate) const fn new() -> Self {
        Self {
            input: ByteRing::new(READ_AHEAD),
            ended: false,
            watched: Vec::new(),
        }
    }

    fn is_readable(&self) -> bool {
        self.ended || self.input.len() > 0
    }
}

impl<H: Host> Kernel<H> {
    /// Opens descriptors 0, 1 and 2.
    pub(crate) fn open_standard_descriptors(&mut self) -> Result<(), Errno> {
        for (stream, access) in [
            (Stream::Input, Access::READ),
            (Stream::Output, Access::WRITE),
            (Stream::Error, Access::WRITE),
        ] {
            let object = Object::Console(Some(stream));
            self.open_object(object, access, StatusFlags::empty(), false)?;
        }
        Ok(())
    }

    /// Whether a person's terminal is behind `fd`.
    pub fn isatty(&self, fd: Fd) -> Result<bool, Errno> {
        Ok(match self.description(fd)?.1.object {
            Object::Console(stream) => self.console_is_terminal(stream),
            _ => false,
        })
    }

    pub(crate) fn console_is_terminal(&self, stream: Option<Stream>) -> bool {
        let stream = stream.unwrap_or(Stream::Output);
        self.host.console_is_terminal(stream)
    }

    /// Gives input that has come: a read returns what there is rather than wait for more.
    pub(crate) fn read_console(
        &mut self,
        id: DescriptionId,
        into: &mut dyn Sink,
    ) -> StepResult<usize> {
        if into.remaining() == 0 {
            return Ok(Step::Done(0));
        }
        self.read_ahead()?;
        if !self.console.is_readable() {
            return self.wait_for(id, Readiness::IN);
        }
        Ok(Step::Done(self.console.input.drain(into)))
    }

    /// Hands output to the host. On an error after a first part, that part is what was written.
    pub(crate) fn write_console(
        &mut self,
        stream: Option<Stream>,
        data: &mut dyn Source,
    ) -> Result<usize, Errno> {
        let stream = stream.unwrap_or(Stream::Output);
        let mut chunk = [0; CHUNK];
        let mut written = 0;
        while data.remaining() > 0 {
            let length = data.take(&mut chunk);
            let mut rest = &chunk[..length];
            while !rest.is_empty() {
                match self.host.console_write(stream, rest) {
                    Ok(count) => {
                        written += count;
                        rest = &rest[count..];
                    }
                    Err(_) if written > 0 => return Ok(written),
                    Err(error) => {
                        self.raise_broken_pipe(error != ConsoleError::Closed);
                        return Err(error.into());
                    }
                }
            }
        }
        Ok(written)
    }

    pub(crate) fn console_readiness(&mut self, stream: Option<Stream>) -> Readiness {
        match stream {
            Some(Stream::Output | Stream::Error) => Readiness::OUT,
            Some(Stream::Input) => self.console_input_readiness(),
            None => Readiness::OUT | self.console_input_readiness(),
        }
    }

    fn console_input_readiness(&mut self) -> Readiness {
        // A failure shows when the input is read.
        let failed = self.read_ahead().is_err();
        match failed || self.console.is_readable() {
            true => Readiness::IN,
            false => Readiness::empty(),
        }
    }

    /// How many bytes a read would find (FIONREAD).
    pub(crate) fn console_available(&mut self) -> Result<usize, Errno> {
        self.read_ahead()?;
        Ok(self.console.input.len())
    }

    /// From now on an epoll wants to hear of input for the description `id`.
    pub(crate) fn watch_console(&mut self, id: DescriptionId) -> Result<(), Errno> {
        let watched = &mut self.console.watched;
        if !watched.contains(&id) {
            watched.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            watched.push(id);
        }
        Ok(())
    }

    /// Looks for input that an epoll wants to hear of.
    pub(crate) fn progress_console(&mut self) {
        if !self.console.watched.is_empty() {
            // A failure shows when the input is read.
            let _ = self.read_ahead();
        }
    }

    /// Tells watchers that there is input where there was none.
    fn notify_console(&mut self) {
        let mut watched = core::mem::take(&mut self.console.watched);
        watched.retain(|id| self.descriptions.get(*id).is_some());
        for id in &watched {
            self.notify(*id, Readiness::IN);
        }
        self.console.watched = watched;
    }

    /// Reads input from the host if none is left here.
    fn read_ahead(&mut self) -> Result<(), Errno> {
        if self.console.is_readable() {
            return Ok(());
        }
        match self.host.console_read(self.console.input.vacant()?)? {
            Input::Bytes(length) => self.console.input.advance(length),
            Input::Pending => return Ok(()),
            Input::End => self.console.ended = true,
        }
        self.notify_console();
        Ok(())
    }
}
