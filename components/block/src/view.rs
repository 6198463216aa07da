//! What an operation sees of a disk: cached blocks, and its own changes to them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crate::buffer;
use crate::cache::{Cache, ReadFault};
use crate::shape::Shape;
use crate::{DiskError, DiskResult};

/// The blocks of a disk as one operation sees and changes them.
///
/// Blocks are named by number, [`block_size`](View::block_size) bytes each but the last, which ends
/// with the disk. Changes are the operation's own until it has succeeded.
#[derive(Debug)]
pub struct View<'a> {
    cache: &'a Cache,
    shape: Shape,
    changed: BTreeMap<u64, Box<[u8]>>,
}

/// Why an operation stopped before it was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// These blocks are missing: it is to be run again when they have been read.
    Need(Vec<Range<u64>>),
    /// It changes more blocks than there is room for until others have been written.
    Full,
    /// It failed.
    Failed(DiskError),
}

impl From<DiskError> for Stop {
    fn from(error: DiskError) -> Self {
        Self::Failed(error)
    }
}

impl<'a> View<'a> {
    pub(crate) const fn new(cache: &'a Cache, shape: Shape) -> Self {
        Self {
            cache,
            shape,
            changed: BTreeMap::new(),
        }
    }

    /// Bytes in a block.
    pub const fn block_size(&self) -> u32 {
        self.shape.block_size
    }

    /// Bytes in the block `number`.
    pub fn length_of(&self, number: u64) -> usize {
        self.shape.length_of(number)
    }

    /// Stops unless blocks of `range` can be read now: returns how many, from its start on, one at
    /// least. They are not all where one could not be read.
    pub fn require(&self, range: Range<u64>) -> Result<u64, Stop> {
        let mut need: Vec<Range<u64>> = Vec::new();
        for number in range.clone() {
            if self.changed.contains_key(&number) || self.cache.contains(number) {
                continue;
            }
            if self.cache.fault(number) == Some(ReadFault::Unreadable) {
                return match need.is_empty() {
                    true if number == range.start => Err(DiskError::Failed.into()),
                    true => Ok(number - range.start),
                    false => Err(Stop::Need(need)),
                };
            }
            match need.last_mut() {
                Some(run) if run.end == number => run.end += 1,
                _ => need.push(number..number + 1),
            }
        }
        match need.is_empty() {
            true => Ok(range.end - range.start),
            false => Err(Stop::Need(need)),
        }
    }

    /// The block `number` as it is now.
    pub fn block(&self, number: u64) -> Result<&[u8], Stop> {
        match self.changed.get(&number) {
            Some(changed) => Ok(changed),
            None => {
                self.require(number..number + 1)?;
                // It is there: that is what was just found.
                self.cache.get(number).ok_or(Stop::Full)
            }
        }
    }

    /// The block `number`, to be changed.
    pub fn modify(&mut self, number: u64) -> Result<&mut [u8], Stop> {
        if !self.changed.contains_key(&number) {
            let copy = buffer::copy(self.block(number)?)?;
            self.add(number, copy)?;
        }
        self.changed
            .get_mut(&number)
            .map(|b| &mut **b)
            .ok_or(Stop::Full)
    }

    /// The block `number` as zeros, to be filled: what it held does not matter.
    pub fn replace(&mut self, number: u64) -> Result<&mut [u8], Stop> {
        let zeros = buffer::zeroed(self.shape.length_of(number))?;
        self.add(number, zeros)?;
        self.changed
            .get_mut(&number)
            .map(|b| &mut **b)
            .ok_or(Stop::Full)
    }

    /// The changes.
    pub(crate) fn into_changes(self) -> BTreeMap<u64, Box<[u8]>> {
        self.changed
    }

    fn add(&mut self, number: u64, bytes: Box<[u8]>) -> Result<(), Stop> {
        if self.changed.len() >= self.cache.room() {
            return Err(Stop::Full);
        }
        self.changed.insert(number, bytes);
        Ok(())
    }
}

/// The result of an operation whose blocks were all there.
pub(crate) fn done<T>(result: T) -> DiskResult<T> {
    Ok(crate::Progress::Done(result))
}
