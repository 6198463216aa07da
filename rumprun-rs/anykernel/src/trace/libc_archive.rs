//! Which object of the system's C library a function is from. A program's symbol table says that
//! of static functions alone.

use std::fs;

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};

use crate::cc::musl::Musl;

/// The archive that `cc` links.
pub struct LibcArchive(Vec<u8>);

impl LibcArchive {
    /// Reads it, if it is there.
    pub fn find() -> Option<Self> {
        let musl = Musl::find().ok()?;
        fs::read(musl.libraries.join("libc.a")).ok().map(Self)
    }

    /// The member that has a function of this name and size: with both it is the same function.
    pub fn member_with(&self, name: &str, size: u64) -> Option<String> {
        let archive = ArchiveFile::parse(&*self.0).ok()?;
        let mut symbols = archive.symbols().ok()??;
        let symbol = symbols.find_map(|symbol| {
            let symbol = symbol.ok()?;
            (symbol.name() == name.as_bytes()).then_some(symbol)
        })?;
        let member = archive.member(symbol.offset()).ok()?;
        let object = object::File::parse(member.data(&*self.0).ok()?).ok()?;
        let is_it = object
            .symbols()
            .any(|symbol| symbol.name() == Ok(name) && symbol.size() == size);
        is_it.then(|| String::from_utf8_lossy(member.name()).into_owned())
    }
}
