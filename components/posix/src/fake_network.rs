//! A network in memory whose sockets reach one another, for this crate's tests.

extern crate std;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use hypercall::{Instant, Sink, Source};
use net::{
    AddressError, Connection, Half, NetError, Network, Readiness, SocketId, SocketKind,
    SocketOption,
};

/// The only address there is.
pub(crate) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// How many bytes wait at most to be received on a connection.
pub(crate) const WINDOW: usize = 1000;

/// The network. A connection is decided by the first poll after it was asked for.
#[derive(Default)]
pub(crate) struct FakeNetwork {
    sockets: Vec<Socket>,
    free: Vec<usize>,
    changed: VecDeque<SocketId>,
    connecting: Vec<(usize, u16)>,
    next_port: u16,
    /// From when on how much is undelivered.
    pub(crate) undelivered: VecDeque<(Duration, usize)>,
    /// How often a socket's readiness was asked for.
    pub(crate) questions: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Socket {
    generation: u32,
    stream: bool,
    port: u16,
    listening: bool,
    backlog: VecDeque<usize>,
    peer: Option<usize>,
    peer_port: u16,
    received: VecDeque<u8>,
    datagrams: VecDeque<(Vec<u8>, u16)>,
    /// The peer sends no more.
    ended: bool,
    /// We send no more.
    shut: bool,
    error: Option<NetError>,
}

fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(HERE, port)
}

impl FakeNetwork {
    fn get(&mut self, id: SocketId) -> Result<&mut Socket, NetError> {
        let socket = self.sockets.get_mut(id.index as usize);
        let found = socket.filter(|socket| socket.generation == id.generation);
        found.ok_or(NetError::NoSuchSocket)
    }

    fn touch(&mut self, index: usize) {
        let generation = self.sockets[index].generation;
        let index = index as u32;
        self.changed.push_back(SocketId { index, generation });
    }

    fn make(&mut self, stream: bool) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(Socket::default());
            self.sockets.len() - 1
        });
        self.next_port += 1;
        self.sockets[index] = Socket {
            generation: self.sockets[index].generation + 1,
            stream,
            port: 40_000 + self.next_port,
            ..Socket::default()
        };
        index
    }

    fn find(&self, port: u16) -> Option<usize> {
        let wanted = |socket: &Socket| socket.port == port && (socket.listening || !socket.stream);
        self.sockets.iter().position(wanted)
    }

    fn decide(&mut self, index: usize, port: u16) {
        match self.find(port) {
            None => self.sockets[index].error = Some(NetError::Refused),
            Some(listener) => {
                let other = self.make(true);
                self.sockets[other].port = port;
                self.sockets[other].peer = Some(index);
                self.sockets[other].peer_port = self.sockets[index].port;
                self.sockets[index].peer = Some(other);
                self.sockets[listener].backlog.push_back(other);
                self.touch(listener);
            }
        }
        self.touch(index);
    }

    fn end(&mut self, peer: Option<usize>) {
        if let Some(peer) = peer {
            self.sockets[peer].ended = true;
            self.touch(peer);
        }
    }
}

impl Network for FakeNetwork {
    fn poll(&mut self, now: Instant) -> bool {
        while self.next_deadline().is_some_and(|next| next <= now) {
            self.undelivered.pop_front();
        }
        let waiting = core::mem::take(&mut self.connecting);
        let moved = !waiting.is_empty();
        for (index, port) in waiting {
            self.decide(index, port);
        }
        moved
    }

    fn next_deadline(&self) -> Option<Instant> {
        let (time, _) = self.undelivered.get(1)?;
        Some(Instant::ZERO + *time)
    }

    fn undelivered(&self) -> usize {
        self.undelivered.front().map_or(0, |(_, left)| *left)
    }

    fn changed(&mut self) -> Option<SocketId> {
        self.changed.pop_front()
    }

    fn open(&mut self, kind: SocketKind) -> Result<SocketId, NetError> {
        let index = self.make(kind == SocketKind::Stream);
        let generation = self.sockets[index].generation;
        let index = index as u32;
        Ok(SocketId { index, generation })
    }

    fn bind(&mut self, socket: SocketId, local: SocketAddrV4) -> Result<(), NetError> {
        if self.find(local.port()).is_some() {
            return Err(AddressError::InUse.into());
        }
        self.get(socket)?.port = local.port();
        Ok(())
    }

    fn listen(&mut self, socket: SocketId, _: usize) -> Result<(), NetError> {
        self.get(socket)?.listening = true;
        Ok(())
    }

    fn accept(&mut self, socket: SocketId) -> Result<Connection, NetError> {
        let index = self.get(socket)?.backlog.pop_front();
        let index = index.ok_or(NetError::WouldBlock)?;
        let generation = self.sockets[index].generation;
        let peer = at(self.sockets[index].peer_port);
        let index = index as u32;
        let socket = SocketId { index, generation };
        Ok(Connection { socket, peer })
    }

