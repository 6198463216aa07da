//! The file with an image's symbols: the linked kernel, as a debugger takes it, and in a section
//! of its own the program's file. Images themselves have neither symbols nor line information.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use object::build::elf::{Builder, SectionData};
use object::{Object, ObjectSection, elf};

/// The section with the program's file.
const PROGRAM_SECTION: &str = ".anykernel.program";

/// What a file of symbols holds.
#[derive(Debug)]
pub struct SymbolsFile {
    bytes: Vec<u8>,
}

impl SymbolsFile {
    /// Puts `kernel` and `program`, both ELF files, together.
    pub fn new(kernel: &[u8], program: &[u8]) -> Result<Self, object::build::Error> {
        let mut builder = Builder::read(kernel)?;
        let section = builder.sections.add();
        section.name = PROGRAM_SECTION.into();
        section.sh_type = elf::SHT_PROGBITS;
        section.sh_addralign = 8;
        section.data = SectionData::Data(program.into());
        builder.set_section_sizes();
        let mut bytes = Vec::new();
        builder.write(&mut bytes)?;
        Ok(Self { bytes })
    }

    /// Reads the file at `path`.
    pub fn read(path: &Path) -> io::Result<Self> {
        fs::read(path).map(|bytes| Self { bytes })
    }

    /// Where `run` looks for the symbols of the image at `image`.
    pub fn beside(image: &Path) -> PathBuf {
        let mut name = OsString::from(image);
        name.push(".symbols");
        name.into()
    }

    /// The file's bytes; those of the kernel's file are among them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The program's file.
    pub fn program(&self) -> Option<&[u8]> {
        let file = object::File::parse(&*self.bytes).ok()?;
        let section = file.section_by_name(PROGRAM_SECTION)?;
        section.data().ok()
    }
}
