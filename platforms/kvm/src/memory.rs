//! The machine's memory: whole pages for the host, the heap and the page tables.

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use hypercall::{DmaRegion, PAGE_SIZE, Pages};

use crate::frames::Frames;
use crate::kernel_cell::KernelCell;
use crate::start_info::MemoryMapEntry;

/// The one machine's.
pub(crate) static MEMORY: KernelCell<Memory> = KernelCell::new(Memory {
    frames: Frames::empty(),
});

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Memory below this address holds what firmware left (interrupt vectors, its data area).
const LOWEST: u64 = 0x1000;

/// Free pages. All of them are in the identity map.
pub(crate) struct Memory {
    frames: Frames,
}

impl Memory {
    /// Takes over the memory below `end` that `map` describes, without the ranges `taken`, which
    /// are sorted or not, and may overlap. `None` when not even the bitmap finds room.
    ///
    /// # Safety
    ///
    /// `map` tells the truth, its memory below `end` is in the identity map, and nothing outside
    /// `taken` is in use.
    pub(crate) unsafe fn start(
        map: &[MemoryMapEntry],
        end: u64,
        taken: &[(u64, u64)],
    ) -> Option<Self> {
        let words = Frames::bitmap_words(end as usize);
        let length = (words * size_of::<u64>()) as u64;
        let place = free_place(map, end, taken, length)?;
        let bitmap = place as *mut u64;
        // SAFETY: the place is memory that nobody uses, in the identity map, aligned to a page.
        let bitmap = unsafe {
            bitmap.write_bytes(0, words);
            core::slice::from_raw_parts_mut(bitmap, words)
        };
        let mut frames = Frames::new(bitmap);
        for entry in map.iter().filter(|entry| entry.is_memory()) {
            frames.add(entry.start.max(LOWEST) as usize, entry.end() as usize);
        }
        for &(start, end) in taken.iter().chain([&(place, place + length)]) {
            frames.take(start as usize, end as usize);
        }
        Some(Self { frames })
    }

    /// Zeroed pages, or `None`.
    pub(crate) fn allocate(&mut self, count: NonZeroUsize) -> Option<Pages> {
        let start = NonNull::new(self.frames.allocate(count)? as *mut u8)?;
        // SAFETY: `start` is the first of `count` free pages in the identity map, ours alone now.
        unsafe {
            start.write_bytes(0, count.get() * PAGE_SIZE);
            Some(Pages::from_raw(start, count))
        }
    }

    /// Takes pages back.
    pub(crate) fn release(&mut self, pages: Pages) {
        let (start, count) = pages.into_raw();
        self.frames.release(start.as_ptr() as usize, count);
    }

    /// One zeroed page by its physical address.
    pub(crate) fn zeroed_frame(&mut self) -> Option<u64> {
        self.allocate(ONE)
            .map(|pages| pages.into_raw().0.as_ptr() as u64)
    }

    /// Takes back what [`zeroed_frame`](Memory::zeroed_frame) gave.
    pub(crate) fn release_frame(&mut self, frame: u64) {
        self.frames.release(frame as usize, ONE);
    }

    /// All memory and free memory, in bytes.
    pub(crate) fn total_and_free(&self) -> (u64, u64) {
        let bytes = |pages: usize| (pages * PAGE_SIZE) as u64;
        (
            bytes(self.frames.total_count()),
            bytes(self.frames.free_count()),
        )
    }
}

/// Memory that a driver can share with its device; a device knows it by its physical address,
/// which is ours too. `None` when there is none in one piece.
pub fn dma_region(length: usize) -> Option<DmaRegion> {
    let count = NonZeroUsize::new(length.div_ceil(PAGE_SIZE))?;
    let (start, count) = MEMORY.with(|memory| memory.allocate(count))?.into_raw();
    // SAFETY: the pages are zeroed, aligned, and owned by nobody else: the region is their owner
    // and they never come back.
    Some(unsafe { DmaRegion::new(start, start.as_ptr() as u64, count.get() * PAGE_SIZE) })
}

/// The first page from which on `length` bytes below `end` are memory that nothing of `taken`
/// touches.
fn free_place(map: &[MemoryMapEntry], end: u64, taken: &[(u64, u64)], length: u64) -> Option<u64> {
    let page = PAGE_SIZE as u64;
    map.iter()
        .filter(|entry| entry.is_memory())
        .find_map(|entry| {
            let mut place = entry.start.max(LOWEST).next_multiple_of(page);
            let touches = |place, range: &(u64, u64)| range.0 < place + length && place < range.1;
            while let Some(range) = taken.iter().find(|range| touches(place, range)) {
                place = range.1.next_multiple_of(page);
            }
            (place + length <= entry.end().min(end)).then_some(place)
        })
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;

    use std::boxed::Box;
    use std::ops::{Deref, DerefMut};
    use std::ptr::null_mut;
    use std::vec;

    use libc::{MAP_32BIT, MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE};

    use super::*;

    /// Memory of this process that goes back to it at the end.
    pub(crate) struct TestMemory {
        memory: Memory,
        start: usize,
        length: usize,
    }

    /// `pages` free pages, at low addresses so that the bitmap is small.
    pub(crate) fn test_memory(pages: usize) -> TestMemory {
        let length = pages * PAGE_SIZE;
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
        // SAFETY: a mapping of its own, wherever there is room.
        let start = unsafe { libc::mmap(null_mut(), length, PROT_READ | PROT_WRITE, flags, -1, 0) };
        assert_ne!(start, MAP_FAILED);
        let start = start as usize;
        let bitmap = vec![0; Frames::bitmap_words(start + length)].into_boxed_slice();
        let mut frames = Frames::new(Box::leak(bitmap));
        frames.add(start, start + length);
        let memory = Memory { frames };
        TestMemory {
            memory,
            start,
            length,
        }
    }

    impl Deref for TestMemory {
        type Target = Memory;

        fn deref(&self) -> &Memory {
            &self.memory
        }
    }

    impl DerefMut for TestMemory {
        fn deref_mut(&mut self) -> &mut Memory {
            &mut self.memory
        }
    }

    impl Drop for TestMemory {
        fn drop(&mut self) {
            // SAFETY: the mapping that `test_memory` made; the test is done with its pages.
            unsafe { libc::munmap(self.start as *mut _, self.length) };
        }
    }

    #[test]
    fn a_place_lies_between_what_is_taken() {
        let map = [(0, 0x9000), (0x10_0000, 0x10_0000)]
            .map(|(start, length)| MemoryMapEntry::memory(start, length));
        let taken = [(0x1000, 0x2001), (0x5000, 0x6000), (0x10_0000, 0x11_0000)];
        let place = |length| free_place(&map, 0x18_0000, &taken, length);
        assert_eq!(place(0x1000), Some(0x3000));
        assert_eq!(place(0x3000), Some(0x6000));
        assert_eq!(place(0x3001), Some(0x11_0000));
        assert_eq!(place(0x7_0000), Some(0x11_0000));
        assert_eq!(place(0x7_0001), None);
    }
}
