//! A host in memory, on a clock that the test moves.

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use crate::{
    ConsoleError, EntropyUnavailable, Host, HostRequest, Input, Instant, OutOfPages, PAGE_SIZE,
    Pages, Stream, Wake,
};

/// How many pages a new host has: 4 MiB.
const PAGES: usize = 1024;

/// A [`Host`] in memory.
///
/// Its clock stands still but for [`advance`](FakeHost::advance) and for waits, which jump to
/// their deadline; a wait that nothing would ever end returns at once. Its entropy is a fixed
/// sequence, the same in each run.
#[derive(Debug)]
pub struct FakeHost {
    now: Instant,
    wall_offset: Duration,
    waker: FakeWaker,
    wake_at: Option<Instant>,
    random_state: u64,
    output: Vec<u8>,
    error: Vec<u8>,
    input: VecDeque<u8>,
    input_ended: bool,
    requests: VecDeque<HostRequest>,
    free_pages: usize,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeHost {
    /// A host at the start of its clock, with nothing typed and nothing asked.
    pub fn new() -> Self {
        Self {
            now: Instant::ZERO,
            wall_offset: Duration::ZERO,
            waker: FakeWaker::default(),
            wake_at: None,
            random_state: 0,
            output: Vec::new(),
            error: Vec::new(),
            input: VecDeque::new(),
            input_ended: false,
            requests: VecDeque::new(),
            free_pages: PAGES,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Sets the wall clock to `time` since 1970-01-01 00:00 UTC.
    pub fn set_wall_clock(&mut self, time: Duration) {
        self.wall_offset = time.saturating_sub(Duration::from_nanos(self.now.as_nanos()));
    }

    /// Ends the wait that is going on when the clock shows the time `delay` from now.
    pub fn wake_in(&mut self, delay: Duration) {
        self.wake_at = Some(self.now + delay);
    }

    /// Types `bytes` at standard input.
    pub fn type_input(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        if !bytes.is_empty() {
            self.waker.wake();
        }
    }

    /// Ends standard input after what has been typed.
    pub fn end_input(&mut self) {
        self.input_ended = true;
        self.waker.wake();
    }

    /// Asks for `request`.
    pub fn ask(&mut self, request: HostRequest) {
        self.requests.push_back(request);
        self.waker.wake();
    }

    /// Everything that was written to `stream`; nothing for [`Stream::Input`].
    pub fn written(&self, stream: Stream) -> &[u8] {
        match stream {
            Stream::Input => &[],
            Stream::Output => &self.output,
            Stream::Error => &self.error,
        }
    }

    /// Limits the pages that are still to be had.
    pub fn set_free_pages(&mut self, count: usize) {
        self.free_pages = count;
    }

    /// How many pages are still to be had.
    pub fn free_pages(&self) -> usize {
        self.free_pages
    }

    /// The next of a fixed sequence of numbers without a pattern (SplitMix64).
    fn next_random(&mut self) -> u64 {
        self.random_state = self.random_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Host for FakeHost {
    type Waker = FakeWaker;

    fn monotonic(&mut self) -> Instant {
        self.now
    }

    fn wall_clock(&mut self) -> Duration {
        self.wall_offset
            .saturating_add(Duration::from_nanos(self.now.as_nanos()))
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        for run in bytes.chunks_mut(8) {
            let random = self.next_random().to_le_bytes();
            run.copy_from_slice(&random[..run.len()]);
        }
        Ok(())
    }

    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        match stream {
            Stream::Input => return Err(ConsoleError::Closed),
            Stream::Output => self.output.extend_from_slice(bytes),
            Stream::Error => self.error.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
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

    fn console_is_terminal(&self, _stream: Stream) -> bool {
        false
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        self.requests.pop_front()
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        if self.waker.take() {
            return;
        }
        let wake_at = self.wake_at.take();
        let end = match (deadline, wake_at) {
            (Some(deadline), Some(wake_at)) => Some(deadline.min(wake_at)),
            (deadline, wake_at) => deadline.or(wake_at),
        };
        if wake_at != end {
            self.wake_at = wake_at;
        }
        self.now = self.now.max(end.unwrap_or(self.now));
    }

    fn waker(&self) -> FakeWaker {
        self.waker.clone()
    }

    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        let left = self.free_pages.checked_sub(count.get()).ok_or(OutOfPages)?;
        let layout = layout(count).ok_or(OutOfPages)?;
        // SAFETY: the layout is not of zero size, as `count` is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(OutOfPages)?;
        self.free_pages = left;
        // SAFETY: the allocator gave this memory to us alone, zeroed, aligned to a page, and of
        // `count` pages; it is freed only by `release_pages`, which takes the value.
        Ok(unsafe { Pages::from_raw(start, count) })
    }

    fn release_pages(&mut self, pages: Pages) {
        let (start, count) = pages.into_raw();
        let layout = layout(count).expect("pages that exist have a layout");
        // SAFETY: `allocate_pages` got the memory by this layout, and the value that owned it is
        // gone.
        unsafe { dealloc(start.as_ptr(), layout) };
        self.free_pages += count.get();
    }

    /// Ends the test: nothing of a component runs after an exit.
    fn exit(&mut self, status: u8) -> ! {
        panic!("the component ended its home with status {status}");
    }
}

fn layout(count: NonZeroUsize) -> Option<Layout> {
    let size = count.get().checked_mul(PAGE_SIZE)?;
    Layout::from_size_align(size, PAGE_SIZE).ok()
}

/// The waker of a [`FakeHost`]. Given to a fake device, it makes the device end its host's waits.
#[derive(Clone, Debug, Default)]
pub struct FakeWaker(Arc<AtomicBool>);

impl FakeWaker {
    /// Whether it was used since the last call.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for FakeWaker {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_jumps_to_its_deadline() {
        let mut host = FakeHost::new();
        host.wait(Some(Instant::from_nanos(7)));
        assert_eq!(host.monotonic(), Instant::from_nanos(7));
        host.wait(Some(Instant::from_nanos(3)));
        assert_eq!(host.monotonic(), Instant::from_nanos(7));
    }

    #[test]
    fn a_wake_later_than_the_deadline_stays_due() {
        let mut host = FakeHost::new();
        host.wake_in(Duration::from_nanos(9));
        host.wait(Some(Instant::from_nanos(4)));
        assert_eq!(host.monotonic(), Instant::from_nanos(4));
        host.wait(None);
        assert_eq!(host.monotonic(), Instant::from_nanos(9));
    }

    #[test]
    #[should_panic(expected = "status 3")]
    fn an_exit_ends_the_test() {
        FakeHost::new().exit(3);
    }
}
