//! The contract's own tests: every fake keeps it, and every clause has a fake that breaks it.
//!
//! A case that cannot fail says nothing. So each module holds, for its trait, one spoiled
//! implementation for every case, named as the case is: a wrapper around the fake in which one
//! method does one thing wrong. On each of them exactly the case of its name fails.

use std::collections::BTreeSet;

use hypercall::contract::{Case, Deviation, run};

mod block_device;
mod frame_device;
mod host;
mod program_host;

/// Asserts that no case fails on any of the fixtures, and that each is tried on one at least.
fn assert_kept<F>(cases: &[Case<F>], fixtures: &mut [F]) {
    let mut tried = BTreeSet::new();
    for fixture in fixtures {
        run(cases, fixture, &mut |case, verdict| match verdict {
            Ok(()) => {
                tried.insert(case.name);
            }
            Err(Deviation::NotTried) => {}
            Err(Deviation::Violated(seen)) => panic!("{}: {seen}", case.name),
        });
    }
    assert_eq!(tried, cases.iter().map(|case| case.name).collect());
}

/// Asserts that the cases and the spoils match one to one, and that on the fixtures of each spoil
/// the case of its name fails and no other does. Every case gets fixtures of its own.
fn assert_each_breaks_its_own<F, S: Copy>(
    cases: &[Case<F>],
    spoils: &[(&'static str, S)],
    fixtures: impl Fn(S) -> Vec<F>,
) {
    let named: BTreeSet<_> = spoils.iter().map(|(name, _)| *name).collect();
    assert_eq!(named.len(), spoils.len(), "a case is spoiled twice");
    assert_eq!(named, cases.iter().map(|case| case.name).collect());
    for &(name, spoil) in spoils {
        let failed: Vec<_> = cases
            .iter()
            .filter(|case| {
                let mut verdicts = fixtures(spoil)
                    .into_iter()
                    .map(|mut fixture| (case.check)(&mut fixture));
                verdicts.any(|verdict| matches!(verdict, Err(Deviation::Violated(_))))
            })
            .map(|case| case.name)
            .collect();
        assert_eq!(failed, [name], "what fails when {name} is spoiled");
    }
}
