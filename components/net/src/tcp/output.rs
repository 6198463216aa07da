//! What connections send, and when they are called again.

use core::time::Duration;

use hypercall::{FrameDevice, Instant};

use super::connection::Owner;
use super::demux::Target;
use super::machine::State;
use super::{Surroundings, Tcp};
use crate::NetError;
use crate::link::{Link, Path};
use crate::outlet::Outlet;

/// When a connection is tried again that wants to send and does not, though there is room.
const RETRY: Duration = Duration::from_millis(10);
/// A connection in TIME-WAIT that has nothing sooner to do has acknowledged everything.
const QUIET: Duration = Duration::from_secs(1);

/// What became of the connections that had something to send.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Progress {
    /// At least one was polled.
    pub(crate) polled: bool,
    /// The device has no room for what is left.
    pub(crate) no_room: bool,
}

/// What became of one of them.
enum Outcome {
    /// It has sent what was due.
    Done,
    /// The device has no room.
    NoRoom,
    /// This host must receive first what it has sent to itself.
    Later,
}

impl Tcp {
    /// Has each connection that is dirty send what is due.
    pub(crate) fn transmit(
        &mut self,
        link: &mut Link,
        device: &mut dyn FrameDevice,
        around: &mut Surroundings<'_>,
    ) -> Progress {
        let mut progress = Progress::default();
        for _ in 0..self.dirty.len() {
            let Some(index) = self.dirty.take() else {
                break;
            };
            if self.connections.get(index).is_none() {
                continue;
            }
            progress.polled = true;
            match self.transmit_one(index, link, device, around) {
                Outcome::Done => {}
                Outcome::Later => self.mark(index),
                Outcome::NoRoom => {
                    self.mark(index);
                    progress.no_room = true;
                    break;
                }
            }
        }
        self.feed(around);
        progress
    }

    fn transmit_one(
        &mut self,
        index: u32,
        link: &mut Link,
        device: &mut dyn FrameDevice,
        around: &mut Surroundings<'_>,
    ) -> Outcome {
        self.give_up_in_time(index, around);
        let Some(connection) = self.connections.get_mut(index) else {
            return Outcome::Done;
        };
        if connection.has_ended {
            return Outcome::Done;
        }
        match link.path(*connection.peer().ip(), around.now) {
            Path::Station(mac) => {
                let mut station = link.station(device, mac);
                self.poll(index, &mut station, Outcome::NoRoom, around)
            }
            Path::Loopback => self.poll(index, &mut link.loopback(), Outcome::Later, around),
            // A RST for a neighbour that is gone is not worth waiting.
            Path::Unresolved(_) if connection.state() == State::Closed => {
                self.end(index, None, around);
                Outcome::Done
            }
            Path::Unresolved(next) => {
                let held = link.neighbors.hold_connection(next, index);
                connection.watch(around.now, false);
                // Without memory to be woken it looks again by itself.
                let retry = (!held).then_some(around.now + RETRY);
                let next = [retry, connection.deadline()].into_iter().flatten().min();
                self.timers.set(index, next);
                Outcome::Done
            }
            Path::None => {
                self.end(index, Some(NetError::NetworkUnreachable), around);
                Outcome::Done
            }
        }
    }

    /// Has the connection send into `outlet`; `full` is the outcome if that has too little room.
    fn poll(
        &mut self,
        index: u32,
        outlet: &mut dyn Outlet,
        full: Outcome,
        around: &mut Surroundings<'_>,
    ) -> Outcome {
        let Some(connection) = self.connections.get_mut(index) else {
            return Outcome::Done;
        };
        let Some(machine) = connection.machine.as_mut() else {
            return Outcome::Done;
        };
        // smoltcp takes a fast retransmission for done though there was no room for it.
        if !outlet.has_room() {
            self.timers.set(index, connection.deadline());
            return full;
        }
        around.counters.polls += 1;
        self.engine.probe(machine, connection.tuple, around.now);
        let mut due = self.engine.transmit(machine, around.now, outlet);
        if due.is_none() && machine.send_queue() > 0 && !machine.is_finished() {
            self.engine.remind(machine, connection.tuple, around.now);
            due = self.engine.transmit(machine, around.now, outlet);
        }
        let is_due = due.is_some_and(|due| due <= around.now);
        if machine.is_finished() {
            self.end(index, None, around);
            return Outcome::Done;
        }
        connection.watch(around.now, false);
        connection.is_quiet = due.is_none();
        let deadline = connection.deadline();
        if is_due && !outlet.has_room() {
            self.timers.set(index, deadline);
            return full;
        }
        let quiet = due.is_none_or(|due| due > around.now + QUIET);
        if connection.state() == State::TimeWait && quiet {
            self.remember(index, around);
            return Outcome::Done;
        }
        let due = due.map(|due| if is_due { around.now + RETRY } else { due });
        let next = [due, deadline].into_iter().flatten().min();
        let is_idle = next.is_none() || connection.is_spent();
        self.timers.set(index, next);
        if is_idle {
            self.offer(index);
        }
        Outcome::Done
    }

    /// How many bytes and ends of streams the peers of closed sockets have not acknowledged; a RST
    /// that has not been sent counts like an end.
    pub(crate) fn undelivered(&self) -> usize {
        let places = 0..self.connections.places();
        let connections = places.filter_map(|index| self.connections.get(index));
        let left_alone = connections.filter(|connection| connection.owner == Owner::Nobody);
        left_alone
            .filter_map(|connection| connection.machine.as_ref())
            .map(|machine| match machine.state() {
                State::FinWait2 | State::TimeWait => 0,
                // The end takes a place in the queue of its own.
                _ => machine.send_queue() + 1,
            })
            .sum()
    }

    /// Gives a connection up whose deadline has come.
    fn give_up_in_time(&mut self, index: u32, around: &mut Surroundings<'_>) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let due = connection
            .deadline()
            .is_some_and(|deadline| deadline <= around.now);
        if connection.has_ended || !due {
            return;
        }
        match connection.state() {
            State::SynSent | State::SynReceived | State::Listen => {
                self.end(index, Some(NetError::TimedOut), around);
            }
            _ => {
                connection.error = Some(NetError::TimedOut);
                connection.orphan_deadline = None;
                connection.abort();
            }
        }
    }

    /// Moves an ended connection to the TIME-WAIT table.
    fn remember(&mut self, index: u32, around: &mut Surroundings<'_>) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let tuple = connection.tuple;
        let sent = connection
            .machine
            .as_ref()
            .and_then(super::machine::Machine::last_sent);
        self.end(index, None, around);
        let Some(sent) = sent else {
            return;
        };
        if self.time_wait.is_full()
            && let Some((oldest, place)) = self.time_wait.forget(Instant::ZERO, true)
        {
            self.demux.remove(oldest, Target::TimeWait(place));
        }
        // Without memory it is forgotten at once, as the oldest of too many is.
        if self.demux.reserve()
            && let Some(place) = self.time_wait.insert(tuple, sent, around.now)
        {
            self.demux.insert(tuple, Target::TimeWait(place));
        }
    }
}
