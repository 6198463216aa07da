//! Where packets are written to: a buffer of the device, a queue, or nowhere.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hypercall::{ChecksumRequest, FrameDevice, FrameMeta, MacAddress};

use crate::checksum::Sum;
use crate::ethernet::{self, EtherType};
use crate::ipv4;
use crate::memory;
use crate::tcp::segment;
use crate::udp;

/// Where packets go.
pub(crate) trait Outlet {
    /// Whether a packet would find room now.
    fn has_room(&mut self) -> bool;

    /// Sends an IP packet of `length` bytes, which `write` fills but for the checksum of TCP or
    /// UDP. Called when there is room. With `segment_size` the device cuts it into segments of
    /// so many bytes of data. `false`: there was no room or memory after all, and `write` was not
    /// called.
    fn send(
        &mut self,
        length: usize,
        segment_size: Option<u16>,
        write: &mut dyn FnMut(&mut [u8]),
    ) -> bool;
}

/// An outlet into a bounded queue.
pub(crate) struct Queue<'a> {
    /// The queue, which has the capacity for `limit` packets.
    pub(crate) queue: &'a mut VecDeque<Vec<u8>>,
    /// How many packets it holds at most.
    pub(crate) limit: usize,
}

impl Outlet for Queue<'_> {
    fn has_room(&mut self) -> bool {
        self.queue.len() < self.limit
    }

    /// A packet that stays on this host need not be cut.
    fn send(
        &mut self,
        length: usize,
        _segment_size: Option<u16>,
        write: &mut dyn FnMut(&mut [u8]),
    ) -> bool {
        if !self.has_room() {
            return false;
        }
        let Some(mut packet) = memory::zeroed(length) else {
            return false;
        };
        write(&mut packet);
        complete(&mut packet, false);
        self.queue.push_back(packet);
        true
    }
}

/// An outlet to a neighbour.
pub(crate) struct Station<'a> {
    /// The way there.
    pub(crate) device: &'a mut dyn FrameDevice,
    /// Whose it is.
    pub(crate) station: MacAddress,
    /// Our own address.
    pub(crate) mac: MacAddress,
    /// The largest packet that the link carries.
    pub(crate) mtu: usize,
    /// The device completes checksums.
    pub(crate) offload: bool,
}

impl Station<'_> {
    /// Room for a packet of `length` bytes, never asked for less than the link's largest: what
    /// has been found room for is then always given.
    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        let length = length.max(self.mtu);
        self.device.reserve(ethernet::HEADER_LENGTH + length)
    }

    /// Sends `packet`, all of whose checksums are filled.
    pub(crate) fn send_complete(&mut self, packet: &[u8]) {
        let (station, mac) = (self.station, self.mac);
        let end = ethernet::HEADER_LENGTH + packet.len();
        if let Some(frame) = self
            .reserve(packet.len())
            .and_then(|frame| frame.get_mut(..end))
        {
            frame[ethernet::HEADER_LENGTH..].copy_from_slice(packet);
            ethernet::write_header(frame, station, mac, EtherType::Ipv4);
            self.device.commit(end, FrameMeta::default());
        }
    }
}

impl Outlet for Station<'_> {
    fn has_room(&mut self) -> bool {
        self.reserve(0).is_some()
    }

    fn send(
        &mut self,
        length: usize,
        segment_size: Option<u16>,
        write: &mut dyn FnMut(&mut [u8]),
    ) -> bool {
        let (station, mac, offload) = (self.station, self.mac, self.offload);
        let end = ethernet::HEADER_LENGTH + length;
        let Some(frame) = self.reserve(length).and_then(|frame| frame.get_mut(..end)) else {
            // The device has taken back the room it showed.
            return false;
        };
        let packet = &mut frame[ethernet::HEADER_LENGTH..];
        write(packet);
        let meta = FrameMeta {
            checksum: complete(packet, offload),
            segment_size,
        };
        ethernet::write_header(frame, station, mac, EtherType::Ipv4);
        self.device.commit(end, meta);
        true
    }
}

/// Fills the checksums of an option-less IP packet. That of TCP or UDP is only begun if the
/// device completes it, as the answer asks.
fn complete(packet: &mut [u8], offload: bool) -> Option<ChecksumRequest> {
    ipv4::fill_checksum(packet);
    let header = ipv4::Header::parse(packet)?;
    let transport = &mut packet[ipv4::HEADER_LENGTH..];
    let at = match header.protocol {
        ipv4::TCP => segment::CHECKSUM_OFFSET,
        ipv4::UDP => udp::CHECKSUM_OFFSET,
        _ => return None,
    };
    let pseudo = Sum::pseudo_header(
        header.source,
        header.destination,
        header.protocol,
        transport.len() as u16,
    );
    transport[at..at + 2].fill(0);
    if offload {
        transport[at..at + 2].copy_from_slice(&pseudo.folded());
        return Some(ChecksumRequest {
            start: (ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH) as u16,
            offset: at as u16,
        });
    }
    let checksum = match pseudo.and(Sum::of(transport)).complement() {
        // Zero would say that there is none (RFC 768); both stand for the same number.
        [0, 0] => [0xFF, 0xFF],
        checksum => checksum,
    };
    transport[at..at + 2].copy_from_slice(&checksum);
    None
}

/// Nobody hears what is sent here.
pub(crate) struct Nowhere;

impl Outlet for Nowhere {
    fn has_room(&mut self) -> bool {
        true
    }

    fn send(
        &mut self,
        _length: usize,
        _segment_size: Option<u16>,
        _write: &mut dyn FnMut(&mut [u8]),
    ) -> bool {
        false
    }
}
