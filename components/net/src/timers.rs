//! Deadlines of many things, of which only the nearest is looked at.

use alloc::vec::Vec;

use hypercall::Instant;

/// A binary heap of deadlines, each of which can be moved because it knows its place.
///
/// One deadline for a key, so the heap is never larger than the number of keys.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: Vec<(Instant, u32)>,
    /// Where in the heap a key stands.
    places: Vec<Option<u32>>,
}

impl Timers {
    /// No deadlines.
    pub(crate) const fn new() -> Self {
        Self {
            heap: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Makes room for all keys before `keys`, so that [`set`](Self::set) needs no memory. Returns
    /// whether there is memory for that.
    pub(crate) fn reserve(&mut self, keys: u32) -> bool {
        let keys = keys as usize;
        let more = keys.saturating_sub(self.places.len());
        let entries = keys.saturating_sub(self.heap.len());
        let room = self.places.try_reserve(more).is_ok() && self.heap.try_reserve(entries).is_ok();
        if room && more > 0 {
            self.places.resize(keys, None);
        }
        room
    }

    /// Sets the deadline of `key`, for which there is room, or takes it away.
    pub(crate) fn set(&mut self, key: u32, deadline: Option<Instant>) {
        let Some(place) = self.places.get(key as usize) else {
            return;
        };
        match (*place, deadline) {
            (None, None) => {}
            (None, Some(deadline)) => {
                self.heap.push((deadline, key));
                self.settle(self.heap.len() - 1);
            }
            (Some(place), Some(deadline)) => {
                self.heap[place as usize].0 = deadline;
                self.settle(place as usize);
            }
            (Some(place), None) => self.remove(place as usize),
        }
    }

    /// The nearest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.first().map(|(deadline, _)| *deadline)
    }

    /// A key whose deadline has come by `now`; the deadline is taken away.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<u32> {
        let (deadline, key) = *self.heap.first()?;
        if deadline > now {
            return None;
        }
        self.remove(0);
        Some(key)
    }

    fn remove(&mut self, place: usize) {
        let (_, key) = self.heap.swap_remove(place);
        self.places[key as usize] = None;
        if place < self.heap.len() {
            self.settle(place);
        }
    }

    /// Moves the entry at `place` up or down to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            let parent = (place - 1) / 2;
            self.swap(place, parent);
            place = parent;
        }
        loop {
            let left = 2 * place + 1;
            let smaller = match (self.heap.get(left), self.heap.get(left + 1)) {
                (Some(one), Some(other)) if other < one => left + 1,
                (Some(_), _) => left,
                (None, _) => break,
            };
            if self.heap[place] <= self.heap[smaller] {
                break;
            }
            self.swap(place, smaller);
            place = smaller;
        }
        self.note(place);
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }

    fn note(&mut self, place: usize) {
        // There are at most as many entries as keys.
        self.places[self.heap[place].1 as usize] = Some(place as u32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_list(operations in vec((0_u32..20, prop::option::of(0_u64..50)), 0..200)) {
            let mut timers = Timers::new();
            prop_assert!(timers.reserve(20));
            let mut model = [None; 20];
            for (key, deadline) in operations {
                let deadline = deadline.map(Instant::from_nanos);
                timers.set(key, deadline);
                model[key as usize] = deadline;
                prop_assert_eq!(timers.next(), model.iter().flatten().min().copied());
            }
            let now = Instant::from_nanos(25);
            while let Some(key) = timers.expire(now) {
                let deadline = model[key as usize].take().expect("it was set");
                prop_assert!(deadline <= now);
            }
            prop_assert!(model.iter().flatten().all(|deadline| *deadline > now));
        }
    }
}
