//! Whole pages of memory, owned as a value.

use core::fmt;
use core::num::NonZeroUsize;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use thiserror::Error;

/// The size of a page in bytes, in every home.
pub const PAGE_SIZE: usize = 4096;

/// Pages in one piece, exclusively owned.
///
/// They come from [`Host::allocate_pages`](crate::Host::allocate_pages) and go back by
/// [`Host::release_pages`](crate::Host::release_pages); dropping the value leaks them.
pub struct Pages {
    start: NonNull<u8>,
    count: NonZeroUsize,
}

// SAFETY: `Pages` owns its memory alone, as a `Box` does (the promise of `from_raw`).
unsafe impl Send for Pages {}
// SAFETY: a shared `Pages` gives out shared slices only.
unsafe impl Sync for Pages {}

impl Pages {
    /// Makes a value of `count` pages that start at `start`. For platforms.
    ///
    /// # Safety
    ///
    /// `start` is aligned to [`PAGE_SIZE`]; the `count * PAGE_SIZE` bytes from there are
    /// initialised, readable and writable, and nothing else refers to them until
    /// [`into_raw`](Pages::into_raw) takes the value apart.
    pub const unsafe fn from_raw(start: NonNull<u8>, count: NonZeroUsize) -> Self {
        Self { start, count }
    }

    /// Takes the value apart. For platforms.
    pub const fn into_raw(self) -> (NonNull<u8>, NonZeroUsize) {
        (self.start, self.count)
    }

    /// How many pages these are.
    pub const fn count(&self) -> NonZeroUsize {
        self.count
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `from_raw`'s caller promised initialised memory of this length that only this
        // value refers to.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.count.get() * PAGE_SIZE) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes the reference the only one.
        unsafe {
            core::slice::from_raw_parts_mut(self.start.as_ptr(), self.count.get() * PAGE_SIZE)
        }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pages({:p}, {})", self.start, self.count)
    }
}

/// The host has no such run of free pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("out of memory pages")]
pub struct OutOfPages;
