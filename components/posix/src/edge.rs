//! The edge: the one place where clocks are read and where a kernel waits.
//!
//! Everything below is steps that do not block. Here the world moves on (frames, input, timers),
//! a step is tried again, and when nothing is left to do the host waits.

use core::time::Duration;

use hypercall::{Host, HostRequest, Instant};

use crate::readiness::{Readiness, Step, StepResult, Wait};
use crate::signal::{Origin, Signal, SignalInfo};
use crate::{Errno, Kernel};

/// A program that never waits has the world moved on this often all the same, so that a signal
/// reaches it and its frames are sent: as often as a clock tick of Linux comes.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(10);

/// How long [`drain`] waits for a sign that something has arrived: two of the times after which a
/// first segment is sent again (RFC 6298, 2.1).
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Waits until everything that the program has sent on sockets which are closed now has reached
/// its peers: a kernel that ends with its program must not take the last answer with it.
///
/// It waits as long as something arrives in two seconds at a time; and no connection lives on for
/// longer than the network lets it without its socket. Whoever asks for the program's end a second
/// time need not wait at all.
pub fn drain<H: Host>(kernel: &mut Kernel<H>) {
    let mut left = usize::MAX;
    let mut deadline = Instant::ZERO;
    loop {
        kernel.read_clocks();
        let moved = kernel.progress_network();
        let network = kernel.network.as_ref();
        let still = network.map_or(0, |network| network.undelivered());
        if still < left {
            left = still;
            deadline = kernel.clock.now + DRAIN_PATIENCE;
        }
        if still == 0 || kernel.has_passed(Some(deadline)) || kernel.host.take_request().is_some() {
            return;
        }
        if !moved {
            let next = network.and_then(|network| network.next_deadline());
            kernel.host.wait(next.into_iter().chain([deadline]).min());
        }
    }
}

/// Runs an operation that does not wait, at the time now.
pub fn call<H: Host, T>(kernel: &mut Kernel<H>, operation: impl FnOnce(&mut Kernel<H>) -> T) -> T {
    kernel.enter();
    let result = operation(kernel);
    kernel.leave();
    result
}

/// Runs `step` until it is done, and waits as long as it asks for. A signal that is to be
/// delivered ends the wait with EINTR.
pub fn block_on<H: Host, T>(
    kernel: &mut Kernel<H>,
    mut step: impl FnMut(&mut Kernel<H>) -> StepResult<T>,
) -> Result<T, Errno> {
    kernel.enter();
    let result = run(kernel, &mut step);
    kernel.leave();
    result
}

/// Runs `step` until nothing of `data` is left, or it moves nothing, or it fails; an error after
/// a first part has been moved leaves that part's length as the result. `remaining` is
/// [`Source::remaining`](hypercall::Source::remaining) or
/// [`Sink::remaining`](hypercall::Sink::remaining).
///
/// A blocking `write` is this: it ends when everything is written (POSIX.1-2017, `write`).
pub fn block_on_all<H: Host, D: ?Sized>(
    kernel: &mut Kernel<H>,
    data: &mut D,
    remaining: fn(&D) -> usize,
    mut step: impl FnMut(&mut Kernel<H>, &mut D) -> StepResult<usize>,
) -> Result<usize, Errno> {
    kernel.enter();
    let mut total = 0;
    let result = loop {
        let before = remaining(data);
        match run(kernel, &mut |kernel| step(kernel, data)) {
            Err(error) if total == 0 => break Err(error),
            Err(_) => break Ok(total),
            Ok(moved) => {
                total += moved;
                // Less arrived than was taken when something failed half way.
                let lost = before - remaining(data) != moved;
                if moved == 0 || lost || remaining(data) == 0 {
                    break Ok(total);
                }
            }
        }
    };
    kernel.leave();
    result
}

fn run<H: Host, T>(
    kernel: &mut Kernel<H>,
    step: &mut dyn FnMut(&mut Kernel<H>) -> StepResult<T>,
) -> Result<T, Errno> {
    loop {
        match step(kernel) {
            // Before a program is told that nothing has come, the devices are asked.
            Err(Errno::EAGAIN) if !kernel.clock.progressed => {
                kernel.move_on();
            }
            Err(error) => return Err(error),
            Ok(Step::Done(result)) => return Ok(result),
            Ok(Step::Wait(wait)) => kernel.wait(&wait)?,
        }
    }
}

impl<H: Host> Kernel<H> {
    /// Begins an operation: reads the clocks, and moves the world on if nobody has for a while.
    /// For who calls operations without [`call`] or [`block_on`].
    pub fn enter(&mut self) {
        self.read_clocks();
        self.clock.progressed = false;
        let idle = self.clock.now.saturating_since(self.clock.progressed_at);
        if idle >= PROGRESS_INTERVAL {
            self.move_on();
        }
        self.clock.began = self.clock.now;
    }

    /// Ends an operation: what it gave the network to send is sent.
    pub fn leave(&mut self) {
        if self.sockets.take_dirty() {
            self.progress_network();
        }
    }

