//! What is written is there, and nothing else has changed.

use alloc::vec;
use alloc::vec::Vec;

use super::{BlockFixture, buffer_of, geometry, needs_writable, perform, read, write};
use crate::BlockOperation;
use crate::contract::{Case, Verdict, ensure, needs};

pub(super) fn cases<F: BlockFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "geometry-never-changes",
            clause: "geometry: the answer never changes",
            check: geometry_never_changes,
        },
        Case {
            name: "geometry-makes-sense",
            clause: "block_size: a power of two, 512 at least",
            check: geometry_makes_sense,
        },
        Case {
            name: "read-gives-what-was-written",
            clause: "Read: fills buffer from block first on",
            check: read_gives_what_was_written,
        },
        Case {
            name: "read-is-repeatable",
            clause: "Read: fills buffer with what is there",
            check: read_is_repeatable,
        },
        Case {
            name: "write-spares-the-neighbours",
            clause: "Write: writes buffer from block first on, and no other block",
            check: write_spares_the_neighbours,
        },
        Case {
            name: "write-reaches-the-last-block",
            clause: "block_count: how many blocks there are",
            check: write_reaches_the_last_block,
        },
        Case {
            name: "discard-spares-the-neighbours",
            clause: "Discard: the content of these blocks, and of no other",
            check: discard_spares_the_neighbours,
        },
        Case {
            name: "flush-survives-a-power-cut",
            clause: "Flush: makes completed writes survive a loss of power",
            check: flush_survives_a_power_cut,
        },
    ]
}

fn geometry_never_changes<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let first = geometry(fixture);
    read(fixture, 0, 1)?;
    ensure(geometry(fixture) == first, "the geometry changed")
}

fn geometry_makes_sense<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let block_size = geometry(fixture).block_size;
    ensure(
        block_size.is_power_of_two() && block_size >= 512,
        "an impossible block size",
    )
}

fn read_gives_what_was_written<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    let written = buffer_of(fixture, 3, 1);
    write(fixture, 2, written.clone())?;
    // Block by block, so that an order of blocks within a request shows as well.
    let mut found = Vec::new();
    for block in 2..5 {
        found.extend_from_slice(&read(fixture, block, 1)?);
    }
    ensure(found == *written, "other bytes were read than were written")
}

fn read_is_repeatable<F: BlockFixture>(fixture: &mut F) -> Verdict {
    let first = read(fixture, 0, 4)?;
    let second = read(fixture, 0, 4)?;
    ensure(first == second, "two reads gave different bytes")
}

fn write_spares_the_neighbours<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    for block in [1, 3] {
        let before = buffer_of(fixture, 1, block);
        write(fixture, block, before)?;
    }
    let between = buffer_of(fixture, 1, 2);
    write(fixture, 2, between)?;
    for block in [1, 3] {
        let expected = buffer_of(fixture, 1, block);
        ensure(
            read(fixture, block, 1)? == expected,
            "a write changed another block",
        )?;
    }
    Ok(())
}

fn write_reaches_the_last_block<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    let last = geometry(fixture).block_count.saturating_sub(1);
    let written = buffer_of(fixture, 1, 9);
    write(fixture, last, written.clone())?;
    ensure(
        read(fixture, last, 1)? == written,
        "the last block does not keep what is written",
    )
}

fn discard_spares_the_neighbours<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    needs(geometry(fixture).discards)?;
    let around = buffer_of(fixture, 4, 5);
    write(fixture, 0, around.clone())?;
    perform(fixture, BlockOperation::Discard { first: 1, count: 2 })?;
    let block_size = geometry(fixture).block_size as usize;
    let (first, last) = (read(fixture, 0, 1)?, read(fixture, 3, 1)?);
    ensure(
        *first == around[..block_size] && *last == around[3 * block_size..],
        "a discard changed another block",
    )
}

fn flush_survives_a_power_cut<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs_writable(fixture)?;
    let written = buffer_of(fixture, 2, 6);
    write(fixture, 4, written.clone())?;
    perform(fixture, BlockOperation::Flush)?;
    needs(fixture.cut_power())?;
    ensure(
        read(fixture, 4, 2)? == written,
        "a flushed write was lost with the power",
    )
}
