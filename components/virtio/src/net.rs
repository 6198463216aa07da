//! A virtio network device (virtio 1.2, 5.1) as a [`FrameDevice`].
//!
//! Each slot of the two queues holds one header and one frame behind it, so a frame is one
//! descriptor. Frames are lent from where the device put them and written where it reads them.

mod configuration;
mod header;
mod start;

use alloc::vec::Vec;

use hypercall::{
    DmaRegion, FrameCapabilities, FrameDevice, FrameMeta, Interrupt, LinkState, Offloads,
    ReceivedFrame,
};
use virtio_drivers::transport::{DeviceType, Transport};

use crate::ring::{Part, Ring, Slot};
use crate::{Violation, VirtioError, device};

use configuration::Agreement;
use header::HEADER_LENGTH;
use start::Started;

pub use start::VirtioNetOptions;

/// Bytes of an Ethernet header.
const ETHERNET_HEADER_LENGTH: usize = 14;
/// The largest IP packet: the largest that a device cuts into segments.
const IP_PACKET_MAX: usize = 65535;

/// The driver of a virtio network device.
///
/// A frame received may be shorter than an Ethernet header: that is a sender's fault and no
/// reason to fail the device.
///
/// A device that breaks its protocol or asks for a reset is reset and stays so:
/// [`link`](FrameDevice::link) is [`LinkState::Failed`] from then on, frames neither come nor go,
/// and [`violation`](VirtioNet::violation) says why.
#[derive(Debug)]
pub struct VirtioNet<T: Transport> {
    transport: T,
    interrupt: Interrupt,
    capabilities: FrameCapabilities,
    /// GUEST_CSUM was negotiated.
    receive_checksum: bool,
    /// STATUS was negotiated.
    link_status: bool,
    link: LinkState,
    violation: Option<Violation>,
    receive: Ring,
    transmit: Ring,
    /// The frame lent by `received`.
    held: Option<Held>,
    /// Slots of `transmit` that carry no frame.
    free: Vec<Slot>,
    /// The slot lent by `reserve`, and how many bytes of frame it was lent for.
    reserved: Option<(Slot, usize)>,
}

/// A received frame in its slot.
#[derive(Debug)]
struct Held {
    slot: Slot,
    /// With the header.
    length: usize,
    checksum_good: bool,
}

impl<T: Transport> VirtioNet<T> {
    /// How many bytes of memory [`new`](VirtioNet::new) needs for `options`, in whole pages. What
    /// is not used is not touched.
    pub fn dma_length(options: &VirtioNetOptions) -> usize {
        options.receive_layout().length() + options.transmit_layout().length()
    }

    /// Starts the device behind `transport` with `memory`, at least
    /// [`dma_length`](VirtioNet::dma_length) bytes. The platform raises `interrupt` for each of
    /// the device's.
    ///
    /// On error the device is told that it has no driver, and the memory is given up: a device
    /// that does not do as it is told may still write to it.
    pub fn new(
        mut transport: T,
        memory: DmaRegion,
        interrupt: Interrupt,
        options: &VirtioNetOptions,
    ) -> Result<Self, VirtioError> {
        if transport.device_type() != DeviceType::Network {
            return Err(VirtioError::WrongClass);
        }
        match Started::new(&mut transport, memory, options) {
            Ok(started) => Ok(Self::assemble(transport, interrupt, started)),
            Err(error) => {
                device::abandon(&mut transport);
                Err(error)
            }
        }
    }

    fn assemble(transport: T, interrupt: Interrupt, started: Started) -> Self {
        let Started {
            agreement,
            link,
            receive,
            transmit,
            free,
        } = started;
        Self {
            transport,
            interrupt,
            capabilities: capabilities(&agreement),
            receive_checksum: agreement.receive_checksum,
            link_status: agreement.link_status,
            link,
            violation: None,
            receive,
            transmit,
            held: None,
            free,
            reserved: None,
        }
    }

    /// How the device broke its protocol, if it did.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Resets the device for good. Whether or not it obeys, nothing it writes is looked at again.
    fn fail(&mut self, violation: Violation) {
        if self.violation.is_some() {
            return;
        }
        self.violation = Some(violation);
        self.link = LinkState::Failed;
        self.held = None;
        self.free.clear();
        self.reserved = None;
        // Nothing more can be done about a device that does not finish its reset.
        let _ = device::reset(&mut self.transport);
    }

    /// What a ring said; a violation fails the device.
    fn checked<V: Default>(&mut self, outcome: Result<V, Violation>) -> V {
        outcome.unwrap_or_else(|violation| {
            self.fail(violation);
            V::default()
        })
    }

    /// Takes the interrupt, if there was one, and looks at what is not a matter of queues.
    fn acknowledge(&mut self) {
        let changed = device::acknowledge(&mut self.transport, &self.interrupt);
        if self.checked(changed) && self.link_status {
            self.link = link_state(&self.transport);
        }
    }

    /// Makes the oldest frame the held one, or arms the device.
    fn hold(&mut self) {
        while self.held.is_none() && self.violation.is_none() {
            let completion = self.receive.complete();
            match self.checked(completion) {
                Some((slot, written)) => self.hold_slot(slot, written as usize),
                None if self.arm_receive() => {}
                None => return,
            }
        }
    }

