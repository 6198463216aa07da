//! TCP headers (RFC 9293, 3.1), as far as a connection is found by them and answered without one.

use core::net::SocketAddrV4;

use super::offers::Offers;
use crate::checksum::Sum;
use crate::ipv4;

/// The header without options.
pub(crate) const HEADER_LENGTH: usize = 20;
/// Where in the header the checksum stands.
pub(crate) const CHECKSUM_OFFSET: usize = 16;

/// The sender has ended.
pub(crate) const FIN: u8 = 0x01;
/// The first segment.
pub(crate) const SYN: u8 = 0x02;
/// The connection does not exist.
pub(crate) const RST: u8 = 0x04;
/// The acknowledgement counts.
pub(crate) const ACK: u8 = 0x10;

/// The two ends of a connection, which name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tuple {
    /// Ours.
    pub(crate) local: SocketAddrV4,
    /// The peer's.
    pub(crate) remote: SocketAddrV4,
}

impl Tuple {
    /// The connection as the peer names it.
    pub(crate) const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }
}

/// A header that was found right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Whence it comes.
    pub(crate) source_port: u16,
    /// Where it goes.
    pub(crate) destination_port: u16,
    /// The number of its first byte.
    pub(crate) sequence: u32,
    /// The number of the byte that the sender expects next, with [`ACK`].
    pub(crate) acknowledgement: u32,
    /// [`SYN`] and the like.
    pub(crate) flags: u8,
    /// How many bytes the sender can take, scaled down except with [`SYN`].
    pub(crate) window: u16,
    /// How many bytes of data follow.
    pub(crate) payload_length: usize,
}

impl Header {
    /// Reads the header at the front of `segment`, a whole IP payload. Its checksum is the
    /// caller's to verify.
    pub(crate) fn parse(segment: &[u8]) -> Option<Self> {
        let bytes = segment.first_chunk::<HEADER_LENGTH>()?;
        let header_length = usize::from(bytes[12] >> 4) * 4;
        if !(HEADER_LENGTH..=segment.len()).contains(&header_length) {
            return None;
        }
        Some(Self {
            source_port: u16::from_be_bytes([bytes[0], bytes[1]]),
            destination_port: u16::from_be_bytes([bytes[2], bytes[3]]),
            sequence: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            acknowledgement: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            flags: bytes[13],
            window: u16::from_be_bytes([bytes[14], bytes[15]]),
            payload_length: segment.len() - header_length,
        })
    }

    /// Whether any of `flags` is set.
    pub(crate) const fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// How many sequence numbers it takes up: SYN and FIN one each.
    pub(crate) const fn sequence_length(&self) -> u32 {
        // A segment is shorter than 2^16.
        let mut length = self.payload_length as u32;
        if self.has(SYN) {
            length += 1;
        }
        if self.has(FIN) {
            length += 1;
        }
        length
    }
}

/// Adds `offset` to the acknowledgement number of `segment`, whose checksum was verified.
pub(crate) fn shift_acknowledgement(segment: &mut [u8], offset: u32) {
    if let Some(field) = segment
        .get_mut(8..12)
        .and_then(|field| field.first_chunk_mut())
    {
        *field = u32::from_be_bytes(*field)
            .wrapping_add(offset)
            .to_be_bytes();
    }
}

/// Changes the sequence number of `segment`, whose checksum is not filled yet.
pub(crate) fn set_sequence(segment: &mut [u8], sequence: u32) {
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
}

/// Whether sequence number `a` comes before `b` (RFC 9293, 3.4).
pub(crate) const fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// An IP packet with a segment that has no options.
pub(crate) type Bare = [u8; ipv4::HEADER_LENGTH + HEADER_LENGTH];

/// How much longer a packet with the options of a SYN is.
const OPTIONS_LENGTH: usize = 12;

