//! The machine's one address space: the kernel's identity map, and the program's pages.
//!
//! Memory that the machine has is mapped one to one, so a physical address is a pointer. The
//! pages of the image are protected each as its segment says (nothing is writable and executable
//! at once); all other memory is data. A program's own pages lie far above, in
//! [`PROGRAM_START`]`..`[`PROGRAM_END`].

use core::num::NonZeroUsize;

use hypercall::{Fault, MapError, PAGE_SIZE, ProgramRange, Protection};

#[cfg(not(test))]
use crate::cpu;
use crate::image_tables::ImageTables;
use crate::memory::Memory;
use crate::page_table::{ENTRIES, Entry, Level};

/// Where a program's pages begin: the second entry of the root table.
pub(crate) const PROGRAM_START: u64 = Level::ROOT.entry_size();
/// The end of the lower half, beyond which no program of Linux' lies.
pub(crate) const PROGRAM_END: u64 = 0x7fff_ffff_f000;

/// Beyond so many pages it is cheaper to forget all translations than each.
#[cfg(not(test))]
const FLUSH_ALL_ABOVE: u64 = 64;

/// A table in the identity map.
type Table = [Entry; ENTRIES];

/// The tables, by the physical address of the root.
pub(crate) struct AddressSpace {
    root: u64,
}

/// Who wants to reach a page, and for what.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// The program, or the kernel in its name.
    Program(Protection),
    /// A loader, which fills pages that the program may only read.
    Fill,
}

impl Access {
    fn is_allowed(self, page: Entry) -> bool {
        match self {
            Self::Program(wanted) => page.protection().contains(wanted),
            // The identity map can write every frame, but an image's page only as it is protected.
            Self::Fill => {
                let of_image = page.memory().is_some() && page.owned_frame().is_none();
                !of_image || page.protection().contains(Protection::WRITE)
            }
        }
    }
}

/// What is to be done to every entry of a range.
#[derive(Clone, Copy)]
enum Change {
    Map(Protection),
    Protect(Protection),
    Unmap,
}

impl AddressSpace {
    /// The address space whose root table lies at `root`.
    ///
    /// # Safety
    ///
    /// `root` is the root of a well-formed tree of tables, all in the identity map, that the
    /// processor uses; nothing else reads or writes them while the value lives.
    pub(crate) const unsafe fn new(root: u64) -> Self {
        Self { root }
    }

    /// Maps the 2 MiB that hold `address` one to one, with `entry` made from its start.
    /// `None` when there is no memory for a table.
    pub(crate) fn map_large(
        &mut self,
        memory: &mut Memory,
        address: u64,
        entry: fn(u64) -> Entry,
    ) -> Option<()> {
        let start = address & !(Level::LARGE_PAGE.entry_size() - 1);
        let place = self.entry(memory, address, Level::LARGE_PAGE)?;
        if place.is_free() {
            *place = entry(start);
        }
        Some(())
    }

    /// Maps memory from 0 to `end` at least one to one by single pages, as `fill` says. `None` when
    /// there is no memory for the tables. The processor may not heed it before all translations
    /// are flushed, which whoever sets up the machine does once.
    pub(crate) fn map_image(
        &mut self,
        memory: &mut Memory,
        end: u64,
        fill: impl FnOnce(&mut ImageTables),
    ) -> Option<()> {
        let span = Level::LARGE_PAGE.entry_size();
        let count = NonZeroUsize::new(end.div_ceil(span) as usize)?;
        let (start, _) = memory.allocate(count)?.into_raw();
        // SAFETY: the pages are zeroed, and ours for ever: they are well-formed tables.
        let entries = unsafe {
            core::slice::from_raw_parts_mut(start.as_ptr().cast(), count.get() * ENTRIES)
        };
        fill(&mut ImageTables::new(entries));
        let mut table = start.as_ptr() as u64;
        // Only whole tables come into use: no page that the processor runs on is ever missing.
        for address in (0..end).step_by(span as usize) {
            *self.entry(memory, address, Level::LARGE_PAGE)? = Entry::table(table);
            table += PAGE_SIZE as u64;
        }
        Some(())
    }

    /// Reserves `range` for the program. See `ProgramHost::map`.
    pub(crate) fn map(
        &mut self,
        memory: &mut Memory,
        range: ProgramRange,
        protection: Protection,
    ) -> Result<(), MapError> {
        let inside = range.start() >= PROGRAM_START && range.end() <= PROGRAM_END;
        if !inside || !is_free(self.root, Level::ROOT, range.start(), range.end()) {
            return Err(MapError::Unavailable);
        }
        self.change(memory, range, Change::Map(protection))
            .inspect_err(|_| {
                // Everything mapped in the range is what this call has mapped.
                let _ = self.change(memory, range, Change::Unmap);
            })
    }

