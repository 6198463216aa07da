//! Where the parts of a split virtqueue lie in its memory.
//!
//! One region holds the descriptor table, the two rings (virtio 1.2, 2.7) and, behind them, the
//! slots: equal pieces of memory that the queue carries to the device and back.

use hypercall::PAGE_SIZE;

use crate::VirtioError;

/// Bytes of a descriptor (virtio 1.2, 2.7.5).
const DESCRIPTOR_LENGTH: usize = 16;
/// Bytes of an element of the used ring (virtio 1.2, 2.7.8).
const USED_ELEMENT_LENGTH: usize = 8;
/// Bytes of `flags` and `idx`, with which both rings begin.
const RING_HEADER_LENGTH: usize = 4;
/// Slots begin at a multiple of this, so that two of them share no cache line.
const SLOT_ALIGNMENT: usize = 64;

/// How many descriptors a queue has: a power of two, 32768 at most (virtio 1.2, 2.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct QueueSize(u16);

impl QueueSize {
    /// The largest that virtio allows.
    pub const MAX: Self = Self(1 << 15);

    /// A queue of `size` descriptors, if there can be one.
    pub const fn new(size: u16) -> Option<Self> {
        if size.is_power_of_two() {
            Some(Self(size))
        } else {
            None
        }
    }

    /// The size as a number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The size of a queue for which the device gives `maximum` and the driver wants `self`.
    pub(crate) fn within(self, maximum: u32) -> Result<Self, VirtioError> {
        if maximum == 0 {
            return Err(VirtioError::QueueMissing);
        }
        let maximum = u16::try_from(maximum)
            .ok()
            .and_then(Self::new)
            .ok_or(VirtioError::QueueSize(maximum))?;
        Ok(self.min(maximum))
    }
}

/// The parts of a queue's memory, as offsets in bytes. There are as many slots as descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    size: QueueSize,
    slot_length: u32,
}

impl Layout {
    /// A queue of `size` descriptors and slots of `slot_length` bytes, rounded up.
    pub const fn new(size: QueueSize, slot_length: u32) -> Self {
        Self {
            size,
            slot_length: slot_length.next_multiple_of(SLOT_ALIGNMENT as u32),
        }
    }

    pub const fn size(self) -> QueueSize {
        self.size
    }

    pub const fn slot_length(self) -> u32 {
        self.slot_length
    }

    /// The descriptor `index`, modulo the size.
    pub const fn descriptor(self, index: u16) -> usize {
        self.wrapped(index) * DESCRIPTOR_LENGTH
    }

    /// `avail.flags`, where the available ring begins.
    pub const fn available(self) -> usize {
        self.entries() * DESCRIPTOR_LENGTH
    }

    /// `avail.idx`.
    pub const fn available_index(self) -> usize {
        self.available() + 2
    }

    /// The entry of the available ring for the running number `index`.
    pub const fn available_entry(self, index: u16) -> usize {
        self.available() + RING_HEADER_LENGTH + 2 * self.wrapped(index)
    }

    /// `avail.used_event` (virtio 1.2, 2.7.7).
    pub const fn used_event(self) -> usize {
        self.available() + RING_HEADER_LENGTH + 2 * self.entries()
    }

    /// `used.flags`, where the used ring begins, aligned to 4.
    pub const fn used(self) -> usize {
        (self.used_event() + 2).next_multiple_of(4)
    }

    /// `used.idx`.
    pub const fn used_index(self) -> usize {
        self.used() + 2
    }

    /// The element of the used ring for the running number `index`.
    pub const fn used_element(self, index: u16) -> usize {
        self.used() + RING_HEADER_LENGTH + USED_ELEMENT_LENGTH * self.wrapped(index)
    }

    /// `used.avail_event` (virtio 1.2, 2.7.10).
    pub const fn available_event(self) -> usize {
        self.used() + RING_HEADER_LENGTH + USED_ELEMENT_LENGTH * self.entries()
    }

    /// Slot `index`, which is below the queue's size.
    pub const fn slot(self, index: u16) -> usize {
        (self.available_event() + 2).next_multiple_of(SLOT_ALIGNMENT)
            + index as usize * self.slot_length as usize
    }

    /// Bytes of the whole, in whole pages.
    pub const fn length(self) -> usize {
        self.slot(self.size.0).next_multiple_of(PAGE_SIZE)
    }

    const fn entries(self) -> usize {
        self.size.0 as usize
    }

    const fn wrapped(self, index: u16) -> usize {
        (index & (self.size.0 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(size: u16) -> QueueSize {
        QueueSize::new(size).expect("a power of two")
    }

    #[test]
    fn a_queue_size_is_a_power_of_two() {
        assert_eq!(QueueSize::new(0), None);
        assert_eq!(QueueSize::new(48), None);
        assert_eq!(QueueSize::new(32768), Some(QueueSize::MAX));
    }

    #[test]
    fn the_device_bounds_the_queue() {
        assert_eq!(size(32).within(1024), Ok(size(32)));
        assert_eq!(size(32).within(8), Ok(size(8)));
        assert_eq!(size(32).within(0), Err(VirtioError::QueueMissing));
        assert_eq!(size(32).within(100), Err(VirtioError::QueueSize(100)));
        assert_eq!(size(32).within(65536), Err(VirtioError::QueueSize(65536)));
        assert_eq!(
            size(32).within(0x0001_0020),
            Err(VirtioError::QueueSize(0x0001_0020))
        );
    }

    #[test]
    fn parts_follow_each_other_as_virtio_lays_them_out() {
        // The formulas of virtio 1.2, 2.7: 16 * size, 6 + 2 * size, 6 + 8 * size.
        for exponent in 0..=15 {
            let layout = Layout::new(size(1 << exponent), 1526);
            let entries = 1usize << exponent;
            assert_eq!(layout.available(), 16 * entries);
            assert_eq!(
                layout.used_event() + 2,
                layout.available() + 6 + 2 * entries
            );
            assert!(layout.used().is_multiple_of(4));
            assert!(layout.used() >= layout.used_event() + 2);
            assert_eq!(
                layout.available_event() + 2,
                layout.used() + 6 + 8 * entries
            );
            assert!(layout.slot(0) >= layout.available_event() + 2);
            assert!(layout.length() >= layout.slot(0) + entries * 1526);
        }
    }

    #[test]
    fn running_numbers_wrap() {
        let layout = Layout::new(size(8), 64);
        assert_eq!(layout.available_entry(9), layout.available_entry(1));
        assert_eq!(layout.used_element(u16::MAX), layout.used_element(7));
    }
}
