//! Transfers past the cache, which neither miss what it holds nor leave it behind.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use hypercall::{BlockDevice, BlockOperation, Sink, Source};

use crate::flights::{Flight, Purpose};
use crate::shape::overlap;
use crate::view::done;
use crate::{CachedDisk, DiskError, DiskResult, buffer};

/// What direct transfers leave between two tries.
#[derive(Debug, Default)]
pub(crate) struct Direct {
    /// Reads that have come back and were not fetched.
    arrived: Vec<Arrived>,
    /// The last buffer used: a program that moves much moves pieces of one length.
    spare: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Arrived {
    offset: u64,
    buffer: Box<[u8]>,
    failed: bool,
}

impl Direct {
    pub(crate) fn arrived(&mut self, offset: u64, buffer: Box<[u8]>, failed: bool) {
        self.arrived.push(Arrived {
            offset,
            buffer,
            failed,
        });
    }

    /// Keeps a buffer for the next transfer.
    pub(crate) fn keep(&mut self, buffer: Box<[u8]>) {
        self.spare = Some(buffer);
    }

    fn take(&mut self, range: &Range<u64>) -> Option<Arrived> {
        let index = self.arrived.iter().position(|arrived| {
            arrived.offset == range.start && arrived.buffer.len() as u64 == range.end - range.start
        })?;
        Some(self.arrived.swap_remove(index))
    }

    /// A buffer of `length` bytes of any content.
    fn buffer(&mut self, length: usize) -> Result<Box<[u8]>, DiskError> {
        match self.spare.take() {
            Some(spare) if spare.len() == length => Ok(spare),
            _ => buffer::zeroed(length),
        }
    }
}

impl<D: BlockDevice> CachedDisk<D> {
    /// Reads the bytes of `range`, whole blocks of the device that fit one request.
    pub(crate) fn read_direct(
        &mut self,
        range: Range<u64>,
        into: &mut dyn Sink,
    ) -> DiskResult<usize> {
        if let Some(arrived) = self.direct.take(&range) {
            if arrived.failed {
                return Err(DiskError::Failed);
            }
            let moved = into.put(&arrived.buffer);
            self.direct.keep(arrived.buffer);
            return done(moved);
        }
        let blocks = self.shape.blocks_of(&range);
        let busy = |flight: &Flight| flight.purpose != Purpose::Fill;
        if self.flights.over(&blocks).any(busy) || !self.is_written_back(&blocks)? {
            return self.wait();
        }
        let operation = BlockOperation::Read {
            first: self.shape.device_block(range.start),
            buffer: self.direct.buffer((range.end - range.start) as usize)?,
        };
        self.submit(Purpose::DirectRead, blocks, operation)?;
        self.wait()
    }

    /// Begins to write `range`, whole blocks of the device that fit one request.
    pub(crate) fn write_direct(
        &mut self,
        range: Range<u64>,
        data: &mut dyn Source,
    ) -> DiskResult<usize> {
        let length = (range.end - range.start) as usize;
        let mut buffer = self.direct.buffer(length)?;
        if !self.give_way(&range)? {
            self.direct.keep(buffer);
            return self.wait();
        }
        data.take(&mut buffer);
        let operation = BlockOperation::Write {
            first: self.shape.device_block(range.start),
            buffer,
        };
        let blocks = self.shape.blocks_of(&range);
        self.submit(Purpose::DirectWrite, blocks, operation)?;
        done(length)
    }

    /// Begins to discard `range`, whole blocks of the device.
    pub(crate) fn discard_range(&mut self, range: Range<u64>) -> DiskResult<()> {
        if !self.give_way(&range)? {
            return self.wait();
        }
        let (first, end) = (
            self.shape.device_block(range.start),
            self.shape.device_block(range.end),
        );
        let count = end - first;
        let blocks = self.shape.blocks_of(&range);
        let operation = BlockOperation::Discard { first, count };
        self.submit(Purpose::DirectWrite, blocks, operation)?;
        done(())
    }

    /// Whether a write past the cache can begin: nothing else concerns the blocks of `range`, and
    /// the cache holds none of them.
    fn give_way(&mut self, range: &Range<u64>) -> Result<bool, DiskError> {
        let blocks = self.shape.blocks_of(range);
        if self.flights.over(&blocks).next().is_some() || !self.is_written_back(&blocks)? {
            return Ok(false);
        }
        self.cache.discard(blocks.clone());
        self.direct.arrived.retain(|arrived| {
            let end = arrived.offset + arrived.buffer.len() as u64;
            !overlap(&(arrived.offset..end), range)
        });
        Ok(true)
    }

    /// Whether the device holds what the cache holds of `blocks`; if not, it is being written.
    fn is_written_back(&mut self, blocks: &Range<u64>) -> Result<bool, DiskError> {
        if !self.cache.is_changed(blocks.clone()) {
            return Ok(true);
        }
        self.write_back(blocks.clone(), u64::MAX)?;
        Ok(false)
    }
}