    fn connect(
        &mut self,
        socket: SocketId,
        peer: SocketAddrV4,
        _: Instant,
    ) -> Result<(), NetError> {
        let entry = self.get(socket)?;
        entry.peer_port = peer.port();
        if !entry.stream {
            return Ok(());
        }
        if entry.peer.is_some() {
            return Err(NetError::AlreadyConnected);
        }
        self.connecting.push((socket.index as usize, peer.port()));
        Err(NetError::InProgress)
    }

    fn send(
        &mut self,
        socket: SocketId,
        data: &mut dyn Source,
        peer: Option<SocketAddrV4>,
    ) -> Result<usize, NetError> {
        let entry = self.get(socket)?;
        let (stream, port, connected) = (entry.stream, entry.port, entry.peer);
        let to = peer.map_or(entry.peer_port, |peer| peer.port());
        if entry.shut {
            return Err(NetError::SendClosed);
        }
        let mut bytes = vec![0; data.remaining()];
        if !stream {
            let to = self.find(to).ok_or(NetError::DestinationRequired)?;
            data.take(&mut bytes);
            let length = bytes.len();
            self.sockets[to].datagrams.push_back((bytes, port));
            self.touch(to);
            return Ok(length);
        }
        let to = connected.ok_or(NetError::NotConnected)?;
        let room = WINDOW - self.sockets[to].received.len();
        if room == 0 && !bytes.is_empty() {
            return Err(NetError::WouldBlock);
        }
        bytes.truncate(room);
        data.take(&mut bytes);
        self.sockets[to].received.extend(&bytes);
        self.touch(to);
        Ok(bytes.len())
    }

    fn receive(
        &mut self,
        socket: SocketId,
        into: &mut dyn Sink,
        peek: bool,
    ) -> Result<(usize, SocketAddrV4), NetError> {
        let entry = self.get(socket)?;
        if !entry.stream {
            let (bytes, from) = entry.datagrams.pop_front().ok_or(NetError::WouldBlock)?;
            into.put(&bytes);
            let length = bytes.len();
            if peek {
                entry.datagrams.push_front((bytes, from));
            }
            return Ok((length, at(from)));
        }
        if let Some(error) = entry.error.take() {
            return Err(error);
        }
        if entry.received.is_empty() && into.remaining() > 0 && !entry.ended {
            return Err(match entry.peer {
                Some(_) => NetError::WouldBlock,
                None => NetError::NotConnected,
            });
        }
        let length = into.remaining().min(entry.received.len());
        let (sender, peer) = (at(entry.peer_port), entry.peer);
        into.put(&entry.received.make_contiguous()[..length]);
        if !peek {
            entry.received.drain(..length);
            if let Some(peer) = peer {
                self.touch(peer);
            }
        }
        Ok((length, sender))
    }

    fn shutdown(&mut self, socket: SocketId, half: Half) -> Result<(), NetError> {
        let entry = self.get(socket)?;
        let peer = entry.peer.ok_or(NetError::NotConnected)?;
        if half != Half::Receive {
            entry.shut = true;
            self.end(Some(peer));
        }
        Ok(())
    }

    fn close(&mut self, socket: SocketId) {
        let index = socket.index as usize;
        let peer = self.sockets[index].peer;
        self.end(peer);
        let generation = self.sockets[index].generation + 1;
        self.sockets[index] = Socket {
            generation,
            ..Socket::default()
        };
        self.free.push(index);
    }

    fn readiness(&mut self, socket: SocketId) -> Readiness {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let Ok(entry) = self.get(socket) else {
            return Readiness::empty();
        };
        let readable = !entry.received.is_empty()
            || !entry.datagrams.is_empty()
            || !entry.backlog.is_empty()
            || entry.ended;
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, readable);
        ready.set(Readiness::READ_CLOSED, entry.ended);
        ready.set(Readiness::ERROR, entry.error.is_some());
        let (stream, peer) = (entry.stream, entry.peer);
        let room = peer.map(|peer| self.sockets[peer].received.len() < WINDOW);
        ready.set(Readiness::WRITABLE, !stream || room == Some(true));
        ready
    }

    fn take_error(&mut self, socket: SocketId) -> Option<NetError> {
        self.get(socket).ok()?.error.take()
    }

    fn local(&self, socket: SocketId) -> Result<SocketAddrV4, NetError> {
        Ok(at(self.sockets[socket.index as usize].port))
    }

    fn peer(&self, socket: SocketId) -> Result<SocketAddrV4, NetError> {
        let entry = &self.sockets[socket.index as usize];
        entry
            .peer
            .map(|_| at(entry.peer_port))
            .ok_or(NetError::NotConnected)
    }

    fn set_option(&mut self, _: SocketId, _: SocketOption) -> Result<(), NetError> {
        Ok(())
    }

    fn available(&mut self, socket: SocketId) -> usize {
        self.sockets[socket.index as usize].received.len()
    }
}
