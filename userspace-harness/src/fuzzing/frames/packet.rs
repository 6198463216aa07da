//! Packets as the peer makes them, right in everything but what an [`Envelope`](super::step::Envelope) asks for.

use std::net::Ipv4Addr;

use super::checksum;
use super::device::MAC;
use super::step::{Fault, Station};
use super::world::{ADDRESS, PEER};

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

const ETHERNET_HEADER: usize = 14;
const IP_HEADER: usize = 20;
/// The address of the peer's device.
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const BROADCAST: [u8; 6] = [0xFF; 6];

/// What an IP packet is to say.
#[derive(Clone, Copy)]
pub struct Header {
    /// Whom it is from.
    pub source: Ipv4Addr,
    /// Whom it is for.
    pub destination: Ipv4Addr,
    /// ICMP, TCP or UDP.
    pub protocol: u8,
    /// The identification, and the field of flags and fragment offset.
    pub fragment: (u16, u16),
}

/// Puts an IP packet in a frame into `frame`, which is empty. `write` adds what the packet
/// carries, its checksum zero.
pub fn ipv4(frame: &mut Vec<u8>, header: Header, fault: Fault, write: impl FnOnce(&mut Vec<u8>)) {
    let group = matches!(fault, Fault::GroupFrame);
    let destination = if group { BROADCAST } else { MAC };
    ethernet(frame, destination, PEER_MAC, 0x0800);
    frame.extend_from_slice(&[0x45, 0, 0, 0]);
    frame.extend_from_slice(&header.fragment.0.to_be_bytes());
    frame.extend_from_slice(&header.fragment.1.to_be_bytes());
    frame.extend_from_slice(&[64, header.protocol, 0, 0]);
    frame.extend_from_slice(&header.source.octets());
    frame.extend_from_slice(&header.destination.octets());
    write(frame);
    let packet = &mut frame[ETHERNET_HEADER..];
    let length = packet.len() as u16;
    if header.fragment.1 & 0x3FFF == 0 {
        complete_transport(&mut packet[IP_HEADER..], header, fault);
    }
    let length = match fault {
        Fault::TotalLength(wrong) => length.wrapping_add_signed(wrong.into()),
        _ => length,
    };
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    if let Fault::HeaderLength(words) = fault {
        packet[0] = 0x40 | words & 15;
    }
    let header_length = usize::from(packet[0] & 15) * 4;
    let header = packet.get(..header_length).unwrap_or_default();
    let mut sum = checksum::of(header);
    if matches!(fault, Fault::HeaderChecksum) {
        sum[0] ^= 1;
    }
    packet[10..12].copy_from_slice(&sum);
    match fault {
        Fault::Cut(bytes) => frame.truncate(frame.len().saturating_sub(bytes.into())),
        Fault::Padding(bytes) => frame.resize(frame.len() + usize::from(bytes), 0),
        _ => {}
    }
}

/// Fills the length and the checksum of what a whole packet carries.
fn complete_transport(bytes: &mut [u8], header: Header, fault: Fault) {
    let place = match header.protocol {
        TCP => 16,
        UDP => 6,
        _ => 2,
    };
    if let Fault::TransportLength(wrong) = fault {
        // The data offset of TCP, the low half of UDP's length.
        let field = if header.protocol == TCP { 12 } else { 5 };
        if let Some(field) = bytes.get_mut(field) {
            *field = wrong;
        }
    }
    let mut sum = match header.protocol {
        TCP | UDP => {
            let (source, destination) = (header.source, header.destination);
            checksum::of_transport(source, destination, header.protocol, bytes)
        }
        _ => checksum::of(bytes),
    };
    match fault {
        Fault::TransportChecksum => sum[0] ^= 1,
        Fault::NoChecksum => sum = [0, 0],
        _ => {}
    }
    if let Some(field) = bytes.get_mut(place..place + 2) {
        field.copy_from_slice(&sum);
    }
}

/// Puts an ARP packet in a frame into `frame`, which is empty.
pub fn arp(frame: &mut Vec<u8>, operation: u8, sender: Ipv4Addr, target: Ipv4Addr, fault: Fault) {
    let group = matches!(fault, Fault::GroupFrame);
    ethernet(frame, if group { BROADCAST } else { MAC }, PEER_MAC, 0x0806);
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend_from_slice(&PEER_MAC);
    frame.extend_from_slice(&sender.octets());
    frame.extend_from_slice(&MAC);
    frame.extend_from_slice(&target.octets());
    match fault {
        Fault::Cut(bytes) => frame.truncate(frame.len().saturating_sub(bytes.into())),
        Fault::TransportLength(length) => frame[ETHERNET_HEADER + 5] = length,
        _ => {}
    }
}

/// Puts `bytes` in a frame to the stack into `frame`, which is empty.
pub fn raw(frame: &mut Vec<u8>, ether_type: u16, bytes: &[u8]) {
    ethernet(frame, MAC, PEER_MAC, ether_type);
    frame.extend(bytes);
}

fn ethernet(frame: &mut Vec<u8>, destination: [u8; 6], source: [u8; 6], ether_type: u16) {
    frame.extend_from_slice(&destination);
    frame.extend_from_slice(&source);
    frame.extend_from_slice(&ether_type.to_be_bytes());
}

impl Station {
    /// The station's address, if `usual` is the one that would be expected.
    pub fn address(self, usual: Ipv4Addr) -> Ipv4Addr {
        match self {
            Self::Usual => usual,
            Self::Stack => ADDRESS,
            Self::Peer => PEER,
            Self::Neighbour(number) => neighbour(number),
            Self::Broadcast => Ipv4Addr::new(10, 0, 0, 255),
            Self::Any(octets) => Ipv4Addr::from_octets(octets),
        }
    }
}

/// A station on the link.
pub fn neighbour(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}
