//! The way out: `reserve`, `commit`, `flush`.

use alloc::vec;
use alloc::vec::Vec;

use super::{
    FrameFixture, HEADER, PATIENCE, QUIET, SHORTEST, frame_of, must_put, must_take_back, put,
    round_trip, take_back, wait_brings,
};
use crate::contract::{Case, Deviation, Verdict, ensure};
use crate::{FrameDevice, FrameMeta};

/// A batch that every device has buffers for.
const BATCH: u64 = 4;
/// More frames than the usual ring holds (256), and fewer than a tap device queues (500).
const MANY: u64 = 400;

pub(super) fn cases<F: FrameFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "frames-of-all-sizes",
            clause: "commit: queues the frame in the first length bytes",
            check: all_sizes,
        },
        Case {
            name: "frames-in-order",
            clause: "received: the oldest frame first",
            check: in_order,
        },
        Case {
            name: "reserve-as-long-as-asked",
            clause: "reserve: a buffer of length bytes",
            check: as_long_as_asked,
        },
        Case {
            name: "reserve-same-until-commit",
            clause: "reserve: the same buffer until commit",
            check: same_until_commit,
        },
        Case {
            name: "reserve-up-to-max-frame",
            clause: "reserve: None when length is more than max_frame",
            check: up_to_max_frame,
        },
        Case {
            name: "reserve-never-overcommits",
            clause: "reserve: None when all buffers are on their way",
            check: never_overcommits,
        },
        Case {
            name: "reserve-recovers",
            clause: "reserve: buffers that have gone out can be had again",
            check: recovers,
        },
        Case {
            name: "reserve-arms-the-wait",
            clause: "reserve: after None for want of a buffer, a free one ends the wait",
            check: arms_the_wait,
        },
        Case {
            name: "commit-less-than-reserved",
            clause: "commit: the frame is the first length bytes of the buffer",
            check: commit_less,
        },
        Case {
            name: "commit-without-reserve",
            clause: "commit: without a reserved buffer it does nothing",
            check: commit_without_reserve,
        },
        Case {
            name: "commit-more-than-reserved",
            clause: "commit: with length above what was reserved it does nothing",
            check: commit_more,
        },
        Case {
            name: "flush-sends-the-batch",
            clause: "flush: sends all that was committed since the last flush",
            check: flush_sends_the_batch,
        },
    ]
}

fn all_sizes<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let capabilities = fixture.device().capabilities();
    let longest = capabilities.max_frame.min(capabilities.mtu + HEADER);
    for (seed, length) in (0..).zip(SHORTEST..=longest) {
        round_trip(fixture, length, seed)?;
    }
    Ok(())
}

fn in_order<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let frames: Vec<_> = (0..BATCH)
        .map(|seed| frame_of(fixture.device(), SHORTEST, seed))
        .collect();
    for frame in &frames {
        must_put(fixture.device(), frame)?;
        fixture.device().flush();
    }
    let mut returned = Vec::new();
    for _ in &frames {
        returned.push(must_take_back(fixture)?);
    }
    ensure(returned == frames, "frames came back in another order")
}

fn no_buffer() -> Deviation {
    Deviation::Violated("no buffer was free on an idle device")
}

fn as_long_as_asked<F: FrameFixture>(fixture: &mut F) -> Verdict {
    for length in [SHORTEST, 1000, 700] {
        let frame = frame_of(fixture.device(), length, 1);
        let reserved = fixture.device().reserve(length).ok_or_else(no_buffer)?;
        ensure(
            reserved.len() == length,
            "the buffer has another length than was asked for",
        )?;
        reserved.copy_from_slice(&frame);
        fixture.device().commit(length, FrameMeta::default());
        fixture.device().flush();
        must_take_back(fixture)?;
    }
    Ok(())
}

fn same_until_commit<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let frame = frame_of(fixture.device(), SHORTEST, 1);
    let device = fixture.device();
    let buffer = device.reserve(SHORTEST).ok_or_else(no_buffer)?;
    buffer.copy_from_slice(&frame);
    let again = device.reserve(SHORTEST).ok_or_else(no_buffer)?;
    let same = again == frame;
    again.copy_from_slice(&frame);
    device.commit(SHORTEST, FrameMeta::default());
    drain(fixture);
    ensure(same, "another buffer was lent before commit")
}

