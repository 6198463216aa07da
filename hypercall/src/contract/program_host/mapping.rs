//! What can be mapped, and what it holds then.

use alloc::vec;
use alloc::vec::Vec;

use super::{PAGE, ProgramFixture, READ_WRITE, copy_in, copy_out, map, may, pages, with_mapped};
use crate::contract::{Case, Verdict, ensure, needs};
use crate::{MapError, PAGE_SIZE, ProgramHost, ProgramRange, Protection};

pub(super) fn cases<F: ProgramFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "range-never-changes",
            clause: "program_range: the addresses that map can use",
            check: range_never_changes,
        },
        Case {
            name: "map-zero-filled",
            clause: "map: makes range readable as zeros",
            check: map_zero_filled,
        },
        Case {
            name: "map-again-zero-filled",
            clause: "unmap: whatever was there is gone",
            check: map_again_zero_filled,
        },
        Case {
            name: "map-over-a-mapping",
            clause: "map: the range must be free",
            check: map_over_a_mapping,
        },
        Case {
            name: "map-refused-changes-nothing",
            clause: "map: on error nothing has changed",
            check: map_refused_changes_nothing,
        },
        Case {
            name: "map-outside-the-range",
            clause: "Unavailable: the range is not within program_range",
            check: map_outside_the_range,
        },
        Case {
            name: "map-write-execute",
            clause: "WriteExecute: never writable and executable at once, by map",
            check: map_write_execute,
        },
        Case {
            name: "protect-write-execute",
            clause: "WriteExecute: never writable and executable at once, by protect",
            check: protect_write_execute,
        },
        Case {
            name: "protect-keeps-the-bytes",
            clause: "protect: gives the mapped pages a new protection, and nothing else",
            check: protect_keeps_the_bytes,
        },
        Case {
            name: "protect-maps-nothing",
            clause: "protect: pages that are not mapped stay so",
            check: protect_maps_nothing,
        },
        Case {
            name: "unmap-in-the-middle",
            clause: "unmap: frees range and no other",
            check: unmap_in_the_middle,
        },
        Case {
            name: "unmap-of-nothing",
            clause: "unmap: frees range, mapped or not",
            check: unmap_of_nothing,
        },
    ]
}

fn range_never_changes<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let first = fixture.host().program_range();
    ensure(!first.is_empty(), "there is no room for a program")?;
    with_mapped(fixture, 2, READ_WRITE, |_, _| Ok(()))?;
    ensure(
        fixture.host().program_range() == first,
        "the range for programs changed",
    )
}

fn is_zero<F: ProgramFixture>(fixture: &mut F, range: ProgramRange) -> Verdict {
    let bytes = copy_in(fixture, range.start(), range.length() as usize)?;
    ensure(
        bytes.iter().all(|&byte| byte == 0),
        "new pages have something in them",
    )
}

fn map_zero_filled<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, is_zero)
}

fn map_again_zero_filled<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, |fixture, range| {
        copy_out(fixture, &vec![0xa5; 3 * PAGE_SIZE], range.start())?;
        fixture.host().unmap(range);
        map(fixture, range, READ_WRITE)?;
        is_zero(fixture, range)
    })
}

/// Tries to map ranges that meet `range` at its start, its end, inside and all around.
fn overlapping<F: ProgramFixture>(fixture: &mut F, range: ProgramRange) -> Vec<ProgramRange> {
    let first = range.start() - fixture.host().program_range().start();
    let skip = first / PAGE;
    [(skip - 1, 2), (skip + 1, 1), (skip + 2, 2), (skip - 1, 5)]
        .into_iter()
        .filter_map(|(skip, count)| pages(fixture, skip, count).ok())
        .collect()
}

fn map_over_a_mapping<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, |fixture, range| {
        for overlap in overlapping(fixture, range) {
            let mapped = fixture.host().map(overlap, READ_WRITE);
            ensure(
                mapped == Err(MapError::Unavailable),
                "a range was mapped twice",
            )?;
        }
        Ok(())
    })
}

