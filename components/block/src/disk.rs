//! What the layers above know of a disk: bytes in a row, whatever holds them.

use core::ops::Range;

use hypercall::{BlockGeometry, Instant, Sink, Source};
use thiserror::Error;

use crate::Settling;

/// A disk as a row of bytes.
///
/// No method blocks. One that answers [`Progress::Wait`] has moved nothing; it is worth another
/// try when [`events`](Disk::events) has changed, which [`progress`](Disk::progress) brings about,
/// and the host's wait ends when there is something to progress.
pub trait Disk: Send {
    /// The device's shape. The answer never changes.
    fn geometry(&self) -> BlockGeometry;

    /// Moves bytes from `offset` on into `into`: one at least, unless the disk ends there or
    /// `into` is full, and not necessarily all.
    ///
    /// Past the cache, `offset` and the room must be whole blocks of the device.
    fn read(&mut self, offset: u64, into: &mut dyn Sink, caching: Caching) -> DiskResult<usize>;

    /// Moves bytes of `data` to `offset`: one at least, unless `data` is empty, and not
    /// necessarily all. [`DiskError::EndOfDisk`] where the disk ends.
    ///
    /// Past the cache, `offset` and the data must be whole blocks of the device; whether they have
    /// arrived tells [`settle`](Disk::settle) with [`Settling::transfers`].
    fn write(&mut self, offset: u64, data: &mut dyn Source, caching: Caching) -> DiskResult<usize>;

    /// Declares the bytes of `range` useless, whole blocks of the device. Ends as a
    /// [`write`](Disk::write) past the cache does.
    fn discard(&mut self, range: Range<u64>) -> DiskResult<()>;

    /// Goes on with `settling` until it is reached. [`DiskError::Failed`] if something could not
    /// be written, now or since durability was asked for last.
    fn settle(&mut self, settling: &mut Settling) -> DiskResult<()>;

    /// Forgets every cached block that is as it is on the device.
    fn forget(&mut self);

    /// Takes what the device has finished, and begins what is due at `now`.
    fn progress(&mut self, now: Instant);

    /// When [`progress`](Disk::progress) must be called though the device finishes nothing.
    fn next_deadline(&self) -> Option<Instant>;

    /// How many requests have come back from the device so far.
    fn events(&self) -> u64;
}

/// Whether a transfer goes through the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caching {
    /// Through the cache.
    Cached,
    /// Past it (O_DIRECT), and coherent with it.
    Direct,
}

/// How far an operation came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Progress<T> {
    /// It is done.
    Done(T),
    /// Requests are under way: try again when one has come back.
    Wait,
}

/// What an operation on a disk returns.
pub type DiskResult<T> = Result<Progress<T>, DiskError>;

/// Why an operation on a disk failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DiskError {
    /// The device failed to read or write.
    #[error("the device failed")]
    Failed,
    /// The disk ends there.
    #[error("the disk ends there")]
    EndOfDisk,
    /// The disk cannot be written.
    #[error("the disk is read-only")]
    ReadOnly,
    /// An offset or a length is not whole blocks of the device.
    #[error("not whole blocks of the device")]
    Misaligned,
    /// The device cannot do this.
    #[error("the device cannot do this")]
    Unsupported,
    /// There is no memory for the blocks.
    #[error("out of memory")]
    OutOfMemory,
}
