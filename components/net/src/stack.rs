//! A TCP/IP stack over one device.

use alloc::boxed::Box;
use core::net::SocketAddrV4;

use hypercall::{FrameDevice, Instant, MacAddress, Sink, Source};

use crate::datagram::Datagram;
use crate::layers::Layers;
use crate::sockets::{NO_ADDRESS, Role, Socket, Stream};
use crate::tcp::Options;
use crate::{
    Config, Connection, Counters, Half, NetError, Network, Readiness, SocketId, SocketKind,
    SocketOption, datagrams, streams,
};

/// Frames taken in one poll, so that a flood of them does not keep the caller for ever.
const MAX_FRAMES: usize = 256;
/// How often one poll turns between receiving and sending.
const MAX_ROUNDS: usize = 16;

/// TCP/IP with sockets over a [`FrameDevice`].
pub struct Stack {
    device: Box<dyn FrameDevice + Send>,
    mac: MacAddress,
    layers: Layers,
    /// The device had no room for all there was to send. Its readiness ends the host's wait.
    no_room: bool,
    /// There may be more frames to take.
    more_frames: bool,
    /// Frames were committed and not flushed.
    unflushed: bool,
}

impl Stack {
    /// A stack over `device`, which it owns from now on.
    pub fn new(config: Config, device: Box<dyn FrameDevice + Send>, now: Instant) -> Self {
        let capabilities = device.capabilities();
        Self {
            mac: capabilities.mac,
            layers: Layers::new(&config, &capabilities, now),
            device,
            no_room: false,
            more_frames: false,
            unflushed: false,
        }
    }

    /// What has been done, and what there is.
    pub fn counters(&self) -> Counters {
        let mut counters = self.layers.counters;
        self.layers.tcp.count(&mut counters);
        counters
    }

    /// Takes frames from the device. Returns whether there were any.
    fn take_frames(&mut self) -> bool {
        self.more_frames = true;
        for count in 0..MAX_FRAMES {
            let Some(frame) = self.device.received() else {
                self.more_frames = false;
                return count > 0;
            };
            self.layers
                .receive_frame(frame.bytes, self.mac, frame.checksum_good);
            self.device.release();
        }
        true
    }

    /// Takes the packets that this host has sent to itself. Returns whether there were any.
    fn receive_own(&mut self) -> bool {
        let mut moved = false;
        for _ in 0..self.layers.link.loopback.len() {
            if let Some(mut packet) = self.layers.link.loopback.pop_front() {
                self.layers.receive_own(&mut packet);
                moved = true;
            }
        }
        moved
    }

    /// Sends what is due. Returns whether anybody had something.
    fn transmit(&mut self) -> bool {
        let device = &mut *self.device;
        let now = self.layers.now;
        let mut moved = self.layers.link.has_mail();
        self.no_room = !self.layers.link.flush(device, now);
        if !self.no_room && self.layers.tcp.has_work() {
            let (tcp, link, mut around) = self.layers.tcp();
            let progress = tcp.transmit(link, device, &mut around);
            self.no_room = progress.no_room;
            moved |= progress.polled;
            // What was just polled may have asked for a neighbour.
            if !self.no_room {
                self.no_room = !self.layers.link.flush(device, now);
            }
        }
        datagrams::room_again(&mut self.layers);
        moved && !self.no_room
    }

    fn has_work(&self) -> bool {
        let layers = &self.layers;
        let can_send = !self.no_room && (layers.tcp.is_dirty() || layers.link.has_mail());
        self.more_frames || self.unflushed || can_send || !layers.link.loopback.is_empty()
    }
}

impl Network for Stack {
    fn poll(&mut self, now: Instant) -> bool {
        self.layers.now = now.max(self.layers.now);
        self.layers.expire();
        let mut moved = self.take_frames();
        for _ in 0..MAX_ROUNDS {
            moved |= self.transmit();
            if !self.receive_own() {
                break;
            }
            moved = true;
        }
        self.device.flush();
        self.unflushed = false;
        moved
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.has_work() {
            return Some(self.layers.now);
        }
        self.layers.next_deadline(self.no_room)
    }

    fn changed(&mut self) -> Option<SocketId> {
        while let Some(index) = self.layers.changes.take() {
            if let Some(id) = self.layers.sockets.id(index) {
                return Some(id);
            }
        }
        None
    }

    fn open(&mut self, kind: SocketKind) -> Result<SocketId, NetError> {
        let socket = match kind {
            SocketKind::Stream => Socket::Stream(Stream {
                role: Role::Fresh,
                local: NO_ADDRESS,
                options: Options::default(),
                reuse_address: false,
            }),
            SocketKind::Datagram => Socket::Datagram(Datagram::new(self.layers.datagram_buffer)),
        };
        self.layers.add_socket(socket)
    }

    fn bind(&mut self, socket: SocketId, local: SocketAddrV4) -> Result<(), NetError> {
        match self.layers.sockets.get(socket)? {
            Socket::Stream(_) => streams::bind(&mut self.layers, socket, local),
            Socket::Datagram(_) => datagrams::bind(&mut self.layers, socket, local),
        }
    }

