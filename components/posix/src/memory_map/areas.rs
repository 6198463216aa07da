//! The list of a program's areas: sorted, disjoint, neighbours that are alike joined.

use alloc::vec::Vec;

use hypercall::{ProgramRange, Protection};

use crate::errno::Errno;

/// What an area was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The program's own file, placed by the loader.
    Image,
    /// What the program break encloses.
    Heap,
    /// The initial stack.
    Stack,
    /// Private zeros.
    Anonymous,
    /// A copy of a file's bytes.
    File,
    /// The same for a mapping that was asked to be shared. Nobody may write it: the file would
    /// not hear of it.
    SharedFile,
}

/// Pages that are mapped alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// Where.
    pub range: ProgramRange,
    /// What the program may do there.
    pub protection: Protection,
    /// What for.
    pub purpose: Purpose,
    /// Whether memory to write all of it was promised (no MAP_NORESERVE).
    pub is_promised: bool,
}

impl Area {
    /// How many bytes the home may yet be asked for, or has given.
    pub fn promised_length(&self) -> u64 {
        let is_writable = self.protection.contains(Protection::WRITE);
        if self.is_promised && is_writable {
            self.range.length()
        } else {
            0
        }
    }
}

/// The most areas that a program may have (Linux' vm.max_map_count).
const MOST_AREAS: usize = 65_530;

/// The areas of most programs at their start: what the loader placed, the stack and its guard, the
/// heap; with room for a change.
const USUAL_AREAS: usize = 16;

/// The areas of one program.
#[derive(Debug)]
pub struct Areas(Vec<Area>);

impl Areas {
    /// No areas.
    pub fn new() -> Self {
        Self(Vec::with_capacity(USUAL_AREAS))
    }

    /// All areas, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.0.iter()
    }

    /// The area that holds `address`.
    pub fn at(&self, address: u64) -> Option<Area> {
        let index = self.first_beyond(address);
        let area = self.0.get(index)?;
        area.range.addresses().contains(&address).then_some(*area)
    }

    /// Whether nothing is mapped in `range`.
    pub fn is_free(&self, range: ProgramRange) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether everything is mapped in `range`.
    pub fn is_covered(&self, range: ProgramRange) -> bool {
        let mut reached = range.start();
        for area in self.overlapping(range) {
            if area.range.start() > reached {
                return false;
            }
            reached = area.range.end();
        }
        reached >= range.end()
    }

    /// The parts of areas that lie in `range`.
    pub fn overlapping(&self, range: ProgramRange) -> impl Iterator<Item = Area> {
        let first = self.first_beyond(range.start());
        self.0[first..]
            .iter()
            .map_while(move |area| clip(*area, range))
    }

    /// Makes sure that the next change finds room. A mapping that moves adds an area and splits
    /// those at both ends of two ranges; nothing takes more. ENOMEM where there are too many.
    pub fn make_room(&mut self) -> Result<(), Errno> {
        if self.0.len() >= MOST_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.0.try_reserve(5).or(Err(Errno::ENOMEM))
    }

    /// Adds an area where there is none.
    pub fn insert(&mut self, area: Area) {
        if area.range.is_empty() {
            return;
        }
        debug_assert!(self.is_free(area.range), "areas are disjoint");
        let index = self.first_beyond(area.range.start());
        self.0.insert(index, area);
        self.join(index + 1);
        self.join(index);
    }

    /// Forgets what lies in `range`, splitting areas at its ends.
    pub fn remove(&mut self, range: ProgramRange) {
        if range.is_empty() {
            return;
        }
        self.split(range.start());
        self.split(range.end());
        let first = self.first_beyond(range.start());
        let beyond = self.first_beyond(range.end());
        self.0.drain(first..beyond);
    }

    /// Gives what is mapped in `range` a new protection.
    pub fn protect(&mut self, range: ProgramRange, protection: Protection) {
        self.split(range.start());
        self.split(range.end());
        let first = self.first_beyond(range.start());
        let beyond = self
            .0
            .partition_point(|area| area.range.start() < range.end());
        for area in &mut self.0[first..beyond] {
            area.protection = protection;
        }
        for index in (first..=beyond).rev() {
            self.join(index);
        }
    }

    /// The highest free run of `length` bytes within `space`.
    pub fn highest_gap(&self, space: ProgramRange, length: u64) -> Option<ProgramRange> {
        let mut end = space.end();
        for area in self.overlapping_reversed(space) {
            if end - area.range.end() >= length {
                break;
            }
            end = area.range.start();
        }
        let start = end.checked_sub(length)?;
        (start >= space.start())
            .then(|| ProgramRange::new(start, length))
            .flatten()
    }

    fn overlapping_reversed(&self, range: ProgramRange) -> impl Iterator<Item = Area> {
        let beyond = self
            .0
            .partition_point(|area| area.range.start() < range.end());
        self.0[..beyond]
            .iter()
            .rev()
            .map_while(move |area| clip(*area, range))
    }

    /// The index of the first area that ends beyond `address`.
    fn first_beyond(&self, address: u64) -> usize {
        self.0.partition_point(|area| area.range.end() <= address)
    }

    /// Makes `address` a border if it lies within an area.
    fn split(&mut self, address: u64) {
        let index = self.first_beyond(address);
        let Some(area) = self.0.get(index).copied() else {
            return;
        };
        let (start, end) = (area.range.start(), area.range.end());
        if start >= address {
            return;
        }
        let low = ProgramRange::new(start, address - start);
        let high = ProgramRange::new(address, end - address);
        if let (Some(low), Some(high)) = (low, high) {
            self.0[index].range = low;
            self.0.insert(
                index + 1,
                Area {
                    range: high,
                    ..area
                },
            );
        }
    }

    /// Joins the area at `index` to the one before it if they touch and are alike.
    fn join(&mut self, index: usize) {
        let Some(before) = index.checked_sub(1) else {
            return;
        };
        let Some([low, high]) = self.0.get(before..=index) else {
            return;
        };
        let kind = |area: &Area| (area.protection, area.purpose, area.is_promised);
        let alike = kind(low) == kind(high);
        if !alike || low.range.end() != high.range.start() {
            return;
        }
        let length = low.range.length() + high.range.length();
        if let Some(range) = ProgramRange::new(low.range.start(), length) {
            self.0[before].range = range;
            self.0.remove(index);
        }
    }
}

