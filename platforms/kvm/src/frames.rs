//! Physical memory by the page: one bit for each page, free or taken.

use core::num::NonZeroUsize;

use hypercall::PAGE_SIZE;

const BITS: usize = u64::BITS as usize;

/// The machine's pages below one limit.
///
/// The bitmap itself lies in the machine's memory, in pages that stay taken.
pub(crate) struct Frames {
    /// A set bit is a free page; bit `n` of the whole is the page at `n * PAGE_SIZE`.
    free: &'static mut [u64],
    /// Where the search for one page begins: no word before it has a free page.
    first: usize,
    free_count: usize,
    total_count: usize,
}

impl Frames {
    /// No memory at all, until [`new`](Frames::new) replaces it.
    pub(crate) const fn empty() -> Self {
        Self {
            free: &mut [],
            first: 0,
            free_count: 0,
            total_count: 0,
        }
    }

    /// How many words the bitmap for addresses below `limit` needs.
    pub(crate) const fn bitmap_words(limit: usize) -> usize {
        (limit / PAGE_SIZE).div_ceil(BITS)
    }

    /// Starts with every page taken. `bitmap` holds [`bitmap_words`](Frames::bitmap_words) zeros.
    pub(crate) fn new(bitmap: &'static mut [u64]) -> Self {
        Self {
            free: bitmap,
            first: 0,
            free_count: 0,
            total_count: 0,
        }
    }

    /// Adds the whole pages within `start..end` as free ones; they were not known before.
    pub(crate) fn add(&mut self, start: usize, end: usize) {
        let first = start.div_ceil(PAGE_SIZE);
        let last = (end / PAGE_SIZE).min(self.free.len() * BITS);
        if first < last {
            self.mark(first, last - first, true);
            self.total_count += last - first;
        }
    }

    /// The address of `count` free pages in a row, now taken. Their content is anything.
    pub(crate) fn allocate(&mut self, count: NonZeroUsize) -> Option<usize> {
        let page = if count.get() == 1 {
            self.find_one()?
        } else {
            self.find_run(count.get())?
        };
        self.mark(page, count.get(), false);
        Some(page * PAGE_SIZE)
    }

    /// Takes the pages that `start..end` touches, as far as they are free.
    pub(crate) fn take(&mut self, start: usize, end: usize) {
        let first = start / PAGE_SIZE;
        let last = end.div_ceil(PAGE_SIZE).min(self.free.len() * BITS);
        self.mark(first, last.saturating_sub(first), false);
    }

    /// Frees the `count` pages from `address`, which [`allocate`](Frames::allocate) gave.
    pub(crate) fn release(&mut self, address: usize, count: NonZeroUsize) {
        self.mark(address / PAGE_SIZE, count.get(), true);
    }

    /// How many pages are free.
    pub(crate) fn free_count(&self) -> usize {
        self.free_count
    }

    /// How many pages there are, free or not.
    pub(crate) fn total_count(&self) -> usize {
        self.total_count
    }

    fn find_one(&mut self) -> Option<usize> {
        let offset = self.free[self.first..].iter().position(|&word| word != 0)?;
        self.first += offset;
        Some(self.first * BITS + self.free[self.first].trailing_zeros() as usize)
    }

    /// The first run of `count` free pages. Whole words are passed over in one step.
    fn find_run(&self, count: usize) -> Option<usize> {
        let mut start = self.first * BITS;
        let mut length = 0;
        for (index, &word) in self.free.iter().enumerate().skip(self.first) {
            if word == u64::MAX {
                length += BITS;
                if length >= count {
                    return Some(start);
                }
                continue;
            }
            for bit in 0..BITS {
                if word & (1 << bit) == 0 {
                    start = index * BITS + bit + 1;
                    length = 0;
                } else {
                    length += 1;
                    if length == count {
                        return Some(start);
                    }
                }
            }
        }
        None
    }

    fn mark(&mut self, first: usize, count: usize, free: bool) {
        let mut page = first;
        let end = first + count;
        let mut changes = 0;
        while page < end {
            let bit = page % BITS;
            let span = (BITS - bit).min(end - page);
            let mask = (u64::MAX >> (BITS - span)) << bit;
            let word = &mut self.free[page / BITS];
            let changed = mask & if free { !*word } else { *word };
            *word ^= changed;
            changes += changed.count_ones() as usize;
            page += span;
        }
        if free {
            self.first = self.first.min(first / BITS);
            self.free_count += changes;
        } else {
            self.free_count -= changes;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::boxed::Box;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    fn pages(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn frames(limit_pages: usize, from: usize, to: usize) -> Frames {
        let words = Frames::bitmap_words(limit_pages * PAGE_SIZE);
        let mut frames = Frames::new(Box::leak(vec![0; words].into_boxed_slice()));
        frames.add(from * PAGE_SIZE, to * PAGE_SIZE);
        frames
    }

    #[test]
    fn single_pages_come_lowest_first_and_come_again() {
        let mut frames = frames(200, 3, 200);
        let first: Vec<_> = (0..3)
            .map(|_| frames.allocate(pages(1)).unwrap() / PAGE_SIZE)
            .collect();
        assert_eq!(first, [3, 4, 5]);
        frames.release(4 * PAGE_SIZE, pages(1));
        assert_eq!(frames.allocate(pages(1)), Some(4 * PAGE_SIZE));
    }

    #[test]
    fn a_run_skips_holes_and_crosses_words() {
        let mut frames = frames(400, 0, 400);
        assert_eq!(frames.allocate(pages(60)), Some(0));
        assert_eq!(frames.allocate(pages(1)), Some(60 * PAGE_SIZE));
        frames.release(0, pages(60));
        assert_eq!(frames.allocate(pages(61)), Some(61 * PAGE_SIZE));
        assert_eq!(frames.allocate(pages(200)), Some(122 * PAGE_SIZE));
        assert_eq!(frames.allocate(pages(100)), None);
        assert_eq!(frames.free_count(), 400 - 1 - 61 - 200);
    }

    #[test]
    fn everything_can_be_taken_and_returned() {
        let mut frames = frames(130, 1, 130);
        let all: Vec<_> = core::iter::from_fn(|| frames.allocate(pages(1))).collect();
        assert_eq!(all.len(), 129);
        assert_eq!(frames.free_count(), 0);
        for address in all {
            frames.release(address, pages(1));
        }
        assert_eq!(frames.allocate(pages(129)), Some(PAGE_SIZE));
    }

    #[test]
    fn a_page_is_taken_once() {
        let mut frames = frames(130, 1, 130);
        frames.take(2 * PAGE_SIZE + 5, 3 * PAGE_SIZE + 1);
        frames.take(3 * PAGE_SIZE, 4 * PAGE_SIZE);
        frames.take(129 * PAGE_SIZE, usize::MAX - PAGE_SIZE);
        assert_eq!((frames.free_count(), frames.total_count()), (126, 129));
        assert_eq!(frames.allocate(pages(1)), Some(PAGE_SIZE));
        assert_eq!(frames.allocate(pages(1)), Some(4 * PAGE_SIZE));
    }

    #[test]
    fn memory_beyond_the_limit_is_ignored() {
        let frames = frames(64, 60, 1000);
        assert_eq!(frames.total_count(), 4);
    }
}
