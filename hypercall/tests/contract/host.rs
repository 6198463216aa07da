//! Hosts, each with one promise broken.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hypercall::contract::host::{HostFixture, cases};
use hypercall::fake::{FakeHost, FakeWaker};
use hypercall::{
    ConsoleError, EntropyUnavailable, Host, HostRequest, Input, Instant, OutOfPages, PAGE_SIZE,
    Pages, Stream, Wake,
};

use crate::{assert_each_breaks_its_own, assert_kept};

/// What is wrong with a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoil {
    Nothing,
    ClockGoesBack,
    ClockNeedsWaits,
    WallClockAtDoubleRate,
    EntropyFillsHalf,
    EntropyRepeats,
    WaitNeverWaits,
    PastWaitsForAnHour,
    WakeBeforeWaitLost,
    OpenWaitIgnoresWake,
    CloneIsDead,
    WakeIsForEver,
    WakeDuringWaitLost,
    PagesOneFewer,
    PagesOffByOne,
    PagesNotCleared,
    PagesTwice,
    PagesLeak,
    PagesAnyNumber,
    PagesNoneAfterRefusal,
    RequestFromNobody,
    RequestsNewestFirst,
    RequestTwice,
    RequestDoesNotWake,
    TerminalComesAndGoes,
    WritesNothing,
    WriteOfNothingFails,
    WriteToInputIsTaken,
    WriteLosesAByte,
    ErrorGoesToOutput,
    ReadOfNothingIsZeroBytes,
    ReadSwapsBytes,
    InputDoesNotWake,
    EndComesEarly,
    EndIsForgotten,
}

/// Every case of the suite, and how it is broken.
const SPOILS: [(&str, Spoil); 34] = [
    ("monotonic-never-decreases", Spoil::ClockGoesBack),
    ("monotonic-needs-no-wait", Spoil::ClockNeedsWaits),
    ("wall-clock-keeps-the-rate", Spoil::WallClockAtDoubleRate),
    ("entropy-fills-all", Spoil::EntropyFillsHalf),
    ("entropy-differs", Spoil::EntropyRepeats),
    ("wait-reaches-its-deadline", Spoil::WaitNeverWaits),
    ("wait-for-the-past-returns", Spoil::PastWaitsForAnHour),
    ("wake-before-the-wait-is-kept", Spoil::WakeBeforeWaitLost),
    ("wake-ends-an-open-wait", Spoil::OpenWaitIgnoresWake),
    ("wake-by-a-clone", Spoil::CloneIsDead),
    ("wake-ends-one-wait-only", Spoil::WakeIsForEver),
    ("wake-during-the-wait", Spoil::WakeDuringWaitLost),
    ("pages-as-many-as-asked", Spoil::PagesOneFewer),
    ("pages-aligned", Spoil::PagesOffByOne),
    ("pages-zeroed", Spoil::PagesNotCleared),
    ("pages-disjoint", Spoil::PagesTwice),
    ("pages-released-come-back", Spoil::PagesLeak),
    ("pages-exhaustion-is-an-error", Spoil::PagesAnyNumber),
    (
        "pages-exhaustion-changes-nothing",
        Spoil::PagesNoneAfterRefusal,
    ),
    ("request-none-unasked", Spoil::RequestFromNobody),
    ("request-oldest-first", Spoil::RequestsNewestFirst),
    ("request-given-once", Spoil::RequestTwice),
    ("request-ends-the-wait", Spoil::RequestDoesNotWake),
    (
        "console-terminal-never-changes",
        Spoil::TerminalComesAndGoes,
    ),
    ("console-write-takes-some", Spoil::WritesNothing),
    ("console-write-of-nothing", Spoil::WriteOfNothingFails),
    (
        "console-write-to-input-is-refused",
        Spoil::WriteToInputIsTaken,
    ),
    ("console-write-arrives", Spoil::WriteLosesAByte),
    ("console-streams-are-apart", Spoil::ErrorGoesToOutput),
    ("console-read-nothing-yet", Spoil::ReadOfNothingIsZeroBytes),
    ("console-read-in-order", Spoil::ReadSwapsBytes),
    ("console-input-ends-the-wait", Spoil::InputDoesNotWake),
    ("console-end-after-all-bytes", Spoil::EndComesEarly),
    ("console-end-is-final", Spoil::EndIsForgotten),
];

#[test]
fn the_fake_keeps_the_contract() {
    assert_kept(&cases(), &mut [SpoiledHost::new(Spoil::Nothing)]);
}

#[test]
fn every_clause_has_a_host_that_breaks_it() {
    assert_each_breaks_its_own(&cases(), &SPOILS, |spoil| vec![SpoiledHost::new(spoil)]);
}

/// A [`FakeHost`] with one promise broken.
struct SpoiledHost {
    inner: FakeHost,
    spoil: Spoil,
    /// The waker itself, not a clone of it, was used.
    woken: Arc<AtomicBool>,
    calls: u64,
    terminal: std::cell::Cell<bool>,
    last_request: Option<HostRequest>,
    asked: Vec<HostRequest>,
    input_ended: bool,
    end_was_read: bool,
    kept_pages: Vec<Pages>,
    lent: Option<NonNull<u8>>,
    refused: bool,
}

