//! The Internet checksum, by a crate that the stack does not use.

use std::net::Ipv4Addr;

use etherparse::checksum::Sum16BitWords;

/// The checksum of `bytes` (RFC 1071), as it stands in a header. Over bytes that hold their
/// checksum it is zero.
pub fn of(bytes: &[u8]) -> [u8; 2] {
    let sum = Sum16BitWords::new().add_slice(bytes);
    sum.ones_complement().to_ne_bytes()
}

/// The checksum of a TCP segment or a UDP datagram, with its pseudo-header.
pub fn of_transport(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    bytes: &[u8],
) -> [u8; 2] {
    let length = (bytes.len() as u16).to_be_bytes();
    let sum = Sum16BitWords::new()
        .add_4bytes(source.octets())
        .add_4bytes(destination.octets())
        .add_2bytes([0, protocol])
        .add_2bytes(length)
        .add_slice(bytes);
    sum.ones_complement().to_ne_bytes()
}
