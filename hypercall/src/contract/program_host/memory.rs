//! What mappings cost, and that it comes back.

use alloc::vec;
use alloc::vec::Vec;

use super::{PAGE, ProgramFixture, READ_WRITE, copy_out, map, may, pages};
use crate::contract::{Case, Deviation, Verdict, ensure};
use crate::{ProgramHost, ProgramRange, Protection};

pub(super) fn cases<F: ProgramFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "memory-adds-up",
            clause: "memory: how many bytes in all, and how many of them are free",
            check: adds_up,
        },
        Case {
            name: "untouched-pages-cost-nothing",
            clause: "a mapped page that has not been touched costs nothing",
            check: untouched_pages_cost_nothing,
        },
        Case {
            name: "touched-pages-take-memory",
            clause: "a page takes memory when prepare or a copy first reaches it",
            check: touched_pages_take_memory,
        },
        Case {
            name: "unmap-gives-memory-back",
            clause: "unmap: its memory comes back",
            check: unmap_gives_memory_back,
        },
        Case {
            name: "no-memory-is-a-fault",
            clause: "Fault: or no memory to back it",
            check: no_memory_is_a_fault,
        },
        Case {
            name: "memory-comes-back-after-a-fault",
            clause: "unmap: its memory comes back, all of it, after a fault too",
            check: memory_comes_back_after_a_fault,
        },
    ]
}

/// How many pages a case touches.
const FEW: u64 = 16;
/// What the bookkeeping of a mapping (page tables) may take, in pages.
const BOOKKEEPING: u64 = 8;

fn free<F: ProgramFixture>(fixture: &mut F) -> u64 {
    fixture.host().memory().1
}

fn adds_up<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let (all, free) = fixture.host().memory();
    ensure(free <= all && all > 0, "more memory is free than there is")
}

/// Maps `FEW` pages, has `touch` reach them, and returns what each of the two took.
fn cost<F: ProgramFixture>(
    fixture: &mut F,
    touch: fn(&mut F, ProgramRange),
) -> Result<(u64, u64), Deviation> {
    let range = pages(fixture, 2, FEW)?;
    let before = free(fixture);
    map(fixture, range, READ_WRITE)?;
    let mapped = free(fixture);
    touch(fixture, range);
    let touched = free(fixture);
    fixture.host().unmap(range);
    Ok((
        before.saturating_sub(mapped),
        mapped.saturating_sub(touched),
    ))
}

fn untouched_pages_cost_nothing<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let (mapping, _) = cost(fixture, |_, _| ())?;
    ensure(
        mapping <= BOOKKEEPING * PAGE,
        "a mapping took memory before it was touched",
    )
}

fn touched_pages_take_memory<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let (_, touching) = cost(fixture, |fixture, range| {
        let length = range.length() as usize;
        // Whether it succeeds is another case's concern.
        let _ = fixture.host().prepare(range.start(), length, READ_WRITE);
    })?;
    ensure(
        (FEW * PAGE..=(FEW + BOOKKEEPING) * PAGE).contains(&touching),
        "the pages took more or less memory than they have",
    )
}

fn unmap_gives_memory_back<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let range = pages(fixture, 2, FEW)?;
    let round = |fixture: &mut F| {
        map(fixture, range, READ_WRITE)?;
        copy_out(fixture, &vec![1; range.length() as usize], range.start())?;
        fixture.host().unmap(range);
        Ok(())
    };
    // A home may keep the bookkeeping of the first mapping for the next.
    round(fixture)?;
    let before = free(fixture);
    for _ in 0..8 {
        round(fixture)?;
    }
    ensure(
        free(fixture) == before,
        "memory did not come back from an unmapped range",
    )
}

/// Maps more than there is memory for and touches all of it; returns whether that succeeded.
/// Nothing where a program has not so many addresses.
fn exhaust<F: ProgramFixture>(fixture: &mut F) -> Result<bool, Deviation> {
    let too_many = free(fixture) / PAGE + FEW;
    let range = pages(fixture, 2, too_many)?;
    map(fixture, range, READ_WRITE)?;
    let length = range.length() as usize;
    let prepared = fixture.host().prepare(range.start(), length, READ_WRITE);
    fixture.host().unmap(range);
    Ok(prepared.is_ok())
}

fn no_memory_is_a_fault<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let succeeded = exhaust(fixture)?;
    ensure(!succeeded, "more memory was prepared than there is")?;
    let range = pages(fixture, 2, 1)?;
    map(fixture, range, READ_WRITE)?;
    let usable = may(fixture, range.start(), Protection::READ);
    fixture.host().unmap(range);
    ensure(usable, "after a lack of memory no page can be had")
}

fn memory_comes_back_after_a_fault<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    exhaust(fixture)?;
    let before = free(fixture);
    exhaust(fixture)?;
    ensure(
        free(fixture) == before,
        "memory was lost to a prepare that failed",
    )
}
