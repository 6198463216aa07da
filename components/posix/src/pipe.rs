//! Pipes: bytes in order from those who write to those who read (POSIX.1-2017, `pipe`, `write`).

use hypercall::{Host, Sink, Source};

use crate::description::{DescriptionId, Object};
use crate::flags::Access;
use crate::readiness::{Readiness, Step, StepResult};
use crate::ring::ByteRing;
use crate::signal::Signal;
use crate::slab::Key;
use crate::{Errno, Fd, Kernel, OpenFlags};

/// How many bytes a pipe holds (Linux' default).
const PIPE_CAPACITY: usize = 65_536;

/// A write of no more than this goes in whole or not at all (PIPE_BUF on Linux).
const PIPE_BUF: usize = 4096;

/// A pipe with its two ends. An end is gone when its description is.
#[derive(Debug)]
pub(crate) struct Pipe {
    ring: ByteRing,
    reader: End,
    writer: End,
}

/// One end of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Not yet reached by a description.
    New,
    /// Reached by this one.
    Open(DescriptionId),
    /// Gone.
    Closed,
}

impl Pipe {
    pub(crate) const fn new() -> Self {
        Self {
            ring: ByteRing::new(PIPE_CAPACITY),
            reader: End::New,
            writer: End::New,
        }
    }

    /// Nothing more will go in: one of the ends is gone.
    fn has_ended(&self) -> bool {
        self.reader == End::Closed || self.writer == End::Closed
    }

    fn reader_readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        if self.ring.len() > 0 {
            ready |= Readiness::IN;
        }
        if self.writer == End::Closed {
            ready |= Readiness::HANG_UP;
        }
        ready
    }

    /// Writable means that PIPE_BUF bytes fit, so that whoever is told so can write as much; or
    /// that a write fails at once.
    fn writer_readiness(&self) -> Readiness {
        if self.reader == End::Closed {
            Readiness::OUT | Readiness::ERROR
        } else if self.ring.room() >= PIPE_BUF || self.writer == End::Closed {
            Readiness::OUT
        } else {
            Readiness::empty()
        }
    }

    /// Takes in what fits, or nothing of a small write that does not fit whole.
    fn write(&mut self, data: &mut dyn Source) -> Result<usize, Errno> {
        let wanted = data.remaining();
        if wanted == 0 {
            return Ok(0);
        }
        if self.has_ended() {
            return Err(Errno::EPIPE);
        }
        let least = if wanted > PIPE_BUF { 1 } else { wanted };
        if self.ring.room() < least {
            return Err(Errno::EAGAIN);
        }
        self.ring.fill(data)
    }

    /// Gives what there is; zero at the end, and to who has shut his own end.
    fn read(&mut self, into: &mut dyn Sink, peek: bool) -> Result<usize, Errno> {
        if self.reader == End::Closed {
            return Ok(0);
        }
        if self.ring.len() == 0 && into.remaining() > 0 {
            return match self.writer {
                End::Closed => Ok(0),
                _ => Err(Errno::EAGAIN),
            };
        }
        Ok(match peek {
            true => self.ring.copy_to(into),
            false => self.ring.drain(into),
        })
    }
}

impl<H: Host> Kernel<H> {
    /// A pipe: the descriptor to read from and the one to write to. Only CLOSE_ON_EXEC and
    /// NONBLOCK may be set.
    pub fn pipe2(&mut self, flags: OpenFlags) -> Result<(Fd, Fd), Errno> {
        let flags = flags.only(OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK)?;
        let pipe = self.pipes.insert(Pipe::new())?;
        let (status, close_on_exec) = (flags.status(), flags.contains(OpenFlags::CLOSE_ON_EXEC));
        let reader = Object::PipeReader(pipe);
        let writer = Object::PipeWriter(pipe);
        let reader = match self.open_object(reader, Access::READ, status, close_on_exec) {
            Ok(reader) => reader,
            Err(error) => {
                self.close_pipe_writer(pipe);
                return Err(error);
            }
        };
        match self.open_object(writer, Access::WRITE, status, close_on_exec) {
            Ok(writer) => Ok((reader, writer)),
            Err(error) => {
                self.close(reader)?;
                Err(error)
            }
        }
    }

    pub(crate) fn adopt_pipe_reader(&mut self, pipe: Key<Pipe>, id: DescriptionId) {
        if let Some(pipe) = self.pipes.get_mut(pipe) {
            pipe.reader = End::Open(id);
        }
    }

