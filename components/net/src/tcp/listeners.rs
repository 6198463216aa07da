//! Sockets that wait for connections, and the connections that wait for them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use super::Options;
use crate::NetError;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    /// Where it listens.
    pub(super) local: SocketAddrV4,
    /// The socket's place.
    pub(super) socket: u32,
    /// What its connections begin with.
    pub(super) options: Options,
    /// How many connections may wait.
    pub(super) backlog: usize,
    /// How many have begun a handshake.
    pub(super) opening: usize,
    /// Those that have completed it, oldest first.
    pub(super) ready: VecDeque<u32>,
}

impl Listener {
    /// Whether one more connection may begin; there is then memory for it to wait.
    pub(super) fn make_room(&mut self) -> bool {
        self.opening + self.ready.len() < self.backlog
            && self.ready.try_reserve(self.opening + 1).is_ok()
    }
}

/// All listening sockets.
#[derive(Debug)]
pub(super) struct Listeners {
    /// Sorted by port.
    table: Vec<Listener>,
}

impl Listeners {
    /// Nobody listens.
    pub(super) const fn new() -> Self {
        Self { table: Vec::new() }
    }

    /// Adds a listener where none is yet.
    pub(super) fn add(&mut self, listener: Listener) -> Result<(), NetError> {
        let lacking = |_| NetError::OutOfMemory;
        self.table.try_reserve(1).map_err(lacking)?;
        let port = listener.local.port();
        let place = self
            .table
            .partition_point(|other| other.local.port() < port);
        self.table.insert(place, listener);
        Ok(())
    }

    /// Takes the listener of `socket` out.
    pub(super) fn remove(&mut self, socket: u32) -> Option<Listener> {
        let place = self
            .table
            .iter()
            .position(|listener| listener.socket == socket)?;
        Some(self.table.remove(place))
    }

    /// The listener of `socket`, which listens at `local`.
    pub(super) fn of(&mut self, socket: u32, local: SocketAddrV4) -> Option<&mut Listener> {
        let first = self
            .table
            .partition_point(|other| other.local.port() < local.port());
        self.table[first..]
            .iter_mut()
            .take_while(|listener| listener.local.port() == local.port())
            .find(|listener| listener.socket == socket)
    }

    /// One handshake with `local` has failed.
    pub(super) fn abandon(&mut self, local: SocketAddrV4) {
        if let Some(listener) = self.find(local) {
            listener.opening = listener.opening.saturating_sub(1);
        }
    }

    /// Who takes connections to `local`: whoever listens at just this address first, then who
    /// listens at all.
    pub(super) fn find(&mut self, local: SocketAddrV4) -> Option<&mut Listener> {
        let at = |address: Ipv4Addr| {
            let sought = (local.port(), address);
            move |listener: &Listener| (listener.local.port(), *listener.local.ip()) == sought
        };
        let first = self
            .table
            .partition_point(|other| other.local.port() < local.port());
        let same_port = &mut self.table[first..];
        let place = same_port
            .iter()
            .position(at(*local.ip()))
            .or_else(|| same_port.iter().position(at(Ipv4Addr::UNSPECIFIED)))?;
        same_port.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: Ipv4Addr, port: u16, socket: u32) -> Listener {
        Listener {
            local: SocketAddrV4::new(address, port),
            socket,
            options: Options::default(),
            backlog: 1,
            opening: 0,
            ready: VecDeque::new(),
        }
    }

    #[test]
    fn the_exact_address_comes_first() {
        let here = Ipv4Addr::new(10, 0, 0, 1);
        let mut listeners = Listeners::new();
        for (address, port, socket) in
            [(Ipv4Addr::UNSPECIFIED, 80, 1), (here, 80, 2), (here, 22, 3)]
        {
            listeners.add(listener(address, port, socket)).unwrap();
        }
        let mut find = |address, port| {
            let found = listeners.find(SocketAddrV4::new(address, port));
            found.map(|listener| listener.socket)
        };
        assert_eq!(find(here, 80), Some(2));
        assert_eq!(find(Ipv4Addr::LOCALHOST, 80), Some(1));
        assert_eq!(find(Ipv4Addr::LOCALHOST, 22), None);
        assert_eq!(find(here, 81), None);
        assert!(listeners.of(1, SocketAddrV4::new(here, 80)).is_some());
        assert!(listeners.of(3, SocketAddrV4::new(here, 80)).is_none());
    }
}
