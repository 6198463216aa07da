//! Which addresses are ours, and which neighbour carries a packet to one that is not.

use core::net::Ipv4Addr;

use crate::Config;

/// The next station on a packet's way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NextHop {
    /// This host.
    Ourselves,
    /// Every station on the link.
    Everybody,
    /// The station that answers ARP for this address.
    Neighbour(Ipv4Addr),
}

/// The host's place in its network.
#[derive(Clone, Debug)]
pub(crate) struct Addressing {
    address: Ipv4Addr,
    mask: u32,
    gateway: Option<Ipv4Addr>,
}

impl Addressing {
    /// The place that `config` gives.
    pub(crate) fn new(config: &Config) -> Self {
        let host_bits = 32 - u32::from(config.prefix_length.min(32));
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        Self {
            address: config.address,
            mask,
            gateway: config.gateway,
        }
    }

    /// The host's address on its network.
    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Whether packets to `address` are for this host alone.
    pub(crate) fn is_ours(&self, address: Ipv4Addr) -> bool {
        address == self.address || address.is_loopback()
    }

    /// Whether packets to `address` are for all hosts of our network (RFC 919).
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        // A network of one or two hosts has no such address (RFC 3021).
        let directed = self.mask < u32::MAX - 1 && address.to_bits() == self.last();
        address.is_broadcast() || directed
    }

    /// Whether `address` names one host that may have sent us a packet over the wire.
    pub(crate) fn is_credible_source(&self, address: Ipv4Addr) -> bool {
        let one_host = !address.is_unspecified()
            && !address.is_multicast()
            && address.octets()[0] < 240
            && !self.is_broadcast(address);
        one_host && !self.is_ours(address)
    }

    /// Whether `address` names a station on our link.
    pub(crate) fn is_on_link(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask == 0
    }

    /// The way to `destination`, if there is one.
    pub(crate) fn route(&self, destination: Ipv4Addr) -> Option<NextHop> {
        if self.is_ours(destination) {
            return Some(NextHop::Ourselves);
        }
        if self.is_broadcast(destination) {
            return Some(NextHop::Everybody);
        }
        if destination.is_unspecified() || destination.octets()[0] >= 224 {
            return None;
        }
        if self.is_on_link(destination) {
            return Some(NextHop::Neighbour(destination));
        }
        self.gateway.map(NextHop::Neighbour)
    }

    /// The address that packets to `destination` come from.
    pub(crate) fn source_for(&self, destination: Ipv4Addr) -> Ipv4Addr {
        if destination.is_loopback() {
            destination
        } else {
            self.address
        }
    }

    const fn last(&self) -> u32 {
        self.address.to_bits() | !self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

    fn addressing(prefix_length: u8) -> Addressing {
        let mut config = Config::new(ADDRESS, prefix_length, 0);
        config.gateway = Some(GATEWAY);
        Addressing::new(&config)
    }

    #[test]
    fn packets_find_their_way() {
        let ours = addressing(24);
        let route = |a, b, c, d| ours.route(Ipv4Addr::new(a, b, c, d));
        assert_eq!(route(10, 0, 2, 15), Some(NextHop::Ourselves));
        assert_eq!(route(127, 3, 2, 1), Some(NextHop::Ourselves));
        assert_eq!(
            route(10, 0, 2, 7),
            Some(NextHop::Neighbour(Ipv4Addr::new(10, 0, 2, 7)))
        );
        assert_eq!(route(8, 8, 8, 8), Some(NextHop::Neighbour(GATEWAY)));
        assert_eq!(route(10, 0, 2, 255), Some(NextHop::Everybody));
        assert_eq!(route(255, 255, 255, 255), Some(NextHop::Everybody));
        assert_eq!(route(224, 0, 0, 1), None);
        assert_eq!(route(0, 0, 0, 0), None);
    }

    #[test]
    fn extreme_prefixes() {
        let alone = addressing(32);
        assert_eq!(
            alone.route(Ipv4Addr::new(10, 0, 2, 14)),
            Some(NextHop::Neighbour(GATEWAY))
        );
        assert!(!alone.is_broadcast(ADDRESS));
        let everything = addressing(0);
        assert!(everything.is_on_link(Ipv4Addr::new(8, 8, 8, 8)));
        let pair = addressing(31);
        assert_eq!(
            pair.route(Ipv4Addr::new(10, 0, 2, 14)),
            Some(NextHop::Neighbour(Ipv4Addr::new(10, 0, 2, 14)))
        );
    }

    #[test]
    fn impossible_senders() {
        let ours = addressing(24);
        let bad = [
            [0, 0, 0, 0],
            [127, 0, 0, 1],
            [224, 0, 0, 1],
            [240, 0, 0, 1],
            [255, 255, 255, 255],
            [10, 0, 2, 255],
            [10, 0, 2, 15],
        ];
        for address in bad {
            assert!(!ours.is_credible_source(Ipv4Addr::from_octets(address)));
        }
        assert!(ours.is_credible_source(GATEWAY));
    }
}
