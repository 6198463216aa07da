//! The stations on our link: who they are, who is being asked for, who does not answer
//! (RFC 826; RFC 1122, 2.3.2).
//!
//! Each neighbour has timers and a queue of its own, so one that is dead delays nobody else.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use hypercall::{Instant, MacAddress};

/// Neighbours known or asked for at once.
const MAX_NEIGHBORS: usize = 256;
/// Packets that wait for one neighbour (RFC 1122, 2.3.2.2: at least one).
const MAX_PACKETS: usize = 8;
/// Requests before a neighbour is given up.
const MAX_REQUESTS: u32 = 3;
/// The time from the first request to the second; each later time is twice the one before.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// For how long an answer is believed without asking again.
const BELIEVED: Duration = Duration::from_secs(60);

/// What waits for a neighbour's address.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// IP packets, oldest first.
    pub(crate) packets: Vec<Vec<u8>>,
    /// Connections that have something to send.
    pub(crate) connections: Vec<u32>,
}

/// Somebody being asked for.
#[derive(Debug)]
struct Inquiry {
    requests: u32,
    next: Instant,
}

#[derive(Debug)]
struct Neighbor {
    address: Ipv4Addr,
    mac: Option<MacAddress>,
    believed_until: Instant,
    inquiry: Option<Inquiry>,
    waiting: Waiting,
}

/// The table of neighbours.
#[derive(Debug, Default)]
pub(crate) struct Neighbors {
    /// Sorted by address.
    table: Vec<Neighbor>,
    /// When the next inquiry has something to do, so that a table at rest is not looked through.
    next: Option<Instant>,
}

impl Neighbors {
    /// An empty table.
    pub(crate) const fn new() -> Self {
        Self {
            table: Vec::new(),
            next: None,
        }
    }

    /// Where `address` is, if that is known; else it will be asked for. An address that has been
    /// believed for long is asked for again while it is still used.
    pub(crate) fn resolve(&mut self, address: Ipv4Addr, now: Instant) -> Option<MacAddress> {
        let place = match self.find(address) {
            Ok(place) => place,
            Err(_) => self.add(address, now)?,
        };
        let neighbor = &mut self.table[place];
        let fresh = neighbor.mac.is_some() && now < neighbor.believed_until;
        if !fresh && neighbor.inquiry.is_none() {
            neighbor.inquiry = Some(Inquiry {
                requests: 0,
                next: now,
            });
            self.next = Some(now);
        }
        self.table[place].mac
    }

    /// Keeps `packet` until `address`, which is being asked for, is known. Of too many the
    /// oldest is dropped.
    pub(crate) fn hold_packet(&mut self, address: Ipv4Addr, packet: Vec<u8>) {
        if let Ok(place) = self.find(address) {
            let packets = &mut self.table[place].waiting.packets;
            if packets.len() == MAX_PACKETS {
                packets.remove(0);
            }
            if packets.try_reserve(1).is_ok() {
                packets.push(packet);
            }
        }
    }

    /// How many packets wait for a neighbour.
    pub(crate) fn held_packets(&self) -> usize {
        let packets = |neighbor: &Neighbor| neighbor.waiting.packets.len();
        self.table.iter().map(packets).sum()
    }

    /// Has [`learn`](Self::learn) or [`give_up`](Self::give_up) name `connection` when `address`,
    /// which is being asked for, is decided. Returns whether there is memory for that.
    pub(crate) fn hold_connection(&mut self, address: Ipv4Addr, connection: u32) -> bool {
        let Ok(place) = self.find(address) else {
            return false;
        };
        let connections = &mut self.table[place].waiting.connections;
        if connections.contains(&connection) {
            return true;
        }
        let room = connections.try_reserve(1).is_ok();
        if room {
            connections.push(connection);
        }
        room
    }

    /// Takes note that `mac` says it is `address`, in answer to us or because it asked for us
    /// (`asks_us`). Returns what waited for that.
    ///
    /// Whoever is known already is not replaced on somebody's word: the address is asked for
    /// anew, and only an answer to that counts. Nobody is added who does not want to talk to us.
    pub(crate) fn learn(
        &mut self,
        address: Ipv4Addr,
        mac: MacAddress,
        asks_us: bool,
        now: Instant,
    ) -> Waiting {
        let place = match self.find(address) {
            Ok(place) => place,
            Err(_) if asks_us && self.table.len() < MAX_NEIGHBORS => {
                let Some(place) = self.add(address, now) else {
                    return Waiting::default();
                };
                place
            }
            Err(_) => return Waiting::default(),
        };
        let neighbor = &mut self.table[place];
        let known = neighbor.mac.is_some();
        if known && neighbor.mac != Some(mac) && neighbor.inquiry.is_none() {
            neighbor.believed_until = now;
            return Waiting::default();
        }
        neighbor.mac = Some(mac);
        neighbor.believed_until = now + BELIEVED;
        neighbor.inquiry = None;
        let waiting = core::mem::take(&mut neighbor.waiting);
        self.look_ahead();
        waiting
    }

    /// An address to ask for now. The request counts as sent.
    pub(crate) fn next_request(&mut self, now: Instant) -> Option<Ipv4Addr> {
        let neighbor = self.table.iter_mut().find(|neighbor| {
            let due = |inquiry: &Inquiry| inquiry.next <= now && inquiry.requests < MAX_REQUESTS;
            neighbor.inquiry.as_ref().is_some_and(due)
        })?;
        let inquiry = neighbor.inquiry.as_mut()?;
        inquiry.next = now + FIRST_RETRY * 2_u32.pow(inquiry.requests);
        inquiry.requests += 1;
        let address = neighbor.address;
        self.look_ahead();
        Some(address)
    }

