//! A program or a kernel with its symbols. Addresses are those of the file.

use std::ops::Range;

use object::elf::{SHF_EXECINSTR, SHT_SYMTAB, STT_FILE, STT_FUNC, STT_NOTYPE};
use object::read::elf::{ElfFile64, FileHeader as _, SectionHeader as _, Sym as _};
use object::{LittleEndian, Object, ObjectSection};

/// An ELF file to look things up in.
pub struct Binary<'data> {
    file: ElfFile64<'data, LittleEndian>,
    /// By address.
    functions: Vec<Function<'data>>,
}

/// A function as a symbol table describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function<'data> {
    /// Its first address.
    pub start: u64,
    /// Its length; 0 when the table does not say.
    pub size: u64,
    /// Its name, as the linker knows it.
    pub name: &'data str,
    /// The source or object file that the table says it is from. It says so of static functions.
    pub file: Option<&'data str>,
}

impl<'data> Binary<'data> {
    /// Reads a file; `None` when it is no ELF file for 64 bits.
    pub fn parse(data: &'data [u8]) -> Option<Self> {
        let file = ElfFile64::parse(data).ok()?;
        let functions = functions(&file, data).unwrap_or_default();
        Some(Self { file, functions })
    }

    /// Whether it names no functions.
    pub fn is_stripped(&self) -> bool {
        self.functions.is_empty()
    }

    /// Where it begins to run.
    pub fn entry(&self) -> u64 {
        self.file.entry()
    }

    /// Its sections of code: where each lies, and its bytes.
    pub fn code_sections(&self) -> impl Iterator<Item = (u64, &'data [u8])> {
        let sections = self.file.sections();
        sections.filter_map(|section| {
            let flags = section.elf_section_header().sh_flags(LittleEndian);
            let is_code = flags.contains(SHF_EXECINSTR);
            let bytes = section.data().ok()?;
            is_code.then_some((section.address(), bytes))
        })
    }

    /// The code at `address` and behind it, to the end of its section.
    pub fn code_from(&self, address: u64) -> Option<&'data [u8]> {
        self.code_sections().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        })
    }

    /// The address and the bytes of the section `name`.
    pub fn section(&self, name: &str) -> Option<(u64, &'data [u8])> {
        let section = self.file.section_by_name(name)?;
        Some((section.address(), section.data().ok()?))
    }

    /// The function around `address`.
    pub fn function(&self, address: u64) -> Option<Function<'data>> {
        let end = self
            .functions
            .partition_point(|function| function.start <= address);
        let function = self.functions[..end].last()?;
        let is_inside = function.size == 0 || address - function.start < function.size;
        is_inside.then_some(*function)
    }

    /// The addresses of `function`: to its end, or to the next one's start.
    pub fn extent(&self, function: &Function) -> Range<u64> {
        let next = self
            .functions
            .partition_point(|other| other.start <= function.start);
        let end = match function.size {
            0 => self.functions.get(next).map_or(u64::MAX, |next| next.start),
            size => function.start.saturating_add(size),
        };
        function.start..end
    }
}

/// The functions of `file`, one for each address.
fn functions<'data>(
    file: &ElfFile64<'data, LittleEndian>,
    data: &'data [u8],
) -> Option<Vec<Function<'data>>> {
    let sections = file.elf_header().sections(LittleEndian, data).ok()?;
    let table = sections.symbols(LittleEndian, data, SHT_SYMTAB).ok()?;
    let mut found = Vec::new();
    let mut source = None;
    for symbol in table.iter() {
        let Some(name) = text(symbol.name(LittleEndian, table.strings()).ok()) else {
            continue;
        };
        let kind = symbol.st_type();
        if kind == STT_FILE {
            source = Some(name).filter(|name| !name.is_empty());
            continue;
        }
        // Assembly code has labels in place of functions.
        let is_code = kind == STT_FUNC || kind == STT_NOTYPE;
        if is_code && !name.is_empty() && !symbol.is_undefined(LittleEndian) {
            let function = Function {
                start: symbol.st_value(LittleEndian),
                size: symbol.st_size(LittleEndian),
                name,
                file: source.filter(|_| symbol.is_local()),
            };
            found.push((kind != STT_FUNC, function));
        }
    }
    // Of several names the one that is meant for people: not a label, not underlined, short.
    found.sort_by_key(|(is_label, function)| {
        let underlines = function.name.len() - function.name.trim_start_matches('_').len();
        let is_sized = function.size > 0;
        (
            function.start,
            *is_label,
            !is_sized,
            underlines,
            function.name.len(),
        )
    });
    found.dedup_by_key(|(_, function)| function.start);
    Some(found.into_iter().map(|(_, function)| function).collect())
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    str::from_utf8(bytes?).ok()
}
