//! A disk in memory that forgets what was not flushed when its power is cut.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use super::FakeWaker;
use super::shared::Shared;
use crate::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
    SubmitError, Wake,
};

/// How many requests the disk holds.
const PLACES: usize = 16;

/// A [`BlockDevice`] in memory. Clones are handles to the same disk.
///
/// It understands discards and reads discarded blocks as zeros. Requests are carried out in order,
/// as soon as they are submitted, or by [`work`](FakeBlockDevice::work) once the disk has been
/// told to be [slow](FakeBlockDevice::set_slow).
#[derive(Clone, Debug)]
pub struct FakeBlockDevice {
    geometry: BlockGeometry,
    disk: Shared<Disk>,
}

#[derive(Debug, Default)]
struct Disk {
    block_size: usize,
    /// What reads see.
    current: Vec<u8>,
    /// What a cut of power leaves.
    stable: Vec<u8>,
    slow: bool,
    waiting: VecDeque<BlockRequest>,
    finished: VecDeque<BlockCompletion>,
    waker: Option<FakeWaker>,
    armed: bool,
}

impl FakeBlockDevice {
    /// A disk of `block_count` zeroed blocks of `block_size` bytes each.
    ///
    /// # Panics
    ///
    /// If `block_size` is no power of two, or below 512, or all is more than memory holds.
    pub fn new(block_size: u32, block_count: u64) -> Self {
        assert!(block_size.is_power_of_two() && block_size >= 512);
        let geometry = BlockGeometry {
            block_size,
            block_count,
            read_only: false,
            discards: true,
        };
        let length = usize::try_from(u64::from(block_size) * block_count)
            .expect("a fake disk fits in memory");
        let disk = Disk {
            block_size: block_size as usize,
            current: vec![0; length],
            stable: vec![0; length],
            ..Disk::default()
        };
        Self {
            geometry,
            disk: Shared::new(disk),
        }
    }

    /// The same disk as one that refuses writes and discards.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.geometry.read_only = true;
        self
    }

    /// The same disk as one that does not understand discards.
    #[must_use]
    pub fn without_discards(mut self) -> Self {
        self.geometry.discards = false;
        self
    }

    /// Has the device end waits by `waker`, as its contract says.
    pub fn set_waker(&self, waker: FakeWaker) {
        self.disk.with(|disk| disk.waker = Some(waker));
    }

    /// From now on requests wait for [`work`](FakeBlockDevice::work).
    pub fn set_slow(&self) {
        self.disk.with(|disk| disk.slow = true);
    }

    /// Carries out what was submitted.
    pub fn work(&self) {
        self.disk.with(Disk::work);
    }

    /// How many completions are ready. Unlike [`complete`](BlockDevice::complete) this does not
    /// arm the device.
    pub fn finished(&self) -> usize {
        self.disk.with(|disk| disk.finished.len())
    }

    /// Loses every request under way and every write that no flush has covered.
    pub fn cut_power(&self) {
        self.disk.with(|disk| {
            disk.waiting.clear();
            disk.finished.clear();
            disk.current.clone_from(&disk.stable);
        });
    }

    /// What a reader would see now, from the first block to the last.
    pub fn contents(&self) -> Vec<u8> {
        self.disk.with(|disk| disk.current.clone())
    }

    fn check(&self, operation: &BlockOperation) -> Result<(), SubmitError> {
        let writes = matches!(
            operation,
            BlockOperation::Write { .. } | BlockOperation::Discard { .. }
        );
        if writes && self.geometry.read_only {
            return Err(SubmitError::ReadOnly);
        }
        match operation {
            BlockOperation::Read { first, buffer } | BlockOperation::Write { first, buffer } => {
                self.check_range(*first, self.blocks_in(buffer)?)
            }
            BlockOperation::Discard { .. } if !self.geometry.discards => {
                Err(SubmitError::Unsupported)
            }
            BlockOperation::Discard { first, count } => self.check_range(*first, *count),
            BlockOperation::Flush => Ok(()),
        }
    }

    fn blocks_in(&self, buffer: &[u8]) -> Result<u64, SubmitError> {
        let block_size = self.geometry.block_size as usize;
        if buffer.is_empty() || !buffer.len().is_multiple_of(block_size) {
            return Err(SubmitError::Misaligned);
        }
        Ok((buffer.len() / block_size) as u64)
    }

    fn check_range(&self, first: u64, count: u64) -> Result<(), SubmitError> {
        let end = first.checked_add(count).ok_or(SubmitError::OutOfRange)?;
        if end > self.geometry.block_count {
            return Err(SubmitError::OutOfRange);
        }
        Ok(())
    }
}

