//! ARP packets for IPv4 over Ethernet (RFC 826).

use core::net::Ipv4Addr;

use hypercall::MacAddress;

use crate::ethernet::{self, EtherType};

/// A whole frame that carries ARP.
pub(crate) const FRAME_LENGTH: usize = ethernet::HEADER_LENGTH + 28;

/// Ethernet and IPv4 and the lengths of their addresses.
const FORMAT: [u8; 6] = [0, 1, 0x08, 0, 6, 4];

/// Whether somebody asks or answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    /// Who has the target's protocol address?
    Request,
    /// The sender has its own.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    /// What it is.
    pub(crate) operation: Operation,
    /// The sender's hardware address.
    pub(crate) sender_mac: MacAddress,
    /// The sender's protocol address.
    pub(crate) sender: Ipv4Addr,
    /// The target's hardware address; meaningless in a request.
    pub(crate) target_mac: MacAddress,
    /// The target's protocol address.
    pub(crate) target: Ipv4Addr,
}

impl Packet {
    /// Reads what follows the Ethernet header.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let bytes = payload.first_chunk::<28>()?;
        let operation = match [bytes[6], bytes[7]] {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return None,
        };
        if bytes[..6] != FORMAT {
            return None;
        }
        let mac = |at: usize| -> MacAddress { core::array::from_fn(|i| bytes[at + i]) };
        let address = |at: usize| Ipv4Addr::from_octets(core::array::from_fn(|i| bytes[at + i]));
        Some(Self {
            operation,
            sender_mac: mac(8),
            sender: address(14),
            target_mac: mac(18),
            target: address(24),
        })
    }

    /// Writes the whole frame, which goes to `destination`, into the first [`FRAME_LENGTH`]
    /// bytes of `frame`.
    pub(crate) fn write_frame(&self, frame: &mut [u8], destination: MacAddress) {
        ethernet::write_header(frame, destination, self.sender_mac, EtherType::Arp);
        let bytes = &mut frame[ethernet::HEADER_LENGTH..FRAME_LENGTH];
        bytes[..6].copy_from_slice(&FORMAT);
        bytes[6..8].copy_from_slice(match self.operation {
            Operation::Request => &[0, 1],
            Operation::Reply => &[0, 2],
        });
        bytes[8..14].copy_from_slice(&self.sender_mac);
        bytes[14..18].copy_from_slice(&self.sender.octets());
        bytes[18..24].copy_from_slice(&self.target_mac);
        bytes[24..28].copy_from_slice(&self.target.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Packet = Packet {
        operation: Operation::Reply,
        sender_mac: [2, 0, 0, 0, 0, 1],
        sender: Ipv4Addr::new(10, 0, 0, 1),
        target_mac: [2, 0, 0, 0, 0, 2],
        target: Ipv4Addr::new(10, 0, 0, 2),
    };

    fn frame() -> [u8; FRAME_LENGTH] {
        let mut frame = [0; FRAME_LENGTH];
        PACKET.write_frame(&mut frame, PACKET.target_mac);
        frame
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(
            Packet::parse(&frame()[ethernet::HEADER_LENGTH..]),
            Some(PACKET)
        );
    }

    #[test]
    fn other_formats_and_operations_are_refused() {
        for at in [0, 2, 4, 5, 6] {
            let mut frame = frame();
            frame[ethernet::HEADER_LENGTH + at] ^= 0x40;
            assert_eq!(Packet::parse(&frame[ethernet::HEADER_LENGTH..]), None);
        }
        assert_eq!(Packet::parse(&frame()[ethernet::HEADER_LENGTH..41]), None);
    }
}
