//! What `bake` put into this image.

use platform_kvm::{ImagePart, ascii_text};
use protocol::ImageTable;

use crate::loaded_program::LoadedProgram;
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
    /// The program.
    pub(crate) program: LoadedProgram,
    /// The root folder, a tar archive; empty when there is none.
    pub(crate) root: &'static [u8],
    /// Default command line words.
    pub(crate) words: &'static str,
    /// The chosen components, in the order in which they start.
    pub(crate) inits: &'static [Init],
    /// The system calls that the program can make.
    pub(crate) calls: &'static [LinkedCall],
}

/// A system call in this image.
#[repr(C)]
pub(crate) struct LinkedCall {
    /// Its number, below [`linux_abi::TABLE_LENGTH`].
    pub(crate) number: u64,
    /// What does it.
    pub(crate) handler: ImageHandler,
}

/// Why an image cannot be run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ImageError {
    /// The table is not what `bake` writes.
    NoTable,
    /// The program's headers are not those of an ELF file.
    BadProgram,
}

impl Image {
    /// Reads the table and the program's headers. They may lie where this machine has no memory:
    /// what is read then is no table and no program.
    pub(crate) fn find() -> Result<Self, ImageError> {
        let place = &raw const IMAGE_TABLE;
        // SAFETY: the linker script emits the table in the kernel's read-only data. `bake` fills
        // it in after the compiler has seen it, hence the volatile read.
        let table = unsafe { place.read_volatile() };
        if table.magic != ImageTable::MAGIC {
            return Err(ImageError::NoTable);
        }
        // SAFETY: `init_count` addresses of init functions follow the table.
        let inits = unsafe {
            core::slice::from_raw_parts(place.add(1).cast::<Init>(), table.init_count as usize)
        };
        // SAFETY: `call_count` pairs of a number and a handler follow those.
        let calls = unsafe {
            core::slice::from_raw_parts(inits.as_ptr_range().end.cast(), table.call_count as usize)
        };
        // SAFETY: `bake` placed the program there, and the loader loaded it.
        let program = unsafe { LoadedProgram::read(table.program_base) };
        Ok(Self {
            program: program.ok_or(ImageError::BadProgram)?,
            // SAFETY: `bake` placed the archive there as read-only memory.
            root: unsafe { placed(table.root_start, table.root_length) },
            // SAFETY: likewise the words.
            words: ascii_text(unsafe { placed(table.words_start, table.words_length) })
                .unwrap_or(""),
            inits,
            calls,
        })
    }

    /// Each part of the image that lies outside the kernel.
    pub(crate) fn parts(&self) -> impl Iterator<Item = ImagePart> + Clone {
        let data = [self.root, self.words.as_bytes()];
        let data = data.into_iter().filter(|bytes| !bytes.is_empty());
        self.program.parts().chain(data.map(|bytes| {
            let range = bytes.as_ptr_range();
            ImagePart {
                range: range.start as u64..range.end as u64,
                protection: hypercall::Protection::READ,
            }
        }))
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
