//! Memory that may not be there: then there is no space.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::FsError;

/// Makes room for `count` more in `list`.
pub(super) fn reserve<T>(list: &mut Vec<T>, count: usize) -> Result<(), FsError> {
    list.try_reserve(count).map_err(|_| FsError::NoSpace)
}

/// A copy of `bytes`, of just their length.
pub(super) fn copy(bytes: &[u8]) -> Result<Box<[u8]>, FsError> {
    copy_vec(bytes).map(Vec::into_boxed_slice)
}

/// The same to be given away.
pub(super) fn copy_vec(bytes: &[u8]) -> Result<Vec<u8>, FsError> {
    let mut copy = Vec::new();
    let reserved = copy.try_reserve_exact(bytes.len());
    reserved.map_err(|_| FsError::NoSpace)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}
