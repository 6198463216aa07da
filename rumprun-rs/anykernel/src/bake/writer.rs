//! Writing an ELF file of load segments, one after another, headers last.

use std::io::{self, Seek, SeekFrom, Write};

use object::elf;
use object::pod::bytes_of;
use object::read::elf::ProgramHeader as _;
use object::{LittleEndian, U16, U32, U64};

use super::segments::{Header, ProgramHeader, Segment};

/// Segments begin at multiples of this in the file: the PVH note is read in place.
const FILE_ALIGNMENT: u64 = 8;

/// An ELF file being written: its headers are kept until the end, in a gap left for them.
pub struct Writer<W> {
    output: W,
    headers: Vec<ProgramHeader>,
}

impl<W: Write + Seek> Writer<W> {
    /// Leaves room for `header_count` program headers at most.
    pub fn new(mut output: W, header_count: usize) -> io::Result<Self> {
        let gap = vec![0; size_of::<Header>() + header_count * size_of::<ProgramHeader>()];
        output.write_all(&gap)?;
        Ok(Self {
            output,
            headers: Vec::with_capacity(header_count),
        })
    }

    /// Adds a load segment, `bias` above where it was linked.
    pub fn add(&mut self, segment: &Segment, bias: u64) -> io::Result<()> {
        let offset = self.begin()?;
        self.output.write_all(segment.bytes)?;
        self.end(
            offset,
            segment.flags,
            segment.address + bias,
            segment.memory_size,
        )?;
        Ok(())
    }

    /// Begins a load segment whose bytes are to be written to [`output`](Self::output). Returns
    /// its place in the file.
    pub fn begin(&mut self) -> io::Result<u64> {
        let position = self.output.stream_position()?;
        let aligned = position.next_multiple_of(FILE_ALIGNMENT);
        let padding = [0; FILE_ALIGNMENT as usize];
        self.output
            .write_all(&padding[..(aligned - position) as usize])?;
        Ok(aligned)
    }

    /// Where the bytes of the segment go that has begun.
    pub fn output(&mut self) -> &mut W {
        &mut self.output
    }

    /// How much has been written since `offset`.
    pub fn length_from(&mut self, offset: u64) -> io::Result<u64> {
        Ok(self.output.stream_position()? - offset)
    }

    /// Ends the segment that began at `offset`. In memory it is as long as its bytes, or
    /// `memory_size` if that is more. A segment of no length is left out.
    pub fn end(
        &mut self,
        offset: u64,
        flags: u32,
        address: u64,
        memory_size: u64,
    ) -> io::Result<()> {
        let file_size = self.length_from(offset)?;
        let memory_size = memory_size.max(file_size);
        if memory_size > 0 {
            self.headers.push(ProgramHeader {
                p_type: U32::new(LittleEndian, elf::PT_LOAD),
                p_flags: U32::new(LittleEndian, elf::ProgramFlags(flags)),
                p_offset: u64_le(offset),
                p_vaddr: u64_le(address),
                p_paddr: u64_le(address),
                p_filesz: u64_le(file_size),
                p_memsz: u64_le(memory_size),
                // Its place in the file has nothing to do with its address.
                p_align: u64_le(1),
            });
        }
        Ok(())
    }

    /// Adds the header of something that lies within a load segment. `false` when it does not.
    pub fn add_part(&mut self, part: &ProgramHeader) -> bool {
        let offset = self.offset_of(part.p_vaddr(LittleEndian));
        let header = offset.map(|offset| ProgramHeader {
            p_offset: u64_le(offset),
            ..*part
        });
        self.headers.extend(header);
        offset.is_some()
    }

    /// Adds bytes that stay in the file, under a header of this `kind`.
    pub fn add_unloaded(&mut self, kind: elf::ProgramType, bytes: &[u8]) -> io::Result<()> {
        let offset = self.begin()?;
        self.output.write_all(bytes)?;
        self.headers.push(ProgramHeader {
            p_type: U32::new(LittleEndian, kind),
            p_flags: U32::new(LittleEndian, elf::ProgramFlags(0)),
            p_offset: u64_le(offset),
            p_vaddr: u64_le(0),
            p_paddr: u64_le(0),
            p_filesz: u64_le(bytes.len() as u64),
            p_memsz: u64_le(0),
            p_align: u64_le(1),
        });
        Ok(())
    }

    /// Where in the file lies what will be at `address`.
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let loaded = |header: &&ProgramHeader| header.p_memsz(LittleEndian) > 0;
        self.headers.iter().filter(loaded).find_map(|header| {
            let offset = address.checked_sub(header.p_vaddr(LittleEndian))?;
            let is_inside = offset < header.p_filesz(LittleEndian);
            is_inside.then(|| header.p_offset(LittleEndian) + offset)
        })
    }

    /// Replaces what was written at `offset`.
    pub fn replace(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = self.output.stream_position()?;
        self.output.seek(SeekFrom::Start(offset))?;
        self.output.write_all(bytes)?;
        self.output.seek(SeekFrom::Start(end))?;
        Ok(())
    }

    /// Writes the headers. Entry and machine are those of `header`.
    pub fn finish(mut self, header: &Header) -> io::Result<()> {
        let count = u16::try_from(self.headers.len())
            .map_err(|_| io::Error::other("there are too many segments for one image"))?;
        let header = Header {
            e_phoff: u64_le(size_of::<Header>() as u64),
            e_phnum: U16::new(LittleEndian, count),
            e_shoff: u64_le(0),
            e_shnum: U16::new(LittleEndian, 0),
            e_shstrndx: U16::new(LittleEndian, elf::SHN_UNDEF),
            ..*header
        };
        self.output.seek(SeekFrom::Start(0))?;
        self.output.write_all(bytes_of(&header))?;
        for header in &self.headers {
            self.output.write_all(bytes_of(header))?;
        }
        self.output.flush()
    }
}

fn u64_le(value: u64) -> U64<LittleEndian> {
    U64::new(LittleEndian, value)
}
