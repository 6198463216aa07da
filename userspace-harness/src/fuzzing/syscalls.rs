//! A program's system calls: whatever it asks for, with whatever addresses, sizes, descriptors
//! and flags.
//!
//! An input is a list of steps ([`Step`]): calls, faults and interrupts of a program, words that
//! it puts into its memory, time that passes, what happens at the console. What must hold:
//!
//! - the kernel touches the program's memory only where it has found out that it may (`memory`);
//! - a call returns a result or an error of Linux, ENOSYS if and only if it does not exist;
//! - it waits only if it is one that may, and never in vain for a time that has passed (`home`);
//! - what it holds stays within a bound, and all of it comes back when the program is gone.

mod grammar;
mod home;
mod memory;
mod process;
mod waiting;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use arbitrary::Unstructured;

use super::LiveBytes;
use grammar::Step;
use home::Ended;
use process::Process;

/// What a kernel may take for one program: its memory, its files, and the pipes of as many
/// descriptors as it can have.
const MEMORY_BOUND: usize = 96 << 20;

/// Runs the input, and returns how many steps were taken before the program ended.
///
/// # Panics
///
/// If the kernel does what it must not.
pub fn syscalls(input: &[u8], live_bytes: LiveBytes) -> usize {
    let before = live_bytes();
    let mut process = Process::new();
    let mut taken = 0;
    let mut steps = Unstructured::new(input);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        while let Some(step) = Step::next(&mut steps) {
            process.take(&step);
            taken += 1;
            let used = live_bytes().saturating_sub(before);
            assert!(used <= MEMORY_BOUND, "{used} bytes after {step:?}");
        }
    }));
    if let Err(payload) = ended
        && !payload.is::<Ended>()
    {
        resume_unwind(payload);
    }
    drop(process);
    assert!(live_bytes() <= before, "memory is lost");
    taken
}

/// What the input says, a step a line.
pub fn syscalls_as_text(input: &[u8]) -> String {
    let mut steps = Unstructured::new(input);
    let lines = std::iter::from_fn(|| Step::next(&mut steps)).map(|step| format!("{step:?}\n"));
    lines.collect()
}
