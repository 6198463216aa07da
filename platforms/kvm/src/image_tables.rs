//! The page tables of the memory that the image lies in, while they are being made.

use hypercall::{PAGE_SIZE, Protection};
use protocol::ImagePart;

use crate::page_table::Entry;

// The rights of a part are those of `Protection`, bit by bit.
const _: () = {
    assert!(ImagePart::READABLE == Protection::READ.bits() as u64);
    assert!(ImagePart::WRITABLE == Protection::WRITE.bits() as u64);
    assert!(ImagePart::EXECUTABLE == Protection::EXECUTE.bits() as u64);
};

/// What may be done with the pages of `part`.
pub fn protection(part: &ImagePart) -> Protection {
    Protection::from_bits_truncate(part.rights as u8)
}

/// Tables of single pages, one behind the other: entry `n` of all stands for the page at
/// `n * PAGE_SIZE`.
pub(crate) struct ImageTables<'a> {
    entries: &'a mut [Entry],
}

impl<'a> ImageTables<'a> {
    /// Tables in which every page is data, mapped one to one.
    pub(crate) fn new(entries: &'a mut [Entry]) -> Self {
        let end = (entries.len() * PAGE_SIZE) as u64;
        let mut tables = Self { entries };
        tables.set(
            0,
            end,
            Entry::kernel(0, Protection::READ | Protection::WRITE),
        );
        tables
    }

    /// Has `first` stand for the page at `start`, and the like of it for each page up to `end`.
    #[inline(never)] // Copies of it would be a noticeable part of a start.
    pub(crate) fn set(&mut self, start: u64, end: u64, first: Entry) {
        let pages = start as usize / PAGE_SIZE..end as usize / PAGE_SIZE;
        let mut next = first;
        for entry in self.entries.get_mut(pages).into_iter().flatten() {
            *entry = next;
            next = next.following();
        }
    }

    /// Gives the pages of `part` to the program.
    pub(crate) fn set_part(&mut self, part: &ImagePart) {
        let first = Entry::image(part.start, protection(part));
        self.set(part.start, part.end, first);
    }

    /// Has nothing stand for the page at `address`: whoever touches it faults.
    pub(crate) fn remove(&mut self, address: u64) {
        if let Some(entry) = self.entries.get_mut(address as usize / PAGE_SIZE) {
            *entry = Entry::FREE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_data() {
        let mut entries = [Entry::FREE; 5];
        let mut tables = ImageTables::new(&mut entries);
        let part = ImagePart {
            start: 0x1000,
            end: 0x3000,
            rights: ImagePart::READABLE | ImagePart::EXECUTABLE,
        };
        tables.set_part(&part);
        tables.remove(0x3000);
        let code = Protection::READ | Protection::EXECUTE;
        let data = Protection::READ | Protection::WRITE;
        let expected = [
            Entry::kernel(0, data),
            Entry::image(0x1000, code),
            Entry::image(0x2000, code),
            Entry::FREE,
            Entry::kernel(0x4000, data),
        ];
        assert_eq!(entries, expected);
        assert_eq!(entries[2].protection(), code);
        assert_eq!(entries[2].memory(), Some(0x2000));
    }
}
