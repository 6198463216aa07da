//! A buffer between a stream and whoever cuts it into pieces: bytes come at the end and go at the
//! front.

/// Some bytes, somewhere in a buffer of fixed length.
#[derive(Debug)]
pub(super) struct StreamBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl StreamBuffer {
    pub fn new(length: usize) -> Self {
        Self {
            bytes: vec![0; length].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// What is free behind the bytes.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// The first `count` bytes of the room are filled now.
    pub fn grow(&mut self, count: usize) {
        self.end += count;
    }

    /// The first `count` bytes are not needed any more.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Moves the bytes to the front of the buffer.
    pub fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_the_same_wherever_they_are() {
        let mut buffer = StreamBuffer::new(4);
        buffer.room()[..3].copy_from_slice(b"abc");
        buffer.grow(3);
        buffer.consume(1);
        assert_eq!(buffer.filled(), b"bc");
        assert_eq!(buffer.room().len(), 1);
        buffer.compact();
        assert_eq!(buffer.filled(), b"bc");
        buffer.room().copy_from_slice(b"de");
        buffer.grow(2);
        assert_eq!(buffer.filled_mut(), b"bcde");
        assert!(buffer.room().is_empty());
    }
}
