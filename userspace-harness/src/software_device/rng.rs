//! An entropy device (virtio 1.2, 5.4): its owner says which bytes are random.

use std::ops::Deref;

use virtio::{DeviceType, VirtioError, VirtioRng};

use super::state::Profile;
use super::{Features, SoftwareDevice, SoftwareTransport};

/// The queue `requestq` (virtio 1.2, 5.4.2).
const REQUESTS: usize = 0;
/// The largest size of the queue.
const QUEUE_SIZE: u32 = 256;

/// The device's end of an entropy device.
#[derive(Clone, Debug)]
pub struct SoftwareRng {
    device: SoftwareDevice,
}

impl SoftwareRng {
    /// A device with memory for its driver.
    pub fn new(features: Features) -> Self {
        let device = SoftwareDevice::new(Profile {
            class: DeviceType::EntropySource,
            features: features.bits(),
            configuration: Vec::new(),
            queues: vec![QUEUE_SIZE],
            // One byte at least (virtio 1.2, 5.4.6.2).
            header_length: 1,
            memory: VirtioRng::<SoftwareTransport>::DMA_LENGTH,
            room: 0,
        });
        Self { device }
    }

    /// Starts the device's driver.
    ///
    /// # Panics
    ///
    /// If it has had one before.
    pub fn start(&self) -> Result<VirtioRng<SoftwareTransport>, VirtioError> {
        let (transport, memory, interrupt) = self.device.for_driver();
        VirtioRng::new(transport, memory, interrupt)
    }

    /// Puts `bytes` into the next buffer, and interrupts if the driver wants that. Returns whether
    /// there was a buffer.
    pub fn give(&self, bytes: &[u8]) -> bool {
        let mut state = self.device.state();
        state.fetch(REQUESTS);
        let Some(chain) = state.next_chain(REQUESTS) else {
            return false;
        };
        let written = state.memory.fill(&chain, bytes);
        let due = state.due(REQUESTS);
        state.finish(REQUESTS, &chain, written, due);
        state.interrupt_for_queue(REQUESTS);
        true
    }
}

impl Deref for SoftwareRng {
    type Target = SoftwareDevice;

    fn deref(&self) -> &SoftwareDevice {
        &self.device
    }
}
