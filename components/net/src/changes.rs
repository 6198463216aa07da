//! What is to be looked at: sockets whose readiness may have changed, connections that may have
//! something to send. Each is named once.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A queue without repetitions.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    queue: VecDeque<u32>,
    queued: Vec<bool>,
}

impl Changes {
    /// Nothing has changed.
    pub(crate) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            queued: Vec::new(),
        }
    }

    /// Makes room for all places before `places`, so that [`note`](Self::note) needs no memory.
    /// Returns whether there is memory for that.
    pub(crate) fn reserve(&mut self, places: u32) -> bool {
        let places = places as usize;
        let more = places.saturating_sub(self.queued.len());
        let queued = self.queue.len();
        let room = self.queued.try_reserve(more).is_ok()
            && self
                .queue
                .try_reserve(places.saturating_sub(queued))
                .is_ok();
        if room && more > 0 {
            self.queued.resize(places, false);
        }
        room
    }

    /// Names what is in `place`, for which there is room, unless it is in the queue already.
    pub(crate) fn note(&mut self, place: u32) {
        if let Some(queued) = self.queued.get_mut(place as usize)
            && !*queued
        {
            *queued = true;
            self.queue.push_back(place);
        }
    }

    /// What has been in the queue longest, which leaves it.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let place = self.queue.pop_front()?;
        self.queued[place as usize] = false;
        Some(place)
    }

    /// Whether what is in `place` is in the queue.
    pub(crate) fn contains(&self, place: u32) -> bool {
        self.queued.get(place as usize) == Some(&true)
    }

    /// How many are in the queue.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_once_and_in_order() {
        let mut changes = Changes::new();
        assert!(changes.reserve(4));
        changes.note(3);
        changes.note(1);
        changes.note(3);
        assert_eq!(changes.take(), Some(3));
        changes.note(3);
        assert_eq!(changes.take(), Some(1));
        assert_eq!(changes.take(), Some(3));
        assert_eq!(changes.take(), None);
    }
}
