//! Completions: every request once, with its buffer, and room again for the next.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{
    BlockFixture, PATIENCE, SPURIOUS_RETURNS, STEP, buffer_of, completion, needs_writable, read,
    submit,
};
use crate::contract::{Case, Deviation, Verdict, ensure, has_pattern};
use crate::{BlockDevice, BlockOperation, BlockRequest, SubmitError};

/// More requests than the usual queue holds (256).
const MANY: u64 = 400;
/// How long a case listens for a completion that must not come.
const QUIET_STEPS: u32 = 5;

pub(super) fn cases<F: BlockFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "completion-brings-the-request",
            clause: "BlockCompletion: the request as it was submitted",
            check: brings_the_request,
        },
        Case {
            name: "completion-brings-the-buffer",
            clause: "submit: its buffer belongs to the device until complete brings it back",
            check: brings_the_buffer,
        },
        Case {
            name: "completion-once",
            clause: "complete: a finished request, each once",
            check: once,
        },
        Case {
            name: "completion-of-all",
            clause: "submit: what was taken is completed, however many are under way",
            check: of_all,
        },
        Case {
            name: "completion-ends-the-wait",
            clause: "complete: None arms the device, and the next completion ends the wait",
            check: ends_the_wait,
        },
        Case {
            name: "busy-passes",
            clause: "Busy: passes when a completion has been taken",
            check: busy_passes,
        },
        Case {
            name: "places-never-leak",
            clause: "complete: gives the place back, over 10,000 requests",
            check: places_never_leak,
        },
    ]
}

fn brings_the_request<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    let buffer = buffer_of(fixture, 2, 3);
    submit(fixture, 77, BlockOperation::Write { first: 5, buffer })?;
    let request = completion(fixture)?.request;
    let same = match &request.operation {
        BlockOperation::Write { first, buffer } => *first == 5 && has_pattern(buffer, 3),
        _ => false,
    };
    ensure(same && request.tag == 77, "another request came back")
}

fn brings_the_buffer<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let buffer = buffer_of(fixture, 2, 3);
    let (address, length) = (buffer.as_ptr().addr(), buffer.len());
    submit(fixture, 1, BlockOperation::Read { first: 0, buffer })?;
    match completion(fixture)?.request.operation {
        BlockOperation::Read { buffer, .. } => ensure(
            buffer.as_ptr().addr() == address && buffer.len() == length,
            "another buffer came back",
        ),
        _ => Err(Deviation::Violated("a read came back as something else")),
    }
}

fn once<F: BlockFixture>(fixture: &mut F) -> Verdict {
    read(fixture, 0, 1)?;
    for _ in 0..QUIET_STEPS {
        fixture.wait(STEP);
        ensure(
            fixture.device().complete().is_none(),
            "a request was completed twice",
        )?;
    }
    Ok(())
}

/// Submits reads, each with its own tag, until the device is busy, `MANY` at most; returns how
/// many it took.
fn fill<F: BlockFixture>(fixture: &mut F) -> Result<u64, Deviation> {
    for tag in 0..MANY {
        let buffer = buffer_of(fixture, 1, tag);
        let operation = BlockOperation::Read { first: 0, buffer };
        match fixture.device().submit(BlockRequest { tag, operation }) {
            Ok(()) => {}
            Err((SubmitError::Busy, _)) => return Ok(tag),
            Err(_) => return Err(Deviation::Violated("a good request was refused")),
        }
    }
    Ok(MANY)
}

fn of_all<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let count = fill(fixture)?;
    ensure(count > 0, "an idle device was busy")?;
    let mut tags = BTreeSet::new();
    for _ in 0..count {
        tags.insert(completion(fixture)?.request.tag);
    }
    ensure(
        tags.into_iter().eq(0..count),
        "other requests were completed than were submitted",
    )
}

fn ends_the_wait<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let buffer = buffer_of(fixture, 1, 1);
    submit(fixture, 1, BlockOperation::Read { first: 0, buffer })?;
    let mut waited = Duration::ZERO;
    for _ in 0..SPURIOUS_RETURNS {
        if fixture.device().complete().is_some() || waited >= PATIENCE {
            break;
        }
        waited += fixture.wait(PATIENCE);
    }
    ensure(
        waited < PATIENCE,
        "a request was finished and the wait went on",
    )
}

fn busy_passes<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let count = fill(fixture)?;
    completion(fixture)?;
    let buffer = buffer_of(fixture, 1, 1);
    let again = submit(fixture, MANY, BlockOperation::Read { first: 0, buffer });
    let under_way = count - 1 + u64::from(again.is_ok());
    for _ in 0..under_way {
        // That all of them come is another case's concern.
        let _ = completion(fixture);
    }
    again.map_err(|_| Deviation::Violated("the device stayed busy"))
}

fn places_never_leak<F: BlockFixture>(fixture: &mut F) -> Verdict {
    for _ in 0..10_000 {
        read(fixture, 0, 1)?;
    }
    Ok(())
}