/// An IP packet with a segment of `flags` and no data from the local to the remote end. All its
/// checksums are filled.
pub(crate) fn build(tuple: Tuple, sequence: u32, acknowledgement: u32, flags: u8) -> Bare {
    let mut packet = [0; ipv4::HEADER_LENGTH + HEADER_LENGTH];
    let segment = &mut packet[ipv4::HEADER_LENGTH..];
    segment[0..2].copy_from_slice(&tuple.local.port().to_be_bytes());
    segment[2..4].copy_from_slice(&tuple.remote.port().to_be_bytes());
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
    segment[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
    segment[12] = 5 << 4;
    segment[13] = flags;
    let sum = pseudo_sum(tuple, HEADER_LENGTH).and(Sum::of(segment));
    segment[CHECKSUM_OFFSET..][..2].copy_from_slice(&sum.complement());
    ipv4::write_header(
        &mut packet,
        *tuple.local.ip(),
        *tuple.remote.ip(),
        ipv4::TCP,
    );
    packet
}

/// The answer to a SYN with these sequence and acknowledgement numbers, which makes `offers`. Its
/// TCP checksum is left open.
pub(crate) fn build_with_offers(
    tuple: Tuple,
    numbers: (u32, u32),
    offers: Offers,
) -> [u8; size_of::<Bare>() + OPTIONS_LENGTH] {
    let mut options = [0; OPTIONS_LENGTH];
    offers.write(&mut options);
    let mut packet = [0; size_of::<Bare>() + OPTIONS_LENGTH];
    let (bare, rest) = packet.split_at_mut(size_of::<Bare>());
    bare.copy_from_slice(&build(tuple, numbers.0, numbers.1, SYN | ACK));
    rest.copy_from_slice(&options);
    let offset = (HEADER_LENGTH + OPTIONS_LENGTH) as u8 / 4;
    packet[ipv4::HEADER_LENGTH + 12] = offset << 4;
    let (local, remote) = (*tuple.local.ip(), *tuple.remote.ip());
    ipv4::write_header(&mut packet, local, remote, ipv4::TCP);
    packet
}

/// Changes the window of `segment`, whose checksum is thereby wrong.
pub(crate) fn set_window(segment: &mut [u8], window: u16) {
    segment[14..16].copy_from_slice(&window.to_be_bytes());
}

/// The RST that answers a segment which belongs to no connection (RFC 9293, 3.10.7.1). `tuple` is
/// from our side.
pub(crate) fn build_reset(tuple: Tuple, to: &Header) -> Bare {
    if to.has(ACK) {
        return build(tuple, to.acknowledgement, 0, RST);
    }
    let acknowledgement = to.sequence.wrapping_add(to.sequence_length());
    build(tuple, 0, acknowledgement, RST | ACK)
}

/// The sum of the pseudo-header for a segment of `length` bytes.
pub(crate) fn pseudo_sum(tuple: Tuple, length: usize) -> Sum {
    // An IP payload is shorter than 2^16.
    Sum::pseudo_header(
        *tuple.local.ip(),
        *tuple.remote.ip(),
        ipv4::TCP,
        length as u16,
    )
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    const TUPLE: Tuple = Tuple {
        local: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80),
        remote: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 50000),
    };

    #[test]
    fn a_built_segment_is_right() {
        let packet = build(TUPLE, 7, 9, FIN | ACK);
        let ip = ipv4::Header::parse(&packet).unwrap();
        let segment = &packet[ip.header_length..];
        assert!(
            pseudo_sum(TUPLE, segment.len())
                .and(Sum::of(segment))
                .is_good()
        );
        let header = Header::parse(segment).unwrap();
        assert_eq!((header.source_port, header.destination_port), (80, 50000));
        assert_eq!((header.sequence, header.acknowledgement), (7, 9));
        assert_eq!(header.sequence_length(), 1);
    }

    #[test]
    fn a_reset_takes_its_number_from_what_it_answers() {
        let answer = |sequence, acknowledgement, flags| {
            let asked = build(TUPLE, sequence, acknowledgement, flags);
            let asked = Header::parse(&asked[ipv4::HEADER_LENGTH..]).unwrap();
            let reset = build_reset(TUPLE, &asked);
            let reset = Header::parse(&reset[ipv4::HEADER_LENGTH..]).unwrap();
            (reset.sequence, reset.acknowledgement, reset.flags)
        };
        assert_eq!(answer(5, 77, ACK), (77, 0, RST));
        assert_eq!(answer(5, 0, SYN), (0, 6, RST | ACK));
        assert_eq!(answer(u32::MAX, 0, SYN), (0, 0, RST | ACK));
    }

    #[test]
    fn bad_lengths_are_refused() {
        let packet = build(TUPLE, 0, 0, SYN);
        let mut segment = packet[ipv4::HEADER_LENGTH..].to_vec();
        assert_eq!(Header::parse(&segment[..19]), None);
        segment[12] = 4 << 4;
        assert_eq!(Header::parse(&segment), None);
        segment[12] = 6 << 4;
        assert_eq!(Header::parse(&segment), None);
    }

    #[test]
    fn numbers_wrap() {
        assert!(is_before(u32::MAX, 0));
        assert!(!is_before(0, u32::MAX));
        assert!(!is_before(3, 3));
    }
}
