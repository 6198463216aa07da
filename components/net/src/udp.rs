//! UDP headers (RFC 768).

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::checksum::Sum;
use crate::ipv4;

/// Bytes before the data.
pub(crate) const HEADER_LENGTH: usize = 8;
/// Where in the header the checksum stands.
pub(crate) const CHECKSUM_OFFSET: usize = 6;

/// A header that was found right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Whence it comes; zero if no answer is wanted.
    pub(crate) source_port: u16,
    /// Where it goes.
    pub(crate) destination_port: u16,
    /// Header and data.
    pub(crate) length: usize,
}

impl Header {
    /// Reads the header at the front of `payload`, which came from `source` to `destination`.
    /// Verifies the checksum unless it is known to be good.
    pub(crate) fn parse(
        payload: &[u8],
        source: Ipv4Addr,
        destination: Ipv4Addr,
        checksum_good: bool,
    ) -> Option<Self> {
        let bytes = payload.first_chunk::<HEADER_LENGTH>()?;
        let length = u16::from_be_bytes([bytes[4], bytes[5]]);
        let header = Self {
            source_port: u16::from_be_bytes([bytes[0], bytes[1]]),
            destination_port: u16::from_be_bytes([bytes[2], bytes[3]]),
            length: usize::from(length),
        };
        if !(HEADER_LENGTH..=payload.len()).contains(&header.length) || header.destination_port == 0
        {
            return None;
        }
        let unused = bytes[6..8] == [0, 0];
        let good = || {
            Sum::pseudo_header(source, destination, ipv4::UDP, length)
                .and(Sum::of(&payload[..header.length]))
                .is_good()
        };
        (checksum_good || unused || good()).then_some(header)
    }
}

/// Writes the headers of IP and UDP in front of the data that fills the rest of `packet`. The
/// UDP checksum is left open.
pub(crate) fn write_headers(packet: &mut [u8], source: SocketAddrV4, destination: SocketAddrV4) {
    // A packet is shorter than 2^16.
    let length = (packet.len() - ipv4::HEADER_LENGTH) as u16;
    let header = &mut packet[ipv4::HEADER_LENGTH..][..HEADER_LENGTH];
    header[0..2].copy_from_slice(&source.port().to_be_bytes());
    header[2..4].copy_from_slice(&destination.port().to_be_bytes());
    header[4..6].copy_from_slice(&length.to_be_bytes());
    header[6..8].fill(0);
    ipv4::write_header(packet, *source.ip(), *destination.ip(), ipv4::UDP);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 1000);
    const DESTINATION: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 53);

    fn packet() -> [u8; 32] {
        let mut packet = [0x55; 32];
        write_headers(&mut packet, SOURCE, DESTINATION);
        let sum = Sum::pseudo_header(*SOURCE.ip(), *DESTINATION.ip(), ipv4::UDP, 12)
            .and(Sum::of(&packet[20..]));
        packet[26..28].copy_from_slice(&sum.complement());
        packet
    }

    fn parse(payload: &[u8], good: bool) -> Option<Header> {
        Header::parse(payload, *SOURCE.ip(), *DESTINATION.ip(), good)
    }

    #[test]
    fn what_is_written_is_read() {
        let header = parse(&packet()[20..], false).unwrap();
        assert_eq!((header.source_port, header.destination_port), (1000, 53));
        assert_eq!(header.length, 12);
    }

    #[test]
    fn a_wrong_checksum_counts_unless_vouched_for_or_absent() {
        let mut packet = packet();
        packet[31] ^= 1;
        assert_eq!(parse(&packet[20..], false), None);
        assert!(parse(&packet[20..], true).is_some());
        packet[26..28].fill(0);
        assert!(parse(&packet[20..], false).is_some());
    }

    #[test]
    fn bad_lengths_are_refused() {
        for length in [7, 13] {
            let mut packet = packet();
            packet[25] = length;
            assert_eq!(parse(&packet[20..], true), None);
        }
        assert_eq!(parse(&packet()[20..27], true), None);
    }
}