fn map_refused_changes_nothing<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, |fixture, range| {
        copy_out(fixture, b"kept", range.start())?;
        for overlap in overlapping(fixture, range) {
            let refused = fixture.host().map(overlap, Protection::READ).is_err();
            needs(refused)?;
        }
        let kept = copy_in(fixture, range.start(), 4)? == b"kept";
        let before = may(fixture, range.start() - PAGE, Protection::READ);
        ensure(
            kept && !before && may(fixture, range.start(), Protection::WRITE),
            "a refused mapping left something behind",
        )
    })
}

fn map_outside_the_range<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let all = fixture.host().program_range();
    let below = all.start().checked_sub(PAGE);
    let last = all.end().checked_sub(PAGE);
    let outside = [
        below.and_then(|start| ProgramRange::new(start, PAGE)),
        ProgramRange::new(all.end(), PAGE),
        last.and_then(|start| ProgramRange::new(start, 2 * PAGE)),
    ];
    for range in outside.into_iter().flatten() {
        let mapped = fixture.host().map(range, Protection::READ);
        ensure(
            mapped == Err(MapError::Unavailable),
            "addresses were mapped that are not for programs",
        )?;
    }
    Ok(())
}

fn map_write_execute<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let range = pages(fixture, 2, 1)?;
    let mapped = fixture.host().map(range, READ_WRITE | Protection::EXECUTE);
    fixture.host().unmap(range);
    ensure(
        mapped == Err(MapError::WriteExecute),
        "a writable page was made executable",
    )
}

fn protect_write_execute<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 1, READ_WRITE, |fixture, range| {
        let all = READ_WRITE | Protection::EXECUTE;
        ensure(
            fixture.host().protect(range, all) == Err(MapError::WriteExecute),
            "a writable page was made executable",
        )
    })
}

fn protect<F: ProgramFixture>(
    fixture: &mut F,
    range: ProgramRange,
    protection: Protection,
) -> Verdict {
    let changed = fixture.host().protect(range, protection);
    ensure(changed.is_ok(), "a mapped page's protection stays")
}

fn protect_keeps_the_bytes<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 2, READ_WRITE, |fixture, range| {
        let address = range.start() + PAGE - 2;
        copy_out(fixture, b"kept", address)?;
        protect(fixture, range, Protection::empty())?;
        protect(fixture, range, Protection::READ)?;
        ensure(
            copy_in(fixture, address, 4)? == b"kept",
            "a page lost its bytes with its protection",
        )
    })
}

fn protect_maps_nothing<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, |fixture, range| {
        let hole = ProgramRange::new(range.start() + PAGE, PAGE);
        needs(hole.is_some())?;
        if let Some(hole) = hole {
            fixture.host().unmap(hole);
        }
        // Whether a range with a hole is an error is for the home to say.
        let _ = fixture.host().protect(range, Protection::READ);
        ensure(
            !may(fixture, range.start() + PAGE, Protection::READ),
            "a page was mapped by protect",
        )
    })
}

fn unmap_in_the_middle<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, |fixture, range| {
        copy_out(fixture, &vec![7; 3 * PAGE_SIZE], range.start())?;
        if let Some(hole) = ProgramRange::new(range.start() + PAGE, PAGE) {
            fixture.host().unmap(hole);
        }
        let gone = !may(fixture, range.start() + PAGE, Protection::READ);
        let front = copy_in(fixture, range.start(), PAGE_SIZE)?;
        let back = copy_in(fixture, range.start() + 2 * PAGE, PAGE_SIZE)?;
        let kept = front.iter().chain(&back).all(|&byte| byte == 7);
        ensure(gone && kept, "more or less was unmapped than was asked")
    })
}

fn unmap_of_nothing<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let range = pages(fixture, 2, 4)?;
    let before = fixture.host().memory();
    fixture.host().unmap(range);
    ensure(
        fixture.host().memory() == before,
        "memory came back that was not given",
    )
}
