//! What an address is to a person: a function, a file, a line.

use std::fmt;

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian};

use super::binary::Binary;
use super::libc_archive::LibcArchive;

type Reader<'data> = EndianSlice<'data, LittleEndian>;

/// Looks addresses of a binary up.
pub struct Names<'a, 'data> {
    binary: &'a Binary<'data>,
    lines: Option<Context<Reader<'data>>>,
    libc: Option<&'a LibcArchive>,
}

/// A function at some address, and where in the source that is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The function.
    pub function: String,
    /// `FILE:LINE` where line information is there.
    pub line: Option<String>,
    /// The file of an object that has none.
    pub object: Option<String>,
    /// Whether the compiler put the function into the one that called it.
    pub is_inlined: bool,
}

impl Name {
    /// What nothing is known of.
    pub fn unknown() -> Self {
        Self {
            function: "??".to_owned(),
            line: None,
            object: None,
            is_inlined: false,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.function)?;
        if let Some(line) = &self.line {
            write!(formatter, " at {line}")?;
        } else if let Some(object) = &self.object {
            write!(formatter, " from {object}")?;
        }
        if self.is_inlined {
            formatter.write_str(" (inlined)")?;
        }
        Ok(())
    }
}

impl<'a, 'data> Names<'a, 'data> {
    /// Those of `binary`, whose functions may come from `libc`.
    pub fn new(binary: &'a Binary<'data>, libc: Option<&'a LibcArchive>) -> Self {
        let section = |id: gimli::SectionId| {
            let bytes = binary
                .section(id.name())
                .map_or(&[][..], |(_, bytes)| bytes);
            Ok::<_, gimli::Error>(Reader::new(bytes, LittleEndian))
        };
        let dwarf = Dwarf::load(section).ok();
        Self {
            binary,
            lines: dwarf.and_then(|dwarf| Context::from_dwarf(dwarf).ok()),
            libc,
        }
    }

    /// The functions at `address`, the innermost first: more than one where some were inlined.
    pub fn at(&self, address: u64) -> Vec<Name> {
        let mut names = self.by_lines(address).unwrap_or_default();
        if names.is_empty() {
            names.extend(self.by_symbol(address));
        }
        let last = names.len().saturating_sub(1);
        for inlined in &mut names[..last] {
            inlined.is_inlined = true;
        }
        names
    }

    fn by_lines(&self, address: u64) -> Option<Vec<Name>> {
        let context = self.lines.as_ref()?;
        let mut frames = context.find_frames(address).skip_all_loads().ok()?;
        let mut names = Vec::new();
        // What line information contradicts itself in is left out.
        while let Ok(Some(frame)) = frames.next() {
            let line = frame.location.and_then(|location| {
                let file = location.file?;
                let line = location.line.filter(|line| *line > 0);
                Some(line.map_or(file.to_owned(), |line| format!("{file}:{line}")))
            });
            let function = frame.function.as_ref().and_then(|name| {
                let name = name.demangle().ok()?;
                Some(name.into_owned())
            });
            let symbol = || {
                self.binary
                    .function(address)
                    .map(|found| demangled(found.name))
            };
            if line.is_some() {
                names.push(Name {
                    function: function.or_else(symbol)?,
                    line,
                    object: None,
                    is_inlined: false,
                });
            }
        }
        Some(names)
    }

    fn by_symbol(&self, address: u64) -> Option<Name> {
        self.binary.code_from(address)?;
        let function = self.binary.function(address)?;
        let object = function.file.map(str::to_owned);
        let from_libc = || self.libc?.member_with(function.name, function.size);
        Some(Name {
            function: demangled(function.name),
            line: None,
            object: object.or_else(from_libc),
            is_inlined: false,
        })
    }
}

fn demangled(name: &str) -> String {
    addr2line::demangle_auto(name.into(), None).into_owned()
}
