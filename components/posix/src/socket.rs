//! Sockets over a TCP/IP stack: how they are made, named and closed (POSIX.1-2017, 2.10).

use alloc::vec::Vec;
use core::net::SocketAddrV4;
use core::time::Duration;

use hypercall::Host;
use net::{Half, Network, SocketId, SocketKind};

use crate::description::{DescriptionId, Object};
use crate::flags::Access;
use crate::readiness::Readiness;
use crate::slab::{Key, Slab};
use crate::{Errno, Fd, Kernel, OpenFlags};

/// A network socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: SocketId,
    pub(crate) kind: SocketKind,
    description: Option<DescriptionId>,
    /// A connection was begun, and nobody has been told how it went.
    pub(crate) connecting: bool,
    pub(crate) listening: bool,
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: bool,
    pub(crate) reuse_address: bool,
    pub(crate) receive_timeout: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
}

/// All network sockets.
#[derive(Debug)]
pub(crate) struct SocketTable {
    pub(crate) table: Slab<Socket>,
    /// Which socket has the network's id with this index.
    by_index: Vec<Option<Key<Socket>>>,
    /// The network has been given something to send.
    dirty: bool,
}

/// Who a socket belongs to or talks with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketAddress {
    /// An address of AF_INET.
    Inet(SocketAddrV4),
    /// A local socket without a name (AF_UNIX).
    Unnamed,
}

impl SocketTable {
    pub(crate) const fn new() -> Self {
        Self {
            table: Slab::new(),
            by_index: Vec::new(),
            dirty: false,
        }
    }

    /// Whether the network has been given something since the last call.
    pub(crate) fn take_dirty(&mut self) -> bool {
        core::mem::take(&mut self.dirty)
    }

    /// Adds a socket of the network.
    fn add(&mut self, id: SocketId, kind: SocketKind) -> Result<Key<Socket>, Errno> {
        let index = id.index as usize;
        if index >= self.by_index.len() {
            let missing = index + 1 - self.by_index.len();
            self.by_index
                .try_reserve(missing)
                .map_err(|_| Errno::ENOMEM)?;
            self.by_index.resize(index + 1, None);
        }
        let key = self.table.insert(Socket {
            id,
            kind,
            description: None,
            connecting: false,
            listening: false,
            no_delay: false,
            keep_alive: false,
            reuse_address: false,
            receive_timeout: None,
            send_timeout: None,
        })?;
        self.by_index[index] = Some(key);
        Ok(key)
    }

    /// The description of the network's socket `id`.
    fn description_of(&self, id: SocketId) -> Option<DescriptionId> {
        let key = (*self.by_index.get(id.index as usize)?)?;
        let socket = self.table.get(key)?;
        if socket.id == id {
            socket.description
        } else {
            None
        }
    }
}

impl<H: Host> Kernel<H> {
    /// A socket of AF_INET; EAFNOSUPPORT without a network. Only CLOSE_ON_EXEC and NONBLOCK may
    /// be set.
    pub fn socket(&mut self, kind: SocketKind, flags: OpenFlags) -> Result<Fd, Errno> {
        let flags = flags.only(OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK)?;
        let network = self.network.as_mut().ok_or(Errno::EAFNOSUPPORT)?;
        let id = network.open(kind)?;
        self.open_socket(id, kind, flags)
    }

    /// Gives a socket its local address.
    pub fn bind(&mut self, fd: Fd, local: SocketAddrV4) -> Result<(), Errno> {
        let (network, socket) = self.network_socket(fd)?;
        Ok(network.bind(socket.id, local)?)
    }

    /// Ends one or both directions.
    pub fn shutdown(&mut self, fd: Fd, half: Half) -> Result<(), Errno> {
        let (id, description) = self.description(fd)?;
        if let Object::LocalSocket { receive, send } = description.object {
            self.shutdown_local_socket(receive, send, half);
        } else {
            let (network, socket) = self.network_socket(fd)?;
            network.shutdown(socket.id, half)?;
            self.sockets.dirty = true;
        }
        // What a socket does to itself changes what it is ready for, too.
        self.notify(id, Readiness::all());
        Ok(())
    }