fn up_to_max_frame<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let device = fixture.device();
    let largest = device.capabilities().max_frame;
    for length in [largest + 1, usize::MAX] {
        ensure(
            device.reserve(length).is_none(),
            "a buffer beyond max_frame was lent",
        )?;
    }
    let frame = frame_of(device, SHORTEST, 1);
    let Some(buffer) = device.reserve(largest) else {
        return Err(Deviation::Violated("no buffer of max_frame was to be had"));
    };
    buffer[..SHORTEST].copy_from_slice(&frame);
    device.commit(SHORTEST, FrameMeta::default());
    drain(fixture);
    Ok(())
}

/// Commits frames until no buffer is free, `MANY` at most, and returns how many went.
fn fill<F: FrameFixture>(fixture: &mut F) -> u64 {
    let device = fixture.device();
    for seed in 0..MANY {
        let frame = frame_of(device, SHORTEST, seed);
        if !put(device, &frame) {
            return seed;
        }
    }
    MANY
}

fn never_overcommits<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let count = fill(fixture);
    let mut returned = Vec::new();
    for _ in 0..count {
        fixture.device().flush();
        let Some(frame) = take_back(fixture, PATIENCE) else {
            break;
        };
        returned.push(frame);
    }
    let mut sent: Vec<_> = (0..count)
        .map(|seed| frame_of(fixture.device(), SHORTEST, seed))
        .collect();
    sent.sort();
    returned.sort();
    ensure(
        returned == sent,
        "a frame was taken that there was no room for",
    )
}

/// Takes back whatever comes until the wire is quiet.
fn drain<F: FrameFixture>(fixture: &mut F) {
    fixture.device().flush();
    while take_back(fixture, QUIET).is_some() {
        fixture.device().flush();
    }
}

/// Sends one frame that a case needs only so that no buffer stays reserved.
fn put_any<F: FrameFixture>(fixture: &mut F) -> bool {
    let frame = frame_of(fixture.device(), SHORTEST, MANY);
    put(fixture.device(), &frame)
}

fn recovers<F: FrameFixture>(fixture: &mut F) -> Verdict {
    fill(fixture);
    drain(fixture);
    let recovered = put_any(fixture);
    drain(fixture);
    ensure(recovered, "a device that was full stays full")
}

fn arms_the_wait<F: FrameFixture>(fixture: &mut F) -> Verdict {
    fill(fixture);
    fixture.device().flush();
    let came = wait_brings(fixture, put_any);
    drain(fixture);
    ensure(came, "a buffer was free and the wait went on")
}

fn commit_less<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let frame = frame_of(fixture.device(), 100, 1);
    let device = fixture.device();
    let buffer = device.reserve(200).ok_or_else(no_buffer)?;
    buffer[..100].copy_from_slice(&frame);
    device.commit(100, FrameMeta::default());
    device.flush();
    let returned = must_take_back(fixture)?;
    ensure(
        returned == frame,
        "more or less was sent than was committed",
    )
}

fn commit_without_reserve<F: FrameFixture>(fixture: &mut F) -> Verdict {
    round_trip(fixture, SHORTEST, 1)?;
    fixture.device().commit(SHORTEST, FrameMeta::default());
    fixture.device().flush();
    ensure(
        take_back(fixture, QUIET).is_none(),
        "a frame was sent that nobody wrote",
    )
}

fn commit_more<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let frame = frame_of(fixture.device(), SHORTEST, 1);
    let device = fixture.device();
    let buffer = device.reserve(SHORTEST).ok_or_else(no_buffer)?;
    buffer.copy_from_slice(&frame);
    device.commit(SHORTEST + 1, FrameMeta::default());
    device.flush();
    let sent = take_back(fixture, QUIET).is_some();
    // The buffer is reserved still: it goes out as it should.
    fixture.device().commit(SHORTEST, FrameMeta::default());
    drain(fixture);
    ensure(!sent, "more was sent than was reserved")
}

fn flush_sends_the_batch<F: FrameFixture>(fixture: &mut F) -> Verdict {
    for seed in 0..BATCH {
        let frame = frame_of(fixture.device(), SHORTEST, seed);
        must_put(fixture.device(), &frame)?;
    }
    fixture.device().flush();
    for _ in 0..BATCH {
        must_take_back(fixture)?;
    }
    Ok(())
}
