//! The program whose sockets these are.

use std::net::{Ipv4Addr, SocketAddrV4};

use hypercall::{Instant, SliceSink, SliceSource};
use net::{Half, NetError, Network, SocketId, SocketKind, SocketOption, Stack};

use super::packet;
use super::step::Call;
use super::world::{DATAGRAM_PORT, PEER, STREAM_PORT};

/// How many streams it has at most; it closes the oldest for another one.
const STREAMS: usize = 8;
/// More than is sent or received in one call.
const BUFFER: usize = 1500;

/// A listener, a datagram socket, and connections.
pub struct Program {
    pub listener: SocketId,
    pub datagram: SocketId,
    pub streams: Vec<SocketId>,
}

impl Program {
    /// Opens the listener and the datagram socket.
    pub fn new(stack: &mut Stack) -> Self {
        let any = |port| SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        let listener = open(stack, SocketKind::Stream);
        stack.bind(listener, any(STREAM_PORT)).expect("it is free");
        stack.listen(listener, 4).expect("it is bound");
        let datagram = open(stack, SocketKind::Datagram);
        let local = any(DATAGRAM_PORT);
        stack.bind(datagram, local).expect("it is free");
        Self {
            listener,
            datagram,
            streams: Vec::with_capacity(STREAMS),
        }
    }

    /// Does one call. Whatever it answers is well, but that a socket is not there.
    pub fn call(&mut self, stack: &mut Stack, call: Call, peer_ports: &[u16], now: Instant) {
        let result = match call {
            Call::Accept => self.accept(stack),
            Call::Receive {
                socket,
                length,
                peek,
            } => receive(stack, self.any(socket), length, peek),
            Call::Send { socket, length } => self.send(stack, self.stream(socket), length, None),
            Call::ShutDown { socket, half } => {
                let half = [Half::Receive, Half::Send, Half::Both][usize::from(half)];
                stack.shutdown(self.stream(socket), half)
            }
            Call::Close { socket } => {
                if !self.streams.is_empty() {
                    let index = usize::from(socket) % self.streams.len();
                    stack.close(self.streams.remove(index));
                }
                Ok(())
            }
            Call::Connect { flow } => self.connect(stack, peer_ports[flow], now),
            Call::SendTo { neighbour, length } => {
                let to = SocketAddrV4::new(packet::neighbour(neighbour), 53);
                self.send(stack, self.datagram, length, Some(to))
            }
            Call::SetOption { socket, option } => {
                let option = match option {
                    0 => SocketOption::NoDelay(true),
                    _ => SocketOption::KeepAlive(true),
                };
                stack.set_option(self.stream(socket), option)
            }
        };
        assert_ne!(result, Err(NetError::NoSuchSocket), "{call:?}");
    }

    /// Takes what has changed off the stack's list, as a program that polls does.
    pub fn see_changes(&self, stack: &mut Stack) {
        while let Some(socket) = stack.changed() {
            // Asking is part of it: whatever is ready must not depend on being asked.
            let ready = stack.readiness(socket);
            assert_eq!(stack.readiness(socket), ready, "asking changes it");
        }
    }

    /// Connects a new socket to the peer's `port`.
    pub fn connect(&mut self, stack: &mut Stack, port: u16, now: Instant) -> Result<(), NetError> {
        let socket = stack.open(SocketKind::Stream)?;
        self.keep(stack, socket);
        match stack.connect(socket, SocketAddrV4::new(PEER, port), now) {
            Err(NetError::InProgress) => Ok(()),
            other => other,
        }
    }

    fn accept(&mut self, stack: &mut Stack) -> Result<(), NetError> {
        let connection = stack.accept(self.listener)?;
        self.keep(stack, connection.socket);
        Ok(())
    }

    fn keep(&mut self, stack: &mut Stack, socket: SocketId) {
        if self.streams.len() == STREAMS {
            stack.close(self.streams.remove(0));
        }
        self.streams.push(socket);
    }

    fn send(
        &self,
        stack: &mut Stack,
        socket: SocketId,
        length: u16,
        to: Option<SocketAddrV4>,
    ) -> Result<(), NetError> {
        let bytes = [b'y'; BUFFER];
        let mut source = SliceSource::new(&bytes[..usize::from(length).min(BUFFER)]);
        stack.send(socket, &mut source, to).map(drop)
    }

    /// The stream that this number names, or the listener if there is none.
    fn stream(&self, number: u8) -> SocketId {
        if self.streams.is_empty() {
            return self.listener;
        }
        self.streams[usize::from(number) % self.streams.len()]
    }

    /// As [`stream`](Self::stream), the datagram socket among them.
    fn any(&self, number: u8) -> SocketId {
        if number == 31 {
            self.datagram
        } else {
            self.stream(number)
        }
    }
}

fn receive(stack: &mut Stack, socket: SocketId, length: u16, peek: bool) -> Result<(), NetError> {
    let mut bytes = [0; BUFFER];
    let mut sink = SliceSink::new(&mut bytes[..usize::from(length).min(BUFFER)]);
    stack.receive(socket, &mut sink, peek).map(drop)
}

fn open(stack: &mut Stack, kind: SocketKind) -> SocketId {
    stack.open(kind).expect("there is room for sockets")
}