    fn hold_slot(&mut self, slot: Slot, length: usize) {
        if length < HEADER_LENGTH {
            self.fail(Violation::UsedLengthSmall);
        } else {
            let header = &self.receive.bytes(&slot)[..HEADER_LENGTH];
            let checksum_good = self.receive_checksum && header::vouches_for_checksum(header);
            self.held = Some(Held {
                slot,
                length,
                checksum_good,
            });
        }
    }

    /// Tells the device of released slots and arms it. Returns whether a frame has come meanwhile.
    fn arm_receive(&mut self) -> bool {
        // The interrupt first: what happens after it is acknowledged raises it again.
        self.acknowledge();
        if self.violation.is_some() {
            return false;
        }
        self.receive.notify(&mut self.transport);
        let armed = self.receive.arm();
        self.checked(armed)
    }

    /// A transmit slot, or `None` with the device armed.
    fn free_slot(&mut self) -> Option<Slot> {
        if self.violation.is_some() {
            return None;
        }
        if self.free.is_empty() {
            self.reclaim();
        }
        if self.free.is_empty() && self.arm_transmit() {
            self.reclaim();
        }
        self.free.pop()
    }

    /// Arms the device. Returns whether a frame has been sent meanwhile.
    fn arm_transmit(&mut self) -> bool {
        self.acknowledge();
        if self.violation.is_some() {
            return false;
        }
        let armed = self.transmit.arm();
        self.checked(armed)
    }

    /// Takes back what the device has sent.
    fn reclaim(&mut self) {
        while self.violation.is_none() {
            let completion = self.transmit.complete();
            let Some((slot, _)) = self.checked(completion) else {
                return;
            };
            self.free.push(slot);
        }
    }
}

impl<T: Transport> FrameDevice for VirtioNet<T> {
    fn capabilities(&self) -> FrameCapabilities {
        self.capabilities
    }

    fn link(&mut self) -> LinkState {
        if self.violation.is_none() {
            self.acknowledge();
        }
        self.link
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        self.hold();
        let held = self.held.as_ref()?;
        Some(ReceivedFrame {
            bytes: &mut self.receive.bytes(&held.slot)[HEADER_LENGTH..held.length],
            checksum_good: held.checksum_good,
        })
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.receive.post_for_writing(held.slot);
        }
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > self.capabilities.max_frame {
            return None;
        }
        let slot = match self.reserved.take() {
            Some((slot, _)) => slot,
            None => self.free_slot()?,
        };
        let (slot, _) = self.reserved.insert((slot, length));
        Some(&mut self.transmit.bytes(slot)[HEADER_LENGTH..HEADER_LENGTH + length])
    }

    /// Does nothing either if `meta` asks for what is not among the device's offloads.
    fn commit(&mut self, length: usize, meta: FrameMeta) {
        let offered = self.capabilities.offloads.contains(needed_offloads(meta));
        let fits = |&mut (_, reserved): &mut (Slot, usize)| length <= reserved;
        let Some((slot, _)) = self.reserved.take_if(|reserved| offered && fits(reserved)) else {
            return;
        };
        let (front, frame) = self.transmit.bytes(&slot).split_at_mut(HEADER_LENGTH);
        front.copy_from_slice(&header::for_transmit(&frame[..length], meta));
        let part = Part::Read((HEADER_LENGTH + length) as u32);
        if let Err(slot) = self.transmit.post(slot, &[part]) {
            // Cannot happen, as there is a descriptor for each slot; but if it did, a frame lost
            // is what networks are made for.
            self.free.push(slot);
        }
    }

    fn flush(&mut self) {
        if self.violation.is_none() {
            self.transmit.notify(&mut self.transport);
            self.receive.notify(&mut self.transport);
        }
    }
}

/// The link's state as the device has it. One that cannot say is taken to be up: frames will show.
fn link_state<T: Transport>(transport: &T) -> LinkState {
    match configuration::link_is_up(transport) {
        Ok(false) => LinkState::Down,
        Ok(true) | Err(_) => LinkState::Up,
    }
}

fn capabilities(agreement: &Agreement) -> FrameCapabilities {
    let segmentation = agreement.offloads.contains(Offloads::TRANSMIT_TCP4);
    let packet = if segmentation {
        IP_PACKET_MAX
    } else {
        usize::from(agreement.mtu)
    };
    FrameCapabilities {
        mac: agreement.mac,
        mtu: usize::from(agreement.mtu),
        max_frame: ETHERNET_HEADER_LENGTH + packet,
        offloads: agreement.offloads,
    }
}

/// The offloads without which `meta` cannot be done.
fn needed_offloads(meta: FrameMeta) -> Offloads {
    let mut needed = Offloads::empty();
    needed.set(Offloads::TRANSMIT_CHECKSUM, meta.checksum.is_some());
    needed.set(Offloads::TRANSMIT_TCP4, meta.segment_size.is_some());
    needed
}

#[cfg(test)]
mod tests;
