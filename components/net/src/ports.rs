//! Which sockets have which local addresses, and which ports are free.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use crate::random::Random;
use crate::{AddressError, NetError};

/// The first port that is given to who asks for any (RFC 6335, 6).
const FIRST_EPHEMERAL: u16 = 49152;

/// A socket's claim on a local address.
#[derive(Clone, Copy, Debug)]
struct Claim {
    local: SocketAddrV4,
    socket: u32,
}

/// The claims of all sockets of one protocol, found by port.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// Sorted by port.
    claims: Vec<Claim>,
}

impl Ports {
    /// No claims.
    pub(crate) const fn new() -> Self {
        Self { claims: Vec::new() }
    }

    /// Whether `local` can be claimed beside the claims there are: the wildcard address
    /// collides with every other.
    pub(crate) fn is_free(&self, local: SocketAddrV4) -> bool {
        self.at(local.port()).iter().all(|claim| {
            let (one, other) = (claim.local.ip(), local.ip());
            one != other && !one.is_unspecified() && !other.is_unspecified()
        })
    }

    /// Gives `local` to `socket`.
    pub(crate) fn claim(&mut self, local: SocketAddrV4, socket: u32) -> Result<(), NetError> {
        let lacking = |_| NetError::OutOfMemory;
        self.claims.try_reserve(1).map_err(lacking)?;
        let place = self
            .claims
            .partition_point(|claim| claim.local.port() < local.port());
        self.claims.insert(place, Claim { local, socket });
        Ok(())
    }

    /// Takes `local` from `socket`, if it has it.
    pub(crate) fn release(&mut self, local: SocketAddrV4, socket: u32) {
        if local.port() == 0 {
            return;
        }
        self.claims
            .retain(|claim| claim.socket != socket || claim.local != local);
    }

    /// The sockets that packets to `local` may be for: who claimed just this address first, then
    /// who claimed the port for all addresses.
    pub(crate) fn owners(&self, local: SocketAddrV4) -> impl Iterator<Item = u32> {
        let claims = self.at(local.port());
        let with = |address: Ipv4Addr| {
            let matching = move |claim: &&Claim| *claim.local.ip() == address;
            claims.iter().filter(matching).map(|claim| claim.socket)
        };
        with(*local.ip()).chain(with(Ipv4Addr::UNSPECIFIED))
    }

    fn at(&self, port: u16) -> &[Claim] {
        let first = self
            .claims
            .partition_point(|claim| claim.local.port() < port);
        let rest = &self.claims[first..];
        &rest[..rest.partition_point(|claim| claim.local.port() == port)]
    }
}

/// A port for which `is_free` holds: the first one after a random start (RFC 6056, 3.3.1).
pub(crate) fn ephemeral(
    random: &mut Random,
    is_free: &mut dyn FnMut(u16) -> bool,
) -> Result<u16, AddressError> {
    let range = u64::from(u16::MAX - FIRST_EPHEMERAL) + 1;
    let start = random.next() % range;
    (0..range)
        .map(|step| FIRST_EPHEMERAL + ((start + step) % range) as u16)
        .find(|port| is_free(*port))
        .ok_or(AddressError::NoFreePort)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

    fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(address, port)
    }

    #[test]
    fn the_wildcard_collides_with_all() {
        let mut ports = Ports::new();
        ports.claim(at(HERE, 80), 1).unwrap();
        assert!(!ports.is_free(at(HERE, 80)));
        assert!(!ports.is_free(at(ANY, 80)));
        assert!(ports.is_free(at(Ipv4Addr::LOCALHOST, 80)));
        assert!(ports.is_free(at(ANY, 81)));
        ports.release(at(HERE, 80), 1);
        assert!(ports.is_free(at(ANY, 80)));
    }

    #[test]
    fn the_exact_address_comes_first() {
        let mut ports = Ports::new();
        let claims = [(ANY, 80), (HERE, 80), (HERE, 79), (HERE, 81)];
        for ((address, port), socket) in claims.into_iter().zip(1..) {
            ports.claim(at(address, port), socket).unwrap();
        }
        assert_eq!(ports.owners(at(HERE, 80)).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(
            ports
                .owners(at(Ipv4Addr::LOCALHOST, 80))
                .collect::<Vec<_>>(),
            [1]
        );
    }

    #[test]
    fn ephemeral_ports_are_scattered_and_run_out() {
        let mut random = Random::new(1);
        let mut any = |_| true;
        let one = ephemeral(&mut random, &mut any);
        let other = ephemeral(&mut random, &mut any);
        assert_ne!(one, other);
        assert_eq!(
            ephemeral(&mut random, &mut |port| port == 50_000),
            Ok(50_000)
        );
        assert_eq!(
            ephemeral(&mut random, &mut |_| false),
            Err(AddressError::NoFreePort)
        );
    }
}
