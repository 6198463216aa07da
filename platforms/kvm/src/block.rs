//! Buffers of the kernel as disks reach them.

use alloc::boxed::Box;
use alloc::vec;
use core::ptr::NonNull;

use hypercall::{BufferLender, DeviceAccess};

/// Lends buffers of the kernel's heap in place: all memory is in the identity map, so that a
/// device finds a buffer where the kernel does, and in one piece.
#[derive(Clone, Copy, Debug)]
pub struct HeapLender;

/// A buffer that a device has.
#[derive(Debug)]
pub struct LentBuffer(NonNull<[u8]>);

// SAFETY: the value owns its buffer, as the box did that it was made of.
unsafe impl Send for LentBuffer {}

impl BufferLender for HeapLender {
    type Lent = LentBuffer;

    fn lend(&mut self, buffer: Box<[u8]>, _: DeviceAccess) -> Result<(LentBuffer, u64), Box<[u8]>> {
        let buffer = NonNull::from(Box::leak(buffer));
        Ok((LentBuffer(buffer), buffer.addr().get() as u64))
    }

    fn take_back(&mut self, lent: LentBuffer) -> Box<[u8]> {
        // SAFETY: `lend` made it of a box and let nothing else have it. The device has done with
        // it: the driver takes back what the device has returned, or lost by its reset.
        unsafe { Box::from_raw(lent.0.as_ptr()) }
    }

    fn give_up(&mut self, lent: LentBuffer) -> Box<[u8]> {
        vec![0; lent.0.len()].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_as_it_is() {
        let buffer: Box<[u8]> = vec![7; 100].into();
        let place = buffer.as_ptr();
        let (lent, address) = HeapLender
            .lend(buffer, DeviceAccess::Read)
            .expect("there is always room");
        assert_eq!(address, place.addr() as u64);
        let buffer = HeapLender.take_back(lent);
        assert_eq!((buffer.as_ptr(), &*buffer), (place, &[7; 100][..]));
    }

    #[test]
    fn another_buffer_stands_for_one_given_up() {
        let (lent, address) = HeapLender
            .lend(vec![7; 100].into(), DeviceAccess::Write)
            .expect("there is always room");
        let other = HeapLender.give_up(lent);
        assert_eq!(other.len(), 100);
        assert_ne!(other.as_ptr().addr() as u64, address);
    }
}