/// The part of `area` in `range`, if they overlap.
fn clip(area: Area, range: ProgramRange) -> Option<Area> {
    let start = area.range.start().max(range.start());
    let end = area.range.end().min(range.end());
    let length = end.checked_sub(start).filter(|length| *length > 0)?;
    let range = ProgramRange::new(start, length)?;
    Some(Area { range, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn pages(start: u64, count: u64) -> ProgramRange {
        ProgramRange::new(start * PAGE, count * PAGE).expect("whole pages")
    }

    fn area(start: u64, count: u64, protection: Protection) -> Area {
        Area {
            range: pages(start, count),
            protection,
            purpose: Purpose::Anonymous,
            is_promised: true,
        }
    }

    fn list(areas: &Areas) -> Vec<(u64, u64, Protection)> {
        areas
            .iter()
            .map(|area| {
                let range = area.range;
                (range.start() / PAGE, range.length() / PAGE, area.protection)
            })
            .collect()
    }

    #[test]
    fn like_neighbours_are_one_area() {
        let mut areas = Areas::new();
        areas.insert(area(1, 1, Protection::READ));
        areas.insert(area(3, 1, Protection::READ));
        areas.insert(area(2, 1, Protection::READ));
        assert_eq!(list(&areas), [(1, 3, Protection::READ)]);
    }

    #[test]
    fn areas_have_an_end() {
        let mut areas = Areas::new();
        for index in 0..MOST_AREAS as u64 {
            assert_eq!(areas.make_room(), Ok(()));
            areas.insert(area(2 * index, 1, Protection::READ));
        }
        assert_eq!(areas.make_room(), Err(Errno::ENOMEM));
        areas.remove(pages(0, 1));
        assert_eq!(areas.make_room(), Ok(()));
    }

    #[test]
    fn a_hole_splits() {
        let mut areas = Areas::new();
        areas.insert(area(0, 5, Protection::READ));
        areas.remove(pages(2, 1));
        assert_eq!(
            list(&areas),
            [(0, 2, Protection::READ), (3, 2, Protection::READ)]
        );
        assert!(areas.is_free(pages(2, 1)));
        assert!(!areas.is_covered(pages(1, 3)));
        assert!(areas.is_covered(pages(3, 2)));
    }

    #[test]
    fn protection_changes_a_part_and_back() {
        let mut areas = Areas::new();
        areas.insert(area(0, 4, Protection::READ));
        areas.protect(pages(1, 2), Protection::empty());
        assert_eq!(list(&areas).len(), 3);
        areas.protect(pages(0, 4), Protection::READ);
        assert_eq!(list(&areas), [(0, 4, Protection::READ)]);
    }

    #[test]
    fn the_highest_gap_that_fits_is_taken() {
        let mut areas = Areas::new();
        areas.insert(area(8, 1, Protection::READ));
        areas.insert(area(4, 1, Protection::READ));
        let space = pages(0, 10);
        assert_eq!(areas.highest_gap(space, PAGE), Some(pages(9, 1)));
        assert_eq!(areas.highest_gap(space, 3 * PAGE), Some(pages(5, 3)));
        assert_eq!(areas.highest_gap(space, 4 * PAGE), Some(pages(0, 4)));
        assert_eq!(areas.highest_gap(space, 5 * PAGE), None);
    }
}
