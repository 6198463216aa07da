//! Reading missing blocks into the cache, many in one request.

use alloc::boxed::Box;
use core::ops::Range;

use hypercall::{BlockDevice, BlockOperation};

use crate::cache::ReadFault;
use crate::flights::Purpose;
use crate::{CachedDisk, DiskError, buffer};

impl<D: BlockDevice> CachedDisk<D> {
    /// Asks the device for missing blocks, and for some beyond them if reads go on in order.
    pub(crate) fn read_missing(&mut self, runs: &[Range<u64>]) -> Result<(), DiskError> {
        for (index, run) in runs.iter().enumerate() {
            let mut end = run.end;
            if index + 1 == runs.len() {
                let limit = self.operation_limit();
                end += self.read_ahead.beyond(run, limit);
                end = end.min(self.shape.block_count());
            }
            let mut at = run.start;
            while at < end {
                let next = self.fillable(at, end);
                if next > at {
                    self.read_run(at..next)?;
                }
                at = next.max(at + 1);
            }
        }
        Ok(())
    }

    /// Where the blocks from `start` to `end` at most end that one request can fill.
    fn fillable(&self, start: u64, end: u64) -> u64 {
        let can = |number: u64| {
            let one = number..number + 1;
            !self.cache.contains(number)
                && !self.flights.any(Purpose::Fill, &one)
                && !self.flights.any(Purpose::DirectWrite, &one)
        };
        let alone = |number| self.cache.fault(number) == Some(ReadFault::Suspect);
        let limit = end.min(start + self.request_limit());
        let mut at = start;
        while at < limit && can(at) && (at == start || !alone(at)) {
            at += 1;
            if alone(at - 1) {
                break;
            }
        }
        at
    }

    fn read_run(&mut self, run: Range<u64>) -> Result<(), DiskError> {
        let bytes = self.shape.bytes_of(&run);
        let operation = BlockOperation::Read {
            first: self.shape.device_block(bytes.start),
            buffer: buffer::zeroed((bytes.end - bytes.start) as usize)?,
        };
        self.submit(Purpose::Fill, run, operation).map(|_| ())
    }

    /// Takes blocks that were read into the cache.
    pub(crate) fn fill(&mut self, blocks: Range<u64>, bytes: Box<[u8]>) {
        if blocks.end - blocks.start == 1 {
            return self.cache.fill(blocks.start, bytes);
        }
        let chunks = bytes.chunks(self.shape.block_size as usize);
        for (number, chunk) in blocks.zip(chunks) {
            // Without memory the block stays away: whoever needs it asks again, and is told.
            if let Ok(copy) = buffer::copy(chunk) {
                self.cache.fill(number, copy);
            }
        }
    }
}
