//! Lends buffers to the software device, as copies in the memory that it reaches.

use alloc::boxed::Box;
use core::ops::Range;

use hypercall::{BufferLender, DeviceAccess, PAGE_SIZE};

use super::{DEVICE_ADDRESS, Device};

/// The lender of one device.
#[derive(Debug)]
pub(crate) struct SoftwareLender(Device);

/// A buffer, and the pages that stand for it.
#[derive(Debug)]
pub(crate) struct Lent {
    buffer: Box<[u8]>,
    first_page: usize,
    access: DeviceAccess,
}

impl SoftwareLender {
    pub fn new(device: Device) -> Self {
        Self(device)
    }
}

impl Lent {
    fn address(&self) -> u64 {
        DEVICE_ADDRESS + (self.first_page * PAGE_SIZE) as u64
    }

    fn pages(&self) -> Range<usize> {
        self.first_page..self.first_page + self.buffer.len().div_ceil(PAGE_SIZE)
    }
}

impl BufferLender for SoftwareLender {
    type Lent = Lent;

    fn lend(&mut self, buffer: Box<[u8]>, access: DeviceAccess) -> Result<(Lent, u64), Box<[u8]>> {
        let mut state = self.0.state();
        let count = buffer.len().div_ceil(PAGE_SIZE);
        let is_free = |page| state.lending.get(&page) == Some(&false);
        let mut places = state.lending.keys().copied();
        let place = places.find(|&first| (first..first + count).all(is_free));
        let Some(first_page) = place else {
            return Err(buffer);
        };
        let lent = Lent {
            buffer,
            first_page,
            access,
        };
        state.lending.extend(lent.pages().map(|page| (page, true)));
        if access == DeviceAccess::Read {
            state.write_memory(lent.address(), &lent.buffer);
        }
        let address = lent.address();
        Ok((lent, address))
    }

    fn take_back(&mut self, mut lent: Lent) -> Box<[u8]> {
        let mut state = self.0.state();
        if lent.access == DeviceAccess::Write {
            let bytes = state.read_memory(lent.address(), lent.buffer.len());
            lent.buffer.copy_from_slice(&bytes);
        }
        state.lending.extend(lent.pages().map(|page| (page, false)));
        lent.buffer
    }

    fn give_up(&mut self, lent: Lent) -> Box<[u8]> {
        lent.buffer
    }
}
