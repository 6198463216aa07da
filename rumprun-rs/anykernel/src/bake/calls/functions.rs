//! Where functions begin, as far as a symbol table says so.

use std::ops::Range;

use object::read::elf::{FileHeader as _, Sym as _};
use object::{LittleEndian, elf};

use crate::bake::segments::Header;

/// A program's symbols by address; none when it is stripped.
#[derive(Debug, Default)]
pub struct Functions<'data>(Vec<Symbol<'data>>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Symbol<'data> {
    start: u64,
    size: u64,
    name: &'data str,
    /// A function; otherwise a label in assembly code.
    is_function: bool,
}

impl<'data> Functions<'data> {
    /// Reads the symbol table of `file`.
    pub fn read(file: &'data [u8]) -> Self {
        Self::find(file).unwrap_or_default()
    }

    /// `None` when there is no table that can be read.
    fn find(file: &'data [u8]) -> Option<Self> {
        let header = Header::parse(file).ok()?;
        let sections = header.sections(LittleEndian, file).ok()?;
        let table = sections.symbols(LittleEndian, file, elf::SHT_SYMTAB).ok()?;
        let mut symbols = Vec::new();
        for symbol in table.iter() {
            let is_function = symbol.st_type() == elf::STT_FUNC;
            let is_label = symbol.st_type() == elf::STT_NOTYPE;
            if !symbol.is_undefined(LittleEndian) && (is_function || is_label) {
                let name = symbol.name(LittleEndian, table.strings()).ok()?;
                symbols.push(Symbol {
                    start: symbol.st_value(LittleEndian),
                    size: symbol.st_size(LittleEndian),
                    name: core::str::from_utf8(name).ok()?,
                    is_function,
                });
            }
        }
        symbols.sort();
        Some(Self(symbols))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where functions begin.
    pub fn starts(&self) -> impl Iterator<Item = u64> {
        let functions = self.0.iter().filter(|symbol| symbol.is_function);
        functions.map(|symbol| symbol.start)
    }

    /// Whether a function begins at `address`.
    pub fn begins_at(&self, address: u64) -> bool {
        let first = self.0.partition_point(|symbol| symbol.start < address);
        self.0[first..]
            .iter()
            .take_while(|symbol| symbol.start == address)
            .any(|symbol| symbol.is_function)
    }

    /// Where the function or label `name` is.
    pub fn start(&self, name: &str) -> Option<u64> {
        let found = self.0.iter().find(|symbol| symbol.name == name);
        found.map(|symbol| symbol.start)
    }

    /// The name of the function around `address`.
    pub fn name(&self, address: u64) -> Option<&'data str> {
        let function = self.last_before(address)?;
        let is_inside = function.size == 0 || address - function.start < function.size;
        is_inside.then_some(function.name)
    }

    /// The extent of the function of which `address` is a part without a name.
    pub fn around_nameless(&self, address: u64) -> Option<Range<u64>> {
        let function = self.last_before(address)?;
        let extent = function.start..function.start.checked_add(function.size)?;
        let is_named = self.0.binary_search_by_key(&address, |symbol| symbol.start);
        (extent.contains(&address) && is_named.is_err()).then_some(extent)
    }

    /// The last function that begins at `address` or before it.
    fn last_before(&self, address: u64) -> Option<&Symbol<'data>> {
        let end = self.0.partition_point(|symbol| symbol.start <= address);
        let mut before = self.0[..end].iter().rev();
        before.find(|symbol| symbol.is_function)
    }

    /// `address` for a person.
    pub fn describe(&self, address: u64) -> String {
        match self.name(address) {
            Some(name) => format!("{address:#x} in {name}"),
            None => format!("{address:#x}"),
        }
    }

    /// Functions with these addresses, sizes and names, in order.
    #[cfg(test)]
    pub fn at(extents: &[(u64, u64, &'data str)]) -> Self {
        let symbols = extents.iter().map(|&(start, size, name)| Symbol {
            start,
            size,
            name,
            is_function: true,
        });
        Self(symbols.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_by_the_function_around_it() {
        let functions = Functions::at(&[(0x1000, 0x10, "one"), (0x1020, 0, "two")]);
        assert_eq!(functions.describe(0x100f), "0x100f in one");
        assert_eq!(functions.describe(0x1010), "0x1010");
        assert_eq!(functions.describe(0x1030), "0x1030 in two");
        assert_eq!(functions.start("two"), Some(0x1020));
        assert!(functions.begins_at(0x1000) && !functions.begins_at(0x1001));
    }

    #[test]
    fn only_what_is_inside_a_function_is_nameless() {
        let functions = Functions::at(&[(0x1000, 0x10, "one"), (0x1020, 0, "two")]);
        assert_eq!(functions.around_nameless(0x1001), Some(0x1000..0x1010));
        for address in [0xfff, 0x1000, 0x1010, 0x1020, 0x1021] {
            assert_eq!(functions.around_nameless(address), None, "{address:#x}");
        }
    }

    #[test]
    fn what_has_no_symbols_has_no_functions() {
        assert!(Functions::read(b"no ELF file").is_empty());
    }
}