    fn listen(&mut self, socket: SocketId, backlog: usize) -> Result<(), NetError> {
        streams::listen(&mut self.layers, socket, backlog)
    }

    fn accept(&mut self, socket: SocketId) -> Result<Connection, NetError> {
        streams::accept(&mut self.layers, socket)
    }

    fn connect(
        &mut self,
        socket: SocketId,
        peer: SocketAddrV4,
        now: Instant,
    ) -> Result<(), NetError> {
        self.layers.now = now.max(self.layers.now);
        match self.layers.sockets.get(socket)? {
            Socket::Stream(_) => streams::connect(&mut self.layers, socket, peer),
            Socket::Datagram(_) => datagrams::connect(&mut self.layers, socket, peer),
        }
    }

    fn send(
        &mut self,
        socket: SocketId,
        data: &mut dyn Source,
        peer: Option<SocketAddrV4>,
    ) -> Result<usize, NetError> {
        match self.layers.sockets.get(socket)? {
            Socket::Stream(_) => streams::send(&mut self.layers, socket, data),
            Socket::Datagram(_) => {
                self.unflushed = true;
                datagrams::send(&mut self.layers, &mut *self.device, socket, data, peer)
            }
        }
    }

    fn receive(
        &mut self,
        socket: SocketId,
        into: &mut dyn Sink,
        peek: bool,
    ) -> Result<(usize, SocketAddrV4), NetError> {
        match self.layers.sockets.get_mut(socket)? {
            Socket::Stream(_) => streams::receive(&mut self.layers, socket, into, peek),
            Socket::Datagram(datagram) => datagram.receive(into, peek),
        }
    }

    fn shutdown(&mut self, socket: SocketId, half: Half) -> Result<(), NetError> {
        match self.layers.sockets.get_mut(socket)? {
            Socket::Stream(_) => streams::shutdown(&mut self.layers, socket, half),
            Socket::Datagram(datagram) => {
                self.layers.changes.note(socket.index);
                datagram.shutdown(half)
            }
        }
    }

    fn close(&mut self, socket: SocketId) {
        match self.layers.sockets.remove(socket) {
            Some(Socket::Stream(stream)) => streams::close(&mut self.layers, socket.index, stream),
            Some(Socket::Datagram(datagram)) => {
                let local = datagram.local;
                self.layers.udp_ports.release(local, socket.index);
            }
            None => {}
        }
    }

    fn undelivered(&self) -> usize {
        self.layers.link.mail() + self.layers.tcp.undelivered()
    }

    fn readiness(&mut self, socket: SocketId) -> Readiness {
        let has_room = self.layers.link.outbox_has_room();
        match self.layers.sockets.get(socket) {
            Ok(Socket::Stream(stream)) => {
                let stream = *stream;
                streams::readiness(&mut self.layers, socket, stream)
            }
            Ok(Socket::Datagram(datagram)) => datagram.readiness(has_room),
            Err(_) => Readiness::empty(),
        }
    }

    fn take_error(&mut self, socket: SocketId) -> Option<NetError> {
        match self.layers.sockets.get_mut(socket).ok()? {
            Socket::Stream(stream) => match stream.role {
                Role::Connection(index) => self.layers.tcp.take_error(index),
                Role::Fresh | Role::Listener => None,
            },
            Socket::Datagram(datagram) => datagram.error.take(),
        }
    }

    fn local(&self, socket: SocketId) -> Result<SocketAddrV4, NetError> {
        match self.layers.sockets.get(socket)? {
            Socket::Stream(stream) => Ok(streams::local(&self.layers, *stream)),
            Socket::Datagram(datagram) => Ok(datagrams::local(&self.layers, datagram)),
        }
    }

    fn peer(&self, socket: SocketId) -> Result<SocketAddrV4, NetError> {
        match self.layers.sockets.get(socket)? {
            Socket::Stream(stream) => streams::peer(&self.layers, *stream),
            Socket::Datagram(datagram) => datagram.peer.ok_or(NetError::NotConnected),
        }
    }

    fn set_option(&mut self, socket: SocketId, option: SocketOption) -> Result<(), NetError> {
        match self.layers.sockets.get(socket)? {
            Socket::Stream(_) => streams::set_option(&mut self.layers, socket, option),
            // A datagram waits for nothing, probes nobody and leaves no connections behind.
            Socket::Datagram(_) => match option {
                SocketOption::ReuseAddress(_) => Ok(()),
                SocketOption::NoDelay(_) | SocketOption::KeepAlive(_) => Err(NetError::Unsupported),
            },
        }
    }

    fn available(&mut self, socket: SocketId) -> usize {
        match self.layers.sockets.get(socket) {
            Ok(Socket::Stream(stream)) => match stream.role {
                Role::Connection(index) => self.layers.tcp.available(index),
                Role::Fresh | Role::Listener => 0,
            },
            Ok(Socket::Datagram(datagram)) => datagram.available(),
            Err(_) => 0,
        }
    }
}

// A kernel, and so its stack, moves between threads.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Stack>();
};
