//! Reading the program that an image is made for.

use std::path::{Path, PathBuf};

use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{FileKind, LittleEndian, elf};
use thiserror::Error;

use super::segments::{self, Header, Malformed, PAGE, ProgramHeader, Segment};

/// A static Linux program, fit to be placed in an image.
#[derive(Debug)]
pub struct Program<'data> {
    /// Its load segments by address. The first begins with the ELF header.
    pub segments: Vec<Segment<'data>>,
    /// Whether it runs wherever it is placed (static-PIE). Its addresses then count from 0.
    pub is_placeable: bool,
    /// Where it begins to run.
    pub entry: u64,
    /// Where its program headers lie behind its first address, and how many there are.
    pub headers: (u64, u64),
}

/// A file that cannot become part of an image.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct ProgramError {
    path: PathBuf,
    fault: Fault,
}

/// What is the matter with a file.
#[derive(Debug, Error)]
enum Fault {
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    #[error("not an ELF program")]
    NotElf,
    #[error("not a program for 64-bit x86 (compile it with `anykernel cc`)")]
    OtherMachine,
    #[error("an object file; link it first (anykernel cc FILE.o -o PROGRAM)")]
    NotLinked,
    #[error(
        "needs shared libraries, which an image has not; link it statically (`anykernel cc` does)"
    )]
    Dynamic,
    #[error("a kernel, or an image that another version of this tool made; bake it again")]
    Kernel,
    #[error("has no entry point: a shared library, not a program")]
    NoEntry,
    #[error("its ELF header is not part of its first load segment, where programs look for it")]
    HeaderNotLoaded,
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The bytes of the file at `path`.
pub fn read(path: &Path) -> Result<Vec<u8>, ProgramError> {
    std::fs::read(path).map_err(|error| fault(path, error.into()))
}

/// Checks the program in `file`, which was read from `path`.
pub fn parse<'data>(path: &Path, file: &'data [u8]) -> Result<Program<'data>, ProgramError> {
    check(file).map_err(|error| fault(path, error))
}

fn fault(path: &Path, fault: Fault) -> ProgramError {
    ProgramError {
        path: path.to_owned(),
        fault,
    }
}

fn check(file: &[u8]) -> Result<Program<'_>, Fault> {
    let header = header(file)?;
    let headers = segments::program_headers(header, file)?;
    if is_dynamic(headers, file)? {
        return Err(Fault::Dynamic);
    }
    if is_kernel(headers, file) {
        return Err(Fault::Kernel);
    }
    let segments = segments::load_segments(headers, file)?;
    let entry = header.e_entry(LittleEndian);
    let is_code = |segment: &&Segment| segment.flags & elf::PF_X.0 != 0;
    if !segments
        .iter()
        .filter(is_code)
        .any(|code| (code.address..code.end()).contains(&entry))
    {
        return Err(Fault::NoEntry);
    }
    let is_placeable = header.e_type(LittleEndian) == elf::ET_DYN;
    let headers_end = header.e_phoff(LittleEndian) + size_of_val(headers) as u64;
    let first = &segments[0];
    let is_loaded = first.offset == 0 && first.bytes.len() as u64 >= headers_end;
    if !is_loaded || first.address % PAGE != 0 || (is_placeable && first.address != 0) {
        return Err(Fault::HeaderNotLoaded);
    }
    Ok(Program {
        segments,
        is_placeable,
        entry,
        headers: (header.e_phoff(LittleEndian), headers.len() as u64),
    })
}

/// The header of a linked 64-bit x86 file.
fn header(file: &[u8]) -> Result<&Header, Fault> {
    if !file.starts_with(&elf::ELFMAG) {
        return Err(Fault::NotElf);
    }
    match FileKind::parse(file) {
        Ok(FileKind::Elf64) => {}
        Ok(_) => return Err(Fault::OtherMachine),
        Err(_) => return Err(Malformed::Truncated("the ELF header").into()),
    }
    let header = Header::parse(file).map_err(|_| Malformed::Truncated("the ELF header"))?;
    if !header.is_little_endian() {
        return Err(Fault::OtherMachine);
    }
    match header.e_type(LittleEndian) {
        _ if header.e_machine(LittleEndian) != elf::EM_X86_64 => Err(Fault::OtherMachine),
        elf::ET_EXEC | elf::ET_DYN => Ok(header),
        elf::ET_REL => Err(Fault::NotLinked),
        _ => Err(Fault::NotElf),
    }
}

/// Whether the file starts as a machine's kernel does: by its note for PVH loaders.
fn is_kernel(headers: &[ProgramHeader], file: &[u8]) -> bool {
    let mut notes = headers
        .iter()
        .filter_map(|header| header.notes(LittleEndian, file).ok()?);
    notes.any(|mut notes| notes.any(|note| note.is_ok_and(|note| note.name() == b"Xen")))
}

/// Whether the program asks for an interpreter or for libraries.
fn is_dynamic(headers: &[ProgramHeader], file: &[u8]) -> Result<bool, Malformed> {
    if segments::find(headers, elf::PT_INTERP).is_some() {
        return Ok(true);
    }
    for header in headers {
        let section = header
            .dynamic(LittleEndian, file)
            .map_err(|_| Malformed::Truncated("the dynamic section"))?;
        let mut entries = section.unwrap_or_default().iter();
        if entries.any(|entry| entry.d_tag(LittleEndian) == elf::DT_NEEDED) {
            return Ok(true);
        }
    }
    Ok(false)
}
