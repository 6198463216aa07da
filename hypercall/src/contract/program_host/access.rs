//! What a program may reach, and what copies do there.

use alloc::vec;
use alloc::vec::Vec;

use super::{PAGE, ProgramFixture, READ_WRITE, copy_in, copy_out, may, with_mapped};
use crate::contract::{Case, Deviation, Verdict, ensure, fill_pattern, has_pattern};
use crate::{Fault, PAGE_SIZE, ProgramHost, ProgramRange, Protection};

pub(super) fn cases<F: ProgramFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "prepare-checks-the-protection",
            clause: "prepare: checks that the program may access the bytes as access says",
            check: prepare_checks_the_protection,
        },
        Case {
            name: "prepare-follows-protect",
            clause: "protect: gives the mapped pages a new protection",
            check: prepare_follows_protect,
        },
        Case {
            name: "prepare-allows-copies",
            clause: "prepare: after success copies within that range succeed",
            check: prepare_allows_copies,
        },
        Case {
            name: "prepare-names-the-first-fault",
            clause: "Fault: the first such address, by prepare",
            check: prepare_names_the_first_fault,
        },
        Case {
            name: "prepare-beyond-all-addresses",
            clause: "prepare: a range that ends beyond the last address faults",
            check: prepare_beyond_all_addresses,
        },
        Case {
            name: "copy-in-names-the-first-fault",
            clause: "Fault: the first such address, by copy_in",
            check: copy_in_names_the_first_fault,
        },
        Case {
            name: "copy-out-names-the-first-fault",
            clause: "Fault: the first such address, by copy_out",
            check: copy_out_names_the_first_fault,
        },
        Case {
            name: "copies-across-pages",
            clause: "copy_in: what copy_out wrote, at any address and length",
            check: copies_across_pages,
        },
        Case {
            name: "copy-out-spares-the-neighbours",
            clause: "copy_out: into the program's memory at address, and nowhere else",
            check: copy_out_spares_the_neighbours,
        },
        Case {
            name: "copy-out-to-read-only",
            clause: "copy_out: writable for the program or not",
            check: copy_out_to_read_only,
        },
    ]
}

const ACCESSES: [Protection; 3] = [Protection::READ, Protection::WRITE, Protection::EXECUTE];

fn prepare_checks_the_protection<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 1, READ_WRITE, |fixture, range| {
        ensure(
            may(fixture, range.start(), Protection::READ)
                && may(fixture, range.start(), Protection::WRITE),
            "what the protection allows was refused",
        )?;
        ensure(
            !may(fixture, range.start(), Protection::EXECUTE),
            "what the protection forbids was allowed",
        )
    })
}

fn prepare_follows_protect<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 1, READ_WRITE, |fixture, range| {
        for protection in [
            Protection::READ,
            Protection::READ | Protection::EXECUTE,
            READ_WRITE,
            Protection::empty(),
        ] {
            let changed = fixture.host().protect(range, protection);
            ensure(changed.is_ok(), "a mapped page's protection stays")?;
            for access in ACCESSES {
                ensure(
                    may(fixture, range.start(), access) == protection.contains(access),
                    "a page has another protection than it was given",
                )?;
            }
        }
        Ok(())
    })
}

fn prepare_allows_copies<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 3, READ_WRITE, |fixture, range| {
        let address = range.start() + 100;
        let length = 2 * PAGE_SIZE;
        let prepared = fixture.host().prepare(address, length, READ_WRITE);
        ensure(prepared.is_ok(), "mapped memory was refused")?;
        let written = fixture.host().copy_out(&vec![1; length], address);
        let read = fixture.host().copy_in(address, &mut vec![0; length]);
        ensure(
            written.is_ok() && read.is_ok(),
            "a copy within prepared memory failed",
        )
    })
}

/// The fault must be at the first address beyond `range`.
fn ensure_fault_after(range: ProgramRange, result: Result<(), Fault>) -> Verdict {
    match result {
        Ok(()) => Err(Deviation::Violated(
            "memory that is not mapped was accessed",
        )),
        Err(fault) => ensure(
            fault.address == range.end(),
            "the fault is at another address",
        ),
    }
}

fn prepare_names_the_first_fault<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 2, READ_WRITE, |fixture, range| {
        let start = range.start() + 10;
        let prepared = fixture
            .host()
            .prepare(start, 3 * PAGE_SIZE, Protection::READ);
        ensure_fault_after(range, prepared)
    })
}

fn prepare_beyond_all_addresses<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    for (address, length) in [(u64::MAX - 10, 100), (u64::MAX, 1), (PAGE, usize::MAX)] {
        let prepared = fixture.host().prepare(address, length, Protection::READ);
        ensure(prepared.is_err(), "addresses that are none were allowed")?;
    }
    Ok(())
}

fn copy_in_names_the_first_fault<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 2, READ_WRITE, |fixture, range| {
        let mut into = vec![0; 3 * PAGE_SIZE];
        let copied = fixture.host().copy_in(range.start() + 10, &mut into);
        ensure_fault_after(range, copied)
    })
}

fn copy_out_names_the_first_fault<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 2, READ_WRITE, |fixture, range| {
        let bytes = vec![0; 3 * PAGE_SIZE];
        let copied = fixture.host().copy_out(&bytes, range.start() + 10);
        ensure_fault_after(range, copied)
    })
}

fn copies_across_pages<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 4, READ_WRITE, |fixture, range| {
        let places = [
            (0, 1),
            (PAGE - 1, 2),
            (17, 3 * PAGE_SIZE),
            (PAGE, PAGE_SIZE),
        ];
        for (seed, (offset, length)) in (0..).zip(places) {
            let mut bytes = vec![0; length];
            fill_pattern(&mut bytes, seed);
            copy_out(fixture, &bytes, range.start() + offset)?;
            let found = copy_in(fixture, range.start() + offset, length)?;
            ensure(
                has_pattern(&found, seed),
                "other bytes were read than were written",
            )?;
        }
        Ok(())
    })
}

fn copy_out_spares_the_neighbours<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 1, READ_WRITE, |fixture, range| {
        copy_out(fixture, b"neighbours", range.start())?;
        copy_out(fixture, b"--", range.start() + 4)?;
        ensure(
            copy_in(fixture, range.start(), 10)? == b"neig--ours",
            "a copy changed what lies beside",
        )
    })
}

fn copy_out_to_read_only<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    with_mapped(fixture, 1, Protection::READ, |fixture, range| {
        let copied = fixture.host().copy_out(b"text", range.start());
        ensure(copied.is_ok(), "a read-only page cannot be loaded")?;
        ensure(
            copy_in(fixture, range.start(), 4)? == b"text",
            "a read-only page was not loaded",
        )
    })
}
