//! The one address space, set up at the start and shared by whoever maps.

use core::ops::Range;

use hypercall::{PAGE_SIZE, Protection};
use protocol::ImagePart;

use crate::kernel_cell::KernelCell;
use crate::memory::{MEMORY, Memory};
use crate::page_table::{Entry, Level};
use crate::paging::{AddressSpace, PROGRAM_START};
use crate::start_info::MemoryMapEntry;

unsafe extern "C" {
    static boot_pml4: u8;
    static kernel_stack_guard: u8;
    static kernel_text_start: u8;
    static kernel_text_end: u8;
    static kernel_rodata_start: u8;
    static kernel_rodata_end: u8;
    static kernel_bss_end: u8;
}

static SPACE: KernelCell<Option<AddressSpace>> = KernelCell::new(None);

const CODE: Protection = Protection::READ.union(Protection::EXECUTE);

/// Lends the address space and the memory that its tables are made of.
pub(crate) fn with<R>(body: impl FnOnce(&mut AddressSpace, &mut Memory) -> R) -> R {
    SPACE.with(|space| {
        // SAFETY: the boot code made the tree at `boot_pml4` and loaded it; only `SPACE` names it.
        let space = space
            .get_or_insert_with(|| unsafe { AddressSpace::new((&raw const boot_pml4) as u64) });
        MEMORY.with(|memory| body(space, memory))
    })
}

/// Protects the kernel's own pages and the parts of `image`, closes the page below the kernel's
/// stack, and maps the memory of `map` that lies above what the boot code has mapped. `None` when
/// there is no memory for the tables.
pub(crate) fn start(map: &[MemoryMapEntry], image: &[ImagePart]) -> Option<()> {
    let [text, rodata, data] = [
        (&raw const kernel_text_start) as u64,
        (&raw const kernel_rodata_start) as u64,
        (&raw const kernel_rodata_end) as u64,
    ];
    let end = image.last().map_or_else(kernel_end, |part| part.end);
    let large = Level::LARGE_PAGE.entry_size();
    with(|space, memory| {
        space.map_image(memory, end, |tables| {
            // A null pointer is to fault; no memory is lost, for nothing is given out down there.
            tables.remove(0);
            tables.set(text, rodata, Entry::kernel(text, CODE));
            tables.set(rodata, data, Entry::kernel(rodata, Protection::READ));
            tables.remove(stack_guard().start);
            for part in image {
                tables.set_part(part);
            }
        })?;
        // Not what lies between: devices have their registers there, which must not be cached.
        for entry in map.iter().filter(|entry| entry.is_memory()) {
            let first = entry.start.max(BOOT_MAPPED) / large * large;
            for address in (first..entry.end().min(PROGRAM_START)).step_by(large as usize) {
                space.map_large(memory, address, Entry::large_kernel)?;
            }
        }
        Some(())
    })
}

/// What the boot code has mapped one to one.
pub(crate) const BOOT_MAPPED: u64 = 1 << 30;

/// The addresses of the kernel's code.
pub(crate) fn kernel_text() -> (u64, u64) {
    (
        (&raw const kernel_text_start) as u64,
        (&raw const kernel_text_end) as u64,
    )
}

/// The addresses of the kernel's data, its stacks among it.
pub(crate) fn kernel_data() -> Range<u64> {
    (&raw const kernel_rodata_end) as u64..kernel_end()
}

/// The page below the kernel's stack, which is closed.
pub(crate) fn stack_guard() -> Range<u64> {
    let start = (&raw const kernel_stack_guard) as u64;
    start..start + PAGE_SIZE as u64
}

/// Where the kernel's own memory ends.
pub(crate) fn kernel_end() -> u64 {
    (&raw const kernel_bss_end) as u64
}
