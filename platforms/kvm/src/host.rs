//! The machine as a home of components.

use alloc::boxed::Box;
use core::num::NonZeroUsize;
use core::time::Duration;

use hypercall::{
    ConsoleDevice, ConsoleError, EntropySource, EntropyUnavailable, Host, HostRequest, Input,
    Instant, OutOfPages, Pages, Stream, Wake,
};

use crate::clock::Clock;
use crate::console::CONSOLE;
use crate::entropy::Mix;
use crate::kernel_cell::KernelCell;
use crate::memory::MEMORY;
use crate::{console, entropy, failure, interrupts, machine, wait};

/// The one machine's clock.
pub(crate) static CLOCK: KernelCell<ClockCell> = KernelCell::new(ClockCell(None));

/// A clock that starts when it is first read, which the machine's start does.
pub(crate) struct ClockCell(Option<Clock>);

impl ClockCell {
    fn clock(&mut self) -> &mut Clock {
        self.0.get_or_insert_with(Clock::start)
    }

    pub(crate) fn now(&mut self) -> Instant {
        self.clock().now()
    }

    pub(crate) fn next_fit_ns(&mut self) -> Option<u64> {
        self.clock().next_fit_ns()
    }
}

/// The machine. There is one; [`machine::start`](crate::start) makes it.
pub struct KvmHost {
    /// The time since 1970 when the clock began.
    epoch: Duration,
    /// What carries the streams in place of the I/O ports.
    console: Option<Box<dyn ConsoleDevice>>,
    /// What gives random bytes beside the processor.
    entropy: Option<Box<dyn Mix>>,
}

impl KvmHost {
    /// The machine, whose clock began at `epoch`.
    pub(crate) fn new(epoch: Duration) -> Self {
        Self {
            epoch,
            console: None,
            entropy: None,
        }
    }

    /// Has random bytes come from `source` as well from now on.
    pub fn add_entropy(&mut self, source: impl EntropySource + Send + 'static) {
        self.entropy = Some(Box::new(source));
    }

    /// Has `device` carry the console's streams from now on. As long as nobody is at its other end,
    /// and when it fails, output goes out by the I/O ports.
    pub fn attach_console(&mut self, device: Box<dyn ConsoleDevice>) {
        self.console = Some(device);
    }

    /// How many bytes the console device took, if there is one and it works.
    fn write_to_device(&mut self, stream: Stream, bytes: &[u8]) -> Option<usize> {
        let device = self.console.as_mut()?;
        if bytes.is_empty() {
            return Some(0);
        }
        loop {
            match device.write(stream, bytes) {
                Ok(0) => wait::wait(None),
                written => return written.ok(),
            }
        }
    }

    /// Waits until the console device has sent everything.
    fn drain_device(&mut self) {
        if let Some(device) = &mut self.console {
            while !device.is_drained() {
                wait::wait(None);
            }
        }
    }
}

impl Host for KvmHost {
    type Waker = MachineWaker;

    fn monotonic(&mut self) -> Instant {
        CLOCK.with(ClockCell::now)
    }

    fn wall_clock(&mut self) -> Duration {
        self.epoch + Duration::from_nanos(self.monotonic().as_nanos())
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        let own = entropy::fill(bytes);
        match &mut self.entropy {
            Some(source) => source.mix(own, bytes),
            None => own,
        }
    }

    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        match self.write_to_device(stream, bytes) {
            Some(length) => Ok(length),
            None => CONSOLE.with(|console| console.write(stream, bytes)),
        }
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        match &mut self.console {
            Some(device) => device.read(buffer),
            None => CONSOLE.with(|console| console.read(buffer)),
        }
    }

    fn console_is_terminal(&self, stream: Stream) -> bool {
        CONSOLE.with(|console| console.is_terminal(stream))
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        CONSOLE.with(|console| console.take_request())
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        wait::wait(deadline);
    }

    fn waker(&self) -> MachineWaker {
        MachineWaker
    }

    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        MEMORY
            .with(|memory| memory.allocate(count))
            .ok_or(OutOfPages)
    }

    fn release_pages(&mut self, pages: Pages) {
        MEMORY.with(|memory| memory.release(pages));
    }

    fn exit(&mut self, status: u8) -> ! {
        self.drain_device();
        failure::record_program();
        console::write_exit_status(status);
        machine::reset()
    }
}

/// Ends the machine's wait.
#[derive(Clone, Copy, Debug)]
pub struct MachineWaker;

impl Wake for MachineWaker {
    fn wake(&self) {
        interrupts::wake();
    }
}
