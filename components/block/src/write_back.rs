//! Writing changed blocks to the device, many in one request.

use core::ops::Range;
use core::time::Duration;

use hypercall::{BlockDevice, BlockOperation, Instant};

use crate::flights::Purpose;
use crate::{CachedDisk, DiskError, buffer};

/// How long a change may wait for somebody to ask for durability.
const AGE_MAX: Duration = Duration::from_secs(5);

impl<D: BlockDevice> CachedDisk<D> {
    /// Has the device write the blocks of `range` that were changed up to `change`, as far as it
    /// takes them now.
    pub(crate) fn write_back(&mut self, range: Range<u64>, change: u64) -> Result<(), DiskError> {
        let limit = self.request_limit();
        let mut at = range.start;
        while let Some(run) = self.cache.changed_run(at..range.end, change, limit) {
            at = run.end;
            if !self.backlog.is_empty() {
                return Ok(());
            }
            // The device may do requests in any order.
            if !self.flights.any(Purpose::DirectWrite, &run) {
                self.write_run(run)?;
            }
        }
        Ok(())
    }

    /// Writes back when many blocks have been changed, or some for long.
    pub(crate) fn write_back_if_due(&mut self) {
        let many = self.cache.changed_count() > self.cache.capacity() / 2;
        if many || self.write_back_due().is_some_and(|due| due <= self.now) {
            // What could not be begun is still there for whoever asks for durability, and is told.
            let _ = self.write_back(0..u64::MAX, u64::MAX);
            self.changed_at = None;
        }
    }

    /// When the oldest change is to be written.
    pub(crate) fn write_back_due(&self) -> Option<Instant> {
        self.changed_at.map(|at| at + AGE_MAX)
    }

    fn write_run(&mut self, run: Range<u64>) -> Result<(), DiskError> {
        let bytes = self.shape.bytes_of(&run);
        let mut buffer = buffer::room((bytes.end - bytes.start) as usize)?;
        for number in run.clone() {
            buffer.extend_from_slice(self.cache.get(number).unwrap_or_default());
        }
        let operation = BlockOperation::Write {
            first: self.shape.device_block(bytes.start),
            buffer: buffer.into_boxed_slice(),
        };
        let since = self.cache.changed_since(run.clone());
        let purpose = Purpose::WriteBack { since };
        self.submit(purpose, run.clone(), operation)?;
        self.cache.begin_write(run);
        Ok(())
    }
}