    /// A socket's own address.
    pub fn getsockname(&mut self, fd: Fd) -> Result<SocketAddress, Errno> {
        if let Object::LocalSocket { .. } = self.description(fd)?.1.object {
            return Ok(SocketAddress::Unnamed);
        }
        let (network, socket) = self.network_socket(fd)?;
        Ok(SocketAddress::Inet(network.local(socket.id)?))
    }

    /// The address at the other end.
    pub fn getpeername(&mut self, fd: Fd) -> Result<SocketAddress, Errno> {
        if let Object::LocalSocket { .. } = self.description(fd)?.1.object {
            return Ok(SocketAddress::Unnamed);
        }
        let (network, socket) = self.network_socket(fd)?;
        Ok(SocketAddress::Inet(network.peer(socket.id)?))
    }

    /// Moves frames on, and tells watchers of the sockets that changed. Says whether frames moved.
    pub(crate) fn progress_network(&mut self) -> bool {
        let now = self.clock.now;
        let Some(network) = self.network.as_mut() else {
            return false;
        };
        let moved = network.poll(now);
        while let Some(id) = self.network.as_mut().and_then(|network| network.changed()) {
            if let Some(description) = self.sockets.description_of(id) {
                self.notify(description, Readiness::all());
            }
        }
        moved
    }

    pub(crate) fn adopt_socket(&mut self, key: Key<Socket>, id: DescriptionId) {
        if let Some(socket) = self.sockets.table.get_mut(key) {
            socket.description = Some(id);
        }
    }

    pub(crate) fn close_socket(&mut self, key: Key<Socket>) {
        if let Some(socket) = self.sockets.table.remove(key) {
            if let Some(place) = self.sockets.by_index.get_mut(socket.id.index as usize) {
                *place = None;
            }
            self.sockets.dirty = true;
            if let Some(network) = &mut self.network {
                network.close(socket.id);
            }
        }
    }

    pub(crate) fn socket_readiness(&mut self, key: Key<Socket>) -> Readiness {
        match (self.sockets.table.get(key), &mut self.network) {
            (Some(socket), Some(network)) => network.readiness(socket.id).into(),
            _ => Readiness::INVALID,
        }
    }

    /// How many bytes a read would find (FIONREAD).
    pub(crate) fn socket_available(&mut self, key: Key<Socket>) -> Result<usize, Errno> {
        match (self.sockets.table.get(key), &mut self.network) {
            (Some(socket), _) if socket.listening => Err(Errno::EINVAL),
            (Some(socket), Some(network)) => Ok(network.available(socket.id)),
            _ => Err(Errno::EBADF),
        }
    }

    /// The network, and the socket that `fd` names.
    pub(crate) fn network_socket(
        &mut self,
        fd: Fd,
    ) -> Result<(&mut (dyn Network + 'static), &mut Socket), Errno> {
        let key = match self.description(fd)?.1.object {
            Object::Socket(key) => key,
            Object::LocalSocket { .. } => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOTSOCK),
        };
        let socket = self.sockets.table.get_mut(key).ok_or(Errno::EBADF)?;
        let network = self.network.as_deref_mut().ok_or(Errno::ENETDOWN)?;
        Ok((network, socket))
    }

    /// The network has been given something to send.
    pub(crate) fn network_is_dirty(&mut self) {
        self.sockets.dirty = true;
    }

    /// Gives a socket of the network, which is closed on error, a descriptor.
    pub(crate) fn open_socket(
        &mut self,
        id: SocketId,
        kind: SocketKind,
        flags: OpenFlags,
    ) -> Result<Fd, Errno> {
        let key = self.sockets.add(id, kind).inspect_err(|_| {
            if let Some(network) = &mut self.network {
                network.close(id);
            }
        })?;
        let object = Object::Socket(key);
        let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
        self.open_object(object, Access::all(), flags.status(), close_on_exec)
    }
}
