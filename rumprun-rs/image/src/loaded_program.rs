//! The program's ELF headers, where the loader put them with its first segment.
//!
//! Layout: System V ABI, chapters 4 and 5 (ELF-64).

use hypercall::{PAGE_SIZE, Protection};
use platform_kvm::ImagePart;

const MAGIC: [u8; 4] = *b"\x7fELF";
/// `ET_DYN`: the addresses in the file count from where it was placed.
const POSITION_INDEPENDENT: u16 = 3;
/// `PT_LOAD`.
const LOAD: u32 = 1;
/// More program headers than this are a mistake.
const MOST_HEADERS: u16 = 16;

/// `Elf64_Ehdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FileHeader {
    magic: [u8; 4],
    identification: [u8; 12],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    program_headers: u64,
    section_headers: u64,
    flags: u32,
    header_size: u16,
    program_header_size: u16,
    program_header_count: u16,
}

/// `Elf64_Phdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical_address: u64,
    file_size: u64,
    memory_size: u64,
    alignment: u64,
}

/// A program in memory.
#[derive(Clone, Copy)]
pub(crate) struct LoadedProgram {
    /// Where it begins to run.
    pub(crate) entry: u64,
    /// Where its program headers are.
    pub(crate) program_headers: u64,
    /// How many there are.
    pub(crate) program_header_count: u16,
    /// The size of each in bytes.
    pub(crate) program_header_size: u16,
    /// What is added to the file's addresses.
    slide: u64,
    headers: &'static [ProgramHeader],
}

impl LoadedProgram {
    /// Reads the headers of the program at `base`. `None` if there are none.
    ///
    /// # Safety
    ///
    /// `base` is aligned to a page, and if an ELF file's first segment begins there, its headers
    /// are in it and stay.
    pub(crate) unsafe fn read(base: u64) -> Option<Self> {
        if base == 0 {
            return None;
        }
        // SAFETY: memory that is not there reads as anything, and is then no header; every field
        // may hold any bits.
        let header = unsafe { (base as *const FileHeader).read() };
        let size_matches = usize::from(header.program_header_size) == size_of::<ProgramHeader>();
        let count = header.program_header_count;
        if header.magic != MAGIC || !size_matches || count > MOST_HEADERS {
            return None;
        }
        let program_headers = base.checked_add(header.program_headers)?;
        // SAFETY: the headers lie in the first segment; `bake` has checked that.
        let headers = unsafe {
            core::slice::from_raw_parts(program_headers as *const ProgramHeader, count.into())
        };
        let slide = if header.kind == POSITION_INDEPENDENT {
            base
        } else {
            0
        };
        Some(Self {
            entry: slide.checked_add(header.entry)?,
            program_headers,
            program_header_count: count,
            program_header_size: header.program_header_size,
            slide,
            headers,
        })
    }

    /// Its segments, page by page as the processor protects them.
    pub(crate) fn parts(self) -> impl Iterator<Item = ImagePart> + Clone {
        let loads = self.headers.iter().filter(|header| header.kind == LOAD);
        loads.map(move |header| {
            let start = self.slide + header.address;
            let page = PAGE_SIZE as u64;
            ImagePart {
                range: start / page * page..(start + header.memory_size).next_multiple_of(page),
                protection: protection(header.flags),
            }
        })
    }
}

/// `p_flags` as a protection.
fn protection(flags: u32) -> Protection {
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    const READ: u32 = 4;
    let mut protection = Protection::empty();
    protection.set(Protection::EXECUTE, flags & EXECUTE != 0);
    protection.set(Protection::WRITE, flags & WRITE != 0);
    protection.set(Protection::READ, flags & READ != 0);
    protection
}
