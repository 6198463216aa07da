//! Each check that the ring and its drivers make of what a device says is needed: without it, the
//! replay of the corpus fails.
//!
//! A small program is put together from copies of the sources, in which one check is taken out at
//! a time: the driver's crate, the software devices, the fuzz target and its corpus. It is built
//! once for each.

mod checks;
mod program;

use checks::{CHECKS, Check};
use program::{Program, original};

/// Files in which every check is listed: all that they say of a device's misbehaviour is.
const COMPLETE: [&str; 3] = ["ring.rs", "shadow.rs", "layout.rs"];
/// What those files say that is about no device: memory is the platform's.
const NOT_OF_A_DEVICE: &str = "VirtioError::MemoryTooSmall";

#[test]
fn the_replay_fails_without_any_one_check() {
    let program = Program::new();
    assert!(program.replays(), "the sources as they are");
    let missed = CHECKS.iter().filter(|check| {
        let whole = original(check.file);
        program.set_source(check.file, &without(check, &whole));
        let replays = program.replays();
        program.set_source(check.file, &whole);
        replays
    });
    let missed: Vec<_> = missed.map(|check| check.what).collect();
    assert_eq!(missed, [""; 0], "the replay passes without these checks");
}

#[test]
fn every_check_of_the_ring_is_listed() {
    for file in COMPLETE {
        let source = original(file);
        let (product, _) = source.split_once("#[cfg(test)]").expect("tests come last");
        let listed = CHECKS.iter().filter(|check| check.file == file);
        let listed: usize = listed.map(|check| errors_in(check.code)).sum();
        assert_eq!(listed, errors_in(product), "{file}");
    }
}

/// The source with a check taken out.
fn without(check: &Check, source: &str) -> String {
    let count = source.matches(check.code).count();
    assert_eq!(count, 1, "{}: the code is there once", check.what);
    source.replace(check.code, check.trusting)
}

/// How often code says that a device is at fault.
fn errors_in(code: &str) -> usize {
    let named = |name| code.matches(name).count();
    named("Violation::") + named("VirtioError::") - named(NOT_OF_A_DEVICE)
}
