//! A part of an image beside the kernel, as `bake` has placed it.

/// Whole pages of an image, and what may be done with them.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImagePart {
    /// The address of the first page, both physical and virtual.
    pub start: u64,
    /// The first address beyond the last page.
    pub end: u64,
    /// [`READABLE`](Self::READABLE), [`WRITABLE`](Self::WRITABLE) and
    /// [`EXECUTABLE`](Self::EXECUTABLE), added up. Never the last two together.
    pub rights: u64,
}

impl ImagePart {
    /// The pages can be read.
    pub const READABLE: u64 = 1;
    /// The pages can be written.
    pub const WRITABLE: u64 = 2;
    /// The pages hold code.
    pub const EXECUTABLE: u64 = 4;
    /// Its length in bytes.
    pub const LENGTH: usize = size_of::<Self>();

    /// The part as it lies in memory.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let fields = [self.start, self.end, self.rights];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }
}
