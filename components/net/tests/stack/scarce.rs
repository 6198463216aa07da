//! Memory that runs out when a test says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;

/// The system's allocator, except that it refuses a thread what [`refusing`] names.
struct Scarce;

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

thread_local! {
    /// Which of the thread's allocations are refused, and how many there were.
    static REFUSED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// How many [`Plenty`] there are; one more for a thread that is not in [`refusing`].
    static PLENTY: Cell<usize> = const { Cell::new(1) };
}

fn is_refused() -> bool {
    if PLENTY.get() > 0 || std::thread::panicking() {
        return false;
    }
    let number = COUNT.get();
    COUNT.set(number + 1);
    let (start, end) = REFUSED.get();
    (start..end).contains(&number)
}

// SAFETY: the system's allocator does what is asked of it, and null says that nothing was done.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps this function's contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_refused() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps this function's contract, which is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps this function's contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `scenario`, whose allocations with these numbers fail, and returns how many it asked for.
pub fn refusing(numbers: Range<usize>, scenario: impl FnOnce()) -> usize {
    REFUSED.set((numbers.start, numbers.end));
    COUNT.set(0);
    PLENTY.set(0);
    // Also if the scenario panics.
    let after = Restore;
    scenario();
    drop(after);
    COUNT.get()
}

struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        PLENTY.set(1);
    }
}

/// While it lives the thread's allocations do not count: they are the test's own.
pub struct Plenty(());

impl Plenty {
    pub fn new() -> Self {
        PLENTY.set(PLENTY.get() + 1);
        Self(())
    }
}

impl Drop for Plenty {
    fn drop(&mut self) {
        PLENTY.set(PLENTY.get() - 1);
    }
}
