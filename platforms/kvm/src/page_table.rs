//! The format of x86-64 page tables (Intel SDM volume 3, chapter 4.5), and what ours mean beyond.
//!
//! The tables are also the only record of a program's memory. An entry that is not present may
//! still be *mapped*: its pages read as zeros and take a frame when first reached. Such an entry
//! may stand at any level, for all the pages below it, so reserving a terabyte costs one entry.

use hypercall::{PAGE_SIZE, Protection};

/// Entries in a table of any level.
pub(crate) const ENTRIES: usize = 512;

/// One level of the tree: 1 is the level whose entries are single pages, 4 the root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Level(u32);

impl Level {
    pub(crate) const PAGE: Self = Self(1);
    pub(crate) const LARGE_PAGE: Self = Self(2);
    pub(crate) const ROOT: Self = Self(4);

    /// Bytes that one entry of this level stands for.
    pub(crate) const fn entry_size(self) -> u64 {
        (PAGE_SIZE as u64) << (9 * (self.0 - 1))
    }

    /// The level below; none below single pages.
    pub(crate) const fn below(self) -> Option<Self> {
        if self.0 == 1 {
            None
        } else {
            Some(Self(self.0 - 1))
        }
    }

    /// Which entry of a table of this level stands for `address`.
    pub(crate) const fn index(self, address: u64) -> usize {
        (address / self.entry_size()) as usize % ENTRIES
    }
}

/// One entry.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry(u64);

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const CACHE_DISABLE: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
/// Ours: the pages belong to the program.
const MAPPED: u64 = 1 << 9;
/// Ours: the program may read them.
const READABLE: u64 = 1 << 10;
/// Ours: the address field holds a frame that goes back when the page is unmapped.
const OWNED: u64 = 1 << 11;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

impl Entry {
    /// Nothing here.
    pub(crate) const FREE: Self = Self(0);

    /// A table of the level below, at `address`.
    pub(crate) const fn table(address: u64) -> Self {
        Self(address | PRESENT | WRITABLE)
    }

    /// A page of the kernel's, one to one at `address`.
    pub(crate) fn kernel(address: u64, protection: Protection) -> Self {
        Self(address | PRESENT | hardware_bits(protection))
    }

    /// A page of the image that the program has, one to one at `address`.
    pub(crate) fn image(address: u64, protection: Protection) -> Self {
        Self::kernel(address, protection).with_protection(protection)
    }

    /// The like of it for the page behind this one, which has an address.
    pub(crate) const fn following(self) -> Self {
        Self(self.0.wrapping_add(PAGE_SIZE as u64))
    }

    /// Two MiB of plain memory, one to one at `address`: data only.
    pub(crate) const fn large_kernel(address: u64) -> Self {
        Self(address | PRESENT | WRITABLE | LARGE | NO_EXECUTE)
    }

    /// Two MiB of device registers, one to one at `address`.
    pub(crate) const fn large_device(address: u64) -> Self {
        Self(address | PRESENT | WRITABLE | LARGE | NO_EXECUTE | CACHE_DISABLE)
    }

    /// Pages of the program's that have no frame yet.
    pub(crate) fn mapped(protection: Protection) -> Self {
        Self(MAPPED).with_protection(protection)
    }

    /// The same page, with a frame of its own.
    pub(crate) fn with_frame(self, frame: u64) -> Self {
        Self((self.0 & !ADDRESS) | frame | OWNED).with_protection(self.protection())
    }

    /// The same page as the program's: mapped, but its memory is the image's and stays.
    pub(crate) fn with_protection(self, protection: Protection) -> Self {
        let kept = self.0 & (ADDRESS | OWNED);
        let readable = if protection.contains(Protection::READ) {
            READABLE
        } else {
            0
        };
        let present = if kept != 0 && readable != 0 {
            PRESENT
        } else {
            0
        };
        Self(kept | MAPPED | readable | present | hardware_bits(protection))
    }

