//! The requests that are with the device.

use alloc::vec::Vec;
use core::ops::Range;

use crate::shape::overlap;

/// Requests under way, with the cached blocks that they concern.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Vec<Flight>,
    next_tag: u64,
}

/// A request under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flight {
    pub(crate) tag: u64,
    pub(crate) purpose: Purpose,
    /// The cached blocks that hold what is moved, in whole or in part.
    pub(crate) blocks: Range<u64>,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Reads blocks into the cache.
    Fill,
    /// Writes changed blocks; the oldest change has this number.
    WriteBack { since: u64 },
    /// Reads past the cache.
    DirectRead,
    /// Writes or discards past the cache.
    DirectWrite,
    /// Makes durable.
    Flush,
}

impl Flights {
    /// A name for the next request.
    pub(crate) fn tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }

    pub(crate) fn add(&mut self, flight: Flight) {
        self.under_way.push(flight);
    }

    pub(crate) fn remove(&mut self, tag: u64) -> Option<Flight> {
        let index = self.under_way.iter().position(|flight| flight.tag == tag)?;
        Some(self.under_way.swap_remove(index))
    }

    pub(crate) fn contains(&self, tag: u64) -> bool {
        self.under_way.iter().any(|flight| flight.tag == tag)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Those that concern a block of `blocks`.
    pub(crate) fn over(&self, blocks: &Range<u64>) -> impl Iterator<Item = &Flight> {
        self.under_way
            .iter()
            .filter(move |flight| overlap(&flight.blocks, blocks))
    }

    /// Whether one for `purpose` concerns a block of `blocks`.
    pub(crate) fn any(&self, purpose: Purpose, blocks: &Range<u64>) -> bool {
        self.over(blocks).any(|flight| flight.purpose == purpose)
    }
}
