//! Network devices of a process.

mod stream_buffer;
mod tap;
mod unix_wire;
mod virtio_header;

use std::io;

use hypercall::MacAddress;

use crate::entropy;

pub use tap::{Tap, TapOptions};
pub use unix_wire::{UnixWire, UnixWireOptions};

/// Bytes of an Ethernet header.
const ETHERNET_HEADER_LENGTH: usize = 14;

/// An address of our own choice: individual, locally administered (IEEE 802, 8.4), else random.
pub fn random_mac() -> io::Result<MacAddress> {
    let mut mac = MacAddress::default();
    entropy::fill(&mut mac).map_err(io::Error::other)?;
    mac[0] = mac[0] & !1 | 2;
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_addresses_are_ours_to_choose() {
        for _ in 0..100 {
            assert_eq!(random_mac().expect("entropy")[0] & 3, 2);
        }
        assert_ne!(
            random_mac().expect("entropy"),
            random_mac().expect("entropy")
        );
    }
}
