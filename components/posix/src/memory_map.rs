//! Which of a program's addresses are mapped, and to what (POSIX.1-2017, `mmap`).
//!
//! The map decides; the home's [`ProgramHost`] changes the pages. All mappings are private: a
//! file's bytes are copied when it is mapped.

mod areas;

use alloc::vec::Vec;

use hypercall::{MapError, PAGE_SIZE, ProgramHost, ProgramRange, Protection};

pub use areas::{Area, Purpose};

use crate::errno::Errno;

use areas::Areas;

/// Where a new mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// At this address if it is free (zero: no wish), or else anywhere.
    Hint(u64),
    /// At this address, in place of what is there (MAP_FIXED).
    Fixed(u64),
    /// At this address if it is free (MAP_FIXED_NOREPLACE).
    FixedIfFree(u64),
}

/// What `mremap` may do to fit the new length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// Stay.
    Never,
    /// Go anywhere (MREMAP_MAYMOVE).
    Anywhere,
    /// Go to this address, in place of what is there (MREMAP_FIXED).
    To(u64),
}

/// The mappings of one program.
#[derive(Debug)]
pub struct MemoryMap {
    /// Where mappings may be placed.
    space: ProgramRange,
    areas: Areas,
    /// How much memory the home could give when the program came.
    memory: u64,
    break_start: u64,
    break_end: u64,
}

impl MemoryMap {
    /// Nothing mapped; mappings will be placed within the range of `host`, the program break
    /// grows from its start, and what is free there now can be promised.
    pub fn new(host: &dyn ProgramHost) -> Self {
        let space = host.program_range();
        let (_, free) = host.memory();
        Self {
            space,
            areas: Areas::new(),
            memory: free,
            break_start: space.start(),
            break_end: space.start(),
        }
    }