    /// What this entry of `level` means for the part of it that lies `offset` bytes in: the entry
    /// for a table of the level below.
    pub(crate) fn part(self, level: Level, offset: u64) -> Self {
        if self.0 & LARGE == 0 {
            return self;
        }
        let large = if level.below() == Some(Level::PAGE) {
            self.0 & !LARGE
        } else {
            self.0
        };
        Self(large + offset)
    }

    /// Whether there is nothing here.
    pub(crate) const fn is_free(self) -> bool {
        self.0 == 0
    }

    /// Whether the program has these pages.
    pub(crate) const fn is_mapped(self) -> bool {
        self.0 & MAPPED != 0
    }

    /// The address of the table below, if this is one. `level` is the entry's own.
    pub(crate) fn as_table(self, level: Level) -> Option<u64> {
        let is_table = level > Level::PAGE && self.0 & (PRESENT | LARGE | MAPPED) == PRESENT;
        is_table.then_some(self.0 & ADDRESS)
    }

    /// The frame or image page behind a mapped page, if it has one.
    pub(crate) fn memory(self) -> Option<u64> {
        let address = self.0 & ADDRESS;
        (self.is_mapped() && address != 0).then_some(address)
    }

    /// The frame that goes back when the page is unmapped.
    pub(crate) fn owned_frame(self) -> Option<u64> {
        (self.0 & OWNED != 0).then_some(self.0 & ADDRESS)
    }

    /// What the program may do with a mapped page.
    pub(crate) fn protection(self) -> Protection {
        let mut protection = Protection::empty();
        protection.set(Protection::READ, self.0 & READABLE != 0);
        protection.set(Protection::WRITE, self.0 & WRITABLE != 0);
        protection.set(Protection::EXECUTE, self.0 & NO_EXECUTE == 0);
        protection
    }
}

/// x86 knows no page that can be written or executed but not read; ours are readable then.
fn hardware_bits(protection: Protection) -> u64 {
    let write = if protection.contains(Protection::WRITE) {
        WRITABLE
    } else {
        0
    };
    let execute = if protection.contains(Protection::EXECUTE) {
        0
    } else {
        NO_EXECUTE
    };
    write | execute
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

    #[test]
    fn levels_divide_an_address() {
        let address = 0x0000_7fff_ffff_f000;
        assert_eq!(Level::PAGE.index(address), 511);
        assert_eq!(Level::ROOT.index(address), 255);
        assert_eq!(Level::LARGE_PAGE.entry_size(), 2 << 20);
        assert_eq!(Level::ROOT.entry_size(), 512 << 30);
    }

    #[test]
    fn a_page_without_a_frame_is_not_present() {
        let page = Entry::mapped(READ_WRITE);
        assert_eq!(page.0 & PRESENT, 0);
        assert!(page.is_mapped());
        assert_eq!(page.memory(), None);
        assert_eq!(page.protection(), READ_WRITE);
    }

    #[test]
    fn a_frame_survives_a_time_without_protection() {
        let page = Entry::mapped(READ_WRITE).with_frame(0x5000);
        assert_eq!(page.0 & PRESENT, PRESENT);
        let closed = page.with_protection(Protection::empty());
        assert_eq!(closed.0 & PRESENT, 0);
        assert_eq!(closed.owned_frame(), Some(0x5000));
        assert_eq!(closed.with_protection(READ_WRITE), page);
    }

    #[test]
    fn an_image_page_has_memory_but_no_frame_to_return() {
        let page = Entry::image(0x20_0000, Protection::READ);
        assert_eq!(page.memory(), Some(0x20_0000));
        assert_eq!(page.owned_frame(), None);
        assert_eq!(page.protection(), Protection::READ);
    }

    #[test]
    fn tables_are_told_from_pages() {
        assert_eq!(Entry::table(0x1000).as_table(Level::ROOT), Some(0x1000));
        assert_eq!(Entry::table(0x1000).as_table(Level::PAGE), None);
        assert_eq!(Entry::large_kernel(0).as_table(Level::LARGE_PAGE), None);
        assert_eq!(Entry::mapped(READ_WRITE).as_table(Level::ROOT), None);
    }
}
