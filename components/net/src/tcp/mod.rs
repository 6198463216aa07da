//! TCP: the connections, found by their tuples, polled when they have something to do.
//!
//! - [`machine`]: the state machine of one connection (smoltcp).
//! - [`connection`]: what surrounds it: its owner, deadlines and end.
//! - [`dormant`]: idle connections whose memory was needed.
//! - [`demux`]: from a segment's ends to its connection.
//! - [`input`]: what a received segment causes.
//! - [`output`]: what is sent, and how connections end.
//! - [`sockets`]: what programs do with connections.
//! - [`listeners`]: connections that wait to be accepted.
//! - [`segment`] and [`offers`]: headers and options.
//! - [`time_wait`]: connections that have ended.

mod connection;
mod demux;
mod dormant;
mod input;
mod listeners;
mod machine;
mod offers;
mod output;
pub(crate) mod segment;
mod sockets;
mod time_wait;

use hypercall::Instant;

use self::connection::{Connection, Owner};
use self::demux::{Demux, Target};
use self::listeners::Listeners;
use self::machine::Engine;
pub(crate) use self::sockets::Options;
use self::time_wait::TimeWait;
use crate::changes::Changes;
use crate::link::Link;
use crate::random::Random;
use crate::slab::Slab;
use crate::timers::Timers;
use crate::{Config, Counters, NetError};

/// All connections of a stack.
pub(crate) struct Tcp {
    config: Config,
    engine: Engine,
    connections: Slab<Connection>,
    demux: Demux,
    listeners: Listeners,
    time_wait: TimeWait,
    timers: Timers,
    /// Connections that may have something to send.
    dirty: Changes,
    orphans: usize,
    /// Connections that were idle when they were last polled, longest first.
    candidates: Changes,
    /// Connections whose programs wait for memory to send from, longest first.
    starved: Changes,
}

/// What lies around the connections and is moved by them.
pub(crate) struct Surroundings<'a> {
    /// The time.
    pub(crate) now: Instant,
    /// Sockets whose readiness changes.
    pub(crate) changes: &'a mut Changes,
    /// What has been done.
    pub(crate) counters: &'a mut Counters,
}

impl Tcp {
    /// No connections.
    pub(crate) fn new(config: &Config, link: &Link, random: &mut Random, now: Instant) -> Self {
        let sizes = (link.mtu(), link.largest_packet());
        Self {
            config: config.clone(),
            engine: Engine::new(sizes, random.next(), now),
            connections: Slab::new(),
            demux: Demux::new(random),
            listeners: Listeners::new(),
            time_wait: TimeWait::new(config.max_time_wait, config.time_wait),
            timers: Timers::new(),
            dirty: Changes::new(),
            orphans: 0,
            candidates: Changes::new(),
            starved: Changes::new(),
        }
    }

    /// Adds what there is now to `counters`.
    pub(crate) fn count(&self, counters: &mut Counters) {
        counters.connections = self.connections.len();
        counters.buffered_connections = self.engine.machines();
        counters.time_wait = self.time_wait.len();
    }

    /// Whether a connection may have something to send.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.len() > 0
    }

    /// Whether [`transmit`](Self::transmit) may have something to do.
    pub(crate) fn has_work(&self) -> bool {
        self.is_dirty() || self.starved.len() > 0
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.timers.next(), self.time_wait.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Has connections polled whose time has come, and forgets those that ended long ago.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(index) = self.timers.expire(now) {
            self.mark(index);
        }
        while let Some((tuple, place)) = self.time_wait.forget(now, false) {
            self.demux.remove(tuple, Target::TimeWait(place));
        }
    }

    /// Has the connections polled that waited for a neighbour.
    pub(crate) fn wake(&mut self, connections: &[u32]) {
        for index in connections {
            self.mark(*index);
        }
    }

    /// Ends the connections that were being made through a neighbour that does not answer, and
    /// has the others try again.
    pub(crate) fn fail(&mut self, connections: &[u32], around: &mut Surroundings<'_>) {
        for index in connections {
            let opening = self
                .connections
                .get(*index)
                .is_some_and(Connection::is_opening);
            if opening {
                self.end(*index, Some(NetError::HostUnreachable), around);
            }
            self.mark(*index);
        }
    }

    /// Has the connection polled.
    fn mark(&mut self, index: u32) {
        if self.connections.get(index).is_some() {
            self.dirty.note(index);
        }
    }

    /// Adds a connection and returns its place, if there is memory for all that it will need
    /// beside its machine.
    fn add(&mut self, connection: Connection) -> Option<u32> {
        // One place more than there are, in case that it is the one.
        let places = self.connections.places() + 1;
        let room = self.dirty.reserve(places)
            && self.candidates.reserve(places)
            && self.starved.reserve(places)
            && self.timers.reserve(places)
            && self.demux.reserve();
        if !room {
            return None;
        }
        let tuple = connection.tuple;
        let index = self.connections.insert(connection)?;
        self.demux.insert(tuple, Target::Connection(index));
        Some(index)
    }

    /// Ends a connection here and now: no segment of it comes or goes any more. It stays as long
    /// as a socket owns it, so that bytes and error can be had.
    fn end(&mut self, index: u32, error: Option<NetError>, around: &mut Surroundings<'_>) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if !connection.has_ended {
            connection.observe();
            connection.has_ended = true;
            connection.error = error.or(connection.error);
            let tuple = connection.tuple;
            self.demux.remove(tuple, Target::Connection(index));
            self.timers.set(index, None);
        }
        let (owner, was_open) = (connection.owner, connection.was_open);
        connection.dormant = None;
        if connection.received() == 0 {
            connection.machine = None;
        }
        match owner {
            Owner::Socket(socket) => around.changes.note(socket),
            // The program will accept it and then learn how it ended.
            Owner::Listener(_) if was_open => {}
            Owner::Listener(_) => {
                self.listeners.abandon(self.local_of(index));
                self.free(index);
            }
            Owner::Nobody => self.free(index),
        }
    }

    /// Forgets a connection that nobody owns any more.
    fn free(&mut self, index: u32) {
        self.timers.set(index, None);
        if let Some(connection) = self.connections.remove(index) {
            self.demux
                .remove(connection.tuple, Target::Connection(index));
            if connection.owner == Owner::Nobody {
                self.orphans -= 1;
            }
        }
    }
}
