//! From the two ends of a segment to what it belongs to, at a cost that does not grow.

use alloc::vec::Vec;

use super::segment::Tuple;
use crate::random::Random;

/// What a tuple belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// The connection in this place.
    Connection(u32),
    /// The ended connection in this place of the TIME-WAIT table.
    TimeWait(u32),
}

/// A hash table with open addressing.
///
/// The hash multiplies the tuple with three secret keys and folds the 128-bit products (as wyhash
/// does). Who does not know the keys, and sees neither the table's order nor single look-ups'
/// times, cannot choose tuples that collide more often than chance; the number of entries is
/// bounded by the limits on sockets besides.
#[derive(Debug)]
pub(super) struct Demux {
    keys: [u64; 3],
    /// A power of two, at most three quarters full; or none at all.
    slots: Vec<Option<(Tuple, Target)>>,
    length: usize,
}

impl Demux {
    /// An empty table with keys from `random`.
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            keys: [random.next(), random.next(), random.next()],
            slots: Vec::new(),
            length: 0,
        }
    }

    /// What `tuple` belongs to.
    pub(super) fn get(&self, tuple: Tuple) -> Option<Target> {
        if self.slots.is_empty() {
            return None;
        }
        let (_, target) = self.slots[self.find(tuple)]?;
        Some(target)
    }

    /// Makes room for one more tuple. Returns whether there is memory for it.
    pub(super) fn reserve(&mut self) -> bool {
        (self.length + 1) * 4 <= self.slots.len() * 3 || self.grow().is_some()
    }

    /// Makes `tuple`, for which there is room, belong to `target`, whatever it belonged to before.
    pub(super) fn insert(&mut self, tuple: Tuple, target: Target) {
        let slot = self.find(tuple);
        if self.slots[slot].is_none() {
            self.length += 1;
        }
        self.slots[slot] = Some((tuple, target));
    }

    /// Forgets `tuple`, but only if it belongs to `target`.
    pub(super) fn remove(&mut self, tuple: Tuple, target: Target) {
        if self.get(tuple) != Some(target) {
            return;
        }
        let mask = self.slots.len() - 1;
        let mut hole = self.find(tuple);
        self.slots[hole] = None;
        self.length -= 1;
        // What was pushed beyond the hole moves back into it (Knuth 6.4, algorithm R).
        let mut next = (hole + 1) & mask;
        while let Some((moved, _)) = self.slots[next] {
            let home = self.hash(moved) as usize & mask;
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.slots[hole] = self.slots[next].take();
                hole = next;
            }
            next = (next + 1) & mask;
        }
    }

    /// All tuples.
    pub(super) fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.slots.iter().flatten().map(|(tuple, _)| *tuple)
    }

    /// Where `tuple` stands, or the free slot where it would. There are slots, and not all are
    /// taken.
    fn find(&self, tuple: Tuple) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.hash(tuple) as usize & mask;
        while self.slots[slot].is_some_and(|(other, _)| other != tuple) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) -> Option<()> {
        let length = (self.slots.len() * 2).max(16);
        let mut slots = Vec::new();
        slots.try_reserve_exact(length).ok()?;
        slots.resize(length, None);
        let old = core::mem::replace(&mut self.slots, slots);
        for (tuple, target) in old.into_iter().flatten() {
            let slot = self.find(tuple);
            self.slots[slot] = Some((tuple, target));
        }
        Some(())
    }

    fn hash(&self, tuple: Tuple) -> u64 {
        let Tuple { local, remote } = tuple;
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        let addresses = pair(local.ip().to_bits(), remote.ip().to_bits());
        let ports = pair(local.port().into(), remote.port().into());
        let [first, second, third] = self.keys;
        fold(fold(addresses ^ first, ports ^ second) ^ third, second | 1)
    }
}

/// The halves of the product together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddrV4};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn tuple(number: u16) -> Tuple {
        Tuple {
            local: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80),
            remote: SocketAddrV4::new(Ipv4Addr::LOCALHOST, number),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list(operations in vec((any::<bool>(), 0_u16..40), 0..400)) {
            let mut demux = Demux::new(&mut Random::new(1));
            let mut model = std::collections::BTreeMap::new();
            for (insert, number) in operations {
                let target = Target::Connection(number.into());
                if insert {
                    prop_assert!(demux.reserve());
                    demux.insert(tuple(number), target);
                    model.insert(number, target);
                } else {
                    demux.remove(tuple(number), target);
                    model.remove(&number);
                }
                for number in 0..40 {
                    prop_assert_eq!(demux.get(tuple(number)), model.get(&number).copied());
                }
                prop_assert_eq!(demux.tuples().count(), model.len());
            }
        }
    }

    #[test]
    fn a_removal_must_name_the_owner() {
        let mut demux = Demux::new(&mut Random::new(1));
        assert!(demux.reserve());
        demux.insert(tuple(1), Target::TimeWait(3));
        demux.remove(tuple(1), Target::Connection(3));
        assert_eq!(demux.get(tuple(1)), Some(Target::TimeWait(3)));
    }

    #[test]
    fn chains_stay_short() {
        let mut demux = Demux::new(&mut Random::new(7));
        for number in 0..10_000 {
            assert!(demux.reserve());
            demux.insert(tuple(number), Target::Connection(0));
        }
        let mask = demux.slots.len() - 1;
        let distances = demux.slots.iter().enumerate().filter_map(|(slot, entry)| {
            let home = demux.hash(entry.as_ref()?.0) as usize & mask;
            Some(slot.wrapping_sub(home) & mask)
        });
        let total: usize = distances.sum();
        assert!(total < 2 * 10_000, "{total} steps for 10,000 look-ups");
    }
}
