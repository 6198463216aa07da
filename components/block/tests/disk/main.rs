//! Disks behind their cache, on devices that are slow, fail, or lose power.

mod device;
mod faults;
mod model;
mod steps;

use block::{CachedDisk, Caching, Disk, DiskError, DiskResult, Progress, Settling};
use hypercall::{BlockDevice, Instant, SliceSink, SliceSource};

/// How often an operation is tried before a test says that it hangs.
const PATIENCE: usize = 10_000;

/// Runs a step of a disk to its end.
fn finish<D: BlockDevice + Send, T>(
    disk: &mut CachedDisk<D>,
    mut step: impl FnMut(&mut CachedDisk<D>) -> DiskResult<T>,
) -> Result<T, DiskError> {
    for _ in 0..PATIENCE {
        if let Progress::Done(result) = step(disk)? {
            return Ok(result);
        }
        disk.progress(Instant::ZERO);
    }
    panic!("the operation hangs");
}

/// Reads `length` bytes, or as many as there are before the end or an error.
fn read<D: BlockDevice + Send>(
    disk: &mut CachedDisk<D>,
    offset: u64,
    length: usize,
    caching: Caching,
) -> Result<Vec<u8>, DiskError> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let part = finish(disk, |disk| {
            let mut sink = SliceSink::new(&mut bytes[filled..]);
            disk.read(offset + filled as u64, &mut sink, caching)
        });
        match part {
            Ok(0) => break,
            Ok(moved) => filled += moved,
            Err(error) if filled == 0 => return Err(error),
            Err(_) => break,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes all of `bytes`; a direct write is waited for.
fn write<D: BlockDevice + Send>(
    disk: &mut CachedDisk<D>,
    offset: u64,
    bytes: &[u8],
    caching: Caching,
) -> Result<usize, DiskError> {
    let mut written = 0;
    while written < bytes.len() {
        let step = |disk: &mut CachedDisk<D>| {
            let mut source = SliceSource::new(&bytes[written..]);
            disk.write(offset + written as u64, &mut source, caching)
        };
        match finish(disk, step) {
            Ok(moved) => written += moved,
            Err(DiskError::EndOfDisk) if written > 0 => break,
            Err(error) => return Err(error),
        }
    }
    if caching == Caching::Direct {
        let end = offset + written as u64;
        settle(disk, Settling::transfers(offset..end))?;
    }
    Ok(written)
}

fn settle<D: BlockDevice + Send>(
    disk: &mut CachedDisk<D>,
    mut settling: Settling,
) -> Result<(), DiskError> {
    finish(disk, |disk| disk.settle(&mut settling))
}
