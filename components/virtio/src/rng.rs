//! A virtio entropy device (virtio 1.2, 5.4) as an [`EntropySource`].
//!
//! All slots of the queue are with the device until it has filled them; a slot whose bytes have
//! all been given goes back to it.

use core::ops::Range;

use hypercall::{DmaRegion, EntropySource, Interrupt};
use virtio_drivers::transport::{DeviceType, Transport};

use crate::device::{self, CommonFeatures};
use crate::layout::Layout;
use crate::ring::{Ring, Slot};
use crate::{QueueSize, Violation, VirtioError};

/// The queue `requestq` (virtio 1.2, 5.4.2).
const REQUESTS: u16 = 0;
/// How much is asked for ahead: 1 KiB, in buffers of 128 bytes.
const LAYOUT: Layout = Layout::new(QueueSize::new(8).expect("a power of two"), 128);

/// The driver of a virtio entropy device.
///
/// A device that breaks its protocol or asks for a reset is reset and stays so: it gives no bytes
/// from then on, and [`violation`](VirtioRng::violation) says why.
#[derive(Debug)]
pub struct VirtioRng<T: Transport> {
    transport: T,
    interrupt: Interrupt,
    violation: Option<Violation>,
    ring: Ring,
    /// A slot that the device has filled, and which of its bytes have not been given.
    open: Option<(Slot, Range<usize>)>,
}

impl<T: Transport> VirtioRng<T> {
    /// How many bytes of memory [`new`](VirtioRng::new) needs, in whole pages.
    pub const DMA_LENGTH: usize = LAYOUT.length();

    /// Starts the device behind `transport` with `memory`, at least
    /// [`DMA_LENGTH`](VirtioRng::DMA_LENGTH) bytes. The platform raises `interrupt` for each of the
    /// device's.
    ///
    /// On error the device is told that it has no driver, and the memory is given up.
    pub fn new(
        mut transport: T,
        memory: DmaRegion,
        interrupt: Interrupt,
    ) -> Result<Self, VirtioError> {
        if transport.device_type() != DeviceType::EntropySource {
            return Err(VirtioError::WrongClass);
        }
        let ring = start(&mut transport, memory).inspect_err(|_| {
            device::abandon(&mut transport);
        })?;
        Ok(Self {
            transport,
            interrupt,
            violation: None,
            ring,
            open: None,
        })
    }

    /// How the device broke its protocol, if it did.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Whether there are bytes to take. If not, the device is armed: the host's wait ends when they
    /// have come.
    pub fn is_ready(&mut self) -> bool {
        while self.open.is_none() && self.violation.is_none() {
            match self.open_next() {
                Ok(true) => {}
                Ok(false) => return false,
                Err(violation) => self.fail(violation),
            }
        }
        self.violation.is_none()
    }

    /// Opens the next slot that the device has filled. Without one the device is armed, unless
    /// more has come meanwhile, which the answer says.
    fn open_next(&mut self) -> Result<bool, Violation> {
        if let Some((slot, written)) = self.ring.complete()? {
            // A device places one byte at least (virtio 1.2, 5.4.6.2).
            if written == 0 {
                return Err(Violation::UsedLengthSmall);
            }
            self.open = Some((slot, 0..written as usize));
            return Ok(true);
        }
        device::acknowledge(&mut self.transport, &self.interrupt)?;
        self.ring.arm()
    }

    /// Moves bytes of the open slot to the front of `bytes`; an empty slot goes to the device.
    fn move_bytes(&mut self, bytes: &mut [u8]) -> usize {
        let Some((slot, mut range)) = self.open.take() else {
            return 0;
        };
        let count = range.len().min(bytes.len());
        let given = range.start..range.start + count;
        let source = &mut self.ring.bytes(&slot)[given];
        bytes[..count].copy_from_slice(source);
        // What has been given stays with whom it was given to.
        source.fill(0);
        range.start += count;
        if range.is_empty() {
            self.ring.post_for_writing(slot);
            self.ring.notify(&mut self.transport);
        } else {
            self.open = Some((slot, range));
        }
        count
    }

    /// Resets the device for good.
    fn fail(&mut self, violation: Violation) {
        self.violation = Some(violation);
        self.open = None;
        // Nothing more can be done about a device that does not finish its reset.
        let _ = device::reset(&mut self.transport);
    }
}

