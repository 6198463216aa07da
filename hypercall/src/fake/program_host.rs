//! A program's memory as areas, and as pages where it was touched.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec;

use crate::{Fault, MapError, PAGE_SIZE, ProgramHost, ProgramRange, Protection};

/// The addresses that programs have: 1 GiB from 16 MiB on.
const RANGE: (u64, u64) = (16 << 20, 1 << 30);
/// How much memory a new host has.
const MEMORY_PAGES: usize = 1024;
const PAGE: u64 = PAGE_SIZE as u64;

/// A [`ProgramHost`] in memory.
///
/// The program itself never runs: tests put its data in place by
/// [`copy_out`](ProgramHost::copy_out).
#[derive(Debug)]
pub struct FakeProgramHost {
    /// What is mapped, by its first address. No two areas overlap.
    areas: BTreeMap<u64, Area>,
    /// The bytes of pages that were touched.
    pages: BTreeMap<u64, Box<[u8]>>,
    free_pages: usize,
    thread_pointer: u64,
    extended_state: Box<[u8; 512]>,
}

/// Mapped pages that a program may use alike.
#[derive(Clone, Copy, Debug)]
struct Area {
    end: u64,
    protection: Protection,
}

impl Default for FakeProgramHost {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeProgramHost {
    /// A host with 4 MiB of memory and nothing mapped.
    pub fn new() -> Self {
        Self {
            areas: BTreeMap::new(),
            pages: BTreeMap::new(),
            free_pages: MEMORY_PAGES,
            thread_pointer: 0,
            extended_state: Box::new([0; 512]),
        }
    }

    /// The thread pointer that the program would go on with.
    pub fn thread_pointer(&self) -> u64 {
        self.thread_pointer
    }

    /// The protection of the page that holds `address`, if it is mapped.
    pub fn protection(&self, address: u64) -> Option<Protection> {
        let (_, area) = self.areas.range(..=address).next_back()?;
        (address < area.end).then_some(area.protection)
    }

    /// The page at `start`, with memory.
    fn backed(&mut self, start: u64, access: Protection) -> Option<&mut [u8]> {
        if !self.protection(start)?.contains(access) {
            return None;
        }
        let free_pages = &mut self.free_pages;
        match self.pages.entry(start) {
            Entry::Occupied(page) => Some(page.into_mut()),
            Entry::Vacant(place) => {
                *free_pages = free_pages.checked_sub(1)?;
                Some(place.insert(vec![0; PAGE_SIZE].into()))
            }
        }
    }

    /// Has no area reach over `address`.
    fn split(&mut self, address: u64) {
        let Some((_, area)) = self.areas.range_mut(..address).next_back() else {
            return;
        };
        if area.end > address {
            let rest = *area;
            area.end = address;
            self.areas.insert(address, rest);
        }
    }

    /// Hands each part of the `length` bytes from `address` that lies within one page to `visit`,
    /// with how far into the range it is.
    fn for_each_part(
        &mut self,
        address: u64,
        length: usize,
        access: Protection,
        visit: &mut dyn FnMut(usize, &mut [u8]),
    ) -> Result<(), Fault> {
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(Fault { address })?;
            let within = (at % PAGE) as usize;
            let part = (PAGE_SIZE - within).min(length - done);
            let page = self
                .backed(page_of(at), access)
                .ok_or(Fault { address: at })?;
            visit(done, &mut page[within..within + part]);
            done += part;
        }
        Ok(())
    }
}

fn page_of(address: u64) -> u64 {
    address - address % PAGE
}

fn check_protection(protection: Protection) -> Result<(), MapError> {
    if protection.contains(Protection::WRITE | Protection::EXECUTE) {
        return Err(MapError::WriteExecute);
    }
    Ok(())
}

impl ProgramHost for FakeProgramHost {
    fn program_range(&self) -> ProgramRange {
        ProgramRange::new(RANGE.0, RANGE.1).expect("the range is whole pages")
    }

    fn memory(&self) -> (u64, u64) {
        let bytes = |pages: usize| pages as u64 * PAGE;
        (bytes(MEMORY_PAGES), bytes(self.free_pages))
    }

    fn map(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        check_protection(protection)?;
        let all = self.program_range();
        let within = range.start() >= all.start() && range.end() <= all.end();
        let last = self.areas.range(..range.end()).next_back();
        let is_free = last.is_none_or(|(_, area)| area.end <= range.start());
        if !within || !is_free {
            return Err(MapError::Unavailable);
        }
        if !range.is_empty() {
            let end = range.end();
            self.areas.insert(range.start(), Area { end, protection });
        }
        Ok(())
    }

    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        check_protection(protection)?;
        self.split(range.start());
        self.split(range.end());
        for (_, area) in self.areas.range_mut(range.addresses()) {
            area.protection = protection;
        }
        Ok(())
    }

    fn unmap(&mut self, range: ProgramRange) {
        self.split(range.start());
        self.split(range.end());
        self.areas
            .extract_if(range.addresses(), |_, _| true)
            .for_each(drop);
        let pages = self.pages.extract_if(range.addresses(), |_, _| true);
        self.free_pages += pages.count();
    }

    fn prepare(&mut self, address: u64, length: usize, access: Protection) -> Result<(), Fault> {
        self.for_each_part(address, length, access, &mut |_, _| ())
    }

    fn copy_in(&mut self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        let length = into.len();
        self.for_each_part(address, length, Protection::READ, &mut |done, part| {
            into[done..done + part.len()].copy_from_slice(part);
        })
    }

    fn copy_out(&mut self, bytes: &[u8], address: u64) -> Result<(), Fault> {
        let any = Protection::empty();
        self.for_each_part(address, bytes.len(), any, &mut |done, part| {
            part.copy_from_slice(&bytes[done..done + part.len()]);
        })
    }

    fn set_thread_pointer(&mut self, address: u64) {
        self.thread_pointer = address;
    }

    fn extended_state(&mut self, area: &mut [u8; 512], restore: bool) {
        if restore {
            self.extended_state.copy_from_slice(area);
        } else {
            area.copy_from_slice(&*self.extended_state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_protection_until_it_is_unmapped() {
        let mut host = FakeProgramHost::new();
        let range = ProgramRange::new(RANGE.0, PAGE).expect("one page");
        host.map(range, Protection::READ).expect("a free range");
        assert_eq!(host.protection(RANGE.0 + 5), Some(Protection::READ));
        host.unmap(range);
        assert_eq!(host.protection(RANGE.0 + 5), None);
    }
}
