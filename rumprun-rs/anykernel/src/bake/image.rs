//! Writing the image: one ELF file whose load segments are the kernel, the program, the root
//! folder and the default words, so that a boot loader puts each where it belongs.
//!
//! The linked kernel's section headers and symbols stay behind, and segments follow one another
//! in the file without the padding that linkers leave for mapping: loaders read, they do not map.

use std::io::{self, Seek, Write};
use std::path::Path;

use object::read::elf::{FileHeader as _, Sym as _};
use object::{LittleEndian, elf};
use protocol::{ImagePart, ImageTable};
use thiserror::Error;

use super::layout::{Layout, LayoutError};
use super::program::Program;
use super::root::{self, RootError};
use super::segments::{self, Header, Malformed, PAGE, ProgramHeader, Segment};
use super::sizes as bake_sizes;
use super::writer::Writer;
use crate::sizes;

/// What goes into an image.
pub struct Contents<'a> {
    /// The linked kernel, an ELF file with symbols.
    pub kernel: &'a [u8],
    /// The program.
    pub program: &'a Program<'a>,
    /// The root folder.
    pub root: Option<&'a Path>,
    /// The default words of the command line.
    pub words: &'a str,
}

/// The image cannot be put together.
#[derive(Debug, Error)]
pub enum ImageError {
    /// What the linker made is not what was asked of it.
    #[error("the linker made a kernel that cannot be used: {0}")]
    Kernel(&'static str),
    /// It is not even an ELF file.
    #[error("the linker made a kernel that cannot be used: {0}")]
    Malformed(#[from] Malformed),
    /// Kernel and program do not fit together.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The root folder cannot be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes the image to `output`, an empty file.
pub fn write(contents: &Contents, output: impl Write + Seek) -> Result<(), ImageError> {
    let kernel = Kernel::parse(contents.kernel)?;
    let layout = Layout::new(&kernel.segments, contents.program)?;
    let sizes = sizes::to_lines(&bake_sizes::of_kernel(contents.kernel)?);
    // Beside the load segments: that of root and words, the note, and the sizes.
    let header_count = kernel.segments.len() + contents.program.segments.len() + 3;
    let mut writer = Writer::new(output, header_count)?;
    for segment in &kernel.segments {
        writer.add(segment, 0)?;
    }
    for segment in &contents.program.segments {
        writer.add(segment, layout.bias)?;
    }
    let table = add_data(&mut writer, contents, &layout, kernel.table)?;
    if !writer.add_part(&kernel.note) {
        return Err(ImageError::Kernel("its PVH note is not loaded"));
    }
    writer.add_unloaded(sizes::SEGMENT, sizes.as_bytes())?;
    let table_offset = writer.offset_of(kernel.table_address);
    let table_offset = table_offset.ok_or(ImageError::Kernel("its image table is not loaded"))?;
    writer.replace(table_offset, &table.to_bytes())?;
    let parts = parts(contents.program, &layout, &table);
    let parts_offset = table
        .parts_offset()
        .filter(|_| table.part_count == parts.len() as u64);
    let parts_offset = parts_offset.ok_or(ImageError::Kernel("its image table is damaged"))?;
    let bytes: Vec<_> = parts.into_iter().map(ImagePart::to_bytes).collect();
    writer.replace(table_offset + parts_offset, bytes.as_flattened())?;
    Ok(writer.finish(&kernel.header)?)
}

/// How many parts beside the kernel an image of `program` has: its segments, and one of root and
/// words.
pub fn part_count(program: &Program) -> usize {
    program.segments.len() + 1
}

/// The parts beside the kernel. Where two segments of the program share a page, it is the later
/// one's.
fn parts(program: &Program, layout: &Layout, table: &ImageTable) -> Vec<ImagePart> {
    let data_end = table.words_start + table.words_length;
    let data = ImagePart {
        start: layout.free,
        end: data_end.next_multiple_of(PAGE),
        rights: ImagePart::READABLE,
    };
    let starts = program.segments.iter().map(|segment| {
        let start = segment.address + layout.bias;
        start - start % PAGE
    });
    let next_starts = starts.clone().skip(1).chain([layout.free]);
    let segments = program.segments.iter().zip(starts.zip(next_starts));
    segments
        .map(|(segment, (start, next_start))| ImagePart {
            start,
            end: (segment.end() + layout.bias)
                .next_multiple_of(PAGE)
                .min(next_start),
            rights: rights(segment.flags),
        })
        .chain([data])
        .collect()
}

/// `p_flags` as the rights of a part.
fn rights(flags: u32) -> u64 {
    let table = [
        (elf::PF_R, ImagePart::READABLE),
        (elf::PF_W, ImagePart::WRITABLE),
        (elf::PF_X, ImagePart::EXECUTABLE),
    ];
    let given = table.into_iter().filter(|(flag, _)| flags & flag.0 != 0);
    given.map(|(_, right)| right).sum()
}

/// Adds the segment of root and words, and completes `table`.
fn add_data(
    writer: &mut Writer<impl Write + Seek>,
    contents: &Contents,
    layout: &Layout,
    table: ImageTable,
) -> Result<ImageTable, ImageError> {
    let offset = writer.begin()?;
    if let Some(folder) = contents.root {
        root::write_archive(folder, writer.output())?;
    }
    let root_length = writer.length_from(offset)?;
    writer.output().write_all(contents.words.as_bytes())?;
    writer.end(offset, elf::PF_R.0, layout.free, 0)?;
    Ok(ImageTable {
        program_base: layout.program_base,
        program_entry: contents.program.entry + layout.bias,
        program_headers: layout.program_base + contents.program.headers.0,
        program_header_count: contents.program.headers.1,
        root_start: layout.free,
        root_length,
        words_start: layout.free + root_length,
        words_length: contents.words.len() as u64,
        ..table
    })
}

/// What of a linked kernel goes into an image.
struct Kernel<'data> {
    header: Header,
    segments: Vec<Segment<'data>>,
    /// The PT_NOTE header that PVH loaders look for.
    note: ProgramHeader,
    table_address: u64,
    table: ImageTable,
}

impl<'data> Kernel<'data> {
    fn parse(file: &'data [u8]) -> Result<Self, ImageError> {
        let header = Header::parse(file).map_err(|_| ImageError::Kernel("it is no ELF file"))?;
        let headers = segments::program_headers(header, file)?;
        let segments = segments::load_segments(headers, file)?;
        let note = segments::find(headers, elf::PT_NOTE)
            .ok_or(ImageError::Kernel("its PVH note is missing"))?;
        let table_address = symbol_address(header, file, ImageTable::SYMBOL)
            .ok_or(ImageError::Kernel("its image table is missing"))?;
        let table = segments
            .iter()
            .find_map(|segment| table_at(segment, table_address))
            .ok_or(ImageError::Kernel("its image table is damaged"))?;
        Ok(Self {
            header: *header,
            segments,
            note: *note,
            table_address,
            table,
        })
    }
}

fn symbol_address(header: &Header, file: &[u8], name: &str) -> Option<u64> {
    let sections = header.sections(LittleEndian, file).ok()?;
    let symbols = sections.symbols(LittleEndian, file, elf::SHT_SYMTAB).ok()?;
    let is_wanted = |symbol: &&elf::Sym64<LittleEndian>| {
        symbol.name(LittleEndian, symbols.strings()) == Ok(name.as_bytes())
    };
    symbols
        .iter()
        .find(is_wanted)
        .map(|symbol| symbol.st_value(LittleEndian))
}

/// The table, if `segment` holds it at `address`.
fn table_at(segment: &Segment, address: u64) -> Option<ImageTable> {
    let offset = usize::try_from(address.checked_sub(segment.address)?).ok()?;
    ImageTable::from_bytes(segment.bytes.get(offset..)?.first_chunk()?)
}