impl SpoiledHost {
    fn new(spoil: Spoil) -> Self {
        Self {
            inner: FakeHost::new(),
            spoil,
            woken: Arc::default(),
            calls: 0,
            terminal: std::cell::Cell::default(),
            last_request: None,
            asked: Vec::new(),
            input_ended: false,
            end_was_read: false,
            kept_pages: Vec::new(),
            lent: None,
            refused: false,
        }
    }

    fn is(&self, spoil: Spoil) -> bool {
        self.spoil == spoil
    }

    /// Loses a wake that came before now.
    fn lose_wake(&mut self) {
        let now = self.inner.monotonic();
        self.inner.wait(Some(now));
    }
}

impl HostFixture for SpoiledHost {
    type Host = Self;

    fn host(&mut self) -> &mut Self {
        self
    }

    fn compute(&mut self) {
        if !self.is(Spoil::ClockNeedsWaits) {
            self.inner.advance(Duration::from_nanos(100));
        }
    }

    fn wake_later(&mut self, _waker: SpoiledWaker, delay: Duration) -> bool {
        if !self.is(Spoil::WakeDuringWaitLost) {
            self.inner.wake_in(delay);
        }
        true
    }

    fn type_input(&mut self, bytes: &[u8]) -> bool {
        self.inner.type_input(bytes);
        if self.is(Spoil::InputDoesNotWake) {
            self.lose_wake();
        }
        true
    }

    fn end_input(&mut self) -> bool {
        self.inner.end_input();
        self.input_ended = true;
        true
    }

    fn arrived(&mut self, stream: Stream) -> Option<Vec<u8>> {
        Some(self.inner.written(stream).to_vec())
    }

    fn ask(&mut self, request: HostRequest) -> bool {
        self.inner.ask(request);
        if self.is(Spoil::RequestDoesNotWake) {
            self.lose_wake();
        }
        true
    }
}

impl Host for SpoiledHost {
    type Waker = SpoiledWaker;

    fn monotonic(&mut self) -> Instant {
        self.calls += 1;
        let now = self.inner.monotonic();
        if self.is(Spoil::ClockGoesBack) && self.calls % 50 == 49 {
            return Instant::from_nanos(now.as_nanos().saturating_sub(1));
        }
        now
    }

