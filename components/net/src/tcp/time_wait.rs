//! Ended connections whose late segments must not be taken for something else
//! (RFC 9293, 3.3.2 and 3.10.7.4; RFC 1337).

use alloc::collections::VecDeque;
use core::time::Duration;

use hypercall::Instant;

use super::machine::Sent;
use super::segment::{self, Header, Tuple};
use crate::slab::Slab;

/// The time of a connection starts again at most this often, so that retransmissions cannot fill
/// the memory.
const RENEWAL: Duration = Duration::from_secs(1);

/// An ended connection.
#[derive(Debug)]
struct Ended {
    tuple: Tuple,
    sent: Sent,
    until: Instant,
    /// Tells this one from others that had its place.
    number: u64,
}

/// The ended connections: a few dozen bytes each.
#[derive(Debug)]
pub(super) struct TimeWait {
    ended: Slab<Ended>,
    /// Places with their numbers, in the order in which they may be forgotten. Of those that are
    /// gone or were given more time the number no longer fits.
    order: VecDeque<(u32, u64)>,
    next_number: u64,
    limit: usize,
    lifetime: Duration,
}

/// What a segment for an ended connection calls for.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Ignore,
    /// This packet, in answer.
    Answer(segment::Bare),
    /// It begins a new connection: the old one is over.
    Renew,
}

impl TimeWait {
    /// A table of at most `limit` connections, each for `lifetime`.
    pub(super) const fn new(limit: usize, lifetime: Duration) -> Self {
        Self {
            ended: Slab::new(),
            order: VecDeque::new(),
            next_number: 0,
            limit,
            lifetime,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ended.len()
    }

    /// Whether another one makes the oldest go first.
    pub(super) fn is_full(&self) -> bool {
        self.ended.len() >= self.limit
    }

    /// Remembers a connection that ended by sending `sent`, and returns its place, if there is
    /// memory for it.
    pub(super) fn insert(&mut self, tuple: Tuple, sent: Sent, now: Instant) -> Option<u32> {
        self.order.try_reserve(1).ok()?;
        let number = self.number();
        let place = self.ended.insert(Ended {
            tuple,
            sent,
            until: now + self.lifetime,
            number,
        })?;
        self.order.push_back((place, number));
        Some(place)
    }

    /// Forgets the connection at `place`.
    pub(super) fn remove(&mut self, place: u32) {
        self.ended.remove(place);
    }

    /// Says what to do about a segment for the connection at `place`.
    ///
    /// A RST is ignored (RFC 1337, hazard 3). A SYN beyond everything the peer sent before
    /// begins anew (RFC 9293, 3.10.7.4; RFC 6191 without timestamps). Whatever else takes up
    /// sequence numbers is an old segment, or the FIN again because our answer was lost.
    pub(super) fn judge(&mut self, place: u32, header: &Header, now: Instant) -> Verdict {
        let Some(ended) = self.ended.get_mut(place) else {
            return Verdict::Ignore;
        };
        if header.has(segment::RST) {
            return Verdict::Ignore;
        }
        let Sent {
            next, acknowledged, ..
        } = ended.sent;
        let opens = header.has(segment::SYN) && !header.has(segment::ACK);
        if opens && segment::is_before(acknowledged, header.sequence) {
            return Verdict::Renew;
        }
        if header.sequence_length() == 0 {
            return Verdict::Ignore;
        }
        let tuple = ended.tuple;
        if header.has(segment::FIN) && ended.until + RENEWAL <= now + self.lifetime {
            self.restart(place, now);
        }
        Verdict::Answer(segment::build(tuple, next, acknowledged, segment::ACK))
    }

    /// Gives the connection at `place` its full time again, if there is memory to note that.
    fn restart(&mut self, place: u32, now: Instant) {
        if self.order.try_reserve(1).is_err() {
            return;
        }
        let number = self.number();
        if let Some(ended) = self.ended.get_mut(place) {
            ended.until = now + self.lifetime;
            ended.number = number;
            self.order.push_back((place, number));
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Forgets the oldest connection, if its time has come or the table is `full`, and returns
    /// what and where it was.
    pub(super) fn forget(&mut self, now: Instant, full: bool) -> Option<(Tuple, u32)> {
        while let Some((place, number)) = self.order.front().copied() {
            let Some(ended) = self.ended.get(place).filter(|it| it.number == number) else {
                self.order.pop_front();
                continue;
            };
            if ended.until > now && !full {
                return None;
            }
            let tuple = ended.tuple;
            self.order.pop_front();
            self.ended.remove(place);
            return Some((tuple, place));
        }
        None
    }

    /// When [`forget`](Self::forget) has something to do, at the latest.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let (place, number) = *self.order.front()?;
        let ended = self.ended.get(place).filter(|it| it.number == number);
        // One that is gone is cleared away at once.
        Some(ended.map_or(Instant::ZERO, |ended| ended.until))
    }
}
