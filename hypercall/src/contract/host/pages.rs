//! Pages: had, used, given back, refused.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use super::HostFixture;
use crate::contract::{Case, Deviation, Verdict, ensure, fill_pattern, has_pattern};
use crate::{Host, PAGE_SIZE, Pages};

/// How many pages a case asks for at once: a home of 1 MB must be able to give them.
const FEW: NonZeroUsize = NonZeroUsize::new(8).expect("eight is not zero");
/// More pages than any address space holds.
const IMPOSSIBLE: [usize; 2] = [usize::MAX, usize::MAX / PAGE_SIZE / 2];
/// How often `FEW` pages are had and given back: 128 MB, more than a small home has.
const ROUNDS: usize = 4096;

pub(super) fn cases<F: HostFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "pages-as-many-as-asked",
            clause: "allocate_pages: count whole pages",
            check: as_many_as_asked,
        },
        Case {
            name: "pages-aligned",
            clause: "allocate_pages: whole pages",
            check: aligned,
        },
        Case {
            name: "pages-zeroed",
            clause: "allocate_pages: zeroed, whoever had them before",
            check: zeroed,
        },
        Case {
            name: "pages-disjoint",
            clause: "allocate_pages: the caller owns them",
            check: disjoint,
        },
        Case {
            name: "pages-released-come-back",
            clause: "release_pages: they can be had again",
            check: released_come_back,
        },
        Case {
            name: "pages-exhaustion-is-an-error",
            clause: "allocate_pages: an error where there are not so many",
            check: exhaustion_is_an_error,
        },
        Case {
            name: "pages-exhaustion-changes-nothing",
            clause: "allocate_pages: on error nothing has changed",
            check: exhaustion_changes_nothing,
        },
    ]
}

fn allocate<H: Host>(host: &mut H) -> Result<Pages, Deviation> {
    host.allocate_pages(FEW)
        .map_err(|_| Deviation::Violated("a few pages were not to be had"))
}

fn as_many_as_asked<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let pages = allocate(host)?;
    let count = pages.count();
    host.release_pages(pages);
    ensure(count == FEW, "another number of pages came")
}

fn aligned<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let pages = allocate(host)?;
    let address = pages.as_ptr().addr();
    host.release_pages(pages);
    ensure(
        address.is_multiple_of(PAGE_SIZE),
        "the pages start in the middle of one",
    )
}

fn zeroed<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    for _ in 0..4 {
        let mut pages = allocate(host)?;
        let zero = pages.iter().all(|&byte| byte == 0);
        pages.fill(0xa5);
        host.release_pages(pages);
        ensure(zero, "pages came with something in them")?;
    }
    Ok(())
}

fn disjoint<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let (mut one, mut other) = (allocate(host)?, allocate(host)?);
    // Addresses first: pages that overlap must not be written as if they were two.
    let (start, other_start) = (one.as_ptr().addr(), other.as_ptr().addr());
    ensure(
        start.abs_diff(other_start) >= FEW.get() * PAGE_SIZE,
        "two allocations overlap",
    )?;
    fill_pattern(&mut one, 1);
    fill_pattern(&mut other, 2);
    let kept = has_pattern(&one, 1) && has_pattern(&other, 2);
    host.release_pages(one);
    host.release_pages(other);
    ensure(kept, "pages lost what was written to them")
}

fn released_come_back<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    for _ in 0..ROUNDS {
        let pages = host
            .allocate_pages(FEW)
            .map_err(|_| Deviation::Violated("released pages were not to be had again"))?;
        host.release_pages(pages);
    }
    Ok(())
}

fn exhaustion_is_an_error<F: HostFixture>(fixture: &mut F) -> Verdict {
    for count in IMPOSSIBLE.into_iter().filter_map(NonZeroUsize::new) {
        let refused = fixture.host().allocate_pages(count).is_err();
        ensure(refused, "more pages came than there can be")?;
    }
    Ok(())
}

fn exhaustion_changes_nothing<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    for count in IMPOSSIBLE.into_iter().filter_map(NonZeroUsize::new) {
        let _ = host.allocate_pages(count);
    }
    let pages = host
        .allocate_pages(FEW)
        .map_err(|_| Deviation::Violated("after a refusal nothing is to be had"))?;
    host.release_pages(pages);
    Ok(())
}
