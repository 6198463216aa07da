//! The cases of [`Host`] and [`Wake`](crate::Wake).

use alloc::vec::Vec;
use core::time::Duration;

use super::Case;
use crate::{Host, HostRequest, Instant, Stream};

mod clock;
mod console;
mod pages;
mod requests;
mod waiting;

/// A host, and what stands at its other ends.
///
/// A staging method answers `false` (or `None`) where the home has no such means; the cases that
/// need it are then not tried.
pub trait HostFixture {
    /// The host under test.
    type Host: Host;

    /// The host under test.
    fn host(&mut self) -> &mut Self::Host;

    /// Lets a little time pass without a wait, as a component that computes does.
    fn compute(&mut self) {
        for _ in 0..1000 {
            core::hint::spin_loop();
        }
    }

    /// Has `waker` used in `delay`, while the suite waits.
    fn wake_later(&mut self, waker: <Self::Host as Host>::Waker, delay: Duration) -> bool {
        let _ = (waker, delay);
        false
    }

    /// Types `bytes` at standard input.
    fn type_input(&mut self, bytes: &[u8]) -> bool {
        let _ = bytes;
        false
    }

    /// Ends standard input.
    fn end_input(&mut self) -> bool {
        false
    }

    /// Everything that has arrived at the far end of `stream`.
    fn arrived(&mut self, stream: Stream) -> Option<Vec<u8>> {
        let _ = stream;
        None
    }

    /// Asks for `request` at the host's controls.
    fn ask(&mut self, request: HostRequest) -> bool {
        let _ = request;
        false
    }
}

/// The cases of [`Host`]. Input, once it has been ended, stays so: run the table once on a
/// fixture.
pub fn cases<F: HostFixture>() -> Vec<Case<F>> {
    let mut cases = clock::cases();
    cases.extend(waiting::cases());
    cases.extend(pages::cases());
    cases.extend(requests::cases());
    cases.extend(console::cases());
    cases
}

/// Longer than any case may take; a wait that lasts so long has missed its end.
const LONG: Duration = Duration::from_secs(10);
/// Less than `LONG` by far more than a busy machine is late.
const SOON: Duration = Duration::from_secs(5);
/// How often a wait may return for no reason before it counts as no wait.
const SPURIOUS_RETURNS: usize = 256;

/// Waits until the clock shows `deadline`; `false` if waiting does not get there.
fn wait_until<H: Host>(host: &mut H, deadline: Instant) -> bool {
    for _ in 0..SPURIOUS_RETURNS {
        if host.monotonic() >= deadline {
            return true;
        }
        host.wait(Some(deadline));
    }
    host.monotonic() >= deadline
}

/// Whether a wait of up to `LONG` that something should end does end soon.
fn ends_soon<H: Host>(host: &mut H) -> bool {
    let start = host.monotonic();
    host.wait(Some(start + LONG));
    host.monotonic().saturating_since(start) < SOON
}
