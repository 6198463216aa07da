//! Devices that hold blocks: requests go in with their buffers, completions bring them back.

use alloc::boxed::Box;

use thiserror::Error;

use crate::Instant;

/// A disk.
///
/// No method blocks. Requests may complete in any order; a [`BlockOperation::Flush`] covers every
/// write whose completion was taken before the flush was submitted, and no other.
pub trait BlockDevice {
    /// The device's shape. The answer never changes.
    fn geometry(&self) -> BlockGeometry;

    /// Hands a request over. On success its buffer belongs to the device until
    /// [`complete`](BlockDevice::complete) brings it back; on error the request comes back
    /// untouched. [`SubmitError::Busy`] passes when a completion has been taken.
    fn submit(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)>;

    /// A finished request, if there is one, each once. `None` arms the device: the host's wait
    /// ends when the next one finishes.
    fn complete(&mut self) -> Option<BlockCompletion>;

    /// Tells the device the time. A request that should long have finished by `now` comes back as
    /// [`BlockStatus::Failed`]. Returns when to be told again, and `None` when there is no need
    /// before the next request: where nothing is under way, or where requests finish by themselves.
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        let _ = now;
        None
    }
}

/// The shape of a [`BlockDevice`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockGeometry {
    /// Bytes in a block: a power of two, 512 at least.
    pub block_size: u32,
    /// How many blocks there are.
    pub block_count: u64,
    /// Writes and discards are refused.
    pub read_only: bool,
    /// Discards are understood.
    pub discards: bool,
}

/// One request.
#[derive(PartialEq, Eq, Debug)]
pub struct BlockRequest {
    /// The caller's name for it, handed back with the completion.
    pub tag: u64,
    /// What is to be done.
    pub operation: BlockOperation,
}

/// What a [`BlockRequest`] asks for. Buffers are whole blocks, one at least.
#[derive(PartialEq, Eq, Debug)]
pub enum BlockOperation {
    /// Fills `buffer` from block `first` on.
    Read {
        /// The first block.
        first: u64,
        /// Where the bytes go.
        buffer: Box<[u8]>,
    },
    /// Writes `buffer` from block `first` on. Another reader may see it at once; it survives a
    /// loss of power once a later flush has completed.
    Write {
        /// The first block.
        first: u64,
        /// The bytes.
        buffer: Box<[u8]>,
    },
    /// Makes completed writes survive a loss of power.
    Flush,
    /// The content of these blocks is of no further use.
    Discard {
        /// The first block.
        first: u64,
        /// How many.
        count: u64,
    },
}

/// A finished request.
#[derive(PartialEq, Eq, Debug)]
pub struct BlockCompletion {
    /// The request as it was submitted; a read's buffer holds the bytes if `status` is
    /// [`BlockStatus::Done`], and anything otherwise.
    pub request: BlockRequest,
    /// How it ended.
    pub status: BlockStatus,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockStatus {
    /// As asked.
    Done,
    /// The device failed. What a failed write left on the disk is old, new or mixed, block by
    /// block.
    Failed,
}

/// Why a request was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SubmitError {
    /// All places are taken: take completions, then try again.
    #[error("the device has as many requests as it can hold")]
    Busy,
    /// It reaches beyond the last block.
    #[error("the request reaches beyond the end of the device")]
    OutOfRange,
    /// Its buffer is empty or not whole blocks.
    #[error("the buffer is not a whole number of blocks")]
    Misaligned,
    /// The device is read-only.
    #[error("the device is read-only")]
    ReadOnly,
    /// The device does not understand discards.
    #[error("the device cannot discard")]
    Unsupported,
}
