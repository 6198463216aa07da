//! Packets as text, and made by hand: an implementation of the formats that shares nothing with
//! the crate's.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::wire::Device;

/// The Internet checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn pseudo_checksum(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, bytes: &[u8]) -> [u8; 2] {
    let mut all = Vec::new();
    all.extend(source.octets());
    all.extend(destination.octets());
    all.extend([0, protocol]);
    all.extend((bytes.len() as u16).to_be_bytes());
    all.extend(bytes);
    checksum(&all)
}

/// An Ethernet frame from the device at `side` to the other one.
pub fn frame(side: usize, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(Device::mac(1 - side));
    frame.extend(Device::mac(side));
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 packet. `fragment` is the field with the flags and the offset in units of 8.
pub fn ipv4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    fragment: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend(7_u16.to_be_bytes());
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum);
    packet.extend(payload);
    packet
}

/// A TCP segment, made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub sequence: u32,
    pub acknowledgement: u32,
    /// Letters: S, F, R, P, and a dot for ACK.
    pub flags: String,
    pub window: u16,
    pub data: Vec<u8>,
}

const FLAGS: [(char, u8); 5] = [('F', 1), ('S', 2), ('R', 4), ('P', 8), ('.', 16)];

impl Segment {
    /// The segment as an IP packet.
    pub fn packet(&self) -> Vec<u8> {
        let flags = FLAGS
            .iter()
            .filter(|(letter, _)| self.flags.contains(*letter))
            .map(|(_, bit)| bit)
            .sum();
        let mut bytes = Vec::new();
        bytes.extend(self.source.port().to_be_bytes());
        bytes.extend(self.destination.port().to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([5 << 4, flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&self.data);
        let sum = pseudo_checksum(*self.source.ip(), *self.destination.ip(), 6, &bytes);
        bytes[16..18].copy_from_slice(&sum);
        ipv4(*self.source.ip(), *self.destination.ip(), 6, 0x4000, &bytes)
    }

    /// Reads the segment in a frame, and checks all its checksums.
    pub fn read(frame: &[u8]) -> Option<Self> {
        if frame.len() < 54 || frame[12..14] != [8, 0] || frame[23] != 6 {
            return None;
        }
        let packet = &frame[14..];
        assert_eq!(checksum(&packet[..20]), [0, 0], "IP checksum");
        let address =
            |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let (source, destination) = (address(12), address(16));
        let bytes = &packet[20..];
        assert_eq!(
            pseudo_checksum(source, destination, 6, bytes),
            [0, 0],
            "TCP checksum"
        );
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let flags = FLAGS.iter().filter(|(_, bit)| bytes[13] & bit != 0);
        Some(Self {
            source: SocketAddrV4::new(source, port(0)),
            destination: SocketAddrV4::new(destination, port(2)),
            sequence: number(4),
            acknowledgement: number(8),
            flags: flags.map(|(letter, _)| letter).collect(),
            window: port(14),
            data: bytes[usize::from(bytes[12] >> 4) * 4..].to_vec(),
        })
    }
}

/// The frames into which a device cuts the large TCP `frame`: `size` bytes of data in each.
pub fn cut(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let header_length = 34 + usize::from(frame[46] >> 4) * 4;
    let (headers, data) = frame.split_at(header_length);
    let count = data.len().div_ceil(size);
    let sequence = u32::from_be_bytes(headers[38..42].try_into().unwrap());
    let mut frames = Vec::new();
    for (index, piece) in data.chunks(size).enumerate() {
        let mut frame = headers.to_vec();
        frame.extend(piece);
        let length = (frame.len() - 14) as u16;
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        frame[24..26].fill(0);
        let sum = checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum);
        let number = sequence.wrapping_add((index * size) as u32);
        frame[38..42].copy_from_slice(&number.to_be_bytes());
        if index + 1 < count {
            // FIN and PSH belong to the last.
            frame[47] &= !9;
        }
        frame[50..52].fill(0);
        let address = |at: usize| Ipv4Addr::from_octets(frame[at..at + 4].try_into().unwrap());
        let sum = pseudo_checksum(address(26), address(30), 6, &frame[34..]);
        frame[50..52].copy_from_slice(&sum);
        frames.push(frame);
    }
    frames
}

/// A UDP datagram as an IP packet.
pub fn udp(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let payload = udp_payload(source, destination, data);
    ipv4(*source.ip(), *destination.ip(), 17, 0, &payload)
}

/// The payload of that packet.
pub fn udp_payload(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(source.port().to_be_bytes());
    bytes.extend(destination.port().to_be_bytes());
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(data);
    let sum = pseudo_checksum(*source.ip(), *destination.ip(), 17, &bytes);
    bytes[6..8].copy_from_slice(&sum);
    bytes
}

/// An ICMP message as an IP packet.
pub fn icmp(source: Ipv4Addr, destination: Ipv4Addr, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(rest);
    let sum = checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum);
    ipv4(source, destination, 1, 0, &bytes)
}

/// An ARP packet from the device at `side`, which says that it has `sender`. `operation` is 1 for
/// a request, 2 for a reply.
pub fn arp(side: usize, operation: u8, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, operation];
    bytes.extend(Device::mac(side));
    bytes.extend(sender.octets());
    bytes.extend(Device::mac(1 - side));
    bytes.extend(target.octets());
    frame(side, 0x0806, &bytes)
}
