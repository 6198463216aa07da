//! A file's content: pages that were written to, zeros between them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hypercall::{Sink, Source};

use super::budget::Budget;
use crate::FsError;

/// Bytes in a page.
const PAGE_SIZE: usize = 4096;

/// What a page takes of the budget: its bytes and its place in the list.
const PAGE_COST: u64 = (PAGE_SIZE + size_of::<Page>()) as u64;

/// The longest file in bytes: the largest `off_t`.
const SIZE_MAX: u64 = i64::MAX as u64;

/// What a hole reads as, so many bytes at a time.
const ZEROS: [u8; 256] = [0; 256];

/// Sparse content. Bytes of a page that lie beyond `size` are zero.
#[derive(Debug, Default)]
pub(super) struct Pages {
    size: u64,
    /// In the order of their indexes.
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    /// The offset of its first byte, divided by [`PAGE_SIZE`].
    index: u64,
    bytes: Box<[u8]>,
}

impl Pages {
    /// The length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many 512-byte units are taken.
    pub(super) fn blocks(&self) -> u64 {
        (self.pages.len() * (PAGE_SIZE / 512)) as u64
    }

    /// What the pages take of the budget.
    pub(super) fn cost(&self) -> u64 {
        self.pages.len() as u64 * PAGE_COST
    }

    /// Moves bytes from `offset` on, as many as there are and fit.
    pub(super) fn read(&self, offset: u64, into: &mut dyn Sink) -> usize {
        let room = into.remaining();
        let there = self.size.saturating_sub(offset);
        let length = usize::try_from(there).map_or(room, |there| there.min(room));
        let mut done = 0;
        while done < length {
            let (index, within) = split(offset + done as u64);
            let wanted = (length - done).min(PAGE_SIZE - within);
            let put = match self.find(index) {
                Ok(position) => into.put(&self.pages[position].bytes[within..within + wanted]),
                Err(_) => into.put(&ZEROS[..wanted.min(ZEROS.len())]),
            };
            if put == 0 {
                break;
            }
            done += put;
        }
        done
    }

    /// Writes at `offset`, fewer bytes than `data` has where the space or the largest size ends.
    pub(super) fn write(
        &mut self,
        offset: u64,
        data: &mut dyn Source,
        budget: &mut Budget,
    ) -> Result<usize, FsError> {
        let given = data.remaining();
        if given == 0 {
            return Ok(0);
        }
        let room = SIZE_MAX.saturating_sub(offset);
        if room == 0 {
            return Err(FsError::TooLarge);
        }
        let length = usize::try_from(room).map_or(given, |room| room.min(given));
        let mut done = 0;
        while done < length {
            let (index, within) = split(offset + done as u64);
            let Ok(page) = self.page(index, budget) else {
                break;
            };
            let end = PAGE_SIZE.min(within + (length - done));
            let taken = data.take(&mut page[within..end]);
            if taken == 0 {
                break;
            }
            done += taken;
        }
        if done == 0 {
            return Err(FsError::NoSpace);
        }
        self.size = self.size.max(offset + done as u64);
        Ok(done)
    }

    /// Cuts the content, or lets it grow by a hole.
    pub(super) fn resize(&mut self, size: u64, budget: &mut Budget) -> Result<(), FsError> {
        if size > SIZE_MAX {
            return Err(FsError::TooLarge);
        }
        if size < self.size {
            let (index, within) = split(size);
            if let Ok(position) = self.find(index) {
                self.pages[position].bytes[within..].fill(0);
            }
            let first_gone = index + u64::from(within > 0);
            let kept = self.pages.partition_point(|page| page.index < first_gone);
            let gone = self.pages.len() - kept;
            self.pages.truncate(kept);
            budget.give(gone as u64 * PAGE_COST);
        }
        self.size = size;
        Ok(())
    }

