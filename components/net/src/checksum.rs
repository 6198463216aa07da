//! The Internet checksum (RFC 1071).

use core::net::Ipv4Addr;

/// A one's complement sum that is still being taken.
///
/// Words are added in the machine's byte order and swapped once at the end (RFC 1071, 2 B). Of
/// several pieces only the last may have an odd length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum(u64);

impl Sum {
    /// The sum over `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        // A packet has at most 2^14 words, so 64 bits hold their sum.
        let mut sum: u64 = words
            .iter()
            .map(|word| u64::from(u32::from_ne_bytes(*word)))
            .sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_ne_bytes(last));
        Self(sum)
    }

    /// The sum over the pseudo-header of TCP and UDP (RFC 9293, 3.1) for `length` bytes.
    pub(crate) fn pseudo_header(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: u8,
        length: u16,
    ) -> Self {
        let [high, low] = length.to_be_bytes();
        Self::of(&source.octets())
            .and(Self::of(&destination.octets()))
            .and(Self::of(&[0, protocol, high, low]))
    }

    /// This sum and `other` in one.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The sum in 16 bits, not complemented, in network order.
    pub(crate) fn folded(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        (sum as u16).to_ne_bytes()
    }

    /// What belongs in the checksum field, in network order.
    pub(crate) fn complement(self) -> [u8; 2] {
        self.folded().map(|byte| !byte)
    }

    /// Whether a sum that covered its own checksum field is right.
    pub(crate) fn is_good(self) -> bool {
        self.folded() == [0xFF, 0xFF]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
        assert_eq!(Sum::of(&bytes).folded(), [0xDD, 0xF2]);
    }

    #[test]
    fn an_odd_byte_counts_as_the_high_half() {
        assert_eq!(Sum::of(&[0x12, 0x34, 0x56]).folded(), [0x68, 0x34]);
    }

    #[test]
    fn a_packet_with_its_checksum_sums_to_ones() {
        let mut bytes = [0x45, 0, 0, 20, 0x1C, 0x46, 0x40, 0, 0x40, 6, 0, 0];
        let checksum = Sum::of(&bytes).complement();
        bytes[10..].copy_from_slice(&checksum);
        assert!(Sum::of(&bytes).is_good());
        bytes[0] ^= 1;
        assert!(!Sum::of(&bytes).is_good());
    }
}
