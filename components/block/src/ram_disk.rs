//! A disk in memory, which lasts as long as its value.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use hypercall::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
    SubmitError,
};

/// How many finished requests the disk holds.
const PLACES: usize = 64;

/// A [`BlockDevice`] in memory. Requests are done as they are submitted.
#[derive(Debug)]
pub struct RamDisk {
    geometry: BlockGeometry,
    bytes: Vec<u8>,
    finished: VecDeque<BlockCompletion>,
}

impl RamDisk {
    /// A disk of `block_count` zeroed blocks of `block_size` bytes each.
    ///
    /// # Panics
    ///
    /// If `block_size` is no power of two, or below 512, or all is more than memory holds.
    pub fn new(block_size: u32, block_count: u64) -> Self {
        let length = u64::from(block_size).checked_mul(block_count);
        let length = length.and_then(|length| usize::try_from(length).ok());
        Self::holding(
            vec![0; length.expect("the disk fits in memory")],
            block_size,
        )
    }

    /// A disk that holds `bytes`, whole blocks of `block_size` each.
    ///
    /// # Panics
    ///
    /// If `block_size` is no power of two, or below 512, or `bytes` are no whole blocks.
    pub fn holding(bytes: Vec<u8>, block_size: u32) -> Self {
        assert!(block_size.is_power_of_two() && block_size >= 512);
        assert!(bytes.len().is_multiple_of(block_size as usize));
        Self {
            geometry: BlockGeometry {
                block_size,
                block_count: bytes.len() as u64 / u64::from(block_size),
                read_only: false,
                discards: true,
            },
            bytes,
            finished: VecDeque::new(),
        }
    }

    /// What is on it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn check(&self, operation: &BlockOperation) -> Result<(), SubmitError> {
        let block_size = self.geometry.block_size as usize;
        let (first, count) = match operation {
            BlockOperation::Read { first, buffer } | BlockOperation::Write { first, buffer } => {
                if buffer.is_empty() || !buffer.len().is_multiple_of(block_size) {
                    return Err(SubmitError::Misaligned);
                }
                (*first, (buffer.len() / block_size) as u64)
            }
            BlockOperation::Discard { first, count } => (*first, *count),
            BlockOperation::Flush => return Ok(()),
        };
        match first.checked_add(count) {
            Some(end) if end <= self.geometry.block_count => Ok(()),
            _ => Err(SubmitError::OutOfRange),
        }
    }

    fn carry_out(&mut self, operation: &mut BlockOperation) {
        let block_size = self.geometry.block_size as usize;
        // Cannot overflow: the range was checked, and the disk lies in memory.
        let start = |first: u64| first as usize * block_size;
        match operation {
            BlockOperation::Read { first, buffer } => {
                let start = start(*first);
                buffer.copy_from_slice(&self.bytes[start..start + buffer.len()]);
            }
            BlockOperation::Write { first, buffer } => {
                let start = start(*first);
                self.bytes[start..start + buffer.len()].copy_from_slice(buffer);
            }
            BlockOperation::Discard { first, count } => {
                self.bytes[start(*first)..start(*first + *count)].fill(0);
            }
            BlockOperation::Flush => {}
        }
    }
}

impl BlockDevice for RamDisk {
    fn geometry(&self) -> BlockGeometry {
        self.geometry
    }

    fn submit(&mut self, mut request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        if let Err(error) = self.check(&request.operation) {
            return Err((error, request));
        }
        if self.finished.len() == PLACES {
            return Err((SubmitError::Busy, request));
        }
        self.carry_out(&mut request.operation);
        self.finished.push_back(BlockCompletion {
            request,
            status: BlockStatus::Done,
        });
        Ok(())
    }

    fn complete(&mut self) -> Option<BlockCompletion> {
        self.finished.pop_front()
    }
}
