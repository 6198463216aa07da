//! What a driver is given: registers, shared memory, an interrupt, and a way to lend buffers.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt::Debug;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::PAGE_SIZE;

/// A device's registers, mapped where the driver can reach them.
///
/// The driver that receives the value is the only user of these registers.
#[derive(Debug)]
pub struct RegisterWindow {
    address: NonNull<u8>,
    length: usize,
}

// SAFETY: the value is the only way to its registers (the promise of `new`), so they move with it.
unsafe impl Send for RegisterWindow {}

impl RegisterWindow {
    /// A window of `length` bytes at `address`. For platforms.
    ///
    /// # Safety
    ///
    /// `address` is aligned to 8 and the `length` bytes from there are mapped for volatile access
    /// for as long as the value lives; nothing else accesses them meanwhile.
    pub const unsafe fn new(address: NonNull<u8>, length: usize) -> Self {
        Self { address, length }
    }

    /// Where the window begins.
    pub const fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// Its length in bytes.
    pub const fn length(&self) -> usize {
        self.length
    }
}

/// Memory that a driver shares with its device.
///
/// What the device may access is reached by volatile or atomic access through
/// [`address`](DmaRegion::address), never as a slice; a buffer that the device has given back is
/// the driver's own and may be lent as one.
#[derive(Debug)]
pub struct DmaRegion {
    address: NonNull<u8>,
    device_address: u64,
    length: usize,
}

// SAFETY: the value is the driver's only way to the memory (the promise of `new`).
unsafe impl Send for DmaRegion {}

impl DmaRegion {
    /// A region of `length` bytes at `address`, which the device knows as `device_address`.
    /// For platforms and software devices.
    ///
    /// # Safety
    ///
    /// `address` is aligned to [`PAGE_SIZE`], `device_address` likewise; the
    /// `length` bytes from there are zeroed, and readable and writable for as long as the device
    /// may use them; nothing but the owner of this value and the device accesses them.
    pub const unsafe fn new(address: NonNull<u8>, device_address: u64, length: usize) -> Self {
        Self {
            address,
            device_address,
            length,
        }
    }

    /// The first `offset` bytes and the rest, if `offset` is whole pages of it.
    pub fn split_at(self, offset: usize) -> Option<(Self, Self)> {
        let rest = self.length.checked_sub(offset)?;
        if !offset.is_multiple_of(PAGE_SIZE) {
            return None;
        }
        let tail = Self {
            // SAFETY: `offset` is within the region (or at its end), which is one piece of mapped
            // memory by the promise of `new`.
            address: unsafe { self.address.byte_add(offset) },
            device_address: self.device_address + offset as u64,
            length: rest,
        };
        let head = Self {
            length: offset,
            ..self
        };
        Some((head, tail))
    }

    /// Where the driver finds the memory.
    pub const fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// Where the device finds it.
    pub const fn device_address(&self) -> u64 {
        self.device_address
    }

    /// Its length in bytes.
    pub const fn length(&self) -> usize {
        self.length
    }
}

/// A device's interrupt line, as its driver sees it: something happened, or not.
///
/// The platform raises it (and ends [`Host::wait`](crate::Host::wait)); the driver takes it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A line that has not been raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the line. May be called in an interrupt; does not block.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the line was raised since the last call.
    pub fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}

/// How a home lets a device reach a buffer that a driver was handed, in place where it can.
///
/// A buffer that is lent belongs to the device; neither the driver nor the home accesses it until
/// it is taken back.
pub trait BufferLender {
    /// A buffer that the device may access.
    type Lent: Debug;

    /// Lends `buffer`, of one byte at least. Returns it with the address at which the device finds
    /// it, in one piece. On error the buffer comes back untouched: there is no room for it until
    /// others have been taken back, and none ever if nothing else is lent. Does not block.
    fn lend(
        &mut self,
        buffer: Box<[u8]>,
        access: DeviceAccess,
    ) -> Result<(Self::Lent, u64), Box<[u8]>>;

    /// Takes a buffer back that the device has done with: it has said so, or was reset. If it was
    /// to be [written](DeviceAccess::Write), it holds what the device wrote. It lies where it lay.
    fn take_back(&mut self, lent: Self::Lent) -> Box<[u8]>;

    /// Leaves a buffer for good to a device that cannot be made to let go of it. Returns another
    /// of the same length, of any content.
    fn give_up(&mut self, lent: Self::Lent) -> Box<[u8]>;
}

/// What a device may do with a buffer that is lent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceAccess {
    /// Read it.
    Read,
    /// Write it.
    Write,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(4096))]
    struct Memory([u8; 3 * PAGE_SIZE]);

    #[test]
    fn a_region_is_split_between_pages() {
        let mut memory = Memory([0; 3 * PAGE_SIZE]);
        let region = |memory: &mut Memory| {
            let address = NonNull::from(&mut memory.0).cast();
            // SAFETY: `memory` is zeroed, aligned to a page and outlives the region.
            unsafe { DmaRegion::new(address, 0x10_0000, 3 * PAGE_SIZE) }
        };
        assert!(region(&mut memory).split_at(100).is_none());
        assert!(region(&mut memory).split_at(4 * PAGE_SIZE).is_none());
        let (head, tail) = region(&mut memory)
            .split_at(PAGE_SIZE)
            .expect("a whole page");
        assert_eq!(
            (head.device_address(), head.length()),
            (0x10_0000, PAGE_SIZE)
        );
        assert_eq!(
            (tail.device_address(), tail.length()),
            (0x10_1000, 2 * PAGE_SIZE)
        );
        assert_eq!(
            head.address().as_ptr() as usize + PAGE_SIZE,
            tail.address().as_ptr() as usize
        );
    }

    #[test]
    fn an_interrupt_is_taken_once() {
        let line = Interrupt::new();
        let platform = line.clone();
        assert!(!line.take());
        platform.raise();
        platform.raise();
        assert!(line.take());
        assert!(!line.take());
    }
}
