//! Waits and wakes.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{HostFixture, SOON, ends_soon, wait_until};
use crate::contract::{Case, Verdict, ensure, needs};
use crate::{Host, Wake};

/// A wait that a case can afford to sit out.
const SHORT: Duration = Duration::from_millis(20);

pub(super) fn cases<F: HostFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "wait-reaches-its-deadline",
            clause: "wait: blocks until the deadline",
            check: reaches_its_deadline,
        },
        Case {
            name: "wait-for-the-past-returns",
            clause: "wait: a deadline that has passed is no wait",
            check: past_deadline_returns,
        },
        Case {
            name: "wake-before-the-wait-is-kept",
            clause: "wait: a wake since the last wait makes this one return at once",
            check: wake_is_kept,
        },
        Case {
            name: "wake-ends-an-open-wait",
            clause: "wait: without a deadline until a waker is used",
            check: wake_ends_an_open_wait,
        },
        Case {
            name: "wake-by-a-clone",
            clause: "Wake: a clone of a waker wakes the same host",
            check: clone_wakes,
        },
        Case {
            name: "wake-ends-one-wait-only",
            clause: "wake: ends the wait going on, or else the next",
            check: wake_ends_one_wait,
        },
        Case {
            name: "wake-during-the-wait",
            clause: "wake: ends the wait going on",
            check: wake_during_the_wait,
        },
    ]
}

fn reaches_its_deadline<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let deadline = host.monotonic() + SHORT;
    ensure(
        wait_until(host, deadline),
        "waits returned, and the deadline did not come",
    )
}

fn past_deadline_returns<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let start = host.monotonic();
    host.wait(Some(start));
    let waited = host.monotonic().saturating_since(start);
    ensure(waited < SOON, "the wait went on after its deadline")
}

fn wake_is_kept<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    host.waker().wake();
    ensure(ends_soon(host), "a wake before the wait was lost")
}

fn wake_ends_an_open_wait<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let start = host.monotonic();
    host.waker().wake();
    host.wait(None);
    let waited = host.monotonic().saturating_since(start);
    ensure(waited < SOON, "a wake did not end a wait without deadline")
}

fn clone_wakes<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let clone = host.waker().clone();
    clone.wake();
    ensure(ends_soon(host), "the wake of a cloned waker was lost")
}

fn wake_ends_one_wait<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let soon = host.monotonic() + Duration::from_millis(1);
    // Where waits do not wait at all, another case says so.
    needs(wait_until(host, soon))?;
    let soon = soon + Duration::from_millis(1);
    host.waker().wake();
    host.wait(Some(soon));
    let deadline = host.monotonic() + SHORT;
    ensure(
        wait_until(host, deadline),
        "after a wake no wait waits any more",
    )
}

fn wake_during_the_wait<F: HostFixture>(fixture: &mut F) -> Verdict {
    let waker = fixture.host().waker();
    needs(fixture.wake_later(waker, SHORT))?;
    ensure(
        ends_soon(fixture.host()),
        "a wake did not end the wait going on",
    )
}