    /// Gives the program's pages in `range` a new protection. See `ProgramHost::protect`.
    pub(crate) fn protect(
        &mut self,
        memory: &mut Memory,
        range: ProgramRange,
        protection: Protection,
    ) -> Result<(), MapError> {
        let changed = self.change(memory, range, Change::Protect(protection));
        self.flush(range.start(), range.end());
        changed
    }

    /// Frees `range`. See `ProgramHost::unmap`. A large reservation of which a part is freed is
    /// divided first; without memory for that, all of it stays reserved.
    pub(crate) fn unmap(&mut self, memory: &mut Memory, range: ProgramRange) {
        let _ = self.change(memory, range, Change::Unmap);
        self.flush(range.start(), range.end());
    }

    /// Where the identity map has the program's byte at `address`, once it may be accessed as
    /// `access` says. Gives the page a frame if it has none.
    pub(crate) fn reach(
        &mut self,
        memory: &mut Memory,
        address: u64,
        access: Access,
    ) -> Result<*mut u8, Fault> {
        let fault = Fault { address };
        if address >= PROGRAM_END {
            return Err(fault);
        }
        let entry = self.find(address);
        if !entry.is_mapped() || !access.is_allowed(entry) {
            return Err(fault);
        }
        let page = match entry.memory() {
            Some(page) => page,
            None => self.give_frame(memory, address).ok_or(fault)?,
        };
        Ok((page + address % PAGE_SIZE as u64) as *mut u8)
    }

    /// The entry that decides about `address`, at whatever level.
    fn find(&self, address: u64) -> Entry {
        let (mut table, mut level) = (self.root, Level::ROOT);
        loop {
            let entry = table_at(table)[level.index(address)];
            match (entry.as_table(level), level.below()) {
                (Some(next), Some(below)) => (table, level) = (next, below),
                _ => return entry,
            }
        }
    }

    fn give_frame(&mut self, memory: &mut Memory, address: u64) -> Option<u64> {
        let frame = memory.zeroed_frame()?;
        let Some(entry) = self.entry(memory, address, Level::PAGE) else {
            memory.release_frame(frame);
            return None;
        };
        *entry = entry.with_frame(frame);
        Some(frame)
    }

    /// The entry for `address` at `level`, dividing what stands above it.
    fn entry(&mut self, memory: &mut Memory, address: u64, level: Level) -> Option<&mut Entry> {
        let (mut table, mut current) = (self.root, Level::ROOT);
        while current > level {
            let below = current.below()?;
            let entry = &mut table_at(table)[current.index(address)];
            table = divide(memory, entry, current)?;
            current = below;
        }
        Some(&mut table_at(table)[level.index(address)])
    }

    fn change(
        &mut self,
        memory: &mut Memory,
        range: ProgramRange,
        change: Change,
    ) -> Result<(), MapError> {
        change_table(
            memory,
            self.root,
            Level::ROOT,
            range.start(),
            range.end(),
            change,
        )
        .ok_or(MapError::OutOfMemory)
    }

    /// Has the processor look again at what stands for `start..end`. In a test no processor uses
    /// the tables.
    #[cfg(test)]
    fn flush(&self, _start: u64, _end: u64) {}

    /// Has the processor look again at what stands for `start..end`.
    #[cfg(not(test))]
    fn flush(&self, start: u64, end: u64) {
        if (end - start) / PAGE_SIZE as u64 > FLUSH_ALL_ABOVE {
            return cpu::flush_all_pages();
        }
        for address in (start..end).step_by(PAGE_SIZE) {
            cpu::flush_page(address);
        }
    }
}

/// The table at a physical address.
fn table_at(address: u64) -> &'static mut Table {
    // SAFETY: `AddressSpace::new` promises that tables are in the identity map and nobody else
    // uses them. Each caller is done with one table's reference before it takes the same again.
    unsafe { &mut *(address as *mut Table) }
}

/// Makes `entry`, of `level`, point to a table that means what `entry` meant.
fn divide(memory: &mut Memory, entry: &mut Entry, level: Level) -> Option<u64> {
    if let Some(table) = entry.as_table(level) {
        return Some(table);
    }
    let table = memory.zeroed_frame()?;
    if !entry.is_free() {
        let below = level.below()?;
        for (index, part) in table_at(table).iter_mut().enumerate() {
            *part = entry.part(level, index as u64 * below.entry_size());
        }
    }
    *entry = Entry::table(table);
    Some(table)
}

