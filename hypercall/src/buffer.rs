//! Where bytes go to and come from, whatever holds them.
//!
//! A read copies from a socket's ring or a cached block straight into its destination: a slice
//! of the caller, or the memory of a program, in one piece or scattered. Both ends are checked
//! before the operation begins, so neither `put` nor `take` can fail half way.

/// A destination of known room.
pub trait Sink {
    /// How many bytes `put` will still accept.
    fn remaining(&self) -> usize;

    /// Takes as much of `bytes` as there is room for, and returns how much that was:
    /// `min(bytes.len(), self.remaining())`, never less. Does not block.
    fn put(&mut self, bytes: &[u8]) -> usize;
}

/// An origin of known length.
pub trait Source {
    /// How many bytes `take` will still give.
    fn remaining(&self) -> usize;

    /// Fills the front of `into` and returns how much that was:
    /// `min(into.len(), self.remaining())`, never less. Does not block.
    fn take(&mut self, into: &mut [u8]) -> usize;
}

/// A [`Sink`] over a slice.
#[derive(Debug)]
pub struct SliceSink<'a> {
    slice: &'a mut [u8],
    filled: usize,
}

impl<'a> SliceSink<'a> {
    /// Fills `slice` from its front.
    pub fn new(slice: &'a mut [u8]) -> Self {
        Self { slice, filled: 0 }
    }

    /// How many bytes have been put.
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Sink for SliceSink<'_> {
    fn remaining(&self) -> usize {
        self.slice.len() - self.filled
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(self.remaining());
        self.slice[self.filled..self.filled + length].copy_from_slice(&bytes[..length]);
        self.filled += length;
        length
    }
}

/// A [`Source`] over a slice.
#[derive(Debug)]
pub struct SliceSource<'a>(&'a [u8]);

impl<'a> SliceSource<'a> {
    /// Gives `slice` from its front.
    pub fn new(slice: &'a [u8]) -> Self {
        Self(slice)
    }
}

impl Source for SliceSource<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let length = into.len().min(self.0.len());
        let (front, rest) = self.0.split_at(length);
        into[..length].copy_from_slice(front);
        self.0 = rest;
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sink_takes_what_fits() {
        let mut room = [0; 4];
        let mut sink = SliceSink::new(&mut room);
        assert_eq!(sink.put(b"abc"), 3);
        assert_eq!(sink.put(b"def"), 1);
        assert_eq!(sink.remaining(), 0);
        assert_eq!(&room, b"abcd");
    }

    #[test]
    fn a_source_ends() {
        let mut source = SliceSource::new(b"abc");
        let mut into = [0; 2];
        assert_eq!(source.take(&mut into), 2);
        assert_eq!(source.take(&mut into), 1);
        assert_eq!(source.take(&mut into), 0);
    }
}