    pub(crate) fn adopt_pipe_writer(&mut self, pipe: Key<Pipe>, id: DescriptionId) {
        if let Some(pipe) = self.pipes.get_mut(pipe) {
            pipe.writer = End::Open(id);
        }
    }

    /// Moves bytes out of a pipe for the description `id`.
    pub(crate) fn read_pipe(
        &mut self,
        id: DescriptionId,
        pipe: Key<Pipe>,
        into: &mut dyn Sink,
        peek: bool,
    ) -> StepResult<usize> {
        let Some(end) = self.pipes.get_mut(pipe) else {
            return Ok(Step::Done(0)); // Both ends were shut down.
        };
        let blocked = end.writer_readiness().is_empty();
        match end.read(into, peek) {
            Err(Errno::EAGAIN) => self.wait_for(id, Readiness::IN),
            Err(error) => Err(error),
            Ok(moved) => {
                let writer = end.writer;
                if blocked && !end.writer_readiness().is_empty() {
                    self.notify_end(writer, Readiness::OUT);
                }
                Ok(Step::Done(moved))
            }
        }
    }

    /// Moves bytes into a pipe for the description `id`. A reader that has gone is EPIPE, and
    /// SIGPIPE unless `quiet`.
    pub(crate) fn write_pipe(
        &mut self,
        id: DescriptionId,
        pipe: Key<Pipe>,
        data: &mut dyn Source,
        quiet: bool,
    ) -> StepResult<usize> {
        let written = match self.pipes.get_mut(pipe) {
            Some(end) => end.write(data).map(|moved| (moved, end.reader)),
            None => Err(Errno::EPIPE), // Both ends were shut down.
        };
        match written {
            Err(Errno::EAGAIN) => self.wait_for(id, Readiness::OUT),
            Err(Errno::EPIPE) => {
                self.raise_broken_pipe(quiet);
                Err(Errno::EPIPE)
            }
            Err(error) => Err(error),
            Ok((moved, reader)) => {
                if moved > 0 {
                    self.notify_end(reader, Readiness::IN);
                }
                Ok(Step::Done(moved))
            }
        }
    }

    /// The end that reads is gone: writers learn it at once.
    pub(crate) fn close_pipe_reader(&mut self, key: Key<Pipe>) {
        if let Some(pipe) = self.pipes.get_mut(key) {
            pipe.reader = End::Closed;
            let writer = pipe.writer;
            self.drop_or_notify(key, writer, Readiness::OUT | Readiness::ERROR);
        }
    }

    /// The end that writes is gone: readers learn it when they have read the rest.
    pub(crate) fn close_pipe_writer(&mut self, key: Key<Pipe>) {
        if let Some(pipe) = self.pipes.get_mut(key) {
            pipe.writer = End::Closed;
            let reader = pipe.reader;
            self.drop_or_notify(key, reader, Readiness::HANG_UP | Readiness::READ_CLOSED);
        }
    }

    /// Whether nothing more will go into a pipe.
    pub(crate) fn pipe_has_ended(&self, pipe: Key<Pipe>) -> bool {
        self.pipes.get(pipe).is_none_or(Pipe::has_ended)
    }

    pub(crate) fn pipe_reader_readiness(&self, pipe: Key<Pipe>) -> Readiness {
        let pipe = self.pipes.get(pipe);
        pipe.map_or(Readiness::HANG_UP, Pipe::reader_readiness)
    }

    pub(crate) fn pipe_writer_readiness(&self, pipe: Key<Pipe>) -> Readiness {
        let pipe = self.pipes.get(pipe);
        let gone = Readiness::OUT | Readiness::ERROR;
        pipe.map_or(gone, Pipe::writer_readiness)
    }

    /// How many bytes a read would find (FIONREAD).
    pub(crate) fn pipe_available(&self, pipe: Key<Pipe>) -> usize {
        self.pipes.get(pipe).map_or(0, |pipe| pipe.ring.len())
    }

    /// SIGPIPE, unless the caller asked for the error alone.
    pub(crate) fn raise_broken_pipe(&mut self, quiet: bool) {
        if !quiet {
            self.raise(Signal::PIPE);
        }
    }

    /// After one end of a pipe closed: the pipe goes too if the other end has gone before.
    fn drop_or_notify(&mut self, key: Key<Pipe>, other: End, changed: Readiness) {
        match other {
            End::Closed => drop(self.pipes.remove(key)),
            _ => self.notify_end(other, changed),
        }
    }

