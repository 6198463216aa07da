//! The cases of [`ProgramHost`].

use alloc::vec;
use alloc::vec::Vec;

use super::{Case, Deviation, Verdict, ensure, needs};
use crate::{PAGE_SIZE, ProgramHost, ProgramRange, Protection};

mod access;
mod mapping;
mod memory;

/// A program host on which nothing is mapped yet.
pub trait ProgramFixture {
    /// The host under test.
    type Host: ProgramHost + ?Sized;

    /// The host under test.
    fn host(&mut self) -> &mut Self::Host;

    /// The thread pointer that the program would go on with, where that can be read.
    fn thread_pointer(&mut self) -> Option<u64> {
        None
    }
}

/// The cases of [`ProgramHost`].
pub fn cases<F: ProgramFixture>() -> Vec<Case<F>> {
    let mut cases = mapping::cases();
    cases.extend(access::cases());
    cases.extend(memory::cases());
    cases.extend([
        Case {
            name: "thread-pointer-is-set",
            clause: "set_thread_pointer: sets the thread pointer with which the program goes on",
            check: thread_pointer_is_set,
        },
        Case {
            name: "extended-state-is-kept",
            clause: "extended_state: makes the program go on with what area holds",
            check: extended_state_is_kept,
        },
    ]);
    cases
}

const PAGE: u64 = PAGE_SIZE as u64;
/// What data has.
const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

/// `count` pages of the program's, `skip` pages into its addresses.
fn pages<F: ProgramFixture>(
    fixture: &mut F,
    skip: u64,
    count: u64,
) -> Result<ProgramRange, Deviation> {
    let all = fixture.host().program_range();
    ProgramRange::new(all.start() + skip * PAGE, count * PAGE)
        .filter(|range| range.end() <= all.end())
        .ok_or(Deviation::NotTried)
}

fn map<F: ProgramFixture>(fixture: &mut F, range: ProgramRange, protection: Protection) -> Verdict {
    let mapped = fixture.host().map(range, protection);
    mapped.map_err(|_| Deviation::Violated("a free range was refused"))
}

/// Maps `count` pages, tries `check` on them, and unmaps what there is around them.
fn with_mapped<F: ProgramFixture>(
    fixture: &mut F,
    count: u64,
    protection: Protection,
    check: fn(&mut F, ProgramRange) -> Verdict,
) -> Verdict {
    let range = pages(fixture, 2, count)?;
    let around = pages(fixture, 0, count + 4)?;
    map(fixture, range, protection)?;
    let verdict = check(fixture, range);
    fixture.host().unmap(around);
    verdict
}

fn copy_in<F: ProgramFixture>(
    fixture: &mut F,
    address: u64,
    length: usize,
) -> Result<Vec<u8>, Deviation> {
    let mut bytes = vec![0xee; length];
    let copied = fixture.host().copy_in(address, &mut bytes);
    copied.map_err(|_| Deviation::Violated("mapped memory could not be read"))?;
    Ok(bytes)
}

fn copy_out<F: ProgramFixture>(fixture: &mut F, bytes: &[u8], address: u64) -> Verdict {
    let copied = fixture.host().copy_out(bytes, address);
    copied.map_err(|_| Deviation::Violated("mapped memory could not be written"))
}

/// Whether the program may access the byte at `address` so.
fn may<F: ProgramFixture>(fixture: &mut F, address: u64, access: Protection) -> bool {
    fixture.host().prepare(address, 1, access).is_ok()
}

fn thread_pointer_is_set<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let before = fixture.thread_pointer();
    needs(before.is_some())?;
    let address = fixture.host().program_range().start();
    fixture.host().set_thread_pointer(address);
    let found = fixture.thread_pointer();
    fixture.host().set_thread_pointer(before.unwrap_or(0));
    ensure(found == Some(address), "the thread pointer is another")
}

/// Where `fxsave64` puts xmm0 (Intel SDM volume 1, table 10-2).
const XMM0: core::ops::Range<usize> = 160..176;

fn extended_state_is_kept<F: ProgramFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let mut before = [0; 512];
    host.extended_state(&mut before, false);
    let mut changed = before;
    for byte in &mut changed[XMM0] {
        *byte = !*byte;
    }
    host.extended_state(&mut changed.clone(), true);
    let mut found = [0; 512];
    host.extended_state(&mut found, false);
    host.extended_state(&mut before, true);
    ensure(
        found[XMM0] == changed[XMM0],
        "the program would go on with other registers",
    )
}
