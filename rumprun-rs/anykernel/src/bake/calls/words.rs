//! Words in memory that may be pointers.

use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _, SymbolTable};
use object::{LittleEndian, SymbolIndex, elf};

use crate::bake::program::Program;
use crate::bake::segments::{Header, Segment};

type Relocation = elf::Rela64<LittleEndian>;
type Symbols<'data> = SymbolTable<'data, Header>;

/// The words that may be pointers once `program`, which is what `file` holds, has been loaded.
///
/// A program that is moved relocates its pointers, so these are the relocated ones, if the
/// relocations can be read. Otherwise any word may be a pointer.
pub fn pointers(program: &Program, file: &[u8]) -> Vec<u64> {
    let relocated = program.is_placeable.then(|| relocated(program, file));
    relocated.flatten().unwrap_or_else(|| {
        // The linker aligns the places of relocations; a structure that is packed may hold a
        // pointer anywhere else.
        let step = if program.is_placeable { 8 } else { 1 };
        let segments = program.segments.iter();
        segments
            .flat_map(|segment| all_words(segment, step))
            .collect()
    })
}

/// What the relocations of `file` make pointers; `None` if one cannot be told.
fn relocated(program: &Program, file: &[u8]) -> Option<Vec<u64>> {
    let header = Header::parse(file).ok()?;
    let sections = header.sections(LittleEndian, file).ok()?;
    let mut words = Vec::new();
    for section in sections.iter() {
        if !section.sh_flags(LittleEndian).contains(elf::SHF_ALLOC) {
            continue;
        }
        if let Some((relocations, link)) = section.rela(LittleEndian, file).ok()? {
            let symbols = sections
                .symbol_table_by_index(LittleEndian, file, link)
                .ok();
            for relocation in relocations {
                words.push(relocated_word(relocation, symbols.as_ref())?);
            }
        }
        for place in section.relr(LittleEndian, file).ok()?.into_iter().flatten() {
            words.push(word_at(program, place)?);
        }
        if [elf::SHT_REL, elf::SHT_CREL].contains(&section.sh_type(LittleEndian)) {
            return None;
        }
    }
    Some(words)
}

/// What `relocation` makes of a word, but for the program's own place.
fn relocated_word(relocation: &Relocation, symbols: Option<&Symbols>) -> Option<u64> {
    let addend = relocation.r_addend.get(LittleEndian) as u64;
    let symbol = match relocation.r_sym(LittleEndian, false) {
        0 => return Some(addend),
        index => symbols?.symbol(SymbolIndex(index as usize)).ok()?,
    };
    Some(symbol.st_value(LittleEndian).wrapping_add(addend))
}

fn word_at(program: &Program, address: u64) -> Option<u64> {
    program.segments.iter().find_map(|segment| {
        let offset = usize::try_from(address.checked_sub(segment.address)?).ok()?;
        let word = segment.bytes.get(offset..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    })
}

/// The words in `segment` at addresses that are multiples of `step`.
fn all_words(segment: &Segment, step: u64) -> impl Iterator<Item = u64> {
    let skipped = segment.address.next_multiple_of(step) - segment.address;
    let bytes = segment.bytes.get(skipped as usize..).unwrap_or_default();
    let words = bytes.windows(8).step_by(step as usize);
    words.map(|word| u64::from_le_bytes(word.try_into().expect("windows have their length")))
}