/// Whether nothing in `start..end`, which lies within the table's own span, is in use.
fn is_free(table: u64, level: Level, start: u64, end: u64) -> bool {
    pieces(level, start, end).all(|(from, to)| {
        let entry = table_at(table)[level.index(from)];
        match (entry.as_table(level), level.below()) {
            (Some(next), Some(below)) => is_free(next, below, from, to),
            _ => entry.is_free(),
        }
    })
}

/// Applies `change` to `start..end`, which lies within the table's own span.
fn change_table(
    memory: &mut Memory,
    table: u64,
    level: Level,
    start: u64,
    end: u64,
    change: Change,
) -> Option<()> {
    for (from, to) in pieces(level, start, end) {
        let entry = &mut table_at(table)[level.index(from)];
        let whole = to - from == level.entry_size();
        let nothing_to_do = match change {
            Change::Map(_) => false,
            Change::Protect(_) | Change::Unmap => entry.is_free(),
        };
        if nothing_to_do {
            continue;
        }
        match (level.below(), entry.as_table(level)) {
            (Some(below), Some(next)) => {
                change_table(memory, next, below, from, to, change)?;
                if matches!(change, Change::Unmap) && table_at(next).iter().all(|e| e.is_free()) {
                    *entry = Entry::FREE;
                    memory.release_frame(next);
                }
            }
            (Some(below), None) if !whole => {
                let next = divide(memory, entry, level)?;
                change_table(memory, next, below, from, to, change)?;
            }
            _ => change_entry(memory, entry, change),
        }
    }
    Some(())
}

/// Applies `change` to an entry without a table below.
fn change_entry(memory: &mut Memory, entry: &mut Entry, change: Change) {
    match change {
        Change::Map(protection) => *entry = Entry::mapped(protection),
        Change::Protect(protection) if entry.is_mapped() => {
            *entry = entry.with_protection(protection);
        }
        Change::Unmap if entry.is_mapped() => {
            if let Some(frame) = entry.owned_frame() {
                memory.release_frame(frame);
            }
            *entry = Entry::FREE;
        }
        // The kernel's own pages are nobody's to change.
        Change::Protect(_) | Change::Unmap => {}
    }
}

