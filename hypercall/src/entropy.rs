//! A device that gives random bytes.

/// Somewhere random bytes come from, beside what a [`Host`](crate::Host) has by itself.
pub trait EntropySource {
    /// Fills the front of `bytes` with random bytes, none of them given before, and returns how
    /// many: as many as are there. Does not block. With fewer than were asked for, the source gets
    /// more, and the host's wait ends when they have come.
    fn take(&mut self, bytes: &mut [u8]) -> usize;
}
