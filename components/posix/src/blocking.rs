//! Transfers as programs call them: they wait until all is moved that will be.

use hypercall::{Host, Sink, Source};

use crate::description::Object;
use crate::edge::{block_on, block_on_all};
use crate::{Errno, Fd, Kernel};

/// `read` and `readv`: waits for a first byte. A disk's bytes arrive all, or up to its end.
pub fn read<H: Host>(kernel: &mut Kernel<H>, fd: Fd, into: &mut dyn Sink) -> Result<usize, Errno> {
    let is_disk = matches!(kernel.description(fd)?.1.object, Object::Disk(_));
    match is_disk {
        true => block_on_all(kernel, into, room_in, |kernel, into| kernel.read(fd, into)),
        false => block_on(kernel, |kernel| kernel.read(fd, into)),
    }
}

/// `write` and `writev`: waits until everything is written, and where the descriptor is open so
/// that it shall be, until it is durable.
pub fn write<H: Host>(
    kernel: &mut Kernel<H>,
    fd: Fd,
    data: &mut dyn Source,
) -> Result<usize, Errno> {
    let moved = block_on_all(kernel, data, left_of, |kernel, data| kernel.write(fd, data))?;
    let end = kernel.description(fd)?.1.offset;
    settle(kernel, fd, end.saturating_sub(moved as u64), moved)
}

/// `pread` and `preadv`.
pub fn pread<H: Host>(
    kernel: &mut Kernel<H>,
    fd: Fd,
    into: &mut dyn Sink,
    offset: i64,
) -> Result<usize, Errno> {
    let room = into.remaining();
    block_on_all(kernel, into, room_in, |kernel, into| {
        let moved = room - into.remaining();
        kernel.pread(fd, into, offset.saturating_add_unsigned(moved as u64))
    })
}

/// `pwrite` and `pwritev`, with the wait of [`write()`].
pub fn pwrite<H: Host>(
    kernel: &mut Kernel<H>,
    fd: Fd,
    data: &mut dyn Source,
    offset: i64,
) -> Result<usize, Errno> {
    let length = data.remaining();
    let moved = block_on_all(kernel, data, left_of, |kernel, data| {
        let moved = length - data.remaining();
        kernel.pwrite(fd, data, offset.saturating_add_unsigned(moved as u64))
    })?;
    // A negative offset has been refused.
    settle(kernel, fd, offset.unsigned_abs(), moved)
}

/// `fsync` and `fdatasync`.
pub fn fsync<H: Host>(kernel: &mut Kernel<H>, fd: Fd) -> Result<(), Errno> {
    let mut settling = None;
    block_on(kernel, |kernel| kernel.fsync(fd, &mut settling))
}

/// `sync`: makes everything written to any disk durable. EIO if something could not be; the others
/// are none the worse for it.
pub fn sync<H: Host>(kernel: &mut Kernel<H>) -> Result<(), Errno> {
    let mut result = Ok(());
    for index in 0..kernel.disks.len() {
        let mut settling = block::Settling::all();
        let settled = block_on(kernel, |kernel| {
            kernel.settle_attached(index, &mut settling)
        });
        result = result.and(settled);
    }
    result
}

/// Waits for what a write of `length` bytes to `start` has still to wait for.
fn settle<H: Host>(
    kernel: &mut Kernel<H>,
    fd: Fd,
    start: u64,
    length: usize,
) -> Result<usize, Errno> {
    let range = start..start.saturating_add(length as u64);
    if let Some(mut settling) = kernel.settling_after(fd, range) {
        block_on(kernel, |kernel| kernel.settle(fd, &mut settling))?;
    }
    Ok(length)
}

fn room_in(into: &(dyn Sink + '_)) -> usize {
    into.remaining()
}

fn left_of(data: &(dyn Source + '_)) -> usize {
    data.remaining()
}
