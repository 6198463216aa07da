//! IPv4 headers (RFC 791).

use core::net::Ipv4Addr;

use crate::checksum::Sum;

/// The header that this stack writes: no options.
pub(crate) const HEADER_LENGTH: usize = 20;
/// Every host reassembles a packet of this size (RFC 791, 3.1); an error message quotes no more
/// than fits (RFC 1812, 4.3.2.3).
pub(crate) const MINIMUM_REASSEMBLED: usize = 576;

/// The protocol number of ICMP.
pub(crate) const ICMP: u8 = 1;
/// The protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// The protocol number of UDP.
pub(crate) const UDP: u8 = 17;

const TIME_TO_LIVE: u8 = 64;
const DO_NOT_FRAGMENT: u8 = 0x40;
const MORE_FRAGMENTS: u8 = 0x20;

/// A header that was found right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Where the payload begins, 20 to 60.
    pub(crate) header_length: usize,
    /// Where the packet ends: not before the payload begins, not after the bytes it came in.
    pub(crate) total_length: usize,
    /// What ties fragments together.
    pub(crate) identification: u16,
    /// Fragments after this one exist.
    pub(crate) more_fragments: bool,
    /// Where in the whole payload this one belongs, in bytes.
    pub(crate) fragment_offset: usize,
    /// What the payload is.
    pub(crate) protocol: u8,
    /// Who sent it.
    pub(crate) source: Ipv4Addr,
    /// Who shall have it.
    pub(crate) destination: Ipv4Addr,
}

impl Header {
    /// Reads the header at the front of `packet`, which may be followed by padding.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let header = Self::parse_quoted(packet)?;
        let right = header.total_length <= packet.len()
            && Sum::of(&packet[..header.header_length]).is_good();
        right.then_some(header)
    }

    /// Reads a header that an ICMP message quotes: the packet is cut off, and routers on the way
    /// have changed fields without minding the checksum.
    pub(crate) fn parse_quoted(packet: &[u8]) -> Option<Self> {
        let bytes = packet.first_chunk::<HEADER_LENGTH>()?;
        let header_length = usize::from(bytes[0] & 0x0F) * 4;
        let total_length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let shaped = bytes[0] >> 4 == 4
            && (HEADER_LENGTH..=packet.len().min(total_length)).contains(&header_length);
        if !shaped {
            return None;
        }
        let fragment = u16::from_be_bytes([bytes[6] & 0x1F, bytes[7]]);
        Some(Self {
            header_length,
            total_length,
            identification: u16::from_be_bytes([bytes[4], bytes[5]]),
            more_fragments: bytes[6] & MORE_FRAGMENTS != 0,
            fragment_offset: usize::from(fragment) * 8,
            protocol: bytes[9],
            source: Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]),
            destination: Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]),
        })
    }

    /// Whether the packet is only part of one.
    pub(crate) const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }
}

/// Writes a header in front of the payload that fills the rest of `packet`, whose length fits a
/// `u16`. It is never fragmented, so its identification means nothing (RFC 6864, 4.1).
pub(crate) fn write_header(
    packet: &mut [u8],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
) {
    let total_length = (packet.len() as u16).to_be_bytes();
    let header = &mut packet[..HEADER_LENGTH];
    header.fill(0);
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total_length);
    header[6] = DO_NOT_FRAGMENT;
    header[8] = TIME_TO_LIVE;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    fill_checksum(packet);
}

/// Completes the checksum of the option-less header at the front of `packet`.
pub(crate) fn fill_checksum(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let checksum = Sum::of(&packet[..HEADER_LENGTH]).complement();
    packet[10..12].copy_from_slice(&checksum);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const DESTINATION: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn packet() -> [u8; 28] {
        let mut packet = [7; 28];
        write_header(&mut packet, SOURCE, DESTINATION, UDP);
        packet
    }

    #[test]
    fn what_is_written_is_read() {
        let header = Header::parse(&packet()).unwrap();
        assert_eq!((header.header_length, header.total_length), (20, 28));
        assert_eq!((header.source, header.destination), (SOURCE, DESTINATION));
        assert_eq!(header.protocol, UDP);
        assert!(!header.is_fragment());
    }

    #[test]
    fn padding_is_allowed_and_truncation_is_not() {
        let mut padded = packet().to_vec();
        padded.extend([0; 18]);
        assert_eq!(Header::parse(&padded).unwrap().total_length, 28);
        assert_eq!(Header::parse(&packet()[..27]), None);
        assert_eq!(Header::parse(&packet()[..19]), None);
    }

    #[test]
    fn each_flipped_bit_is_noticed() {
        for bit in 0..HEADER_LENGTH * 8 {
            let mut packet = packet();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&packet), None, "bit {bit}");
        }
    }

    #[test]
    fn a_header_longer_than_its_packet_is_refused() {
        let mut packet = packet();
        packet[0] = 0x4F;
        fill_checksum(&mut packet);
        assert_eq!(Header::parse_quoted(&packet), None);
    }
}
