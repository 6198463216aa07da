//! A bounded queue of bytes, filled from a [`Source`] and emptied into a [`Sink`].

use alloc::vec::Vec;

use hypercall::{Sink, Source};

use crate::Errno;

/// A queue of at most a fixed number of bytes. It takes its memory with the first byte.
#[derive(Debug)]
pub(crate) struct ByteRing {
    bytes: Vec<u8>,
    capacity: usize,
    start: usize,
    length: usize,
}

impl ByteRing {
    /// An empty queue for `capacity` bytes, one at least.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            capacity,
            start: 0,
            length: 0,
        }
    }

    /// How many bytes wait in it.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// How many more it takes.
    pub(crate) const fn room(&self) -> usize {
        self.capacity - self.length
    }

    /// Moves in as much of `source` as there is room for, and returns how much that was.
    pub(crate) fn fill(&mut self, source: &mut dyn Source) -> Result<usize, Errno> {
        let mut moved = 0;
        while self.room() > 0 && source.remaining() > 0 {
            let taken = source.take(self.vacant()?);
            self.length += taken;
            moved += taken;
        }
        Ok(moved)
    }

    /// The first piece of free room; add what was put there by [`advance`](Self::advance).
    pub(crate) fn vacant(&mut self) -> Result<&mut [u8], Errno> {
        if self.bytes.is_empty() {
            self.bytes
                .try_reserve_exact(self.capacity)
                .map_err(|_| Errno::ENOMEM)?;
            self.bytes.resize(self.capacity, 0);
        }
        let from = (self.start + self.length) % self.capacity;
        let until = (from + self.room()).min(self.capacity);
        Ok(&mut self.bytes[from..until])
    }

    /// Counts in `length` bytes that were put at the front of [`vacant`](Self::vacant).
    pub(crate) fn advance(&mut self, length: usize) {
        self.length += length.min(self.room());
    }

    /// Moves out as much as `sink` takes, and returns how much that was.
    pub(crate) fn drain(&mut self, sink: &mut dyn Sink) -> usize {
        let moved = self.copy_to(sink);
        self.length -= moved;
        self.start = match self.length {
            0 => 0,
            _ => (self.start + moved) % self.capacity,
        };
        moved
    }

    /// As [`drain`](Self::drain), but the bytes stay.
    pub(crate) fn copy_to(&self, sink: &mut dyn Sink) -> usize {
        if self.length == 0 {
            return 0;
        }
        let end = self.start + self.length;
        let first = &self.bytes[self.start..end.min(self.capacity)];
        let wrapped = &self.bytes[..end.saturating_sub(self.capacity)];
        sink.put(first) + sink.put(wrapped)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::VecDeque;

    use hypercall::{SliceSink, SliceSource};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ring_is_a_bounded_queue(
            capacity in 1_usize..20,
            steps in prop::collection::vec((any::<bool>(), 0_usize..24), 0..64),
        ) {
            let mut ring = ByteRing::new(capacity);
            let mut model = VecDeque::new();
            let mut next = 0_u8;
            for (fill, length) in steps {
                if fill {
                    let bytes: Vec<u8> = (0..length).map(|_| { next = next.wrapping_add(1); next }).collect();
                    let moved = ring.fill(&mut SliceSource::new(&bytes)).unwrap();
                    prop_assert_eq!(moved, length.min(capacity - model.len()));
                    model.extend(&bytes[..moved]);
                } else {
                    let mut seen = std::vec![0; length];
                    let peeked = ring.copy_to(&mut SliceSink::new(&mut seen));
                    let mut bytes = std::vec![0; length];
                    let moved = ring.drain(&mut SliceSink::new(&mut bytes));
                    prop_assert_eq!(peeked, moved);
                    prop_assert_eq!(&seen, &bytes);
                    let expected: Vec<u8> = model.drain(..length.min(model.len())).collect();
                    prop_assert_eq!(&bytes[..moved], expected);
                }
                prop_assert_eq!(ring.len(), model.len());
            }
        }
    }
}
