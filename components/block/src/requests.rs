//! Requests to the device, and what becomes of those that come back.

use core::ops::Range;

use hypercall::{
    BlockCompletion, BlockDevice, BlockOperation, BlockRequest, BlockStatus, SubmitError,
};

use crate::flights::{Flight, Purpose};
use crate::{CachedDisk, DiskError};

impl<D: BlockDevice> CachedDisk<D> {
    /// Gives a request on its way, and returns its tag. One that the device has no place for
    /// follows when others have come back.
    pub(crate) fn submit(
        &mut self,
        purpose: Purpose,
        blocks: Range<u64>,
        operation: BlockOperation,
    ) -> Result<u64, DiskError> {
        let tag = self.flights.tag();
        self.backlog.push_back(BlockRequest { tag, operation });
        self.flights.add(Flight {
            tag,
            purpose,
            blocks,
        });
        if self.backlog.len() == 1
            && let Err((error, _)) = self.submit_oldest()
        {
            self.flights.remove(tag);
            return Err(error);
        }
        Ok(tag)
    }

    /// Takes in everything that the device has finished, and gives it what waits in the backlog.
    pub(crate) fn exchange(&mut self) {
        while let Some(completion) = self.device.complete() {
            self.finish(completion);
            self.submit_backlog();
        }
    }

    /// Gives the device as much of the backlog as it takes.
    fn submit_backlog(&mut self) {
        loop {
            match self.submit_oldest() {
                Ok(true) => {}
                Ok(false) => return,
                Err((_, request)) => self.finish(BlockCompletion {
                    request,
                    status: BlockStatus::Failed,
                }),
            }
        }
    }

    /// Hands the oldest request of the backlog to the device; false if there is none, or no place
    /// for it.
    fn submit_oldest(&mut self) -> Result<bool, (DiskError, BlockRequest)> {
        let Some(request) = self.backlog.pop_front() else {
            return Ok(false);
        };
        let (error, request) = match self.device.submit(request) {
            Ok(()) => return Ok(true),
            Err(refused) => refused,
        };
        let error = match error {
            SubmitError::Busy => {
                self.backlog.push_front(request);
                return Ok(false);
            }
            SubmitError::ReadOnly => DiskError::ReadOnly,
            SubmitError::Unsupported => DiskError::Unsupported,
            // It was checked against the geometry: the device contradicts itself.
            SubmitError::OutOfRange | SubmitError::Misaligned => DiskError::Failed,
        };
        Err((error, request))
    }

    /// Takes in a finished request.
    fn finish(&mut self, completion: BlockCompletion) {
        let Some(flight) = self.flights.remove(completion.request.tag) else {
            return;
        };
        self.events += 1;
        let failed = completion.status == BlockStatus::Failed;
        match (flight.purpose, completion.request.operation) {
            (Purpose::Fill, _) if failed => self.cache.note_fault(flight.blocks),
            (Purpose::Fill, BlockOperation::Read { buffer, .. }) => {
                self.fill(flight.blocks, buffer);
            }
            (Purpose::WriteBack { since }, _) => {
                self.cache.end_write(flight.blocks.clone(), since, failed);
                if failed {
                    self.failures.write_backs.push(flight.blocks);
                }
            }
            (Purpose::DirectRead, BlockOperation::Read { first, buffer }) => {
                let offset = first * u64::from(self.shape.device_block_size);
                self.direct.arrived(offset, buffer, failed);
            }
            (Purpose::DirectWrite, operation) => {
                if failed {
                    self.failures.direct.push(flight.blocks);
                }
                if let BlockOperation::Write { buffer, .. } = operation {
                    self.direct.keep(buffer);
                }
            }
            (Purpose::Flush, _) if failed => self.failures.flushes.push(flight.tag),
            (Purpose::Flush | Purpose::Fill | Purpose::DirectRead, _) => {}
        }
    }
}
