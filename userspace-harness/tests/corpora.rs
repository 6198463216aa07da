//! Every input in `fuzz/corpus` is taken by its target without a finding.

#[path = "../fuzz/src/memory.rs"]
mod memory;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use userspace_harness::fuzzing::{self, LiveBytes};

/// Runs the inputs of `target`, of which there must be some, and names each that fails.
fn replay(target: &str, run: fn(&[u8], LiveBytes) -> usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folder = folder.join(target);
    let entries = fs::read_dir(&folder).expect("the target has a corpus");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    let failed = paths.iter().filter(|path| {
        let input = fs::read(path).expect("readable");
        catch_unwind(|| run(&input, memory::live_bytes)).is_err()
    });
    let failed: Vec<_> = failed.collect();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    assert!(failed.is_empty(), "these inputs fail: {failed:#?}");
}

#[test]
fn frames() {
    replay("frames", fuzzing::frames);
}

#[test]
fn syscalls() {
    replay("syscalls", fuzzing::syscalls);
}

#[test]
fn ring() {
    replay("ring", fuzzing::ring);
}

#[test]
fn an_empty_input_is_none() {
    assert!(fuzzing::frames(&[], memory::live_bytes) > 0);
    assert_eq!(fuzzing::syscalls(&[], memory::live_bytes), 0);
    assert_eq!(fuzzing::ring(&[], memory::live_bytes), 0);
}
