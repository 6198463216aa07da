//! Pages: anonymous memory from mmap(2), which costs nothing until it is touched.

use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};

use hypercall::{OutOfPages, PAGE_SIZE, Pages};

pub(crate) fn allocate(count: NonZeroUsize) -> Result<Pages, OutOfPages> {
    let length = count.get().checked_mul(PAGE_SIZE).ok_or(OutOfPages)?;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice disturbs nothing.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(OutOfPages);
    }
    let start = NonNull::new(start.cast()).ok_or(OutOfPages)?;
    // SAFETY: the mapping is whole pages, zeroed, and known to nobody else.
    Ok(unsafe { Pages::from_raw(start, count) })
}

pub(crate) fn release(pages: Pages) {
    let (start, count) = pages.into_raw();
    // SAFETY: `pages` came from `allocate` (the contract of `release_pages`) and owned its memory
    // alone, so nothing refers to it any more.
    let outcome = unsafe { libc::munmap(start.as_ptr().cast(), count.get() * PAGE_SIZE) };
    // Only a split of the mapping could fail, for want of kernel memory, and this is whole.
    debug_assert_eq!(outcome, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeroed_and_come_and_go() {
        let count = NonZeroUsize::new(3).expect("three");
        for _ in 0..100_000 {
            let mut pages = allocate(count).expect("memory");
            assert_eq!(pages.len(), 3 * PAGE_SIZE);
            assert_eq!((pages[0], pages[3 * PAGE_SIZE - 1]), (0, 0));
            pages[3 * PAGE_SIZE - 1] = 1;
            release(pages);
        }
    }

    #[test]
    fn more_than_there_is_cannot_be_had() {
        assert!(allocate(NonZeroUsize::MAX).is_err());
        assert!(
            allocate(NonZeroUsize::MAX.div_ceil(NonZeroUsize::new(PAGE_SIZE).expect("a page")))
                .is_err()
        );
    }
}
