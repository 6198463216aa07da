//! The parts of an ELF file that matter here: load segments, checked once.

use object::LittleEndian;
use object::elf::{FileHeader64, ProgramHeader64, ProgramType};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use thiserror::Error;

/// Header of a 64-bit little-endian file.
pub type Header = FileHeader64<LittleEndian>;
/// Program header of such a file.
pub type ProgramHeader = ProgramHeader64<LittleEndian>;

/// Bytes of a page, the unit in which memory is protected.
pub const PAGE: u64 = 4096;

/// A PT_LOAD segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'data> {
    /// PF_R, PF_W, PF_X.
    pub flags: u32,
    /// Where the file says that it lies in memory.
    pub address: u64,
    /// Its length in memory. What goes beyond the bytes reads as zeros.
    pub memory_size: u64,
    /// Its front part, from the file.
    pub bytes: &'data [u8],
    /// Where the bytes lie in the file.
    pub offset: u64,
    /// Its alignment in memory, a power of two.
    pub alignment: u64,
}

/// The file breaks the rules of its format.
#[derive(Debug, Error)]
pub enum Malformed {
    /// It ends before something that it announces.
    #[error("truncated: {0} lies beyond the end of the file")]
    Truncated(&'static str),
    /// A segment's numbers contradict one another.
    #[error("malformed: the load segment at {0:#x} has impossible sizes")]
    Sizes(u64),
    /// Two segments want the same memory.
    #[error("malformed: the load segments at {0:#x} and {1:#x} overlap")]
    Overlap(u64, u64),
    /// Nothing to load.
    #[error("malformed: there is no load segment")]
    Empty,
}

impl Segment<'_> {
    /// The first address beyond.
    pub fn end(&self) -> u64 {
        self.address + self.memory_size
    }
}

/// The program headers of `file`.
pub fn program_headers<'data>(
    header: &Header,
    file: &'data [u8],
) -> Result<&'data [ProgramHeader], Malformed> {
    header
        .program_headers(LittleEndian, file)
        .map_err(|_| Malformed::Truncated("the program header table"))
}

/// The header of `kind`, if there is one.
pub fn find(headers: &[ProgramHeader], kind: ProgramType) -> Option<&ProgramHeader> {
    headers
        .iter()
        .find(|header| header.p_type(LittleEndian) == kind)
}

/// The load segments of `file`, by address. There is one at least; they do not overlap, and each
/// ends at an address.
pub fn load_segments<'data>(
    headers: &[ProgramHeader],
    file: &'data [u8],
) -> Result<Vec<Segment<'data>>, Malformed> {
    let mut segments = headers
        .iter()
        .filter(|header| header.p_type(LittleEndian) == object::elf::PT_LOAD)
        .filter(|header| header.p_memsz(LittleEndian) > 0)
        .map(|header| segment(header, file))
        .collect::<Result<Vec<_>, _>>()?;
    segments.sort_by_key(|segment| segment.address);
    if segments.is_empty() {
        return Err(Malformed::Empty);
    }
    match segments
        .windows(2)
        .find(|pair| pair[0].end() > pair[1].address)
    {
        Some(pair) => Err(Malformed::Overlap(pair[0].address, pair[1].address)),
        None => Ok(segments),
    }
}

fn segment<'data>(header: &ProgramHeader, file: &'data [u8]) -> Result<Segment<'data>, Malformed> {
    let address = header.p_vaddr(LittleEndian);
    let bytes = header
        .data(LittleEndian, file)
        .map_err(|()| Malformed::Truncated("a load segment"))?;
    let segment = Segment {
        flags: header.p_flags(LittleEndian).0,
        address,
        memory_size: header.p_memsz(LittleEndian),
        bytes,
        offset: header.p_offset(LittleEndian),
        alignment: header.p_align(LittleEndian).max(1),
    };
    let has_sense = segment.bytes.len() as u64 <= segment.memory_size
        && address
            .checked_add(segment.memory_size)
            .is_some_and(|end| end <= u64::MAX - PAGE)
        && segment.alignment.is_power_of_two();
    has_sense
        .then_some(segment)
        .ok_or(Malformed::Sizes(address))
}
