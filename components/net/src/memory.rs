//! Memory that may not be there.
//!
//! Packets come as they like, and a machine has only so much memory: whatever is asked for on
//! their account may be refused, and the packet is then dropped or the program told.

use alloc::vec::Vec;

/// `length` bytes of zero, if there is memory for them.
pub(crate) fn zeroed(length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    bytes.resize(length, 0);
    Some(bytes)
}

/// A copy of `bytes`, if there is memory for it.
pub(crate) fn copy(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = zeroed(bytes.len())?;
    copy.copy_from_slice(bytes);
    Some(copy)
}
