//! The kernel's heap: small pieces from a TLSF allocator, large ones as whole pages.

use core::alloc::{GlobalAlloc, Layout};
use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};

use hypercall::{PAGE_SIZE, Pages};
use rlsf::Tlsf;

use crate::kernel_cell::KernelCell;
use crate::memory::MEMORY;

/// From this size on an allocation is whole pages of its own, which go back when it is freed.
const WHOLE_PAGES: usize = 2 * PAGE_SIZE;
/// How many pages the allocator takes at a time.
const GROWTH: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Two levels of free lists: 12 powers of two, each cut in 8. Enough for pieces below
/// [`WHOLE_PAGES`] with their headers, and small in `.bss`.
type Allocator = Tlsf<'static, u16, u8, 12, 8>;

static ALLOCATOR: KernelCell<Allocator> = KernelCell::new(Allocator::new());

/// The kernel's global allocator; a final product declares it with `#[global_allocator]`.
#[derive(Debug)]
pub struct KernelHeap;

// SAFETY: TLSF gives out disjoint pieces with the layout asked for, whole pages are exclusive by
// `Memory`'s promise, and a piece goes back to where it came from because its size decides.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let allocated = if is_whole_pages(&layout) {
            take_pages(&layout)
        } else {
            take(layout)
        };
        allocated.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is `alloc`'s.
        let start = unsafe { self.alloc(layout) };
        if !start.is_null() && !is_whole_pages(&layout) {
            // SAFETY: `start` is an allocation of `layout.size()` bytes.
            unsafe { start.write_bytes(0, layout.size()) };
        }
        start
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller passes what `alloc` gave, which is never null.
        let start = unsafe { NonNull::new_unchecked(start) };
        if is_whole_pages(&layout) {
            // SAFETY: `take_pages` gave these pages for this layout; nobody uses them any more.
            let pages = unsafe { Pages::from_raw(start, page_count(&layout)) };
            MEMORY.with(|memory| memory.release(pages));
        } else {
            // SAFETY: `take` gave this piece for this layout's alignment.
            ALLOCATOR.with(|allocator| unsafe { allocator.deallocate(start, layout.align()) });
        }
    }
}

fn is_whole_pages(layout: &Layout) -> bool {
    layout.size() >= WHOLE_PAGES && layout.align() <= PAGE_SIZE
}

fn page_count(layout: &Layout) -> NonZeroUsize {
    NonZeroUsize::new(layout.size().div_ceil(PAGE_SIZE)).unwrap_or(NonZeroUsize::MIN)
}

fn take_pages(layout: &Layout) -> Option<NonNull<u8>> {
    let pages = MEMORY.with(|memory| memory.allocate(page_count(layout)))?;
    Some(pages.into_raw().0)
}

fn take(layout: Layout) -> Option<NonNull<u8>> {
    ALLOCATOR.with(|allocator| {
        allocator.allocate(layout).or_else(|| {
            grow(allocator)?;
            allocator.allocate(layout)
        })
    })
}

fn grow(allocator: &mut Allocator) -> Option<()> {
    let (start, count) = MEMORY
        .with(|memory| {
            memory
                .allocate(GROWTH)
                .or_else(|| memory.allocate(NonZeroUsize::MIN))
        })?
        .into_raw();
    let block = NonNull::slice_from_raw_parts(start, count.get() * PAGE_SIZE);
    // SAFETY: the pages are ours alone and stay the allocator's for ever.
    unsafe { allocator.insert_free_block_ptr(block) }.map(|_| ())
}
