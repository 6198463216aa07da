//! A directory's entries: found by name, listed in the order they were made.
//!
//! Each entry has a serial number that is never reused, so a listing that goes on after entries
//! were made or removed neither misses nor repeats another.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::memory;
use crate::{FsError, NodeId};

/// What an entry takes of the budget beside the bytes of its name.
const ENTRY_COST: u64 = (size_of::<Slot>() + size_of::<u32>()) as u64;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// In the order of their serial numbers. Removed entries leave empty slots, half of all at
    /// most while there is memory.
    slots: Vec<Slot>,
    /// The positions of the live entries' slots, in the order of the names.
    order: Vec<u32>,
    next_serial: u64,
}

#[derive(Debug)]
struct Slot {
    serial: u64,
    entry: Option<Entry>,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Box<[u8]>,
    pub(super) node: NodeId,
}

/// What an entry with this name takes of the budget.
pub(super) fn cost(name: &[u8]) -> u64 {
    ENTRY_COST + name.len() as u64
}

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The node that `name` names.
    pub(super) fn get(&self, name: &[u8]) -> Option<NodeId> {
        let found = self.find(name).ok()?;
        let entry = self.entry(self.order[found])?;
        Some(entry.node)
    }

    /// Makes room for an entry of this name, and returns the name for [`set`](Self::set).
    pub(super) fn reserve(&mut self, name: &[u8]) -> Result<Box<[u8]>, FsError> {
        memory::reserve(&mut self.slots, 1)?;
        memory::reserve(&mut self.order, 1)?;
        memory::copy(name)
    }

    /// Gives `node` a name for which there is room, and which from now on names nothing else.
    pub(super) fn set(&mut self, name: Box<[u8]>, node: NodeId) {
        match self.find(&name) {
            Ok(found) => {
                let slot = &mut self.slots[self.order[found] as usize];
                if let Some(entry) = &mut slot.entry {
                    entry.node = node;
                }
            }
            Err(place) => {
                self.order.insert(place, self.slots.len() as u32);
                self.slots.push(Slot {
                    serial: self.next_serial,
                    entry: Some(Entry { name, node }),
                });
                self.next_serial += 1;
            }
        }
    }

    /// Removes a name, if it is there.
    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Ok(found) = self.find(name) {
            let position = self.order.remove(found);
            self.slots[position as usize].entry = None;
            if self.slots.len() > 2 * self.order.len() {
                self.compact();
            }
        }
    }

    /// The first entry whose serial number is `cookie` or above, and the cookie after it.
    pub(super) fn at(&self, cookie: u64) -> Option<(&Entry, u64)> {
        let first = self.slots.partition_point(|slot| slot.serial < cookie);
        let mut rest = self.slots[first..].iter();
        rest.find_map(|slot| slot.entry.as_ref().map(|entry| (entry, slot.serial + 1)))
    }

    /// The place in `order` of `name`, or where it belongs.
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.order
            .binary_search_by(|&position| match self.entry(position) {
                Some(entry) => (*entry.name).cmp(name),
                // No position of `order` leads to an empty slot.
                None => core::cmp::Ordering::Less,
            })
    }

    fn entry(&self, position: u32) -> Option<&Entry> {
        self.slots[position as usize].entry.as_ref()
    }

    /// Drops the empty slots; without memory for that they stay until the next time.
    fn compact(&mut self) {
        let mut live = 0;
        let mut moved = Vec::new();
        if memory::reserve(&mut moved, self.slots.len()).is_err() {
            return;
        }
        for slot in &self.slots {
            moved.push(live);
            live += u32::from(slot.entry.is_some());
        }
        for position in &mut self.order {
            *position = moved[*position as usize];
        }
        self.slots.retain(|slot| slot.entry.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &Names, mut cookie: u64) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some((entry, next)) = names.at(cookie) {
            all.push(entry.name[0]);
            cookie = next;
        }
        all
    }

    fn add(names: &mut Names, name: &[u8], node: NodeId) {
        let name = names.reserve(name).expect("there is memory");
        names.set(name, node);
    }

    fn directory(of: &[u8]) -> Names {
        let mut names = Names::default();
        for name in of {
            add(&mut names, &[*name], NodeId(u64::from(*name)));
        }
        names
    }

    #[test]
    fn names_are_found_and_listed_as_made() {
        let names = directory(b"cab");
        assert_eq!(names.get(b"a"), Some(NodeId(b'a'.into())));
        assert_eq!(names.get(b"d"), None);
        assert_eq!(listed(&names, 0), b"cab");
    }

    #[test]
    fn removing_what_was_listed_hides_nothing() {
        let mut names = directory(b"zyxwvutsrqponm");
        let mut cookie = 0;
        let mut seen = Vec::new();
        while let Some((entry, next)) = names.at(cookie) {
            let name = entry.name.clone();
            seen.push(name[0]);
            names.remove(&name);
            cookie = next;
        }
        assert_eq!(seen, b"zyxwvutsrqponm");
        assert!(names.is_empty() && names.slots.is_empty());
    }

    #[test]
    fn compaction_keeps_names_and_cookies() {
        let mut names = directory(b"abcdefgh");
        let (_, after_d) = names.at(3).expect("d is there");
        for name in [b"a", b"c", b"e", b"g", b"b"] {
            names.remove(name);
        }
        assert!(names.slots.len() < 8);
        assert_eq!(listed(&names, after_d), b"fh");
        assert_eq!(names.get(b"h"), Some(NodeId(b'h'.into())));
        add(&mut names, b"a", NodeId(1));
        assert_eq!(listed(&names, 0), b"dfha");
    }
}