    fn notify_end(&mut self, end: End, changed: Readiness) {
        if let End::Open(id) = end {
            self.notify(id, changed);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::VecDeque;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::fake_host::{self, try_read, try_write};

    #[derive(Clone, Debug)]
    enum Action {
        Write(usize),
        Read(usize),
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let length = prop_oneof![0..8_usize, 4090..4100_usize, 0..70_000_usize];
        let action = (any::<bool>(), length).prop_map(|(write, length)| match write {
            true => Action::Write(length),
            false => Action::Read(length),
        });
        prop::collection::vec(action, 1..40)
    }

    proptest! {
        #[test]
        fn a_pipe_is_a_bounded_queue_whose_small_writes_are_atomic(actions in actions()) {
            let mut kernel = fake_host::kernel();
            let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
            let mut model: VecDeque<u8> = VecDeque::new();
            for (count, action) in actions.into_iter().enumerate() {
                match action {
                    Action::Write(length) => {
                        let bytes = std::vec![count as u8; length];
                        let room = 65_536 - model.len();
                        let least = if length > 4096 { 1 } else { length };
                        let expected = (room >= least).then_some(length.min(room));
                        let written = try_write(&mut kernel, writer, &bytes).unwrap();
                        prop_assert_eq!(written, expected);
                        model.extend(&bytes[..expected.unwrap_or(0)]);
                    }
                    Action::Read(room) => {
                        let waits = model.is_empty() && room > 0;
                        let length = room.min(model.len());
                        let expected = (!waits).then(|| model.drain(..length).collect::<Vec<_>>());
                        prop_assert_eq!(try_read(&mut kernel, reader, room).unwrap(), expected);
                    }
                }
                let id = kernel.description_id(writer).unwrap();
                let writable = kernel.readiness(id).contains(Readiness::WRITABLE);
                prop_assert_eq!(writable, model.len() <= 65_536 - 4096);
                let id = kernel.description_id(reader).unwrap();
                prop_assert_eq!(kernel.readiness(id).contains(Readiness::READABLE), !model.is_empty());
            }
        }
    }

    #[test]
    fn readers_get_the_rest_and_then_the_end() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        try_write(&mut kernel, writer, b"rest").unwrap();
        let duplicate = kernel.dup(writer).unwrap();
        kernel.close(writer).unwrap();
        assert_eq!(try_read(&mut kernel, reader, 9), Ok(Some(b"rest".to_vec())));
        assert_eq!(try_read(&mut kernel, reader, 9), Ok(None));
        kernel.close(duplicate).unwrap();
        assert_eq!(try_read(&mut kernel, reader, 9), Ok(Some(Vec::new())));
    }

    #[test]
    fn a_write_that_nobody_will_read_raises_a_signal() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        kernel.close(reader).unwrap();
        assert_eq!(try_write(&mut kernel, writer, b""), Ok(Some(0)));
        assert!(!kernel.signals().is_deliverable());
        assert_eq!(try_write(&mut kernel, writer, b"x"), Err(Errno::EPIPE));
        assert!(kernel.signals().pending().contains(Signal::PIPE));
    }

    #[test]
    fn a_pipe_that_does_not_wait_says_so() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::NONBLOCK).unwrap();
        assert_eq!(try_read(&mut kernel, reader, 1), Err(Errno::EAGAIN));
        let full = std::vec![0; PIPE_CAPACITY];
        assert_eq!(
            try_write(&mut kernel, writer, &full),
            Ok(Some(PIPE_CAPACITY))
        );
        assert_eq!(try_write(&mut kernel, writer, b"x"), Err(Errno::EAGAIN));
    }

    #[test]
    fn ends_that_are_gone_leave_nothing_behind() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        let (first, second) = kernel.socketpair(OpenFlags::empty()).unwrap();
        kernel.set_descriptor_limit(7).unwrap();
        assert_eq!(kernel.pipe2(OpenFlags::empty()), Err(Errno::EMFILE));
        assert_eq!(kernel.socketpair(OpenFlags::empty()), Err(Errno::EMFILE));
        for fd in [reader, writer, first, second] {
            kernel.close(fd).unwrap();
        }
        kernel.set_descriptor_limit(4).unwrap();
        assert_eq!(kernel.pipe2(OpenFlags::empty()), Err(Errno::EMFILE));
        assert_eq!(kernel.pipes.iter().count(), 0);
        assert_eq!(kernel.descriptions.iter().count(), 3);
    }
}
