//! A program's memory as a table of pages.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
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
    pages: BTreeMap<u64, Page>,
    free_pages: usize,
    thread_pointer: u64,
    extended_state: Box<[u8; 512]>,
}

#[derive(Debug)]
struct Page {
    protection: Protection,
    bytes: Option<Box<[u8]>>,
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
        let page = self.pages.get(&page_of(address))?;
        Some(page.protection)
    }

    /// The page at `start`, with memory.
    fn backed(&mut self, start: u64, access: Protection) -> Option<&mut [u8]> {
        let page = self.pages.get_mut(&start)?;
        if !page.protection.contains(access) {
            return None;
        }
        if page.bytes.is_none() {
            self.free_pages = self.free_pages.checked_sub(1)?;
            page.bytes = Some(vec![0; PAGE_SIZE].into());
        }
        page.bytes.as_deref_mut()
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

fn starts(range: ProgramRange) -> impl Iterator<Item = u64> {
    range.addresses().step_by(PAGE_SIZE)
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
        if !within || self.pages.range(range.addresses()).next().is_some() {
            return Err(MapError::Unavailable);
        }
        self.pages.extend(starts(range).map(|start| {
            let bytes = None;
            (start, Page { protection, bytes })
        }));
        Ok(())
    }

    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        check_protection(protection)?;
        for (_, page) in self.pages.range_mut(range.addresses()) {
            page.protection = protection;
        }
        Ok(())
    }

    fn unmap(&mut self, range: ProgramRange) {
        let freed = self
            .pages
            .extract_if(range.addresses(), |_, _| true)
            .filter(|(_, page)| page.bytes.is_some())
            .count();
        self.free_pages += freed;
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
