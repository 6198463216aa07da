//! A host on virtual time, for this crate's tests: waiting is what makes time pass.

extern crate std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;
use std::vec::Vec;

use fs::{RamFs, Vfs};
use hypercall::{
    ConsoleError, EntropyUnavailable, Host, HostRequest, Input, Instant, OutOfPages, Pages,
    SliceSink, SliceSource, Stream, Wake,
};
use net::Network;

use crate::{Errno, Fd, Kernel, OpenFlags, Permissions, Step};

/// When the fake's wall clock began.
pub(crate) const START: Duration = Duration::from_secs(1_700_000_000);

/// What happens at the console at some time.
pub(crate) enum Event {
    Input(&'static [u8]),
    End,
    Request(HostRequest),
}

/// The fake.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) now: Duration,
    /// What happens and when, in order of time.
    pub(crate) events: VecDeque<(Duration, Event)>,
    pub(crate) output: Vec<u8>,
    pub(crate) output_closed: bool,
    /// How often somebody waited.
    pub(crate) waits: usize,
    input: VecDeque<u8>,
    ended: bool,
    requests: VecDeque<HostRequest>,
}

/// Nobody wakes the fake from elsewhere.
#[derive(Clone)]
pub(crate) struct NoWake;

impl Wake for NoWake {
    fn wake(&self) {}
}

impl FakeHost {
    fn happen(&mut self) {
        while self.events.front().is_some_and(|(at, _)| *at <= self.now) {
            match self.events.pop_front().map(|(_, event)| event) {
                Some(Event::Input(bytes)) => self.input.extend(bytes),
                Some(Event::End) => self.ended = true,
                Some(Event::Request(request)) => self.requests.push_back(request),
                None => {}
            }
        }
    }
}

impl Host for FakeHost {
    type Waker = NoWake;

    fn monotonic(&mut self) -> Instant {
        Instant::ZERO + self.now
    }

    fn wall_clock(&mut self) -> Duration {
        START + self.now
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes.fill(0x5A);
        Ok(())
    }

    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        assert_ne!(stream, Stream::Input, "output goes to an output stream");
        if self.output_closed {
            return Err(ConsoleError::Closed);
        }
        // A little at a time, so that callers are seen to go on.
        let length = bytes.len().min(100);
        self.output.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        self.happen();
        if self.input.is_empty() {
            return Ok(if self.ended {
                Input::End
            } else {
                Input::Pending
            });
        }
        let length = buffer.len().min(self.input.len());
        for (place, byte) in buffer.iter_mut().zip(self.input.drain(..length)) {
            *place = byte;
        }
        Ok(Input::Bytes(length))
    }

    fn console_is_terminal(&self, stream: Stream) -> bool {
        stream == Stream::Error
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        self.happen();
        self.requests.pop_front()
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.waits += 1;
        assert!(self.waits < 1000, "the kernel does nothing but wait");
        let deadline = deadline.map(|deadline| Duration::from_nanos(deadline.as_nanos()));
        let event = self.events.front().map(|(at, _)| *at);
        let until = deadline.into_iter().chain(event).min();
        let until = until.expect("the kernel would wait for ever");
        self.now = self.now.max(until);
    }

    fn waker(&self) -> NoWake {
        NoWake
    }

    fn allocate_pages(&mut self, _: NonZeroUsize) -> Result<Pages, OutOfPages> {
        Err(OutOfPages)
    }

    fn release_pages(&mut self, _: Pages) {}

    fn exit(&mut self, status: u8) -> ! {
        panic!("exit {status}")
    }
}

/// A kernel with an empty file system in memory, device nodes, and no network.
pub(crate) fn kernel() -> Kernel<FakeHost> {
    kernel_with(None)
}

/// The same with a network.
pub(crate) fn kernel_with(network: Option<Box<dyn Network>>) -> Kernel<FakeHost> {
    let mut vfs = Vfs::new(Box::new(RamFs::new(1 << 20, START)));
    let devices = Box::new(fs::devices(START, 1));
    vfs.mount(b"/dev", devices).expect("nothing is there");
    Kernel::new(FakeHost::default(), vfs, network).expect("three descriptors fit")
}

impl Kernel<FakeHost> {
    /// Lets `event` happen so long after the start.
    pub(crate) fn at(&mut self, time: Duration, event: Event) {
        self.host.events.push_back((time, event));
    }

    /// How long the kernel has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.host.now
    }

    /// Opens or makes a file.
    pub(crate) fn file(&mut self, path: &[u8], flags: OpenFlags) -> Result<Fd, Errno> {
        self.open(path, flags, Permissions::from_bits_truncate(0o644))
    }
}

/// Reads up to `room` bytes in one step: `None` if it would wait.
pub(crate) fn try_read(
    kernel: &mut Kernel<FakeHost>,
    fd: Fd,
    room: usize,
) -> Result<Option<Vec<u8>>, Errno> {
    let mut bytes = std::vec![0; room];
    let step = kernel.read(fd, &mut SliceSink::new(&mut bytes))?;
    Ok(done(step).map(|length| bytes[..length].to_vec()))
}

/// Writes `bytes` in one step: `None` if it would wait.
pub(crate) fn try_write(
    kernel: &mut Kernel<FakeHost>,
    fd: Fd,
    bytes: &[u8],
) -> Result<Option<usize>, Errno> {
    let step = kernel.write(fd, &mut SliceSource::new(bytes))?;
    Ok(done(step))
}

/// The result of a step that does not wait.
pub(crate) fn done<T>(step: Step<T>) -> Option<T> {
    match step {
        Step::Done(result) => Some(result),
        Step::Wait(_) => None,
    }
}
