//! What programs do with connections.

use alloc::collections::VecDeque;
use core::net::{Ipv4Addr, SocketAddrV4};

use hypercall::{Instant, Sink, Source};

use super::connection::{Connection, KEEP_ALIVE, Owner};
use super::listeners::Listener;
use super::machine::{Machine, Sent};
use super::segment::{self, Tuple};
use super::{Surroundings, Tcp};
use crate::link::Link;
use crate::{Half, NetError, Readiness, memory};

/// What a connection begins with.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Options {
    /// Small segments do not wait.
    pub(crate) no_delay: bool,
    /// Idle times are probed.
    pub(crate) keep_alive: bool,
}

impl Connection {
    /// Sets its options.
    pub(super) fn apply(&mut self, options: Options) {
        self.options = options;
        if let Some(machine) = self.machine.as_mut().filter(|_| !self.has_ended) {
            machine.set_delay(!options.no_delay);
            machine.set_keep_alive(options.keep_alive.then_some(KEEP_ALIVE));
        }
    }

    /// Ends it with a RST as soon as it is polled.
    pub(super) fn abort(&mut self) {
        if let Some(machine) = self.machine.as_mut() {
            machine.abort();
        }
    }
}

impl Tcp {
    /// Whether any connection, living or remembered, uses the local port of `local`.
    pub(crate) fn uses_port(&self, local: SocketAddrV4) -> bool {
        self.demux
            .tuples()
            .any(|tuple| tuple.local.port() == local.port())
    }

    /// Whether a connection could have these ends.
    pub(crate) fn is_free(&self, tuple: Tuple) -> bool {
        self.demux.get(tuple).is_none()
    }

    /// Begins a connection for the socket in place `socket`. The ends are free.
    pub(crate) fn connect(
        &mut self,
        socket: u32,
        tuple: Tuple,
        options: Options,
    ) -> Result<u32, NetError> {
        if self.connections.len() >= self.config.max_sockets {
            return Err(NetError::OutOfMemory);
        }
        let machine = self.make_machine(Machine::connecting, tuple, false)?;
        let mut connection = Connection::new(tuple, Owner::Socket(socket), machine);
        connection.apply(options);
        let index = self.add(connection).ok_or(NetError::OutOfMemory)?;
        self.mark(index);
        Ok(index)
    }

    /// Has the socket in place `socket` wait for connections to `local`, or changes how many may
    /// wait.
    pub(crate) fn listen(
        &mut self,
        socket: u32,
        local: SocketAddrV4,
        backlog: usize,
        options: Options,
    ) -> Result<(), NetError> {
        if let Some(listener) = self.listeners.of(socket, local) {
            listener.backlog = backlog;
            return Ok(());
        }
        self.listeners.add(Listener {
            local,
            socket,
            options,
            backlog,
            opening: 0,
            ready: VecDeque::new(),
        })
    }

    /// Changes what new connections of a listener begin with.
    pub(crate) fn set_listener_options(
        &mut self,
        socket: u32,
        local: SocketAddrV4,
        options: Options,
    ) {
        if let Some(listener) = self.listeners.of(socket, local) {
            listener.options = options;
        }
    }

    /// Ends a listener, and resets the connections that nobody will accept.
    pub(crate) fn unlisten(&mut self, socket: u32, link: &mut Link, around: &mut Surroundings<'_>) {
        self.listeners.remove(socket);
        for index in 0..self.connections.places() {
            let connection = self.connections.get(index);
            if connection.is_some_and(|it| it.owner == Owner::Listener(socket)) {
                self.close(index, true, link, around);
            }
        }
    }

    /// Whether a connection waits to be accepted.
    pub(crate) fn can_accept(&mut self, socket: u32, local: SocketAddrV4) -> bool {
        self.listeners
            .of(socket, local)
            .is_some_and(|listener| !listener.ready.is_empty())
    }

    /// The oldest connection that waits to be accepted. It is the caller's to
    /// [`adopt`](Self::adopt).
    pub(crate) fn accept(&mut self, socket: u32, local: SocketAddrV4) -> Option<u32> {
        self.listeners.of(socket, local)?.ready.pop_front()
    }

