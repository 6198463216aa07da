//! Idle connections without a state machine.
//!
//! A machine holds its buffers, idle or not, and there is memory for so many. When one more is
//! wanted, the connection that has been idle longest gives its machine up: nothing is under way
//! in either direction, so a few numbers say all there is to know. When it is needed again a new
//! machine is led through a handshake with those numbers, of which the peer sees nothing, and
//! its sequence numbers are shifted to where the old machine's were.
//!
//! A connection that its program has closed, and that waits for nothing but the peer's FIN, is not
//! worth so much: it is forgotten, lest peers that take their time keep others from being served.

use hypercall::Instant;

use super::connection::{Connection, Owner};
use super::machine::{Engine, Heard, Machine, Record, Sent, State};
use super::segment::{self, Tuple};
use super::{Surroundings, Tcp};
use crate::outlet::Nowhere;
use crate::{NetError, ipv4};

/// How a machine begins: with its engine, its ends, and the sizes of its buffers.
type Begin = fn(&mut Engine, Tuple, usize, usize) -> Result<Machine, NetError>;

/// So many machines there may always be.
const MIN_MACHINES: usize = 4;

/// What is left of an idle connection's machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dormant {
    pub(super) sent: Sent,
    heard: Heard,
}

impl Dormant {
    /// What to keep of `machine`, if it may be given up.
    fn of(machine: &Machine) -> Option<Self> {
        let idle = machine.state() == State::Established
            && machine.receive_queue() == 0
            && machine.send_queue() == 0;
        let (sent, heard) = (machine.last_sent()?, machine.heard);
        // A new machine takes its whole window for announced, so it must be, more or less.
        let scale = machine.window_scale();
        let full = machine.receive_capacity() >> scale;
        let announced = usize::from(sent.window) * 2 >= full.min(usize::from(u16::MAX));
        (idle && announced && heard.window > 0).then_some(Self { sent, heard })
    }

    /// Brings `machine`, which has just been made to connect, to where the old one was.
    fn restore(&self, machine: &mut Machine, engine: &mut Engine, tuple: Tuple, now: Instant) {
        engine.transmit(machine, now, &mut Nowhere);
        let Some(syn) = machine.last_sent() else {
            return;
        };
        let expected = self.sent.acknowledged;
        let from_peer = tuple.reversed();
        let mut answer = segment::build_with_offers(
            from_peer,
            (expected.wrapping_sub(1), syn.next),
            self.heard.offers,
        );
        engine.receive(machine, &mut answer, now, &mut Nowhere);
        engine.transmit(machine, now, &mut Nowhere);
        let mut window = segment::build(from_peer, expected, syn.next, segment::ACK);
        segment::set_window(&mut window[ipv4::HEADER_LENGTH..], self.heard.window);
        engine.receive(machine, &mut window, now, &mut Nowhere);
        machine.heard = self.heard;
        machine.record = Record {
            last_sent: Some(self.sent),
            offset: self.sent.next.wrapping_sub(syn.next),
            again: false,
        };
    }
}

impl Connection {
    /// Gives its machine up, if it can do without.
    fn sleep(&mut self) {
        let may = self.is_quiet && !self.has_ended && !self.send_shut;
        let machine = self.machine.as_ref().filter(|_| may);
        if let Some(dormant) = machine.and_then(Dormant::of) {
            self.dormant = Some(dormant);
            self.machine = None;
        }
    }
}

impl Tcp {
    /// Notes that a connection could give its machine up.
    pub(super) fn offer(&mut self, index: u32) {
        self.candidates.note(index);
    }

    /// A machine for `tuple` that begins as `begin` has it, for which idle ones are given up if
    /// need be. `must` it be, then it may be one more than fit, if there is memory.
    pub(super) fn make_machine(
        &mut self,
        begin: Begin,
        tuple: Tuple,
        must: bool,
    ) -> Result<Machine, NetError> {
        if !self.make_room() && !must {
            return Err(NetError::OutOfMemory);
        }
        let (receive, send) = (self.config.receive_buffer, self.config.send_buffer);
        loop {
            match begin(&mut self.engine, tuple, receive, send) {
                Err(NetError::OutOfMemory) if self.give_one_up() => {}
                made => return made,
            }
        }
    }

    /// Whether one more machine fits, for which idle ones are given up if need be.
    fn make_room(&mut self) -> bool {
        let size = self.config.receive_buffer + self.config.send_buffer;
        let limit = (self.config.buffer_memory / size.max(1)).max(MIN_MACHINES);
        while self.engine.machines() >= limit {
            if !self.give_one_up() {
                return false;
            }
        }
        true
    }

    /// Has the connection that has been idle longest give its machine up, if it is still idle; one
    /// that is spent is forgotten.
    /// `false`: there was none to look at.
    fn give_one_up(&mut self) -> bool {
        let Some(index) = self.candidates.take() else {
            return false;
        };
        if let Some(connection) = self.connections.get_mut(index)
            && !self.dirty.contains(index)
        {
            if connection.is_spent() {
                // A peer that sends its FIN after all is answered by a reset.
                self.free(index);
            } else {
                connection.sleep();
            }
        }
        true
    }

    /// Gives a connection a machine again if it has given it up. Without `must` that fails when
    /// there are as many as fit, else when there is no memory.
    pub(super) fn awaken(&mut self, index: u32, must: bool, now: Instant) -> bool {
        let dormant = match self.connections.get(index) {
            Some(connection) if !connection.has_ended => connection.dormant,
            _ => None,
        };
        let Some(dormant) = dormant else {
            return true;
        };
        let Some(tuple) = self.tuple(index) else {
            return false;
        };
        let Ok(mut machine) = self.make_machine(Machine::connecting, tuple, must) else {
            return false;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return false;
        };
        dormant.restore(&mut machine, &mut self.engine, tuple, now);
        connection.machine = Some(machine);
        connection.dormant = None;
        connection.is_quiet = false;
        connection.is_starved = false;
        connection.apply(connection.options);
        true
    }

    /// Notes that the program wants to send on a connection which there is no memory to awaken:
    /// it cannot be written to until there is.
    pub(super) fn starve(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.is_starved = true;
            self.starved.note(index);
        }
    }

    /// Awakens starved connections as far as there is memory, and tells their programs.
    pub(super) fn feed(&mut self, around: &mut Surroundings<'_>) {
        for _ in 0..self.starved.len() {
            let Some(index) = self.starved.take() else {
                return;
            };
            if !self.awaken(index, true, around.now) {
                return self.starved.note(index);
            }
            // If the program has lost interest it is idle, which is found when it is polled.
            self.mark(index);
            if let Some(connection) = self.connections.get(index)
                && let Owner::Socket(socket) = connection.owner
            {
                around.changes.note(socket);
            }
        }
    }
}
