//! Reading an image that `bake` made.

use std::fs::File;
use std::io;
use std::path::Path;

use object::read::ReadCache;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, ReadRef, elf};
use protocol::{ImageTable, Settings};

use crate::sizes::{self, Size};

/// Header of a 64-bit little-endian ELF file.
type Header = elf::FileHeader64<LittleEndian>;
/// Program header of such a file.
type ProgramHeader = elf::ProgramHeader64<LittleEndian>;

/// The table's alignment; it follows the PVH note.
const TABLE_ALIGNMENT: u64 = 8;

/// What an image says about itself.
#[derive(Debug)]
pub struct ImageFile {
    /// The table that `bake` filled in.
    pub table: ImageTable,
    /// The first address behind everything that is loaded.
    pub memory_end: u64,
    /// The numbers of the system calls in it.
    pub calls: Vec<u32>,
    /// What is loaded where.
    pub segments: Vec<LoadSegment>,
    /// How much each part of the kernel takes.
    pub sizes: Vec<Size>,
    words: String,
}

/// A load segment of an image.
#[derive(Clone, Copy, Debug)]
pub struct LoadSegment {
    /// Its first address.
    pub address: u64,
    /// Its length in memory.
    pub memory: u64,
    /// How much of that lies in the file; the rest reads as zeros.
    pub file: u64,
    /// PF_R, PF_W, PF_X.
    pub flags: u32,
}

impl ImageFile {
    /// Reads the file at `path`; `None` when it is something else than an image.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        Ok(Self::parse(&ReadCache::new(file)))
    }

    /// What was added to the addresses in the program's file when `bake` placed it in this image,
    /// which is `file`.
    pub fn program_bias<'data>(&self, file: impl ReadRef<'data>) -> Option<u64> {
        let headers = Header::parse(file)
            .ok()?
            .program_headers(LittleEndian, file)
            .ok()?;
        let base = self.table.program_base;
        let header = memory(headers, file, base, size_of::<Header>() as u64)?;
        let program = Header::parse(header).ok()?;
        // Addresses in a program that can be placed count from 0.
        let is_placed = program.e_type(LittleEndian) == elf::ET_DYN;
        Some(if is_placed { base } else { 0 })
    }

    /// The image's default words.
    pub fn settings(&self) -> Settings<'_> {
        Settings::new(&self.words, "")
    }

    /// Reads an image's bytes; `None` when they are something else.
    pub fn parse<'data>(file: impl ReadRef<'data>) -> Option<Self> {
        let header = Header::parse(file).ok()?;
        let headers = header.program_headers(LittleEndian, file).ok()?;
        let note = headers
            .iter()
            .find(|header| header.p_type(LittleEndian) == elf::PT_NOTE)?;
        let note_end = note
            .p_vaddr(LittleEndian)
            .checked_add(note.p_memsz(LittleEndian))?;
        let table_start = note_end.checked_next_multiple_of(TABLE_ALIGNMENT)?;
        let table = memory(headers, file, table_start, ImageTable::LENGTH as u64)?;
        let table = ImageTable::from_bytes(table.try_into().ok()?)?;
        let words = match table.words_length {
            0 => &[],
            length => memory(headers, file, table.words_start, length)?,
        };
        let calls = calls(headers, file, table_start, &table)?;
        let ends = headers.iter().map(|header| {
            header
                .p_vaddr(LittleEndian)
                .saturating_add(header.p_memsz(LittleEndian))
        });
        let memory_end = ends.max().unwrap_or(0);
        let is_load = |header: &&ProgramHeader| header.p_type(LittleEndian) == elf::PT_LOAD;
        let segments = headers.iter().filter(is_load).map(LoadSegment::of);
        Some(Self {
            table,
            memory_end,
            calls,
            segments: segments.collect(),
            sizes: sizes(headers, file)?,
            words: String::from_utf8(words.to_vec()).ok()?,
        })
    }
}

impl LoadSegment {
    fn of(header: &ProgramHeader) -> Self {
        Self {
            address: header.p_vaddr(LittleEndian),
            memory: header.p_memsz(LittleEndian),
            file: header.p_filesz(LittleEndian),
            flags: header.p_flags(LittleEndian).0,
        }
    }
}

/// The sizes of the kernel's parts; none in an image that somebody else put together.
fn sizes<'data>(headers: &[ProgramHeader], file: impl ReadRef<'data>) -> Option<Vec<Size>> {
    let is_sizes = |header: &&ProgramHeader| header.p_type(LittleEndian) == sizes::SEGMENT;
    let Some(header) = headers.iter().find(is_sizes) else {
        return Some(Vec::new());
    };
    let lines = header.data(LittleEndian, file).ok()?;
    sizes::from_lines(str::from_utf8(lines).ok()?)
}

/// The numbers in the pairs behind the table at `table_start` and its init functions.
fn calls<'data>(
    headers: &[ProgramHeader],
    file: impl ReadRef<'data>,
    table_start: u64,
    table: &ImageTable,
) -> Option<Vec<u32>> {
    const PAIR: u64 = ImageTable::CALL_LENGTH;
    let start = table_start.checked_add(table.calls_offset()?)?;
    let pairs = match table.call_count {
        0 => &[],
        count => memory(headers, file, start, count.checked_mul(PAIR)?)?,
    };
    let number = |pair: &[u8; PAIR as usize]| {
        let (number, _) = pair.split_first_chunk()?;
        u32::try_from(u64::from_le_bytes(*number)).ok()
    };
    pairs.as_chunks().0.iter().map(number).collect()
}

/// The `length` bytes that will be at `address`.
fn memory<'data>(
    headers: &[ProgramHeader],
    file: impl ReadRef<'data>,
    address: u64,
    length: u64,
) -> Option<&'data [u8]> {
    headers
        .iter()
        .filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD)
        .find_map(|header| {
            header
                .data_range(LittleEndian, file, address, length)
                .ok()?
        })
}
