//! Requests that a device must refuse, and how they come back.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::{BlockFixture, buffer_of, geometry, needs_writable};
use crate::contract::{Case, Deviation, Verdict, ensure, has_pattern, needs};
use crate::{BlockDevice, BlockOperation, BlockRequest, SubmitError};

pub(super) fn cases<F: BlockFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "read-out-of-range",
            clause: "OutOfRange: a read reaches beyond the last block",
            check: read_out_of_range,
        },
        Case {
            name: "write-out-of-range",
            clause: "OutOfRange: a write reaches beyond the last block",
            check: write_out_of_range,
        },
        Case {
            name: "discard-out-of-range",
            clause: "OutOfRange: a discard reaches beyond the last block",
            check: discard_out_of_range,
        },
        Case {
            name: "buffer-empty",
            clause: "Misaligned: the buffer is empty",
            check: buffer_empty,
        },
        Case {
            name: "buffer-in-part-of-a-block",
            clause: "Misaligned: the buffer is not whole blocks",
            check: buffer_in_part_of_a_block,
        },
        Case {
            name: "read-only-refuses-writes",
            clause: "ReadOnly: a write to a read-only device",
            check: read_only_refuses_writes,
        },
        Case {
            name: "read-only-refuses-discards",
            clause: "ReadOnly: a discard on a read-only device",
            check: read_only_refuses_discards,
        },
        Case {
            name: "discard-not-understood",
            clause: "Unsupported: the device does not understand discards",
            check: discard_not_understood,
        },
        Case {
            name: "refused-comes-back-untouched",
            clause: "submit: on error the request comes back untouched",
            check: refused_comes_back_untouched,
        },
    ]
}

/// Why `operation` is refused.
fn refusal<F: BlockFixture>(
    fixture: &mut F,
    operation: BlockOperation,
) -> Result<SubmitError, Deviation> {
    match fixture.device().submit(BlockRequest { tag: 1, operation }) {
        Ok(()) => Err(Deviation::Violated("a bad request was taken")),
        Err((error, _)) => Ok(error),
    }
}

fn must_be<F: BlockFixture>(
    fixture: &mut F,
    expected: SubmitError,
    operation: BlockOperation,
) -> Verdict {
    let refusal = refusal(fixture, operation)?;
    ensure(refusal == expected, "refused for another reason")
}

/// First blocks from which two blocks reach beyond the end: by one, by far, and round the end of
/// the numbers.
fn beyond_the_end<F: BlockFixture>(fixture: &mut F) -> [u64; 4] {
    let count = geometry(fixture).block_count;
    [count.saturating_sub(1), count, u64::MAX - 1, u64::MAX]
}

fn read_out_of_range<F: BlockFixture>(fixture: &mut F) -> Verdict {
    for first in beyond_the_end(fixture) {
        let buffer = buffer_of(fixture, 2, 1);
        let operation = BlockOperation::Read { first, buffer };
        must_be(fixture, SubmitError::OutOfRange, operation)?;
    }
    Ok(())
}

fn write_out_of_range<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    for first in beyond_the_end(fixture) {
        let buffer = buffer_of(fixture, 2, 1);
        let operation = BlockOperation::Write { first, buffer };
        must_be(fixture, SubmitError::OutOfRange, operation)?;
    }
    Ok(())
}

fn discard_out_of_range<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    needs(geometry(fixture).discards)?;
    for first in beyond_the_end(fixture) {
        let operation = BlockOperation::Discard { first, count: 2 };
        must_be(fixture, SubmitError::OutOfRange, operation)?;
    }
    Ok(())
}

fn buffer_empty<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let operation = BlockOperation::Read {
        first: 0,
        buffer: Box::default(),
    };
    must_be(fixture, SubmitError::Misaligned, operation)
}

fn buffer_in_part_of_a_block<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let block_size = geometry(fixture).block_size as usize;
    for length in [1, block_size - 1, block_size + 1] {
        let operation = BlockOperation::Read {
            first: 0,
            buffer: vec![0; length].into(),
        };
        must_be(fixture, SubmitError::Misaligned, operation)?;
    }
    Ok(())
}

fn read_only_refuses_writes<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs(geometry(fixture).read_only)?;
    let buffer = buffer_of(fixture, 1, 1);
    let operation = BlockOperation::Write { first: 0, buffer };
    must_be(fixture, SubmitError::ReadOnly, operation)
}

fn read_only_refuses_discards<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let geometry = geometry(fixture);
    needs(geometry.read_only && geometry.discards)?;
    let operation = BlockOperation::Discard { first: 0, count: 1 };
    must_be(fixture, SubmitError::ReadOnly, operation)
}

fn discard_not_understood<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    needs(!geometry(fixture).discards)?;
    let operation = BlockOperation::Discard { first: 0, count: 1 };
    must_be(fixture, SubmitError::Unsupported, operation)
}

fn refused_comes_back_untouched<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let first = geometry(fixture).block_count;
    let buffer = buffer_of(fixture, 1, 7);
    let operation = BlockOperation::Read { first, buffer };
    let Err((_, request)) = fixture.device().submit(BlockRequest { tag: 7, operation }) else {
        // That it must be refused is another case's concern.
        return Err(Deviation::NotTried);
    };
    let untouched = match &request.operation {
        BlockOperation::Read {
            first: place,
            buffer,
        } => *place == first && has_pattern(buffer, 7),
        _ => false,
    };
    ensure(
        untouched && request.tag == 7,
        "the refused request came back changed",
    )
}
