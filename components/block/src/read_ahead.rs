//! How much more than was asked for is read at once when a program reads in order.

use core::ops::Range;

/// The window that a second read in order opens, in blocks.
const FIRST_WINDOW: u64 = 8;

/// Follows the reads of a disk that missed the cache.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    /// Where the next miss lies if reads go on in order.
    next: u64,
    /// How many blocks are read beyond a miss.
    window: u64,
}

impl ReadAhead {
    /// How many blocks to read beyond the missing blocks of `miss`, at most `limit`: none unless it
    /// begins where what was read last ended; then more each time.
    pub(crate) fn beyond(&mut self, miss: &Range<u64>, limit: u64) -> u64 {
        self.window = match miss.start == self.next {
            true => (self.window * 2).clamp(FIRST_WINDOW, limit.max(FIRST_WINDOW)),
            false => 0,
        };
        self.window = self.window.min(limit);
        self.next = miss.end + self.window;
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_open_the_window_and_one_elsewhere_closes_it() {
        let mut ahead = ReadAhead::default();
        assert_eq!(ahead.beyond(&(5..6), 20), 0);
        assert_eq!(ahead.beyond(&(6..7), 20), 8);
        assert_eq!(ahead.beyond(&(15..16), 20), 16);
        assert_eq!(ahead.beyond(&(32..33), 20), 20);
        assert_eq!(ahead.beyond(&(100..101), 20), 0);
    }
}
