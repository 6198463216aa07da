//! The table in an image that says what `bake` put into it.

/// The head of section [`ImageTable::SECTION`], which the linker script emits under the symbol
/// [`ImageTable::SYMBOL`]. All fields are little-endian 64-bit numbers; an address is both physical
/// and virtual. Behind it lie, without gaps:
/// - [`init_count`](ImageTable::init_count) addresses of `extern "C" fn()`;
/// - [`call_count`](ImageTable::call_count) pairs of fields: the number of a system call and the
///   address of the function that does it;
/// - [`part_count`](ImageTable::part_count) [parts](crate::ImagePart) by address, which do not
///   overlap: those of the program, then the one of root and words.
///
/// `bake` links the image with zeros in the fields about the program and in the parts, and fills
/// them in when it has placed program, root and words behind the kernel: so one link is enough,
/// and the kernel need not take the program's ELF headers apart.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImageTable {
    /// [`ImageTable::MAGIC`].
    pub magic: u64,
    /// Address of the program's ELF header.
    pub program_base: u64,
    /// Where the program begins to run.
    pub program_entry: u64,
    /// Address of the program's program headers.
    pub program_headers: u64,
    /// How many there are.
    pub program_header_count: u64,
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
    /// How many parts follow those.
    pub part_count: u64,
}

impl ImageTable {
    /// Marks the table, and its layout.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"ANYKERN3");
    /// The table's section.
    pub const SECTION: &str = ".image_table";
    /// The table's symbol.
    pub const SYMBOL: &str = "image_table";
    /// Length of the table without the addresses that follow it, in bytes.
    pub const LENGTH: usize = size_of::<Self>();
    /// The length of a system call behind the table, in bytes.
    pub const CALL_LENGTH: u64 = 16;

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
            program_entry: next(),
            program_headers: next(),
            program_header_count: next(),
            root_start: next(),
            root_length: next(),
            words_start: next(),
            words_length: next(),
            init_count: next(),
            call_count: next(),
            part_count: next(),
        };
        (table.magic == Self::MAGIC).then_some(table)
    }

    /// How far behind the table's address the system calls lie.
    pub fn calls_offset(&self) -> Option<u64> {
        (Self::LENGTH as u64).checked_add(self.init_count.checked_mul(8)?)
    }

    /// How far behind the table's address the parts lie.
    pub fn parts_offset(&self) -> Option<u64> {
        self.calls_offset()?
            .checked_add(self.call_count.checked_mul(Self::CALL_LENGTH)?)
    }

    /// The fields in the order of memory.
    fn fields(self) -> [u64; 12] {
        [
            self.magic,
            self.program_base,
            self.program_entry,
            self.program_headers,
            self.program_header_count,
            self.root_start,
            self.root_length,
            self.words_start,
            self.words_length,
            self.init_count,
            self.call_count,
            self.part_count,
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
        program_entry: 3,
        program_headers: 4,
        program_header_count: 5,
        root_start: 6,
        root_length: 7,
        words_start: 8,
        words_length: u64::MAX,
        init_count: 10,
        call_count: 11,
        part_count: 12,
    };

    #[test]
    fn a_table_returns() {
        assert_eq!(ImageTable::from_bytes(&TABLE.to_bytes()), Some(TABLE));
    }

    #[test]
    fn what_follows_follows_without_gaps() {
        assert_eq!(TABLE.calls_offset(), Some(96 + 10 * 8));
        assert_eq!(TABLE.parts_offset(), Some(96 + 10 * 8 + 11 * 16));
        let endless = ImageTable {
            init_count: u64::MAX,
            ..TABLE
        };
        assert_eq!(endless.parts_offset(), None);
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
        assert_eq!(at(offset_of!(ImageTable, init_count)), 10);
        assert_eq!(at(offset_of!(ImageTable, call_count)), 11);
        assert_eq!(at(offset_of!(ImageTable, part_count)), 12);
        assert_eq!(ImageTable::LENGTH, 96);
    }
}