impl<T: Transport> EntropySource for VirtioRng<T> {
    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.is_ready() {
            taken += self.move_bytes(&mut bytes[taken..]);
        }
        taken
    }
}

/// Takes the device from wherever it is to running, with all slots posted.
fn start<T: Transport>(transport: &mut T, memory: DmaRegion) -> Result<Ring, VirtioError> {
    let offered = device::offered(transport)?;
    let common = CommonFeatures::from_bits_truncate(offered);
    device::accept(transport, common.bits())?;
    let event_index = common.contains(CommonFeatures::EVENT_IDX);
    let (mut ring, slots) = Ring::new(transport, REQUESTS, memory, LAYOUT, event_index)?;
    for slot in slots {
        ring.post_for_writing(slot);
    }
    device::start(transport);
    ring.notify(transport);
    Ok(ring)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use virtio_drivers::transport::DeviceStatus;

    use crate::software::{Device, EVENT_IDX, SoftwareTransport};

    use super::*;

    type Driver = VirtioRng<SoftwareTransport>;

    fn started(features: u64) -> (Device, Driver) {
        let (device, memory) = Device::new(DeviceType::EntropySource, features, Driver::DMA_LENGTH);
        let interrupt = device.state().interrupt.clone();
        let driver = VirtioRng::new(device.transport(), memory, interrupt).expect("a good device");
        (device, driver)
    }

    /// Has the device fill the next buffer with `bytes`, and say that they are `length`.
    fn fill(device: &Device, bytes: &[u8], length: usize) {
        let chain = device.next_chain(0).expect("a buffer");
        device.write(&chain, bytes);
        device.complete(0, chain.head.into(), length as u32);
    }

    fn take(driver: &mut Driver, count: usize) -> vec::Vec<u8> {
        let mut bytes = vec![0xee; count];
        let taken = driver.take(&mut bytes);
        bytes.truncate(taken);
        bytes
    }

    fn failed_for(violation: Violation, bad: impl FnOnce(&Device)) {
        let (device, mut driver) = started(0);
        bad(&device);
        assert_eq!(take(&mut driver, 10), []);
        assert_eq!(driver.violation(), Some(violation));
        assert!(device.state().status.is_empty(), "the device was reset");
        assert_eq!(take(&mut driver, 10), []);
    }

    #[test]
    fn bytes_are_given_once_and_in_order() {
        for features in [0, EVENT_IDX] {
            let (device, mut driver) = started(features);
            assert_eq!(take(&mut driver, 4), []);
            fill(&device, &[1, 2, 3], 3);
            assert!(device.interrupted());
            fill(&device, &[4, 5], 2);
            assert_eq!(take(&mut driver, 2), [1, 2]);
            assert_eq!(take(&mut driver, 10), [3, 4, 5]);
        }
    }

    #[test]
    fn the_device_is_asked_for_more_without_end() {
        let (device, mut driver) = started(EVENT_IDX);
        for round in 0..1000 {
            let byte = round as u8;
            fill(&device, &[byte; 128], 128);
            assert_eq!(take(&mut driver, 128), [byte; 128]);
        }
        assert_eq!(core::iter::from_fn(|| device.next_chain(0)).count(), 8);
    }

    #[test]
    fn another_class_is_refused() {
        let (device, memory) = Device::new(DeviceType::Block, 0, Driver::DMA_LENGTH);
        let refused = VirtioRng::new(device.transport(), memory, Interrupt::new());
        assert_eq!(refused.err(), Some(VirtioError::WrongClass));
    }

    #[test]
    fn misbehaviour() {
        failed_for(Violation::UsedLengthSmall, |device| fill(device, &[], 0));
        failed_for(Violation::UsedLengthLarge, |device| fill(device, &[1], 129));
        failed_for(Violation::UsedIndex, |device| {
            device.advance_used_index(0, 9);
        });
        failed_for(Violation::UsedId, |device| device.complete(0, 8, 1));
        failed_for(Violation::NeedsReset, |device| {
            device
                .state()
                .status
                .insert(DeviceStatus::DEVICE_NEEDS_RESET);
            device.interrupt_for_configuration();
        });
    }
}
