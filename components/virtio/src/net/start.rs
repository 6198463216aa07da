//! What a network device is set up with, and how it is started (virtio 1.2, 5.1.5).

use alloc::vec::Vec;

use hypercall::{DmaRegion, LinkState};
use virtio_drivers::transport::Transport;

use crate::layout::Layout;
use crate::ring::{Ring, Slot};
use crate::{QueueSize, VirtioError, device};

use super::configuration::Agreement;
use super::header::HEADER_LENGTH;
use super::{ETHERNET_HEADER_LENGTH, IP_PACKET_MAX, link_state};

/// The queue `receiveq1` (virtio 1.2, 5.1.2).
const RECEIVE: u16 = 0;
/// The queue `transmitq1`.
const TRANSMIT: u16 = 1;
/// How a [`VirtioNet`](crate::VirtioNet) is to be set up. The default takes 104 KiB of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VirtioNetOptions {
    /// The largest IP packet to carry, 1500 by default. A device that gives a smaller one is
    /// followed; a larger one is not used.
    pub mtu: u16,
    /// How many frames the device can bring before the first is released, 32 by default; fewer if
    /// the device's queue is smaller.
    pub receive_buffers: QueueSize,
    /// How many frames can be on their way out, 32 by default; fewer if the device's queue is
    /// smaller.
    pub transmit_buffers: QueueSize,
    /// Whether to let the device cut large TCP frames into segments, if it can: each transmit
    /// buffer then takes 64 KiB. Off by default.
    pub segmentation: bool,
}

impl Default for VirtioNetOptions {
    fn default() -> Self {
        const BUFFERS: QueueSize = QueueSize::new(32).expect("a power of two");
        Self {
            mtu: 1500,
            receive_buffers: BUFFERS,
            transmit_buffers: BUFFERS,
            segmentation: false,
        }
    }
}

impl VirtioNetOptions {
    pub(super) fn receive_layout(&self) -> Layout {
        let frame = ETHERNET_HEADER_LENGTH + usize::from(self.mtu);
        Layout::new(self.receive_buffers, (HEADER_LENGTH + frame) as u32)
    }

    pub(super) fn transmit_layout(&self) -> Layout {
        let packet = if self.segmentation {
            IP_PACKET_MAX
        } else {
            usize::from(self.mtu)
        };
        let frame = ETHERNET_HEADER_LENGTH + packet;
        Layout::new(self.transmit_buffers, (HEADER_LENGTH + frame) as u32)
    }
}

/// A device that has just been started.
pub(super) struct Started {
    pub agreement: Agreement,
    pub link: LinkState,
    pub receive: Ring,
    pub transmit: Ring,
    pub free: Vec<Slot>,
}

impl Started {
    /// Takes the device from wherever it is to running, with all receive slots posted.
    pub fn new<T: Transport>(
        transport: &mut T,
        memory: DmaRegion,
        options: &VirtioNetOptions,
    ) -> Result<Self, VirtioError> {
        let agreement = Agreement::reach(transport, options)?;
        let event_index = agreement.event_index;
        let layout = options.receive_layout();
        let (for_receive, for_transmit) = memory
            .split_at(layout.length())
            .ok_or(VirtioError::MemoryTooSmall)?;
        let (mut receive, slots) = Ring::new(transport, RECEIVE, for_receive, layout, event_index)?;
        let layout = options.transmit_layout();
        let (transmit, free) = Ring::new(transport, TRANSMIT, for_transmit, layout, event_index)?;
        for slot in slots {
            receive.post_for_writing(slot);
        }
        let link = if agreement.link_status {
            link_state(transport)
        } else {
            LinkState::Up
        };
        device::start(transport);
        receive.notify(transport);
        Ok(Self {
            agreement,
            link,
            receive,
            transmit,
            free,
        })
    }
}
