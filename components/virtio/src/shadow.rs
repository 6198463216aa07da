//! The driver's private memory of what it has posted to a queue.
//!
//! The device can write to everything it shares with the driver, so nothing that decides what
//! the driver does next is kept there: which descriptors are free, how they are linked, which
//! chain carries which slot and how much the device may write all stand here.

use alloc::boxed::Box;
use alloc::vec;

use crate::{QueueSize, Violation};

/// What a queue has posted.
#[derive(Debug)]
pub(crate) struct Shadow {
    /// For each descriptor that heads a chain in flight, the chain.
    chains: Box<[Option<Chain>]>,
    /// For each descriptor, the one behind it in its chain or in the list of free ones.
    successors: Box<[u16]>,
    first_free: u16,
    free: u16,
    in_flight: u16,
    /// For each slot, whether the device has it.
    posted: Box<[bool]>,
}

/// A chain in flight.
#[derive(Clone, Copy, Debug)]
struct Chain {
    slot: u16,
    descriptors: u16,
    last: u16,
    /// How many bytes the device may write.
    room: u32,
}

impl Shadow {
    pub fn new(size: QueueSize) -> Self {
        let size = size.get();
        Self {
            chains: vec![None; usize::from(size)].into_boxed_slice(),
            // The successor of the last one is never followed: `free` ends the list.
            successors: (1..=size).collect(),
            first_free: 0,
            free: size,
            in_flight: 0,
            posted: vec![false; usize::from(size)].into_boxed_slice(),
        }
    }

    /// How many chains the device has.
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Whether the device has slot `slot`.
    pub fn is_posted(&self, slot: u16) -> bool {
        self.posted[usize::from(slot)]
    }

    /// The descriptor behind `descriptor` in its chain.
    pub fn successor(&self, descriptor: u16) -> u16 {
        self.successors[usize::from(descriptor)]
    }

    /// Notes a chain of `descriptors` (one at least) that carries `slot` and has `room` bytes for
    /// the device to write. Returns its head, or `None` when so many are not free.
    pub fn post(&mut self, slot: u16, descriptors: u16, room: u32) -> Option<u16> {
        if descriptors == 0 || descriptors > self.free {
            return None;
        }
        let head = self.first_free;
        let last = (1..descriptors).fold(head, |descriptor, _| self.successor(descriptor));
        self.first_free = self.successor(last);
        self.free -= descriptors;
        self.in_flight += 1;
        self.posted[usize::from(slot)] = true;
        self.chains[usize::from(head)] = Some(Chain {
            slot,
            descriptors,
            last,
            room,
        });
        Some(head)
    }

    /// Takes back the chain that the device returns as `id`, with `written` bytes written.
    /// Returns its slot and how many bytes of it the device wrote.
    pub fn take(&mut self, id: u32, written: u32) -> Result<(u16, u32), Violation> {
        let head = u16::try_from(id).map_err(|_| Violation::UsedId)?;
        let place = self
            .chains
            .get_mut(usize::from(head))
            .ok_or(Violation::UsedId)?;
        let chain = place.take().ok_or(Violation::UsedId)?;
        self.successors[usize::from(chain.last)] = self.first_free;
        self.first_free = head;
        self.free += chain.descriptors;
        self.in_flight -= 1;
        self.posted[usize::from(chain.slot)] = false;
        Ok((chain.slot, written_within(chain.room, written)?))
    }
}

/// `used.len`, checked. Where nothing was to be written it means nothing: devices that report the
/// bytes they have read are known, and virtio has a driver ignore it there (2.7.8.2).
fn written_within(room: u32, written: u32) -> Result<u32, Violation> {
    match room {
        0 => Ok(0),
        room if written > room => Err(Violation::UsedLengthLarge),
        _ => Ok(written),
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const SIZE: u16 = 8;

    fn shadow() -> Shadow {
        Shadow::new(QueueSize::new(SIZE).expect("a power of two"))
    }

    fn chain_of(shadow: &Shadow, head: u16, descriptors: u16) -> Vec<u16> {
        let next = |&descriptor: &u16| Some(shadow.successor(descriptor));
        core::iter::successors(Some(head), next)
            .take(usize::from(descriptors))
            .collect()
    }

    #[test]
    fn a_full_queue_takes_nothing_more() {
        let mut shadow = shadow();
        assert!(shadow.post(0, 5, 0).is_some());
        assert_eq!(shadow.post(1, 4, 0), None);
        assert!(!shadow.is_posted(1));
        assert!(shadow.post(1, 3, 0).is_some());
    }

    #[test]
    fn only_the_head_of_a_chain_in_flight_comes_back() {
        let mut shadow = shadow();
        let head = shadow.post(3, 3, 10).expect("room");
        let middle = shadow.successor(head);
        for id in [middle, 7, 8, u16::MAX].map(u32::from) {
            assert_eq!(shadow.take(id, 0), Err(Violation::UsedId));
        }
        assert_eq!(
            shadow.take(u32::from(head) | 0x1_0000, 0),
            Err(Violation::UsedId)
        );
        assert_eq!(shadow.take(head.into(), 10), Ok((3, 10)));
        assert_eq!(shadow.take(head.into(), 10), Err(Violation::UsedId));
    }

    #[test]
    fn the_device_writes_no_more_than_there_is_room() {
        let mut shadow = shadow();
        let head = shadow.post(0, 1, 10).expect("room");
        assert_eq!(
            shadow.take(head.into(), 11),
            Err(Violation::UsedLengthLarge)
        );
        let head = shadow.post(0, 1, 0).expect("room");
        assert_eq!(shadow.take(head.into(), 1514), Ok((0, 0)));
    }

    proptest! {
        /// Whatever is posted and taken, chains in flight never share a descriptor, and all
        /// descriptors come back.
        #[test]
        fn descriptors_are_neither_lost_nor_shared(
            steps in proptest::collection::vec((any::<bool>(), 1..5u16, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut shadow = shadow();
            let mut flying: BTreeMap<u16, (u16, Vec<u16>)> = BTreeMap::new();
            for (post, descriptors, choice) in steps {
                if post {
                    let Some(slot) = (0..SIZE).find(|&slot| !shadow.is_posted(slot)) else { continue };
                    let used: u16 = flying.values().map(|(_, chain)| chain.len() as u16).sum();
                    let posted = shadow.post(slot, descriptors, 1);
                    prop_assert_eq!(posted.is_some(), used + descriptors <= SIZE);
                    if let Some(head) = posted {
                        let chain = chain_of(&shadow, head, descriptors);
                        for descriptor in &chain {
                            prop_assert!(flying.values().all(|(_, other)| !other.contains(descriptor)));
                        }
                        flying.insert(head, (slot, chain));
                    }
                } else if !flying.is_empty() {
                    let head = *choice.get(&flying.keys().copied().collect::<Vec<_>>());
                    let (slot, _) = flying.remove(&head).expect("chosen from its keys");
                    prop_assert_eq!(shadow.take(head.into(), 1), Ok((slot, 1)));
                }
                prop_assert_eq!(usize::from(shadow.in_flight()), flying.len());
            }
        }
    }
}
