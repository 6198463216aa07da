//! The program's home, on virtual time: what happens outside happens when somebody waits for it.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::time::Duration;

use hypercall::fake::{FakeHost, FakeWaker};
use hypercall::{
    ConsoleError, EntropyUnavailable, Host, HostRequest, Input, Instant, OutOfPages, Pages, Stream,
};

/// How often one call may wait. What wakes it is timers, of which there are few, and the console.
const WAITS: usize = 10_000;
/// How often in a row it may wait for a time that has passed.
const IDLE_WAITS: usize = 100;
/// The most that is typed ahead.
const TYPED: usize = 4096;

/// What unwinds when the program has ended, or waits for what never comes.
pub struct Ended;

/// A home of a program.
pub struct Home {
    /// Its clock, entropy and pages.
    inner: FakeHost,
    input: VecDeque<u8>,
    input_ended: bool,
    requests: VecDeque<HostRequest>,
    /// Waits since the call began.
    waits: usize,
    idle_waits: usize,
    /// How often it was asked to end because it waits for nothing that can come.
    patience: usize,
    /// The call going on may wait for ever.
    may_wait: bool,
}

impl Home {
    pub fn new() -> Self {
        Self {
            inner: FakeHost::new(),
            input: VecDeque::new(),
            input_ended: false,
            requests: VecDeque::new(),
            waits: 0,
            idle_waits: 0,
            patience: 0,
            may_wait: false,
        }
    }

    /// Begins a call, which may wait for what never comes or not.
    pub fn begin(&mut self, may_wait: bool) {
        self.waits = 0;
        self.idle_waits = 0;
        self.patience = 0;
        self.may_wait = may_wait;
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        self.inner.advance(time);
    }

    /// Types `bytes` at standard input.
    pub fn type_input(&mut self, bytes: &[u8]) {
        let room = TYPED.saturating_sub(self.input.len());
        self.input.extend(bytes.iter().take(room));
    }

    /// Ends standard input.
    pub fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// Asks for `request`.
    pub fn ask(&mut self, request: HostRequest) {
        self.requests.push_back(request);
    }

    /// Has something happen for a call that waits without a deadline: input comes and ends, and
    /// then somebody asks it to end. If that is nothing to it either, the program is stuck for
    /// ever, as programs may be.
    fn happen(&mut self) {
        self.patience += 1;
        match self.patience {
            1 => self.type_input(b"input\n"),
            2 => self.end_input(),
            3 => self.ask(HostRequest::Terminate),
            _ => {
                assert!(self.may_wait, "a call waits that should not");
                resume_unwind(Box::new(Ended));
            }
        }
    }
}

impl Host for Home {
    type Waker = FakeWaker;

    fn monotonic(&mut self) -> Instant {
        self.inner.monotonic()
    }

    fn wall_clock(&mut self) -> Duration {
        self.inner.wall_clock()
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        self.inner.fill_entropy(bytes)
    }

    /// Output goes nowhere, a little of it at a time.
    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        match stream {
            Stream::Input => Err(ConsoleError::Closed),
            Stream::Output | Stream::Error => Ok(bytes.len().min(1000)),
        }
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        assert!(!buffer.is_empty(), "there is to be room for input");
        let count = buffer.len().min(self.input.len());
        if count == 0 {
            let ended = self.input_ended;
            return Ok(if ended { Input::End } else { Input::Pending });
        }
        for (place, byte) in buffer.iter_mut().zip(self.input.drain(..count)) {
            *place = byte;
        }
        Ok(Input::Bytes(count))
    }

    fn console_is_terminal(&self, stream: Stream) -> bool {
        stream == Stream::Error
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        self.requests.pop_front()
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.waits += 1;
        assert!(self.waits <= WAITS, "a call does nothing but wait");
        let Some(deadline) = deadline else {
            return self.happen();
        };
        if deadline <= self.inner.monotonic() {
            self.idle_waits += 1;
            assert!(self.idle_waits <= IDLE_WAITS, "it waits for the past");
        } else {
            self.idle_waits = 0;
        }
        self.inner.wait(Some(deadline));
    }

    fn waker(&self) -> FakeWaker {
        self.inner.waker()
    }

    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        self.inner.allocate_pages(count)
    }

    fn release_pages(&mut self, pages: Pages) {
        self.inner.release_pages(pages);
    }

    fn exit(&mut self, _status: u8) -> ! {
        resume_unwind(Box::new(Ended))
    }
}
