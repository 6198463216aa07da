//! The table of sockets that programs hold.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use crate::datagram::Datagram;
use crate::slab::Slab;
use crate::tcp::Options;
use crate::{NetError, SocketId};

/// The address of a socket that has none.
pub(crate) const NO_ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

/// What a stream socket is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Nothing yet.
    Fresh,
    /// It waits for connections.
    Listener,
    /// It holds the connection in this place.
    Connection(u32),
}

/// A stream socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// What it is doing.
    pub(crate) role: Role,
    /// The local address that it has claimed, or [`NO_ADDRESS`].
    pub(crate) local: SocketAddrV4,
    /// What its connections begin with.
    pub(crate) options: Options,
    /// Old connections do not keep it from a port.
    pub(crate) reuse_address: bool,
}

/// A socket.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Of TCP.
    Stream(Stream),
    /// Of UDP.
    Datagram(Datagram),
}

/// All sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    sockets: Slab<Socket>,
    /// How many sockets each place has had.
    generations: Vec<u32>,
    limit: usize,
}

impl Sockets {
    /// No sockets; there may be `limit`.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            sockets: Slab::new(),
            generations: Vec::new(),
            limit,
        }
    }

    /// Adds a socket.
    pub(crate) fn add(&mut self, socket: Socket) -> Result<SocketId, NetError> {
        if self.sockets.len() >= self.limit {
            return Err(NetError::OutOfMemory);
        }
        let lacking = |_| NetError::OutOfMemory;
        self.generations.try_reserve(1).map_err(lacking)?;
        let index = self.sockets.insert(socket).ok_or(NetError::OutOfMemory)?;
        if index as usize == self.generations.len() {
            self.generations.push(0);
        }
        Ok(SocketId {
            index,
            generation: self.generations[index as usize],
        })
    }

    /// Takes a socket out; its name is never valid again.
    pub(crate) fn remove(&mut self, id: SocketId) -> Option<Socket> {
        self.get(id).ok()?;
        let generation = &mut self.generations[id.index as usize];
        *generation = generation.wrapping_add(1);
        self.sockets.remove(id.index)
    }

    /// How many places for sockets there are, used or not.
    pub(crate) fn places(&self) -> u32 {
        self.sockets.places()
    }

    /// The name of the socket in place `index`, if there is one.
    pub(crate) fn id(&self, index: u32) -> Option<SocketId> {
        self.sockets.get(index)?;
        Some(SocketId {
            index,
            generation: self.generations[index as usize],
        })
    }

    /// The socket named `id`.
    pub(crate) fn get(&self, id: SocketId) -> Result<&Socket, NetError> {
        let socket = self.sockets.get(id.index).ok_or(NetError::NoSuchSocket)?;
        if self.generations[id.index as usize] != id.generation {
            return Err(NetError::NoSuchSocket);
        }
        Ok(socket)
    }

    /// The socket named `id`, to be changed.
    pub(crate) fn get_mut(&mut self, id: SocketId) -> Result<&mut Socket, NetError> {
        self.get(id)?;
        self.sockets.get_mut(id.index).ok_or(NetError::NoSuchSocket)
    }

    /// The stream socket named `id`.
    pub(crate) fn stream(&mut self, id: SocketId) -> Result<&mut Stream, NetError> {
        match self.get_mut(id)? {
            Socket::Stream(stream) => Ok(stream),
            Socket::Datagram(_) => Err(NetError::Unsupported),
        }
    }

    /// The datagram socket in place `index`.
    pub(crate) fn datagram_at(&mut self, index: u32) -> Option<&mut Datagram> {
        match self.sockets.get_mut(index)? {
            Socket::Datagram(datagram) => Some(datagram),
            Socket::Stream(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_valid_again() {
        let mut sockets = Sockets::new(1);
        let datagram = || Socket::Datagram(Datagram::new(0));
        let first = sockets.add(datagram()).unwrap();
        assert_eq!(sockets.add(datagram()), Err(NetError::OutOfMemory));
        assert!(sockets.remove(first).is_some());
        let second = sockets.add(datagram()).unwrap();
        assert_eq!(first.index, second.index);
        assert_eq!(sockets.get(first).err(), Some(NetError::NoSuchSocket));
        assert!(sockets.remove(first).is_none());
        assert!(sockets.get(second).is_ok());
    }
}
