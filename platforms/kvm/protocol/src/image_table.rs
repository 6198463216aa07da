//! The table in an image that says what `bake` put into it.

/// The head of section [`ImageTable::SECTION`], which the linker script emits under the symbol
/// [`ImageTable::SYMBOL`]. [`init_count`](ImageTable::init_count) addresses of `extern "C" fn()`
/// follow it in memory. All fields are little-endian 64-bit numbers; an address is both physical
/// and virtual. Behind those addresses lie [`call_count`](ImageTable::call_count) pairs of fields:
/// the number of a system call and the address of the function that does it.
///
/// `bake` links the image with zeros in the fields about the program, and fills them in when it
/// has placed program, root and words behind the kernel: so one link is enough.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageTable {
    /// [`ImageTable::MAGIC`].
    pub magic: u64,
    /// Address of the program's ELF header; 0 when the image holds no program.
    pub program_base: u64,
    /// Address of the root folder, a tar archive (POSIX ustar or pax).
    pub root_start: u64,
    /// Its length in bytes; 0 when there is none.
    pub root_length: u64,
    /// Address of the default command line words, UTF-8.
    pub words_start: u64,
    /// Their length in bytes; 0 when there are none.
    pub words_length: u64,
    /// How many addresses of init functions follow the table.
    pub init_count: u64,
    /// How many system calls follow them.
    pub call_count: u64,
}

impl ImageTable {
    /// Marks the table, and its layout.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"ANYKERN2");
    /// The table's section.
    pub const SECTION: &str = ".image_table";
    /// The table's symbol.
    pub const SYMBOL: &str = "image_table";
    /// Length of the table without the addresses that follow it, in bytes.
    pub const LENGTH: usize = size_of::<Self>();

    /// The table as it lies in memory.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        for (place, field) in bytes.chunks_exact_mut(8).zip(self.fields()) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` when the magic is missing.
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let mut fields = bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|field| u64::from_le_bytes(*field));
        let mut next = || fields.next().unwrap_or(0);
        let table = Self {
            magic: next(),
            program_base: next(),
            root_start: next(),
            root_length: next(),
            words_start: next(),
            words_length: next(),
            init_count: next(),
            call_count: next(),
        };
        (table.magic == Self::MAGIC).then_some(table)
    }

    /// The fields in the order of memory.
    fn fields(self) -> [u64; 8] {
        [
            self.magic,
            self.program_base,
            self.root_start,
            self.root_length,
            self.words_start,
            self.words_length,
            self.init_count,
            self.call_count,
        ]
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    const TABLE: ImageTable = ImageTable {
        magic: ImageTable::MAGIC,
        program_base: 2,
        root_start: 3,
        root_length: 4,
        words_start: 5,
        words_length: u64::MAX,
        init_count: 7,
        call_count: 8,
    };

    #[test]
    fn a_table_returns() {
        assert_eq!(ImageTable::from_bytes(&TABLE.to_bytes()), Some(TABLE));
    }

    #[test]
    fn other_bytes_are_no_table() {
        let mut bytes = TABLE.to_bytes();
        bytes[7] ^= 1;
        assert_eq!(ImageTable::from_bytes(&bytes), None);
    }

    /// The guest reads the structure where the host wrote the bytes.
    #[test]
    fn the_bytes_are_the_structure() {
        let bytes = TABLE.to_bytes();
        let at = |offset| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
        assert_eq!(at(offset_of!(ImageTable, program_base)), 2);
        assert_eq!(at(offset_of!(ImageTable, words_length)), u64::MAX);
        assert_eq!(at(offset_of!(ImageTable, init_count)), 7);
        assert_eq!(at(offset_of!(ImageTable, call_count)), 8);
        assert_eq!(ImageTable::LENGTH, 64);
    }
}
