//! Memory for blocks, which may run out.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::DiskError;

/// `length` zeros.
pub(crate) fn zeroed(length: usize) -> Result<Box<[u8]>, DiskError> {
    let mut bytes = room(length)?;
    bytes.resize(length, 0);
    Ok(bytes.into_boxed_slice())
}

/// A copy of `bytes`.
pub(crate) fn copy(bytes: &[u8]) -> Result<Box<[u8]>, DiskError> {
    let mut copy = room(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy.into_boxed_slice())
}

/// Room for `length` bytes, exactly: making a boxed slice of it moves nothing.
pub(crate) fn room(length: usize) -> Result<Vec<u8>, DiskError> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| DiskError::OutOfMemory)?;
    Ok(bytes)
}