    fn wall_clock(&mut self) -> Duration {
        let rate = if self.is(Spoil::WallClockAtDoubleRate) {
            2
        } else {
            1
        };
        self.inner.wall_clock() * rate
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        match self.spoil {
            Spoil::EntropyFillsHalf => {
                let half = bytes.len() / 2;
                self.inner.fill_entropy(&mut bytes[..half])
            }
            Spoil::EntropyRepeats => {
                bytes.fill(0x5a);
                Ok(())
            }
            _ => self.inner.fill_entropy(bytes),
        }
    }

    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        match (self.spoil, stream) {
            (Spoil::WritesNothing, Stream::Output) if bytes.len() == 1 => Ok(0),
            (Spoil::WriteOfNothingFails, _) if bytes.is_empty() => Err(ConsoleError::Failed),
            (Spoil::WriteToInputIsTaken, Stream::Input) => Ok(bytes.len()),
            (Spoil::WriteLosesAByte, _) if bytes.len() > 1 => {
                let went = self.inner.console_write(stream, &bytes[1..])?;
                Ok(went + 1)
            }
            (Spoil::ErrorGoesToOutput, Stream::Error) => {
                self.inner.console_write(Stream::Output, bytes)
            }
            _ => self.inner.console_write(stream, bytes),
        }
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        if self.is(Spoil::EndComesEarly) && self.input_ended {
            return Ok(Input::End);
        }
        let mut input = self.inner.console_read(buffer)?;
        match (self.spoil, input) {
            (Spoil::ReadOfNothingIsZeroBytes, Input::Pending) => input = Input::Bytes(0),
            (Spoil::ReadSwapsBytes, Input::Bytes(2..)) if !self.input_ended => buffer.swap(0, 1),
            (Spoil::EndIsForgotten, Input::End) if self.end_was_read => input = Input::Pending,
            _ => {}
        }
        self.end_was_read |= input == Input::End;
        Ok(input)
    }

    fn console_is_terminal(&self, stream: Stream) -> bool {
        if self.is(Spoil::TerminalComesAndGoes) {
            self.terminal.set(!self.terminal.get());
            return self.terminal.get();
        }
        self.inner.console_is_terminal(stream)
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        self.calls += 1;
        let request = match self.spoil {
            Spoil::RequestFromNobody if self.calls == 1 => {
                self.inner.take_request().or(Some(HostRequest::Interrupt))
            }
            Spoil::RequestsNewestFirst => {
                self.asked
                    .extend(std::iter::from_fn(|| self.inner.take_request()));
                self.asked.pop()
            }
            Spoil::RequestTwice => self.inner.take_request().or(self.last_request.take()),
            _ => self.inner.take_request(),
        };
        self.last_request = request;
        request
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let woken = if self.is(Spoil::WakeIsForEver) {
            self.woken.load(Ordering::Relaxed)
        } else {
            self.woken.swap(false, Ordering::Relaxed)
        };
        let past = deadline.is_some_and(|deadline| deadline <= self.inner.monotonic());
        match self.spoil {
            Spoil::WaitNeverWaits => return self.lose_wake(),
            Spoil::PastWaitsForAnHour if past => self.inner.advance(Duration::from_secs(3600)),
            Spoil::WakeBeforeWaitLost if woken && deadline.is_some() => self.lose_wake(),
            Spoil::OpenWaitIgnoresWake if woken && deadline.is_none() => {
                self.inner.advance(Duration::from_secs(3600));
            }
            Spoil::WakeIsForEver if woken => return,
            _ => {}
        }
        self.inner.wait(deadline);
    }

    fn waker(&self) -> SpoiledWaker {
        SpoiledWaker {
            inner: self.inner.waker(),
            woken: Arc::clone(&self.woken),
            spoil: self.spoil,
            is_clone: false,
        }
    }

    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        match self.spoil {
            Spoil::PagesOneFewer => {
                let fewer = NonZeroUsize::new(count.get() - 1).unwrap_or(count);
                self.inner.allocate_pages(fewer)
            }
            Spoil::PagesOffByOne => self.allocate_off_by_one(count),
            Spoil::PagesNotCleared => match self.kept_pages.pop() {
                Some(pages) if pages.count() == count => Ok(pages),
                _ => self.inner.allocate_pages(count),
            },
            Spoil::PagesTwice => self.allocate_twice(count),
            Spoil::PagesAnyNumber => self
                .inner
                .allocate_pages(count)
                .or_else(|_| self.inner.allocate_pages(NonZeroUsize::MIN)),
            Spoil::PagesNoneAfterRefusal if self.refused => Err(OutOfPages),
            _ => {
                let pages = self.inner.allocate_pages(count);
                self.refused |= pages.is_err();
                pages
            }
        }
    }

    fn release_pages(&mut self, pages: Pages) {
        match self.spoil {
            Spoil::PagesOffByOne => self.release_off_by_one(pages),
            Spoil::PagesNotCleared => self.kept_pages.push(pages),
            Spoil::PagesTwice => {
                self.lent = None;
                self.inner.release_pages(pages);
            }
            Spoil::PagesLeak => {
                let free = self.inner.free_pages();
                self.inner.release_pages(pages);
                self.inner.set_free_pages(free);
            }
            _ => self.inner.release_pages(pages),
        }
    }

    fn exit(&mut self, status: u8) -> ! {
        self.inner.exit(status)
    }
}

impl SpoiledHost {
    /// Pages that begin one byte into the first of them.
    fn allocate_off_by_one(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        let (start, more) = self
            .inner
            .allocate_pages(count.saturating_add(1))?
            .into_raw();
        assert!(more > count);
        // SAFETY: byte 1 lies within the pages just had.
        let second = unsafe { start.add(1) };
        // SAFETY: `count` pages from `second` lie within the `count + 1` pages just had, which
        // nothing else refers to. That `second` is not aligned is what is broken here; bytes
        // need no alignment.
        Ok(unsafe { Pages::from_raw(second, count) })
    }

    fn release_off_by_one(&mut self, pages: Pages) {
        let (second, count) = pages.into_raw();
        // SAFETY: `allocate_off_by_one` added the one that is taken away.
        let start = unsafe { second.sub(1) };
        // SAFETY: these are the pages that `allocate_off_by_one` had from the same host, whole
        // again.
        let pages = unsafe { Pages::from_raw(start, count.saturating_add(1)) };
        self.inner.release_pages(pages);
    }

    /// The same pages again while somebody has them.
    fn allocate_twice(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        if let Some(start) = self.lent {
            // SAFETY: the pages are there. That another value owns them is what is broken here:
            // the case finds it by the addresses, before anything is written.
            return Ok(unsafe { Pages::from_raw(start, count) });
        }
        let (start, count) = self.inner.allocate_pages(count)?.into_raw();
        self.lent = Some(start);
        assert!(start.addr().get().is_multiple_of(PAGE_SIZE));
        // SAFETY: `into_raw` took apart a value of just these pages.
        Ok(unsafe { Pages::from_raw(start, count) })
    }
}

/// The waker of a [`SpoiledHost`].
struct SpoiledWaker {
    inner: FakeWaker,
    woken: Arc<AtomicBool>,
    spoil: Spoil,
    is_clone: bool,
}

impl Clone for SpoiledWaker {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            woken: Arc::clone(&self.woken),
            spoil: self.spoil,
            is_clone: true,
        }
    }
}

impl Wake for SpoiledWaker {
    fn wake(&self) {
        if self.is_clone {
            if self.spoil != Spoil::CloneIsDead {
                self.inner.wake();
            }
            return;
        }
        self.woken.store(true, Ordering::Relaxed);
        self.inner.wake();
    }
}
