//! The system's allocator, counting what each thread holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// How many bytes this thread has allocated and not freed; what one thread frees for another
/// counts wrong.
pub fn live_bytes() -> usize {
    LIVE.get()
}

fn count(allocated: usize, freed: usize) {
    LIVE.set(LIVE.get().wrapping_add(allocated).wrapping_sub(freed));
}

// SAFETY: the system's allocator does what is asked of it; counting touches no memory but a
// thread's own cell, which needs no destructor and so is there as long as the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps this function's contract, which is the same.
        let pointer = unsafe { System.alloc(layout) };
        if !pointer.is_null() {
            count(layout.size(), 0);
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps this function's contract, which is the same.
        let pointer = unsafe { System.alloc_zeroed(layout) };
        if !pointer.is_null() {
            count(layout.size(), 0);
        }
        pointer
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps this function's contract, which is the same.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if !moved.is_null() {
            count(size, layout.size());
        }
        moved
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps this function's contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}
