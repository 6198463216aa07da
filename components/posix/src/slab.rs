//! A table whose entries are named by place and generation, so that a stale name finds nothing.

use alloc::vec::Vec;
use core::marker::PhantomData;

use crate::Errno;

/// Names an entry of a [`Slab`] of `T`.
pub(crate) struct Key<T> {
    index: u32,
    generation: u32,
    entry: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A number that no other key of the same table has had.
    pub(crate) const fn number(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}

impl<T> Eq for Key<T> {}

impl<T> core::fmt::Debug for Key<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}.{}", self.index, self.generation)
    }
}

/// A table of `T` with free places reused, last freed first.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    /// The place freed last.
    free: Option<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Entry(T),
    /// Nothing, and the place freed before this one.
    Free(Option<u32>),
}

impl<T> Slab<T> {
    /// An empty table.
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: None,
        }
    }

    /// Adds `entry`; on lack of memory it is dropped.
    pub(crate) fn insert(&mut self, entry: T) -> Result<Key<T>, Errno> {
        let index = match self.free {
            Some(index) => index,
            None => self.grow()?,
        };
        let place = &mut self.places[index as usize];
        if let Content::Free(before) = place.content {
            self.free = before;
        }
        place.content = Content::Entry(entry);
        Ok(Key {
            index,
            generation: place.generation,
            entry: PhantomData,
        })
    }

    /// One more place, the only free one.
    fn grow(&mut self) -> Result<u32, Errno> {
        let index = u32::try_from(self.places.len()).map_err(|_| Errno::ENFILE)?;
        self.places.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.places.push(Place {
            generation: 0,
            content: Content::Free(None),
        });
        Ok(index)
    }

    /// The entry that `key` names, if it is still there.
    pub(crate) fn get(&self, key: Key<T>) -> Option<&T> {
        let place = self.places.get(key.index as usize)?;
        match &place.content {
            Content::Entry(entry) if place.generation == key.generation => Some(entry),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let place = self.places.get_mut(key.index as usize)?;
        match &mut place.content {
            Content::Entry(entry) if place.generation == key.generation => Some(entry),
            _ => None,
        }
    }

    /// Takes the entry out. Its key names nothing from now on.
    pub(crate) fn remove(&mut self, key: Key<T>) -> Option<T> {
        self.get(key)?;
        let place = &mut self.places[key.index as usize];
        let content = core::mem::replace(&mut place.content, Content::Free(self.free));
        place.generation = place.generation.wrapping_add(1);
        self.free = Some(key.index);
        match content {
            Content::Entry(entry) => Some(entry),
            Content::Free(_) => None,
        }
    }

    /// All entries with their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.places.iter().zip(0..).filter_map(|(place, index)| {
            let Content::Entry(entry) = &place.content else {
                return None;
            };
            let key = Key {
                index,
                generation: place.generation,
                entry: PhantomData,
            };
            Some((key, entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b').unwrap();
        assert_ne!(first, second);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
        assert_eq!(slab.iter().count(), 1);
    }
}
