//! Values that keep their place in a table until they are removed.

use alloc::vec::Vec;

/// A table whose places are named by small numbers and used again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty table. It takes no memory.
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How many places there are, used or not.
    pub(crate) fn places(&self) -> u32 {
        // The limits in `Config` keep every table far below 2^32 places.
        self.places.len() as u32
    }

    /// Stores `value` and returns its place, if there is memory for it.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = Some(value);
            return Some(index);
        }
        let index = self.places();
        // All places may be free one day.
        self.free.try_reserve(self.places.len() + 1).ok()?;
        self.places.try_reserve(1).ok()?;
        self.places.push(Some(value));
        Some(index)
    }

    /// Takes the value at `index` out; its place may be used again.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let value = self.places.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(value)
    }

    /// The value at `index`.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.as_ref()
    }

    /// The value at `index`, to be changed.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again() {
        let mut slab = Slab::new();
        let mut insert = |value| slab.insert(value).unwrap();
        let (a, b) = (insert('a'), insert('b'));
        assert_eq!(slab.remove(a), Some('a'));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.insert('c'), Some(a));
        assert_eq!((slab.get(a), slab.get(b)), (Some(&'c'), Some(&'b')));
        assert_eq!(slab.len(), 2);
    }
}