    /// Gives an accepted connection to the socket in place `socket`.
    pub(crate) fn adopt(&mut self, index: u32, socket: u32) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.owner = Owner::Socket(socket);
        }
    }

    /// The ends of a connection.
    pub(crate) fn tuple(&self, index: u32) -> Option<Tuple> {
        Some(self.connections.get(index)?.tuple)
    }

    /// Whether a connection is still being made; if not, whether it ever was.
    pub(crate) fn progress(&self, index: u32) -> (bool, bool) {
        self.connections
            .get(index)
            .map_or((false, false), |connection| {
                (connection.is_opening(), connection.was_open)
            })
    }

    /// Queues bytes to be sent.
    pub(crate) fn send(
        &mut self,
        index: u32,
        data: &mut dyn Source,
        now: Instant,
    ) -> Result<usize, NetError> {
        if !self.awaken(index, true, now) {
            self.starve(index);
            return Err(NetError::WouldBlock);
        }
        let connection = self.connection(index)?;
        if let Some(error) = connection.error.take() {
            return Err(error);
        }
        if connection.is_opening() {
            return Err(NetError::WouldBlock);
        }
        if connection.has_ended || connection.send_shut {
            return Err(NetError::SendClosed);
        }
        let machine = connection.machine.as_mut().ok_or(NetError::SendClosed)?;
        if data.remaining() == 0 {
            return Ok(0);
        }
        let sent = machine.send(data);
        if sent == 0 {
            return Err(NetError::WouldBlock);
        }
        self.mark(index);
        Ok(sent)
    }

    /// Moves received bytes to the program. The bytes come before the error, the error before
    /// the end.
    pub(crate) fn receive(
        &mut self,
        index: u32,
        into: &mut dyn Sink,
        peek: bool,
    ) -> Result<usize, NetError> {
        let connection = self.connection(index)?;
        let peeks = peek || into.remaining() == 0;
        if connection.is_opening() {
            return Err(NetError::WouldBlock);
        }
        if connection.received() > 0 {
            let moved = match connection.machine.as_mut() {
                Some(machine) if peeks => machine.peek(into),
                Some(machine) => machine.receive(into),
                None => 0,
            };
            if connection.has_ended && connection.received() == 0 {
                connection.machine = None;
            }
            if !peeks {
                // The peer may have to hear that there is room again.
                self.mark(index);
            }
            return Ok(moved);
        }
        if let Some(error) = connection.error.take() {
            return Err(error);
        }
        if !connection.was_open {
            return Err(NetError::NotConnected);
        }
        if connection.receive_shut || connection.peer_finished || connection.has_ended {
            return Ok(0);
        }
        if into.remaining() == 0 {
            return Ok(0);
        }
        Err(NetError::WouldBlock)
    }

    /// Ends directions of a connection.
    pub(crate) fn shutdown(
        &mut self,
        index: u32,
        half: Half,
        around: &mut Surroundings<'_>,
    ) -> Result<(), NetError> {
        if !self.awaken(index, true, around.now) {
            return Err(NetError::OutOfMemory);
        }
        let connection = self.connection(index)?;
        if connection.is_opening() || connection.has_ended {
            return Err(NetError::NotConnected);
        }
        connection.receive_shut |= half != Half::Send;
        if half != Half::Receive && !connection.send_shut {
            connection.send_shut = true;
            if let Some(machine) = connection.machine.as_mut() {
                machine.close();
            }
        }
        if let Owner::Socket(socket) = connection.owner {
            around.changes.note(socket);
        }
        self.mark(index);
        Ok(())
    }

    /// Gives a connection up: it ends by itself, in order unless something was received and not
    /// read, there are too many like it, `reset` asks for it, or there is no memory for that.
    pub(crate) fn close(
        &mut self,
        index: u32,
        reset: bool,
        link: &mut Link,
        around: &mut Surroundings<'_>,
    ) {
        if !self.awaken(index, true, around.now) {
            return self.drop_dormant(index, link);
        }
        let crowded = self.orphans >= self.config.max_orphans;
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.has_ended || connection.is_opening() {
            return self.free(index);
        }
        if reset || crowded || connection.received() > 0 {
            connection.abort();
        } else if let Some(machine) = connection.machine.as_mut() {
            machine.close();
        }
        connection.owner = Owner::Nobody;
        connection.orphan_deadline = Some(around.now + self.config.orphan_timeout);
        self.orphans += 1;
        self.mark(index);
    }

    /// Ends a connection with a RST for which there is no machine.
    fn drop_dormant(&mut self, index: u32, link: &mut Link) {
        if let Some(connection) = self.connections.get(index)
            && let Some(Sent {
                next, acknowledged, ..
            }) = connection.dormant.map(|dormant| dormant.sent)
        {
            let flags = segment::RST | segment::ACK;
            let reset = segment::build(connection.tuple, next, acknowledged, flags);
            // A peer that does not hear it will when it speaks next.
            link.post(memory::copy(&reset));
        }
        self.free(index);
    }

    /// What a program can do with a connection.
    pub(crate) fn readiness(&self, index: u32) -> Readiness {
        self.connections
            .get(index)
            .map_or(Readiness::HANG_UP, Connection::readiness)
    }

    /// A connection's error, which is cleared.
    pub(crate) fn take_error(&mut self, index: u32) -> Option<NetError> {
        self.connections.get_mut(index)?.error.take()
    }

    /// Sets a connection's options.
    pub(crate) fn apply(&mut self, index: u32, options: Options, now: Instant) {
        self.awaken(index, true, now);
        if let Some(connection) = self.connections.get_mut(index) {
            connection.apply(options);
            self.mark(index);
        }
    }

    /// How many bytes could be read.
    pub(crate) fn available(&self, index: u32) -> usize {
        self.connections.get(index).map_or(0, Connection::received)
    }

    /// The local address of a connection.
    pub(super) fn local_of(&self, index: u32) -> SocketAddrV4 {
        self.tuple(index)
            .map_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), |tuple| {
                tuple.local
            })
    }

    fn connection(&mut self, index: u32) -> Result<&mut Connection, NetError> {
        self.connections
            .get_mut(index)
            .ok_or(NetError::NoSuchSocket)
    }
}
