//! A network device (virtio 1.2, 5.1): frames that its owner gives go to the driver, and those
//! that the driver sends come out.

use std::ops::Deref;

use hypercall::MacAddress;
use virtio::{DeviceType, VirtioError, VirtioNet, VirtioNetOptions};

use super::state::{Profile, State};
use super::{Features, SoftwareDevice, SoftwareTransport};

/// The queue `receiveq1` (virtio 1.2, 5.1.2).
const RECEIVE: usize = 0;
/// The queue `transmitq1`.
const TRANSMIT: usize = 1;
/// Bytes of the header in front of each frame (virtio 1.2, 5.1.6).
const HEADER_LENGTH: usize = 12;
/// VIRTIO_NET_F_MAC (virtio 1.2, 5.1.3).
const MAC: u64 = 1 << 5;
/// The largest size of a queue.
const QUEUE_SIZE: u32 = 256;

/// The device's end of a network device.
#[derive(Clone, Debug)]
pub struct SoftwareNet {
    device: SoftwareDevice,
    options: VirtioNetOptions,
}

impl SoftwareNet {
    /// A device with memory for a driver with `options`.
    pub fn new(mac: MacAddress, features: Features, options: VirtioNetOptions) -> Self {
        let device = SoftwareDevice::new(Profile {
            class: DeviceType::Network,
            features: MAC | features.bits(),
            configuration: mac.to_vec(),
            queues: vec![QUEUE_SIZE; 2],
            header_length: HEADER_LENGTH as u32,
            memory: VirtioNet::<SoftwareTransport>::dma_length(&options),
            room: 0,
        });
        Self { device, options }
    }

    /// Starts the device's driver.
    ///
    /// # Panics
    ///
    /// If it has had one before.
    pub fn start(&self) -> Result<VirtioNet<SoftwareTransport>, VirtioError> {
        let (transport, memory, interrupt) = self.device.for_driver();
        VirtioNet::new(transport, memory, interrupt, &self.options)
    }

    /// Delivers frames, until there is no buffer for the next. Returns how many. The driver is
    /// interrupted once, if it wants to be.
    pub fn deliver<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> usize {
        let mut state = self.device.state();
        state.fetch(RECEIVE);
        let mut delivered = 0;
        let mut bytes = vec![0; HEADER_LENGTH];
        for frame in frames {
            let Some(chain) = state.next_chain(RECEIVE) else {
                break;
            };
            bytes.truncate(HEADER_LENGTH);
            bytes.extend_from_slice(frame);
            let written = state.memory.fill(&chain, &bytes);
            let due = state.due(RECEIVE);
            state.finish(RECEIVE, &chain, written, due);
            delivered += 1;
        }
        if delivered != 0 {
            state.interrupt_for_queue(RECEIVE);
        }
        delivered
    }

    /// Delivers a frame, and says that it and its header have `length` bytes. Returns whether there
    /// was a buffer.
    pub fn deliver_as(&self, frame: &[u8], length: u32) -> bool {
        let mut state = self.device.state();
        state.fetch(RECEIVE);
        let Some(chain) = state.next_chain(RECEIVE) else {
            return false;
        };
        let bytes = [&[0; HEADER_LENGTH], frame].concat();
        state.memory.fill(&chain, &bytes);
        let State { queues, memory, .. } = &mut *state;
        queues[RECEIVE].complete_as(memory, chain.head.into(), length);
        true
    }

    /// Hands over all frames that the driver has sent, each with its header, in order, and gives
    /// their buffers back. Returns how many. The driver is interrupted once, if it wants to be.
    pub fn take_sent(&self, mut each: impl FnMut(&[u8])) -> usize {
        let mut state = self.device.state();
        state.fetch(TRANSMIT);
        let mut frame = Vec::new();
        let mut taken = 0;
        while let Some(chain) = state.next_chain(TRANSMIT) {
            let whole = state.memory.gather(&chain, &mut frame);
            state.require(whole, "sent a frame that is not in memory");
            each(&frame);
            let due = state.due(TRANSMIT);
            state.finish(TRANSMIT, &chain, 0, due);
            taken += 1;
        }
        if taken != 0 {
            state.interrupt_for_queue(TRANSMIT);
        }
        taken
    }
}

impl Deref for SoftwareNet {
    type Target = SoftwareDevice;

    fn deref(&self) -> &SoftwareDevice {
        &self.device
    }
}
