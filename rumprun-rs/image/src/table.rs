//! What `bake` put into this image.

use protocol::{ImagePart, ImageTable};

use crate::wiring::{ImageHandler, Wiring};

/// A component's init function.
pub(crate) type Init = extern "C" fn(&mut Wiring);

unsafe extern "C" {
    /// The table, which the linker script emits and `bake` fills in.
    #[link_name = "image_table"]
    static IMAGE_TABLE: ImageTable;
}

/// The image beside the kernel.
pub(crate) struct Image {
    /// What `bake` says of the program.
    pub(crate) table: ImageTable,
    /// The root folder, a tar archive; empty when there is none.
    pub(crate) root: &'static [u8],
    /// Default command line words.
    pub(crate) words: &'static [u8],
    /// The chosen components, in the order in which they start.
    pub(crate) inits: &'static [Init],
    /// The system calls that the program can make.
    pub(crate) calls: &'static [LinkedCall],
    /// Everything of the image beside the kernel: the program's segments, then root and words.
    pub(crate) parts: &'static [ImagePart],
}

/// A system call in this image.
#[repr(C)]
pub(crate) struct LinkedCall {
    /// Its number, below [`linux_abi::TABLE_LENGTH`].
    pub(crate) number: u64,
    /// What does it.
    pub(crate) handler: ImageHandler,
}

impl Image {
    /// Reads the table; `None` if it is not what `bake` writes. Root and words may lie where this
    /// machine has no memory.
    pub(crate) fn find() -> Option<Self> {
        let place = &raw const IMAGE_TABLE;
        // SAFETY: the linker script emits the table in the kernel's read-only data. `bake` fills
        // it in after the compiler has seen it, hence the volatile read.
        let table = unsafe { place.read_volatile() };
        if table.magic != ImageTable::MAGIC {
            return None;
        }
        // SAFETY: `init_count` addresses of init functions follow the table.
        let inits = unsafe {
            core::slice::from_raw_parts(place.add(1).cast::<Init>(), table.init_count as usize)
        };
        // SAFETY: `call_count` pairs of a number and a handler follow those.
        let calls: &[LinkedCall] = unsafe {
            core::slice::from_raw_parts(inits.as_ptr_range().end.cast(), table.call_count as usize)
        };
        // SAFETY: `part_count` parts follow those.
        let parts = unsafe {
            core::slice::from_raw_parts(calls.as_ptr_range().end.cast(), table.part_count as usize)
        };
        Some(Self {
            // SAFETY: `bake` placed the archive there as read-only memory.
            root: unsafe { placed(table.root_start, table.root_length) },
            // SAFETY: likewise the words.
            words: unsafe { placed(table.words_start, table.words_length) },
            table,
            inits,
            calls,
            parts,
        })
    }

    /// The program's part of it.
    pub(crate) fn program_parts(&self) -> &'static [ImagePart] {
        self.parts.split_last().map_or(&[], |(_, program)| program)
    }
}

/// The bytes that `bake` placed at an address.
///
/// # Safety
///
/// They are there, and nothing writes them.
unsafe fn placed(start: u64, length: u64) -> &'static [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(start as *const u8, length as usize) }
}