    /// Where the page of this index is in the list, or would be.
    fn find(&self, index: u64) -> Result<usize, usize> {
        // A file without holes has each page in the place of its index.
        if let Ok(guess) = usize::try_from(index)
            && self
                .pages
                .get(guess)
                .is_some_and(|page| page.index == index)
        {
            return Ok(guess);
        }
        self.pages.binary_search_by_key(&index, |page| page.index)
    }

    /// The bytes of a page, made of zeros if there is none.
    fn page(&mut self, index: u64, budget: &mut Budget) -> Result<&mut [u8], FsError> {
        let position = match self.find(index) {
            Ok(position) => position,
            Err(position) => {
                let mut bytes = Vec::new();
                let allocated = bytes.try_reserve_exact(PAGE_SIZE);
                allocated.map_err(|_| FsError::NoSpace)?;
                bytes.resize(PAGE_SIZE, 0);
                let listed = self.pages.try_reserve(1);
                listed.map_err(|_| FsError::NoSpace)?;
                budget.take(PAGE_COST)?;
                let bytes = bytes.into_boxed_slice();
                self.pages.insert(position, Page { index, bytes });
                position
            }
        };
        Ok(&mut self.pages[position].bytes)
    }
}

/// An offset as a page's index and the offset within that page.
fn split(offset: u64) -> (u64, usize) {
    let page_size = PAGE_SIZE as u64;
    (offset / page_size, (offset % page_size) as usize)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use hypercall::{SliceSink, SliceSource};

    use super::*;

    fn read(pages: &Pages, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0xee; length];
        let count = pages.read(offset, &mut SliceSink::new(&mut bytes));
        bytes.truncate(count);
        bytes
    }

    fn write(pages: &mut Pages, offset: u64, bytes: &[u8], budget: &mut Budget) -> usize {
        let written = pages.write(offset, &mut SliceSource::new(bytes), budget);
        written.expect("there is space")
    }

    #[test]
    fn a_gap_reads_as_zeros_and_takes_no_space() {
        let mut budget = Budget::new(2 * PAGE_COST);
        let mut pages = Pages::default();
        write(&mut pages, 1 << 40, b"end", &mut budget);
        write(&mut pages, 4094, b"x", &mut budget);
        assert_eq!(pages.size(), (1 << 40) + 3);
        assert_eq!(pages.blocks(), 16);
        assert_eq!(read(&pages, 4093, 5), b"\0x\0\0\0");
        assert_eq!(read(&pages, (1 << 40) - 300, 400).len(), 303);
    }

    #[test]
    fn a_write_ends_where_the_space_ends() {
        let mut budget = Budget::new(PAGE_COST);
        let mut pages = Pages::default();
        assert_eq!(write(&mut pages, 4000, &[7; 200], &mut budget), 96);
        let more = pages.write(4096, &mut SliceSource::new(b"x"), &mut budget);
        assert_eq!(more, Err(FsError::NoSpace));
        assert_eq!(pages.size(), 4096);
    }

    #[test]
    fn what_is_cut_off_does_not_come_back() {
        let mut budget = Budget::new(1 << 20);
        let mut pages = Pages::default();
        write(&mut pages, 0, &[7; 10000], &mut budget);
        pages.resize(5000, &mut budget).expect("shrinks");
        pages.resize(10000, &mut budget).expect("grows");
        assert_eq!(read(&pages, 4999, 3), [7, 0, 0]);
        assert_eq!(pages.blocks(), 16);
        pages.resize(0, &mut budget).expect("shrinks");
        assert_eq!(budget.space(), (1 << 20, 1 << 20));
    }

    #[test]
    fn no_file_is_longer_than_off_t() {
        let mut budget = Budget::new(1 << 20);
        let mut pages = Pages::default();
        assert_eq!(write(&mut pages, SIZE_MAX - 1, b"ab", &mut budget), 1);
        let more = pages.write(SIZE_MAX, &mut SliceSource::new(b"c"), &mut budget);
        assert_eq!(more, Err(FsError::TooLarge));
        assert_eq!(
            pages.resize(SIZE_MAX + 1, &mut budget),
            Err(FsError::TooLarge)
        );
    }
}