impl BlockDevice for FakeBlockDevice {
    fn geometry(&self) -> BlockGeometry {
        self.geometry
    }

    fn submit(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        if let Err(error) = self.check(&request.operation) {
            return Err((error, request));
        }
        self.disk.with(|disk| disk.submit(request))
    }

    fn complete(&mut self) -> Option<BlockCompletion> {
        self.disk.with(|disk| {
            let completion = disk.finished.pop_front();
            disk.armed = completion.is_none();
            completion
        })
    }
}

impl Disk {
    fn submit(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        if self.waiting.len() + self.finished.len() >= PLACES {
            return Err((SubmitError::Busy, request));
        }
        self.waiting.push_back(request);
        if !self.slow {
            self.work();
        }
        Ok(())
    }

    fn work(&mut self) {
        while let Some(mut request) = self.waiting.pop_front() {
            self.carry_out(&mut request.operation);
            self.finished.push_back(BlockCompletion {
                request,
                status: BlockStatus::Done,
            });
        }
        if !self.finished.is_empty()
            && core::mem::take(&mut self.armed)
            && let Some(waker) = &self.waker
        {
            waker.wake();
        }
    }

    fn carry_out(&mut self, operation: &mut BlockOperation) {
        match operation {
            BlockOperation::Read { first, buffer } => {
                let length = buffer.len();
                buffer.copy_from_slice(self.blocks(*first, length));
            }
            BlockOperation::Write { first, buffer } => {
                self.blocks(*first, buffer.len()).copy_from_slice(buffer);
            }
            BlockOperation::Flush => self.stable.clone_from(&self.current),
            BlockOperation::Discard { first, count } => {
                let length = *count as usize * self.block_size;
                self.blocks(*first, length).fill(0);
            }
        }
    }

    /// The bytes of a range that was checked when it was submitted.
    fn blocks(&mut self, first: u64, length: usize) -> &mut [u8] {
        let start = first as usize * self.block_size;
        &mut self.current[start..start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(disk: &mut FakeBlockDevice, first: u64, byte: u8) {
        let buffer = vec![byte; 512].into();
        let operation = BlockOperation::Write { first, buffer };
        disk.submit(BlockRequest { tag: 0, operation })
            .expect("the disk is idle");
        assert!(disk.complete().is_some());
    }

    #[test]
    fn a_cut_of_power_undoes_what_was_not_flushed() {
        let mut disk = FakeBlockDevice::new(512, 2);
        write(&mut disk, 0, 1);
        let operation = BlockOperation::Flush;
        disk.submit(BlockRequest { tag: 0, operation })
            .expect("the disk is idle");
        assert!(disk.complete().is_some());
        write(&mut disk, 1, 2);
        disk.cut_power();
        let contents = disk.contents();
        assert_eq!((contents[0], contents[512]), (1, 0));
    }

    #[test]
    fn a_slow_disk_finishes_when_told() {
        let mut disk = FakeBlockDevice::new(512, 2);
        disk.set_slow();
        let operation = BlockOperation::Flush;
        disk.submit(BlockRequest { tag: 9, operation })
            .expect("the disk is idle");
        assert!(disk.complete().is_none());
        disk.work();
        assert_eq!(disk.complete().map(|done| done.request.tag), Some(9));
    }
}
