//! Waiting for what was written: that it has arrived, that it is durable, that it failed.

use alloc::vec::Vec;
use core::ops::Range;

use hypercall::{BlockDevice, BlockOperation};

use crate::flights::Purpose;
use crate::shape::overlap;
use crate::view::done;
use crate::{CachedDisk, DiskError, DiskResult};

/// Something to be reached by [`Disk::settle`](crate::Disk::settle), and how far it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settling {
    range: Range<u64>,
    durable: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Begin,
    /// Everything up to this change is to arrive at the device.
    Arriving {
        change: u64,
    },
    /// This request is to come back.
    Flushing {
        tag: u64,
    },
}

/// What has failed and was not reported.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// These blocks of the cache could not be written.
    pub(crate) write_backs: Vec<Range<u64>>,
    /// These could not be written past the cache.
    pub(crate) direct: Vec<Range<u64>>,
    /// These flushes failed.
    pub(crate) flushes: Vec<u64>,
}

impl Settling {
    /// The transfers past the cache to bytes of `range` are to end.
    pub const fn transfers(range: Range<u64>) -> Self {
        Self {
            range,
            durable: false,
            stage: Stage::Begin,
        }
    }

    /// Everything written to bytes of `range` until now is to survive a loss of power.
    pub const fn durable(range: Range<u64>) -> Self {
        Self {
            range,
            durable: true,
            stage: Stage::Begin,
        }
    }

    /// The same for the whole disk.
    pub const fn all() -> Self {
        Self::durable(0..u64::MAX)
    }
}

impl<D: BlockDevice> CachedDisk<D> {
    pub(crate) fn settle_step(&mut self, settling: &mut Settling) -> DiskResult<()> {
        let blocks = self.shape.blocks_of(&settling.range);
        if settling.stage == Stage::Begin {
            if settling.durable {
                self.cache.retry(blocks.clone());
            }
            let change = self.change;
            settling.stage = Stage::Arriving { change };
        }
        if let Stage::Arriving { change } = settling.stage {
            if settling.durable {
                self.write_back(blocks.clone(), change)?;
            }
            if self.is_arriving(&blocks, change, settling.durable) {
                return self.wait();
            }
            self.failures.take_writes(&blocks, settling.durable)?;
            if !settling.durable {
                return done(());
            }
            let tag = self.submit(Purpose::Flush, 0..0, BlockOperation::Flush)?;
            settling.stage = Stage::Flushing { tag };
        }
        match settling.stage {
            Stage::Flushing { tag } if self.flights.contains(tag) => self.wait(),
            Stage::Flushing { tag } => self.failures.take_flush(tag).and_then(done),
            Stage::Begin | Stage::Arriving { .. } => done(()),
        }
    }

    /// Whether something written to `blocks` has not arrived at the device.
    fn is_arriving(&self, blocks: &Range<u64>, change: u64, durable: bool) -> bool {
        let cached = durable && self.cache.is_unsettled(blocks.clone(), change);
        cached
            || self
                .flights
                .over(blocks)
                .any(|flight| match flight.purpose {
                    Purpose::DirectWrite => true,
                    Purpose::WriteBack { since } => durable && since <= change,
                    Purpose::Fill | Purpose::DirectRead | Purpose::Flush => false,
                })
    }
}

impl Failures {
    /// Reports, once, that something was not written to `blocks`.
    fn take_writes(&mut self, blocks: &Range<u64>, durable: bool) -> Result<(), DiskError> {
        let before = self.direct.len() + self.write_backs.len();
        self.direct.retain(|failed| !overlap(failed, blocks));
        if durable {
            self.write_backs.retain(|failed| !overlap(failed, blocks));
        }
        match self.direct.len() + self.write_backs.len() < before {
            true => Err(DiskError::Failed),
            false => Ok(()),
        }
    }

    /// Reports that the flush `tag` failed.
    fn take_flush(&mut self, tag: u64) -> Result<(), DiskError> {
        match self.flushes.iter().position(|&failed| failed == tag) {
            Some(index) => {
                self.flushes.swap_remove(index);
                Err(DiskError::Failed)
            }
            None => Ok(()),
        }
    }
}