/// `start..end` cut at the borders of `level`'s entries.
fn pieces(level: Level, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
    let size = level.entry_size();
    let mut from = start;
    core::iter::from_fn(move || {
        let to = (from / size + 1).saturating_mul(size).min(end);
        let piece = (from < end).then_some((from, to));
        from = to;
        piece
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::memory::tests::test_memory;

    const PAGE: u64 = PAGE_SIZE as u64;
    const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

    fn space(memory: &mut Memory) -> AddressSpace {
        let root = memory.zeroed_frame().unwrap();
        // SAFETY: a zeroed table is a well-formed tree, and in a process every pointer is in "the
        // identity map".
        unsafe { AddressSpace::new(root) }
    }

    fn range(first_page: u64, pages: u64) -> ProgramRange {
        ProgramRange::new(PROGRAM_START + first_page * PAGE, pages * PAGE).unwrap()
    }

    #[test]
    fn a_terabyte_reserved_costs_next_to_nothing() {
        let mut memory = test_memory(64);
        let mut space = space(&mut memory);
        let before = memory.total_and_free().1;
        let all = range(0, (1 << 40) / PAGE);
        space.map(&mut memory, all, READ_WRITE).unwrap();
        assert_eq!(memory.total_and_free().1, before);
        let byte = space
            .reach(&mut memory, all.end() - 1, Access::Program(READ_WRITE))
            .unwrap();
        // SAFETY: `reach` gives a byte of a frame.
        assert_eq!(unsafe { byte.read() }, 0);
        space.unmap(&mut memory, all);
        assert_eq!(memory.total_and_free().1, before);
    }

    #[test]
    fn the_image_is_mapped_page_by_page_and_the_rest_stays() {
        let mut memory = test_memory(64);
        let mut space = space(&mut memory);
        let large = Level::LARGE_PAGE.entry_size();
        for address in [0, large, 2 * large] {
            space
                .map_large(&mut memory, address, Entry::large_kernel)
                .unwrap();
        }
        let fill = |tables: &mut ImageTables| tables.remove(large + PAGE);
        space.map_image(&mut memory, large + 1, fill).unwrap();
        assert_eq!(space.find(0), Entry::kernel(0, READ_WRITE));
        assert!(space.find(large + PAGE).is_free());
        assert_eq!(space.find(2 * large), Entry::large_kernel(2 * large));
    }

    #[test]
    fn what_is_not_free_is_not_mapped_and_stays_whole() {
        let mut memory = test_memory(64);
        let mut space = space(&mut memory);
        space
            .map(&mut memory, range(600, 1), Protection::READ)
            .unwrap();
        let free = memory.total_and_free().1;
        assert_eq!(
            space.map(&mut memory, range(0, 1000), READ_WRITE),
            Err(MapError::Unavailable)
        );
        assert_eq!(memory.total_and_free().1, free);
        let other = PROGRAM_START + 599 * PAGE;
        assert_eq!(
            space.reach(&mut memory, other, Access::Fill),
            Err(Fault { address: other })
        );
    }

    #[test]
    fn addresses_outside_the_programs_range_are_refused() {
        let mut memory = test_memory(64);
        let mut space = space(&mut memory);
        for start in [0, PROGRAM_START - PAGE, PROGRAM_END] {
            let range = ProgramRange::new(start, PAGE).unwrap();
            assert_eq!(
                space.map(&mut memory, range, READ_WRITE),
                Err(MapError::Unavailable)
            );
        }
    }

    #[test]
    fn without_memory_for_tables_a_mapping_leaves_nothing_behind() {
        let mut memory = test_memory(4);
        let mut space = space(&mut memory);
        let free = memory.total_and_free().1;
        // Two pages on either side of a border that takes two tables of each level.
        let pages = Level::ROOT.entry_size() / PAGE;
        let across = range(pages - 1, 2);
        assert_eq!(
            space.map(&mut memory, across, READ_WRITE),
            Err(MapError::OutOfMemory)
        );
        assert_eq!(memory.total_and_free().1, free);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Map(u64, u64, u8),
        Protect(u64, u64, u8),
        Unmap(u64, u64),
        Write(u64, u8),
    }

    /// Pages round the border between two tables, so that entries of two levels take part.
    const PAGES: u64 = 1100;

    fn step() -> impl Strategy<Value = Step> {
        let span = || (0..PAGES, prop_oneof![1..4_u64, 500..PAGES]);
        prop_oneof![
            (span(), 0..4_u8).prop_map(|((first, count), bits)| Step::Map(first, count, bits)),
            (span(), 0..4_u8).prop_map(|((first, count), bits)| Step::Protect(first, count, bits)),
            span().prop_map(|(first, count)| Step::Unmap(first, count)),
            (0..PAGES, any::<u8>()).prop_map(|(page, value)| Step::Write(page, value)),
        ]
    }

    proptest! {
        /// Against a map from page to protection and content.
        #[test]
        fn the_tables_mean_what_a_plain_map_means(steps in proptest::collection::vec(step(), 1..40)) {
            let mut memory = test_memory(2000);
            let mut space = space(&mut memory);
            let start = memory.total_and_free().1;
            let mut model: BTreeMap<u64, (Protection, u8)> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Map(first, count, bits) => {
                        let protection = Protection::from_bits_truncate(bits);
                        let mapped = space.map(&mut memory, range(first, count), protection);
                        let is_free = model.range(first..first + count).next().is_none();
                        prop_assert_eq!(mapped.is_ok(), is_free);
                        if is_free {
                            model.extend((first..first + count).map(|page| (page, (protection, 0))));
                        }
                    }
                    Step::Protect(first, count, bits) => {
                        let protection = Protection::from_bits_truncate(bits);
                        space.protect(&mut memory, range(first, count), protection).unwrap();
                        for (_, page) in model.range_mut(first..first + count) {
                            page.0 = protection;
                        }
                    }
                    Step::Unmap(first, count) => {
                        space.unmap(&mut memory, range(first, count));
                        model.retain(|page, _| !(first..first + count).contains(page));
                    }
                    Step::Write(page, value) => {
                        let address = PROGRAM_START + page * PAGE + 7;
                        let place = space.reach(&mut memory, address, Access::Program(Protection::WRITE));
                        let expected = model.get_mut(&page).filter(|page| page.0.contains(Protection::WRITE));
                        prop_assert_eq!(place.is_ok(), expected.is_some());
                        if let (Ok(place), Some(page)) = (place, expected) {
                            // SAFETY: `reach` gives a byte of a frame.
                            unsafe { place.write(value) };
                            page.1 = value;
                        }
                    }
                }
            }
            let pages: Vec<_> = model.iter().collect();
            for (page, (protection, value)) in pages {
                let address = PROGRAM_START + page * PAGE + 7;
                let place = space.reach(&mut memory, address, Access::Program(Protection::READ));
                prop_assert_eq!(place.is_ok(), protection.contains(Protection::READ));
                if let Ok(place) = place {
                    // SAFETY: `reach` gives a byte of a frame.
                    prop_assert_eq!(unsafe { place.read() }, *value);
                }
            }
            space.unmap(&mut memory, range(0, 2 * PAGES));
            prop_assert_eq!(memory.total_and_free().1, start);
        }
    }
}
