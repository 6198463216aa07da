//! Clocks and entropy: what a host says about the world.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{HostFixture, wait_until};
use crate::contract::{Case, Deviation, Verdict, ensure};
use crate::{Host, Instant};

/// Over how much time the two clocks are compared.
const RATE_SPAN: Duration = Duration::from_millis(50);
/// How far they may differ over `RATE_SPAN` beyond the time between two readings: a clock that
/// is being slewed to the right time is off by at most 1 part in 100, and some tick in
/// milliseconds.
const RATE_TOLERANCE: Duration = Duration::from_millis(2);

pub(super) fn cases<F: HostFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "monotonic-never-decreases",
            clause: "monotonic: never less than an earlier answer",
            check: never_decreases,
        },
        Case {
            name: "monotonic-needs-no-wait",
            clause: "monotonic: goes on between calls as during wait",
            check: needs_no_wait,
        },
        Case {
            name: "wall-clock-keeps-the-rate",
            clause: "wall_clock: runs at the rate of monotonic",
            check: keeps_the_rate,
        },
        Case {
            name: "entropy-fills-all",
            clause: "fill_entropy: fills all of bytes",
            check: entropy_fills_all,
        },
        Case {
            name: "entropy-differs",
            clause: "fill_entropy: from a source fit for keys",
            check: entropy_differs,
        },
    ]
}

fn never_decreases<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let mut earlier = host.monotonic();
    for reading in 0..1000 {
        if reading % 100 == 0 {
            host.wait(Some(earlier + Duration::from_micros(10)));
        }
        let now = host.monotonic();
        ensure(now >= earlier, "the clock went back")?;
        earlier = now;
    }
    Ok(())
}

fn needs_no_wait<F: HostFixture>(fixture: &mut F) -> Verdict {
    let start = fixture.host().monotonic();
    for _ in 0..10_000 {
        fixture.compute();
        if fixture.host().monotonic() > start {
            return Ok(());
        }
    }
    Err(Deviation::Violated("the clock stood still"))
}

/// One reading of the wall clock between two of the monotonic one.
struct Reading {
    before: Instant,
    wall: Duration,
    after: Instant,
}

fn read_both<H: Host>(host: &mut H) -> Reading {
    Reading {
        before: host.monotonic(),
        wall: host.wall_clock(),
        after: host.monotonic(),
    }
}

fn keeps_the_rate<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let first = read_both(host);
    let _ = wait_until(host, first.after + RATE_SPAN);
    let second = read_both(host);
    let shortest = second.before.saturating_since(first.after);
    let longest = second.after.saturating_since(first.before);
    let wall = second.wall.saturating_sub(first.wall);
    ensure(
        wall + RATE_TOLERANCE >= shortest,
        "the wall clock lost time",
    )?;
    ensure(
        wall <= longest + RATE_TOLERANCE,
        "the wall clock gained time",
    )
}

fn entropy_fills_all<F: HostFixture>(fixture: &mut F) -> Verdict {
    let mut bytes = [0; 1000];
    let filled = fixture.host().fill_entropy(&mut bytes);
    ensure(filled.is_ok(), "there is no entropy")?;
    // 20 random bytes are all zero once in 2^160 times.
    let untouched = bytes
        .chunks(20)
        .any(|run| run.iter().all(|&byte| byte == 0));
    ensure(!untouched, "a part of the bytes was left as it was")
}

fn entropy_differs<F: HostFixture>(fixture: &mut F) -> Verdict {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    for bytes in [&mut one, &mut other] {
        let filled = fixture.host().fill_entropy(bytes);
        ensure(filled.is_ok(), "there is no entropy")?;
    }
    ensure(one != other, "the same bytes came twice")
}
