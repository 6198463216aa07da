//! What a received segment causes.

use core::net::SocketAddrV4;

use super::connection::{Connection, Owner};
use super::demux::Target;
use super::machine::{Machine, State};
use super::segment::{self, Header, Tuple};
use super::time_wait::Verdict;
use super::{Surroundings, Tcp};
use crate::checksum::Sum;
use crate::icmp::Quote;
use crate::ipv4;
use crate::link::Link;
use crate::{NetError, memory};

impl Tcp {
    /// Takes the segment in `packet`, which came from one host to this one.
    pub(crate) fn receive_segment(
        &mut self,
        ip: &ipv4::Header,
        packet: &mut [u8],
        checksum_good: bool,
        link: &mut Link,
        around: &mut Surroundings<'_>,
    ) {
        let bytes = &packet[ip.header_length..];
        let Some(header) = Header::parse(bytes) else {
            return;
        };
        let tuple = Tuple {
            local: SocketAddrV4::new(ip.destination, header.destination_port),
            remote: SocketAddrV4::new(ip.source, header.source_port),
        };
        let good = checksum_good || {
            let pseudo = segment::pseudo_sum(tuple, bytes.len());
            pseudo.and(Sum::of(bytes)).is_good()
        };
        if !good || header.source_port == 0 || header.destination_port == 0 {
            around.counters.malformed += 1;
            return;
        }
        match self.demux.get(tuple) {
            Some(Target::Connection(index)) => self.deliver(index, packet, link, around),
            Some(Target::TimeWait(place)) => {
                match self.time_wait.judge(place, &header, around.now) {
                    Verdict::Ignore => {}
                    Verdict::Answer(answer) => link.post(memory::copy(&answer)),
                    Verdict::Renew => {
                        self.time_wait.remove(place);
                        self.demux.remove(tuple, Target::TimeWait(place));
                        self.receive_unknown(tuple, &header, packet, link, around);
                    }
                }
            }
            None => self.receive_unknown(tuple, &header, packet, link, around),
        }
    }

    /// Takes a segment that belongs to no connection: it begins one, or is refused.
    fn receive_unknown(
        &mut self,
        tuple: Tuple,
        header: &Header,
        packet: &mut [u8],
        link: &mut Link,
        around: &mut Surroundings<'_>,
    ) {
        if header.has(segment::RST) {
            return;
        }
        let opens = header.has(segment::SYN) && !header.has(segment::ACK | segment::FIN);
        if opens && self.listeners.find(tuple.local).is_some() {
            self.open(tuple, packet, link, around);
        } else {
            around.counters.resets += 1;
            let reset = segment::build_reset(tuple, header);
            link.post(memory::copy(&reset));
        }
    }

    /// Begins a connection for the listener at its local end. Without room for it the SYN is
    /// dropped, and will come again.
    fn open(
        &mut self,
        tuple: Tuple,
        packet: &mut [u8],
        link: &mut Link,
        around: &mut Surroundings<'_>,
    ) {
        match self.add_opening(tuple) {
            Some(index) => self.deliver(index, packet, link, around),
            None => around.counters.refused_connections += 1,
        }
    }

    /// A connection for the listener at its local end, if there is room and memory for it.
    fn add_opening(&mut self, tuple: Tuple) -> Option<u32> {
        if self.connections.len() >= self.config.max_sockets {
            return None;
        }
        let listener = self.listeners.find(tuple.local)?;
        if !listener.make_room() {
            return None;
        }
        let owner = Owner::Listener(listener.socket);
        let machine = self.make_machine(Machine::listening, tuple, false).ok()?;
        let index = self.add(Connection::new(tuple, owner, machine))?;
        self.listeners.find(tuple.local)?.opening += 1;
        Some(index)
    }

    /// Gives a segment to the connection it belongs to.
    fn deliver(
        &mut self,
        index: u32,
        packet: &mut [u8],
        link: &mut Link,
        around: &mut Surroundings<'_>,
    ) {
        // Without memory the segment is lost, and will come again.
        if !self.awaken(index, false, around.now) {
            around.counters.refused_segments += 1;
            return;
        }
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let (before, state, was_open) = (
            connection.outlook(),
            connection.state(),
            connection.was_open,
        );
        let Some(machine) = connection.machine.as_mut() else {
            return;
        };
        self.engine
            .receive(machine, packet, around.now, &mut link.outbox());
        connection.observe();
        connection.watch(around.now, true);
        match connection.state() {
            // A peer that resets its handshake takes the machine back to LISTEN.
            State::Listen => return self.end(index, None, around),
            State::Closed if state != State::Closed => {
                return self.end(index, closing_error(state), around);
            }
            _ => {}
        }
        if connection.owner == Owner::Nobody && connection.received() > 0 {
            // Nobody will ever read it (RFC 1122, 4.2.2.13).
            connection.abort();
        }
        if let Owner::Socket(socket) = connection.owner
            && connection.outlook().is_news(before)
        {
            around.changes.note(socket);
        }
        if !was_open && connection.was_open {
            self.complete(index, around);
        }
        self.mark(index);
    }

    /// Puts a connection whose handshake is complete into its listener's queue.
    fn complete(&mut self, index: u32, around: &mut Surroundings<'_>) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let Owner::Listener(socket) = connection.owner else {
            return;
        };
        if let Some(listener) = self.listeners.find(connection.tuple.local) {
            listener.opening -= 1;
            listener.ready.push_back(index);
            connection.apply(listener.options);
            around.changes.note(socket);
        }
    }

    /// Takes the news that a packet of ours did not arrive. A connection that is being made is
    /// given up if it is about its SYN; one that is open lives on, for the way may come back
    /// (RFC 1122, 4.2.3.9; RFC 5461).
    pub(crate) fn unreachable(
        &mut self,
        quote: &Quote,
        error: NetError,
        around: &mut Surroundings<'_>,
    ) {
        let tuple = Tuple {
            local: quote.local,
            remote: quote.remote,
        };
        let Some(Target::Connection(index)) = self.demux.get(tuple) else {
            return;
        };
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        // Somebody who only guesses the ports does not know the number (RFC 5927, 4.1).
        let ours = connection.machine.as_ref().and_then(Machine::last_sent);
        let about_syn = ours.is_some_and(|sent| sent.next == quote.sequence.wrapping_add(1));
        if connection.state() == State::SynSent && about_syn {
            self.end(index, Some(error), around);
        }
    }
}

/// What a RST means to a connection in `state`; the acknowledgement of our FIN ends one as well.
const fn closing_error(state: State) -> Option<NetError> {
    match state {
        State::SynSent => Some(NetError::Refused),
        State::LastAck | State::TimeWait | State::Closing => None,
        _ => Some(NetError::Reset),
    }
}