    /// A neighbour that has not answered and is forgotten now, with what waited for it.
    pub(crate) fn give_up(&mut self, now: Instant) -> Option<Waiting> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        let silent = |neighbor: &Neighbor| {
            neighbor
                .inquiry
                .as_ref()
                .is_some_and(|inquiry| inquiry.next <= now && inquiry.requests == MAX_REQUESTS)
        };
        let place = self.table.iter().position(silent)?;
        let waiting = self.table.remove(place).waiting;
        self.look_ahead();
        Some(waiting)
    }

    /// When [`next_request`](Self::next_request) or [`give_up`](Self::give_up) has something.
    pub(crate) const fn next_deadline(&self) -> Option<Instant> {
        self.next
    }

    fn look_ahead(&mut self) {
        let inquiries = self
            .table
            .iter()
            .filter_map(|neighbor| neighbor.inquiry.as_ref());
        self.next = inquiries.map(|inquiry| inquiry.next).min();
    }

    fn find(&self, address: Ipv4Addr) -> Result<usize, usize> {
        self.table
            .binary_search_by_key(&address, |neighbor| neighbor.address)
    }

    /// Adds `address`, in the place of the least useful neighbour if the table is full; `None`
    /// without memory.
    fn add(&mut self, address: Ipv4Addr, now: Instant) -> Option<usize> {
        self.table.try_reserve(1).ok()?;
        if self.table.len() == MAX_NEIGHBORS {
            let least = (0..self.table.len()).min_by_key(|place| {
                let neighbor = &self.table[*place];
                let waited_for = neighbor.mac.is_none();
                (waited_for, neighbor.believed_until)
            });
            if let Some(place) = least {
                self.table.remove(place);
            }
        }
        let place = self.find(address).unwrap_or_else(|place| place);
        let neighbor = Neighbor {
            address,
            mac: None,
            believed_until: now,
            inquiry: None,
            waiting: Waiting::default(),
        };
        self.table.insert(place, neighbor);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const MAC: MacAddress = [2, 0, 0, 0, 0, 2];
    const OTHER: MacAddress = [2, 0, 0, 0, 0, 9];

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn requests_back_off_and_end() {
        let mut neighbors = Neighbors::new();
        assert_eq!(neighbors.resolve(THEM, at(0)), None);
        assert!(neighbors.hold_connection(THEM, 5));
        let mut asked = Vec::new();
        while let Some(deadline) = neighbors.next_deadline() {
            if neighbors.next_request(deadline).is_some() {
                asked.push(deadline);
            } else {
                let waiting = neighbors.give_up(deadline).unwrap();
                assert_eq!(waiting.connections, [5]);
                asked.push(deadline);
            }
        }
        assert_eq!(asked, [at(0), at(500), at(1500), at(3500)]);
    }

    #[test]
    fn an_answer_frees_what_waits() {
        let mut neighbors = Neighbors::new();
        neighbors.resolve(THEM, at(0));
        for number in 0..=MAX_PACKETS {
            neighbors.hold_packet(THEM, alloc::vec![number as u8]);
        }
        let waiting = neighbors.learn(THEM, MAC, false, at(1));
        assert_eq!(waiting.packets.len(), MAX_PACKETS);
        assert_eq!(waiting.packets[0], [1], "the oldest was dropped");
        assert_eq!(neighbors.resolve(THEM, at(2)), Some(MAC));
        assert_eq!(neighbors.next_deadline(), None);
    }

    #[test]
    fn a_known_neighbour_is_asked_again_and_used_meanwhile() {
        let mut neighbors = Neighbors::new();
        neighbors.resolve(THEM, at(0));
        neighbors.learn(THEM, MAC, false, at(0));
        assert_eq!(neighbors.resolve(THEM, at(60_000)), Some(MAC));
        assert_eq!(neighbors.next_request(at(60_000)), Some(THEM));
        neighbors.learn(THEM, OTHER, false, at(60_001));
        assert_eq!(neighbors.resolve(THEM, at(60_002)), Some(OTHER));
    }

    #[test]
    fn an_unsolicited_claim_changes_nothing_but_causes_a_question() {
        let mut neighbors = Neighbors::new();
        neighbors.learn(THEM, MAC, false, at(0));
        assert_eq!(neighbors.table.len(), 0, "it was not asked for");
        neighbors.learn(THEM, MAC, true, at(0));
        neighbors.learn(THEM, OTHER, false, at(1));
        assert_eq!(neighbors.resolve(THEM, at(2)), Some(MAC));
        assert_eq!(neighbors.next_request(at(2)), Some(THEM));
    }

    #[test]
    fn the_table_is_bounded_and_prefers_those_that_are_waited_for() {
        let mut neighbors = Neighbors::new();
        let address = |number: u32| Ipv4Addr::from_bits(0x0A00_0000 + number);
        for number in 0..MAX_NEIGHBORS as u32 {
            neighbors.learn(address(number), MAC, true, at(number.into()));
        }
        neighbors.learn(address(9999), MAC, true, at(9999));
        assert!(
            neighbors.find(address(9999)).is_err(),
            "no room for strangers"
        );
        neighbors.resolve(address(5000), at(5000));
        assert_eq!(neighbors.table.len(), MAX_NEIGHBORS);
        assert!(neighbors.find(address(0)).is_err(), "the oldest made room");
        neighbors.resolve(address(5001), at(5001));
        assert!(neighbors.find(address(5000)).is_ok());
    }
}
