//! A disk as a row of bytes: reads and writes of any length at any offset.

use core::ops::Range;

use hypercall::{BlockDevice, BlockGeometry, Instant, Sink, Source};

use crate::view::{Stop, View, done};
use crate::{CachedDisk, Caching, Disk, DiskError, DiskResult, Progress, Settling};

impl<D: BlockDevice + Send> Disk for CachedDisk<D> {
    fn geometry(&self) -> BlockGeometry {
        self.device.geometry()
    }

    fn read(&mut self, offset: u64, into: &mut dyn Sink, caching: Caching) -> DiskResult<usize> {
        let range = self.reach(offset, into.remaining(), caching)?;
        if range.is_empty() {
            return done(0);
        }
        if caching == Caching::Direct {
            return self.read_direct(range, into);
        }
        let progress = self.run(|view| read(view, &range, into))?;
        if let Progress::Done(moved) = progress {
            let read = range.start..range.start + moved as u64;
            for number in self.shape.blocks_of(&read) {
                self.cache.touch(number);
            }
        }
        Ok(progress)
    }

    fn write(&mut self, offset: u64, data: &mut dyn Source, caching: Caching) -> DiskResult<usize> {
        if self.device.geometry().read_only {
            return Err(DiskError::ReadOnly);
        }
        if data.remaining() == 0 {
            return done(0);
        }
        let range = self.reach(offset, data.remaining(), caching)?;
        if range.is_empty() {
            return Err(DiskError::EndOfDisk);
        }
        match caching {
            Caching::Direct => self.write_direct(range, data),
            Caching::Cached => self.run(|view| write(view, &range, data)),
        }
    }

    fn discard(&mut self, range: Range<u64>) -> DiskResult<()> {
        let geometry = self.device.geometry();
        if geometry.read_only {
            return Err(DiskError::ReadOnly);
        }
        if !geometry.discards {
            return Err(DiskError::Unsupported);
        }
        if !self.shape.is_aligned(&range) || range.end > self.shape.size {
            return Err(DiskError::Misaligned);
        }
        match range.is_empty() {
            true => done(()),
            false => self.discard_range(range),
        }
    }

    fn settle(&mut self, settling: &mut Settling) -> DiskResult<()> {
        self.settle_step(settling)
    }

    fn forget(&mut self) {
        self.cache.forget();
    }

    fn progress(&mut self, now: Instant) {
        self.now = now;
        self.device_deadline = self.device.expire(now);
        self.exchange();
        self.write_back_if_due();
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.device_deadline, self.write_back_due()];
        deadlines.into_iter().flatten().min()
    }

    fn events(&self) -> u64 {
        self.events
    }
}

impl<D: BlockDevice> CachedDisk<D> {
    /// The bytes that one operation can move of `length` at `offset`.
    fn reach(&self, offset: u64, length: usize, caching: Caching) -> Result<Range<u64>, DiskError> {
        let wanted = offset..offset.saturating_add(length as u64);
        let blocks = match caching {
            Caching::Direct if !self.shape.is_aligned(&wanted) => {
                return Err(DiskError::Misaligned);
            }
            Caching::Direct => self.request_limit(),
            Caching::Cached => self.operation_limit(),
        };
        let size = self.shape.size;
        let (first, _) = self.shape.locate(offset);
        let limit = self.shape.bytes_of(&(first..first.saturating_add(blocks)));
        Ok(offset.min(size)..wanted.end.min(limit.end).max(offset.min(size)))
    }
}

/// Moves the bytes of `range`, or those before a block that cannot be read.
fn read(view: &View<'_>, range: &Range<u64>, into: &mut dyn Sink) -> Result<usize, Stop> {
    let block_size = u64::from(view.block_size());
    let blocks = range.start / block_size..range.end.div_ceil(block_size);
    let readable = view.require(blocks.clone())?;
    let mut moved = 0;
    for number in blocks.start..blocks.start + readable {
        let part = part_of(number, block_size, range);
        moved += into.put(&view.block(number)?[part]);
    }
    Ok(moved)
}

/// Moves bytes to `range`, all of it.
fn write(view: &mut View<'_>, range: &Range<u64>, data: &mut dyn Source) -> Result<usize, Stop> {
    let block_size = u64::from(view.block_size());
    let blocks = range.start / block_size..range.end.div_ceil(block_size);
    // Nothing may be taken of the data before it is certain that there is a place for all of it.
    let whole = |view: &View<'_>, number| {
        let part = part_of(number, block_size, range);
        part.end - part.start == view.length_of(number)
    };
    for number in blocks.clone() {
        match whole(view, number) {
            true => view.replace(number)?,
            false => view.modify(number)?,
        };
    }
    let mut moved = 0;
    for number in blocks {
        let part = part_of(number, block_size, range);
        moved += data.take(&mut view.modify(number)?[part]);
    }
    Ok(moved)
}

/// Which bytes of the block `number` lie in `range`.
fn part_of(number: u64, block_size: u64, range: &Range<u64>) -> Range<usize> {
    let start = number * block_size;
    let end = range.end.min(start + block_size);
    (range.start.max(start) - start) as usize..(end - start) as usize
}
