//! What the fuzz targets share: an allocator that counts, and a sign of how far they are.

mod memory;

use std::sync::atomic::{AtomicUsize, Ordering};

use userspace_harness::fuzzing::LiveBytes;

/// How many things are taken from one sign to the next.
const INTERVAL: usize = 1 << 16;

/// Runs one input through a target of `userspace_harness::fuzzing`, which answers how many things
/// (frames, calls) it took from it. Each 2^16 of them are a line on standard error, by which
/// `cargo xtask bench fuzz` measures.
pub fn run(target: fn(&[u8], LiveBytes) -> usize, input: &[u8]) {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let count = target(input, memory::live_bytes);
    let before = TAKEN.fetch_add(count, Ordering::Relaxed);
    let after = before + count;
    if before / INTERVAL != after / INTERVAL {
        eprintln!("taken: {after}");
    }
}