    /// Moves the world on as far as it goes without waiting: frames, console input, timers, the
    /// host's requests. Says whether frames moved, and so whether more may at once.
    pub fn progress(&mut self) -> bool {
        self.read_clocks();
        self.move_on()
    }

    /// As [`progress`](Self::progress), at the time that was read last.
    fn move_on(&mut self) -> bool {
        self.clock.progressed = true;
        self.clock.progressed_at = self.clock.now;
        while let Some(request) = self.host.take_request() {
            self.raise(match request {
                HostRequest::Interrupt => Signal::INTERRUPT,
                HostRequest::Terminate => Signal::TERMINATE,
            });
        }
        self.signals.advance(self.clock.now);
        self.progress_timers();
        self.progress_console();
        self.progress_disks();
        self.progress_network()
    }

    /// Moves the world on unless that was done since the operation began: for operations that
    /// say what is ready and may not wait for it.
    pub(crate) fn progress_once(&mut self) {
        if !self.clock.progressed {
            self.move_on();
        }
    }

    /// When [`progress`](Self::progress) must be called though nothing happens outside.
    pub fn next_deadline(&self) -> Option<Instant> {
        let network = self.network.as_ref();
        [
            self.signals.next_deadline(),
            self.timers.next_deadline(),
            network.and_then(|network| network.next_deadline()),
            self.disk_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether a step that returned `wait` is worth another try.
    pub fn is_over(&mut self, wait: &Wait) -> bool {
        self.has_passed(wait.deadline)
            || wait.disk.is_some_and(|wait| self.has_disk_moved(wait))
            || wait
                .interest
                .iter()
                .chain(&wait.interests)
                .any(|(id, wanted)| {
                    let wanted = *wanted | Readiness::ALWAYS | Readiness::INVALID;
                    self.readiness(*id).intersects(wanted)
                })
    }

    /// Whether there is a deadline and it has come.
    pub(crate) fn has_passed(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|deadline| deadline <= self.clock.now)
    }

    /// Makes a signal of the kernel's own pending.
    pub(crate) fn raise(&mut self, signal: Signal) {
        self.signals.raise(SignalInfo {
            signal,
            origin: Origin::Kernel,
        });
    }

    /// Waits until `wait` is over or a signal is to be delivered.
    fn wait(&mut self, wait: &Wait) -> Result<(), Errno> {
        loop {
            let moved = self.progress();
            if self.is_over(wait) {
                return Ok(());
            }
            if wait.disk.is_none() && self.signals.is_deliverable() {
                return Err(Errno::EINTR);
            }
            if !moved {
                let deadlines = [wait.deadline, self.next_deadline()];
                self.host.wait(deadlines.into_iter().flatten().min());
            }
        }
    }

    /// Reads the clocks for the first time. There is nothing yet that could move on.
    pub(crate) fn start_clocks(&mut self) {
        self.read_clocks();
        self.clock.began = self.clock.now;
        self.clock.progressed_at = self.clock.now;
    }

    fn read_clocks(&mut self) {
        let now = self.host.monotonic();
        self.clock.now = now;
        let (_, read_at) = self.clock.wall_read;
        // Between two looks the wall clock runs at the rate of the other.
        if read_at.is_none_or(|at| now.saturating_since(at) >= PROGRESS_INTERVAL) {
            self.clock.wall_read = (self.host.wall_clock(), Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use hypercall::{SliceSink, SliceSource, Source};

    use super::*;
    use crate::fake_host::{self, Event, FakeHost};
    use crate::fake_network::FakeNetwork;
    use crate::signal::{Action, Handler};
    use crate::{Fd, OpenFlags};

    const SECOND: Duration = Duration::from_secs(1);

    fn read(kernel: &mut Kernel<FakeHost>, fd: Fd, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut sink = SliceSink::new(buffer);
        block_on(kernel, |kernel| kernel.read(fd, &mut sink))
    }

    #[test]
    fn a_kernel_moves_between_threads() {
        fn assert_send<T: Send>() {}
        assert_send::<Kernel<FakeHost>>();
    }

    #[test]
    fn a_read_waits_for_input() {
        let mut kernel = fake_host::kernel();
        kernel.at(SECOND, Event::Input(b"late"));
        let mut buffer = [0; 8];
        assert_eq!(read(&mut kernel, Fd::STDIN, &mut buffer), Ok(4));
        assert_eq!(&buffer[..4], b"late");
        assert_eq!(kernel.elapsed(), SECOND);
    }

    #[test]
    fn the_end_of_input_is_read_again_and_again() {
        let mut kernel = fake_host::kernel();
        kernel.at(SECOND, Event::End);
        assert_eq!(read(&mut kernel, Fd::STDIN, &mut [0; 8]), Ok(0));
        assert_eq!(read(&mut kernel, Fd::STDIN, &mut [0; 8]), Ok(0));
    }

    #[test]
    fn a_signal_to_be_delivered_ends_a_wait() {
        let mut kernel = fake_host::kernel();
        kernel.at(SECOND, Event::Request(HostRequest::Interrupt));
        let result = read(&mut kernel, Fd::STDIN, &mut [0; 8]);
        assert_eq!(result, Err(Errno::EINTR));
        assert!(kernel.signals().is_deliverable());
    }

    #[test]
    fn a_program_that_never_waits_hears_of_a_signal() {
        let mut kernel = fake_host::kernel();
        kernel.at(SECOND, Event::Request(HostRequest::Interrupt));
        kernel.host().now = 2 * SECOND;
        call(&mut kernel, |_| ());
        assert!(kernel.signals().is_deliverable());
    }

    #[test]
    fn an_ignored_signal_ends_no_wait() {
        let mut kernel = fake_host::kernel();
        let ignore = Action {
            handler: Handler::Ignore,
            ..Action::default()
        };
        kernel.signals().set_action(Signal::INTERRUPT, ignore);
        kernel.at(SECOND, Event::Request(HostRequest::Interrupt));
        kernel.at(2 * SECOND, Event::Input(b"x"));
        assert_eq!(read(&mut kernel, Fd::STDIN, &mut [0; 8]), Ok(1));
    }

    #[test]
    fn a_sleep_is_a_wait_for_nothing_but_its_end() {
        let mut kernel = fake_host::kernel();
        let slept = block_on(&mut kernel, |kernel| Ok(kernel.sleep(3 * SECOND)));
        assert_eq!(slept, Ok(()));
        assert_eq!(kernel.elapsed(), 3 * SECOND);
    }

    #[test]
    fn a_write_of_any_length_arrives_whole() {
        let mut kernel = fake_host::kernel();
        let bytes = [b'x'; 2000];
        let mut data = SliceSource::new(&bytes);
        let written = block_on_all(
            &mut kernel,
            &mut data as &mut dyn Source,
            |data| data.remaining(),
            |kernel, data| kernel.write(Fd::STDOUT, data),
        );
        assert_eq!(written, Ok(2000));
        assert_eq!(kernel.host().output, bytes);
    }

    #[test]
    fn a_write_that_is_interrupted_says_how_much_went() {
        let mut kernel = fake_host::kernel();
        let (_reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        kernel.at(SECOND, Event::Request(HostRequest::Terminate));
        let bytes = [b'x'; 100_000];
        let mut data = SliceSource::new(&bytes);
        let mut write = |kernel: &mut Kernel<FakeHost>| {
            block_on_all(
                kernel,
                &mut data as &mut dyn Source,
                |data| data.remaining(),
                |kernel, data| kernel.write(writer, data),
            )
        };
        assert_eq!(write(&mut kernel), Ok(65_536));
        assert_eq!(write(&mut kernel), Err(Errno::EINTR));
    }

    /// How long a kernel drains whose network has so much undelivered at these times, and how much
    /// is left then.
    fn draining(left: &[(Duration, usize)], request: Option<Duration>) -> (Duration, usize) {
        let mut network = FakeNetwork::default();
        network.undelivered.extend(left);
        let mut kernel = fake_host::kernel_with(Some(Box::new(network)));
        if let Some(time) = request {
            kernel.at(time, Event::Request(HostRequest::Terminate));
        }
        drain(&mut kernel);
        let network = kernel.network.as_ref();
        let left = network.map_or(0, |network| network.undelivered());
        (kernel.elapsed(), left)
    }

    #[test]
    fn what_was_sent_is_waited_for_as_long_as_it_arrives() {
        assert_eq!(draining(&[], None), (Duration::ZERO, 0));
        let slow = [(Duration::ZERO, 9), (SECOND, 5), (2 * SECOND, 1)];
        let arrives = [slow[0], slow[1], slow[2], (3 * SECOND, 0)];
        assert_eq!(draining(&arrives, None), (3 * SECOND, 0));
        assert_eq!(draining(&slow, None), (4 * SECOND, 1));
        let worse = [(Duration::ZERO, 1), (SECOND, 2), (3 * SECOND, 0)];
        assert_eq!(draining(&worse, None), (2 * SECOND, 2));
    }

    #[test]
    fn whoever_asks_twice_does_not_wait() {
        let stuck = [(Duration::ZERO, 9)];
        assert_eq!(draining(&stuck, None), (2 * SECOND, 9));
        assert_eq!(draining(&stuck, Some(SECOND)), (SECOND, 9));
        let asked = [(Duration::ZERO, 9), (SECOND, 8), (2 * SECOND, 7)];
        assert_eq!(draining(&asked, Some(SECOND)), (SECOND, 8));
    }

    #[test]
    fn a_closed_console_is_a_broken_pipe() {
        let mut kernel = fake_host::kernel();
        kernel.host().output_closed = true;
        let mut data = SliceSource::new(b"x");
        let result = block_on(&mut kernel, |kernel| kernel.write(Fd::STDOUT, &mut data));
        assert_eq!(result, Err(Errno::EPIPE));
        assert!(kernel.signals().pending().contains(Signal::PIPE));
    }
}