    /// All areas, by address.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.iter()
    }

    /// The area that holds `address`.
    pub fn area_at(&self, address: u64) -> Option<Area> {
        self.areas.at(address)
    }

    /// Notes a piece of the program's file that the loader has placed where nothing is mapped. If
    /// it lies within the space of mappings, the program break will grow from beyond it.
    pub fn add_image(&mut self, range: ProgramRange, protection: Protection) {
        self.areas.insert(Area {
            range,
            protection,
            purpose: Purpose::Image,
            is_promised: false,
        });
        if self.space.addresses().contains(&range.end()) {
            self.break_start = self.break_start.max(range.end());
            self.break_end = self.break_start;
        }
    }

    /// Maps `length` bytes of zeros, made whole pages, and returns where. `reserve` is whether
    /// memory to write all of it is promised, or refused, now (no MAP_NORESERVE).
    pub fn map(
        &mut self,
        host: &mut dyn ProgramHost,
        placement: Placement,
        length: u64,
        protection: Protection,
        purpose: Purpose,
        reserve: bool,
    ) -> Result<ProgramRange, Errno> {
        refuse_write_execute(protection)?;
        let length = whole_pages(length)?;
        self.areas.make_room()?;
        let range = self.place(host, placement, length)?;
        let area = Area {
            range,
            protection,
            purpose,
            is_promised: reserve,
        };
        self.promise(host, area.promised_length())?;
        host.map(range, protection).map_err(errno_of_map)?;
        self.areas.insert(area);
        Ok(range)
    }

    /// Unmaps the pages of `length` bytes from `start`, mapped or not.
    pub fn unmap(
        &mut self,
        host: &mut dyn ProgramHost,
        start: u64,
        length: u64,
    ) -> Result<(), Errno> {
        let range = page_range(start, whole_pages(length)?)?;
        self.areas.make_room()?;
        self.discard(host, range);
        Ok(())
    }

    /// Gives the pages of `length` bytes from `start` a new protection. All of them are mapped
    /// and may have it, or nothing changes.
    pub fn protect(
        &mut self,
        host: &mut dyn ProgramHost,
        start: u64,
        length: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        refuse_write_execute(protection)?;
        if length == 0 {
            return page_range(start, 0).map(drop);
        }
        let range = page_range(start, whole_pages(length).or(Err(Errno::ENOMEM))?)
            .map_err(beyond_addresses(start))?;
        if !self.areas.is_covered(range) {
            return Err(Errno::ENOMEM);
        }
        let is_shared = |area: Area| area.purpose == Purpose::SharedFile;
        let shared = self.areas.overlapping(range).any(is_shared);
        if shared && protection.contains(Protection::WRITE) {
            return Err(Errno::EACCES);
        }
        let more = self.areas.overlapping(range).map(|area| {
            let changed = Area { protection, ..area };
            changed
                .promised_length()
                .saturating_sub(area.promised_length())
        });
        self.promise(host, more.sum())?;
        self.areas.make_room()?;
        host.protect(range, protection).map_err(errno_of_map)?;
        self.areas.protect(range, protection);
        Ok(())
    }

    /// Sets the program break if it can be set there, and returns where it then is.
    pub fn set_break(&mut self, host: &mut dyn ProgramHost, wanted: u64) -> u64 {
        let moved = wanted >= self.break_start && self.move_break(host, wanted).is_ok();
        if moved {
            self.break_end = wanted;
        }
        self.break_end
    }

    /// Changes the length of the mapping at `start` from `old_length` to `new_length` bytes and
    /// returns where it then is.
    pub fn remap(
        &mut self,
        host: &mut dyn ProgramHost,
        start: u64,
        old_length: u64,
        new_length: u64,
        movement: Move,
    ) -> Result<u64, Errno> {
        let old = page_range(start, whole_pages(old_length)?)?;
        let new_length = whole_pages(new_length)?;
        let area = self.areas.at(start).ok_or(Errno::EFAULT)?;
        if old.end() > area.range.end() {
            return Err(Errno::EFAULT);
        }
        if let Move::To(target) = movement {
            return self.move_to(host, old, target, new_length);
        }
        self.areas.make_room()?;
        if new_length <= old.length() {
            let tail = page_range(start + new_length, old.length() - new_length)?;
            self.discard(host, tail);
            return Ok(start);
        }
        match self.grow(host, area, old, new_length) {
            Err(Errno::ENOMEM) if movement == Move::Anywhere => {
                self.copy_to(host, old, Placement::Hint(0), new_length)
            }
            result => result.map(|()| start),
        }
    }

    /// Gives the memory of the pages of `length` bytes from `start` back: they read as zeros
    /// again (MADV_DONTNEED). Pages that are not mapped are ENOMEM, and the content of files,
    /// which is not read anew, EINVAL.
    pub fn forget(
        &mut self,
        host: &mut dyn ProgramHost,
        start: u64,
        length: u64,
    ) -> Result<(), Errno> {
        if length == 0 {
            return page_range(start, 0).map(drop);
        }
        let range = page_range(start, whole_pages(length)?)?;
        if !self.areas.is_covered(range) {
            return Err(Errno::ENOMEM);
        }
        let parts = || self.areas.overlapping(range);
        let has_content = |purpose| {
            matches!(
                purpose,
                Purpose::File | Purpose::SharedFile | Purpose::Image
            )
        };
        if parts().any(|area| has_content(area.purpose)) {
            return Err(Errno::EINVAL);
        }
        for area in parts() {
            host.unmap(area.range);
            host.map(area.range, area.protection)
                .map_err(errno_of_map)?;
        }
        Ok(())
    }

    /// Whether all pages of `length` bytes from `start` are mapped.
    pub fn is_mapped(&self, start: u64, length: u64) -> Result<bool, Errno> {
        if length == 0 {
            return page_range(start, 0).map(|_| true);
        }
        let range = page_range(start, whole_pages(length)?)?;
        Ok(self.areas.is_covered(range))
    }

    fn discard(&mut self, host: &mut dyn ProgramHost, range: ProgramRange) {
        if !range.is_empty() {
            host.unmap(range);
            self.areas.remove(range);
        }
    }

    /// Finds the free range that `placement` means, and makes it free if it is to be.
    fn place(
        &mut self,
        host: &mut dyn ProgramHost,
        placement: Placement,
        length: u64,
    ) -> Result<ProgramRange, Errno> {
        match placement {
            Placement::Fixed(start) => {
                let range = self.within_space(start, length)?;
                self.discard(host, range);
                Ok(range)
            }
            Placement::FixedIfFree(start) => {
                let range = self.within_space(start, length)?;
                self.areas
                    .is_free(range)
                    .then_some(range)
                    .ok_or(Errno::EEXIST)
            }
            Placement::Hint(wish) => self
                .at_wish(wish, length)
                .or_else(|| self.areas.highest_gap(self.space, length))
                .ok_or(Errno::ENOMEM),
        }
    }

    fn at_wish(&self, wish: u64, length: u64) -> Option<ProgramRange> {
        let page = PAGE_SIZE as u64;
        let start = wish - wish % page;
        let range = self.within_space(start, length).ok()?;
        (wish != 0 && self.areas.is_free(range)).then_some(range)
    }

    /// EINVAL for what is not whole pages, ENOMEM for what lies outside.
    fn within_space(&self, start: u64, length: u64) -> Result<ProgramRange, Errno> {
        let range = page_range(start, length).map_err(beyond_addresses(start))?;
        let inside = range.start() >= self.space.start() && range.end() <= self.space.end();
        inside.then_some(range).ok_or(Errno::ENOMEM)
    }

    fn move_break(&mut self, host: &mut dyn ProgramHost, wanted: u64) -> Result<(), Errno> {
        let old = round_up(self.break_end)?;
        let new = round_up(wanted)?;
        self.areas.make_room()?;
        if let Some(shrink) = old.checked_sub(new) {
            self.discard(host, page_range(new, shrink)?);
            return Ok(());
        }
        let area = Area {
            range: self.within_space(old, new - old)?,
            protection: Protection::READ | Protection::WRITE,
            purpose: Purpose::Heap,
            is_promised: true,
        };
        self.add_free(host, area)
    }

    /// Maps `area` if its range is free, ENOMEM otherwise.
    fn add_free(&mut self, host: &mut dyn ProgramHost, area: Area) -> Result<(), Errno> {
        if !self.areas.is_free(area.range) {
            return Err(Errno::ENOMEM);
        }
        self.promise(host, area.promised_length())?;
        host.map(area.range, area.protection)
            .map_err(errno_of_map)?;
        self.areas.insert(area);
        Ok(())
    }

    /// Refuses to promise `more` bytes that could not be given beside all that is promised.
    ///
    /// Linux promises what it does not have and ends a program that claims it; a home without
    /// other programs knows better.
    fn promise(&self, host: &dyn ProgramHost, more: u64) -> Result<(), Errno> {
        if more == 0 {
            return Ok(());
        }
        let promised: u64 = self.areas.iter().map(Area::promised_length).sum();
        let (_, free) = host.memory();
        // The stack, page tables and the kernel take memory that nobody was promised.
        let margin = self.memory / 32;
        let fits =
            |taken: u64, memory: u64| taken.saturating_add(more) <= memory.saturating_sub(margin);
        if fits(promised, self.memory) && fits(0, free) {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// Lets `old`, the end of `area`, grow in place; ENOMEM if something is in the way.
    fn grow(
        &mut self,
        host: &mut dyn ProgramHost,
        area: Area,
        old: ProgramRange,
        new_length: u64,
    ) -> Result<(), Errno> {
        let range = self.within_space(old.end(), new_length - old.length())?;
        self.add_free(host, Area { range, ..area })
    }

    /// Moves `old` to `target`, first cut to `new_length` if that is shorter.
    fn move_to(
        &mut self,
        host: &mut dyn ProgramHost,
        old: ProgramRange,
        target: u64,
        new_length: u64,
    ) -> Result<u64, Errno> {
        let range = page_range(target, new_length)?;
        if range.start() < old.end() && old.start() < range.end() {
            return Err(Errno::EINVAL);
        }
        self.copy_to(host, old, Placement::Fixed(target), new_length)
    }

    /// Maps `new_length` bytes like `old`, copies, and unmaps `old`. On error nothing moved.
    fn copy_to(
        &mut self,
        host: &mut dyn ProgramHost,
        old: ProgramRange,
        placement: Placement,
        new_length: u64,
    ) -> Result<u64, Errno> {
        let area = self.areas.at(old.start()).ok_or(Errno::EFAULT)?;
        let new = self.map(
            host,
            placement,
            new_length,
            area.protection,
            area.purpose,
            area.is_promised,
        )?;
        let length = old.length().min(new_length);
        if let Err(error) = copy_pages(host, old.start(), new.start(), length) {
            self.discard(host, new);
            return Err(error);
        }
        self.discard(host, old);
        Ok(new.start())
    }
}

/// Copies whole pages, and leaves those alone that hold nothing but zeros: their copies read as
/// zeros already, and take no memory.
fn copy_pages(host: &mut dyn ProgramHost, from: u64, to: u64, length: u64) -> Result<(), Errno> {
    let mut page = Vec::new();
    page.try_reserve_exact(PAGE_SIZE).or(Err(Errno::ENOMEM))?;
    page.resize(PAGE_SIZE, 0);
    for offset in (0..length).step_by(PAGE_SIZE) {
        host.copy_in(from + offset, &mut page)
            .or(Err(Errno::ENOMEM))?;
        if page.iter().any(|byte| *byte != 0) {
            host.copy_out(&page, to + offset).or(Err(Errno::ENOMEM))?;
        }
    }
    Ok(())
}

/// `length` made whole pages: EINVAL for none, ENOMEM for more than there can be.
fn whole_pages(length: u64) -> Result<u64, Errno> {
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    round_up(length)
}

fn round_up(address: u64) -> Result<u64, Errno> {
    address
        .checked_next_multiple_of(PAGE_SIZE as u64)
        .ok_or(Errno::ENOMEM)
}

fn page_range(start: u64, length: u64) -> Result<ProgramRange, Errno> {
    ProgramRange::new(start, length).ok_or(Errno::EINVAL)
}

/// Linux tells a misaligned start (EINVAL) from a range that ends beyond all addresses (ENOMEM).
fn beyond_addresses(start: u64) -> impl Fn(Errno) -> Errno {
    move |error| {
        if start.is_multiple_of(PAGE_SIZE as u64) {
            Errno::ENOMEM
        } else {
            error
        }
    }
}

fn refuse_write_execute(protection: Protection) -> Result<(), Errno> {
    if protection.contains(Protection::WRITE | Protection::EXECUTE) {
        return Err(Errno::EACCES);
    }
    Ok(())
}

fn errno_of_map(error: MapError) -> Errno {
    match error {
        MapError::OutOfMemory | MapError::Unavailable => Errno::ENOMEM,
        MapError::WriteExecute => Errno::EACCES,
    }
}

#[cfg(test)]
mod tests;
