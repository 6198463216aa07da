//! A device with a cache before it: operations are tried, what they miss is read.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use hypercall::{BlockDevice, BlockRequest, Instant};

use crate::cache::Cache;
use crate::direct::Direct;
use crate::flights::Flights;
use crate::read_ahead::ReadAhead;
use crate::settle::Failures;
use crate::shape::Shape;
use crate::view::{Stop, View};
use crate::{DiskError, DiskResult, Progress};

/// The largest request, in bytes: beyond it larger ones are no faster.
const REQUEST_LENGTH_MAX: u64 = 1 << 20;
/// A cache of fewer blocks than this could not hold what one operation needs.
const CAPACITY_MIN: usize = 16;

/// A [`BlockDevice`] behind a cache, as a [`Disk`](crate::Disk).
#[derive(Debug)]
pub struct CachedDisk<D> {
    pub(crate) device: D,
    pub(crate) shape: Shape,
    pub(crate) cache: Cache,
    /// Requests that are with the device, or in the backlog.
    pub(crate) flights: Flights,
    /// Requests that the device had no place for, the oldest first.
    pub(crate) backlog: VecDeque<BlockRequest>,
    pub(crate) direct: Direct,
    pub(crate) failures: Failures,
    pub(crate) read_ahead: ReadAhead,
    /// The number of the last change.
    pub(crate) change: u64,
    /// The time when the disk was told it last.
    pub(crate) now: Instant,
    /// When the oldest change that nobody has begun to write was made.
    pub(crate) changed_at: Option<Instant>,
    /// When the device wants to be told the time.
    pub(crate) device_deadline: Option<Instant>,
    pub(crate) events: u64,
}

impl<D: BlockDevice> CachedDisk<D> {
    /// A cache of about `memory` bytes over `device`.
    pub fn new(device: D, memory: usize) -> Self {
        let shape = Shape::new(device.geometry());
        let capacity = (memory / shape.block_size as usize).max(CAPACITY_MIN);
        Self {
            device,
            shape,
            cache: Cache::new(capacity),
            flights: Flights::default(),
            backlog: VecDeque::new(),
            direct: Direct::default(),
            failures: Failures::default(),
            read_ahead: ReadAhead::default(),
            change: 0,
            now: Instant::ZERO,
            changed_at: None,
            device_deadline: None,
            events: 0,
        }
    }

    /// Tries an operation. Its changes join the cache if it succeeds; if it stops they are
    /// dropped, and what it lacks is asked for.
    pub fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut View<'_>) -> Result<T, Stop>,
    ) -> DiskResult<T> {
        let mut view = View::new(&self.cache, self.shape);
        let outcome = operation(&mut view);
        match outcome {
            Ok(result) => {
                let changes = view.into_changes();
                if !changes.is_empty() {
                    self.join(changes);
                }
                Ok(Progress::Done(result))
            }
            Err(Stop::Need(runs)) => {
                let count: u64 = runs.iter().map(|run| run.end - run.start).sum();
                if count > self.cache.room() as u64 {
                    self.write_back(0..u64::MAX, u64::MAX)?;
                } else {
                    self.read_missing(&runs)?;
                }
                self.wait()
            }
            Err(Stop::Full) => {
                self.write_back(0..u64::MAX, u64::MAX)?;
                self.wait()
            }
            Err(Stop::Failed(error)) => {
                self.cache.clear_faults();
                Err(error)
            }
        }
    }

    /// The device, with nothing of the cache written to it.
    pub fn into_device(self) -> D {
        self.device
    }

    /// How many blocks one operation may concern, so that they stay in the cache together and fit
    /// one request.
    pub(crate) fn operation_limit(&self) -> u64 {
        let quarter = self.cache.capacity() as u64 / 4;
        quarter.clamp(1, self.request_limit())
    }

    /// How many blocks fit one request.
    pub(crate) fn request_limit(&self) -> u64 {
        (REQUEST_LENGTH_MAX / u64::from(self.shape.block_size)).max(1)
    }

    /// The answer of an operation that needs something to come back: there must be something.
    pub(crate) fn wait<T>(&self) -> DiskResult<T> {
        match self.flights.is_empty() {
            true => Err(DiskError::Failed),
            false => Ok(Progress::Wait),
        }
    }

    fn join(&mut self, changes: BTreeMap<u64, Box<[u8]>>) {
        self.change += 1;
        for (number, bytes) in changes {
            self.cache.join(number, bytes, self.change);
        }
        self.changed_at.get_or_insert(self.now);
        self.write_back_if_due();
    }
}
