//! [`LinuxHost`]: the parts of a home, put together.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::time::Duration;

use hypercall::{
    ConsoleError, EntropyUnavailable, Host, HostRequest, Input, Instant, OutOfPages, Pages, Stream,
};

use crate::clock::{self, Clock};
use crate::console::Console;
use crate::requests::Requests;
use crate::wait::{LinuxWaker, Readiness, WaitSet};
use crate::{entropy, memory};

/// A process as a home. One process can have many, each with its own clock, console and devices.
///
/// A reader that has gone is an error of [`console_write`](Host::console_write) only where the
/// process ignores SIGPIPE, as Rust programs do.
#[derive(Debug)]
pub struct LinuxHost {
    clock: Clock,
    console: Console,
    wait_set: WaitSet,
    requests: Option<Requests>,
}

impl LinuxHost {
    /// A home whose console is the process's standard streams. Its clock starts now.
    pub fn new() -> io::Result<Self> {
        Self::assemble(Console::standard()?)
    }

    /// A home with a console of its own.
    pub fn with_console(input: OwnedFd, output: OwnedFd, error: OwnedFd) -> io::Result<Self> {
        Self::assemble(Console::new(input, output, error))
    }

    fn assemble(console: Console) -> io::Result<Self> {
        let mut wait_set = WaitSet::new()?;
        wait_set.attach(console.input());
        Ok(Self {
            clock: Clock::new(),
            console,
            wait_set,
            requests: None,
        })
    }

    /// Makes SIGINT and SIGTERM requests of this host
    /// ([`take_request`](Host::take_request)), until it is dropped. Only one host of a process can
    /// have them; for another it is an error of kind [`io::ErrorKind::ResourceBusy`].
    pub fn take_requests(&mut self) -> io::Result<()> {
        if self.requests.is_none() {
            let requests = Requests::take()?;
            self.wait_set.attach(requests.readiness());
            self.requests = Some(requests);
        }
        Ok(())
    }

    /// Makes the wait end when the device behind `readiness` has something new, for as long as the
    /// device exists.
    pub fn attach(&mut self, readiness: &Readiness) {
        self.wait_set.attach(readiness);
    }
}

impl Host for LinuxHost {
    type Waker = LinuxWaker;

    fn monotonic(&mut self) -> Instant {
        self.clock.monotonic()
    }

    fn wall_clock(&mut self) -> Duration {
        clock::wall_clock()
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        entropy::fill(bytes)
    }

    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        self.console.write(stream, bytes)
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        self.console.read(buffer)
    }

    fn console_is_terminal(&self, stream: Stream) -> bool {
        self.console.is_terminal(stream)
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        self.requests.as_mut()?.next()
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let timeout = deadline.map(|deadline| deadline.saturating_since(self.clock.monotonic()));
        self.wait_set.wait(timeout);
    }

    fn waker(&self) -> LinuxWaker {
        self.wait_set.waker()
    }

    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        memory::allocate(count)
    }

    fn release_pages(&mut self, pages: Pages) {
        memory::release(pages);
    }

    fn exit(&mut self, status: u8) -> ! {
        std::process::exit(status.into())
    }
}
