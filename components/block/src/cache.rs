//! The blocks in memory: which there are, which have been changed, which may go.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Range;

/// Blocks by number, at most as many as the cache was made for.
#[derive(Debug)]
pub(crate) struct Cache {
    blocks: BTreeMap<u64, Block>,
    /// Unchanged blocks by when they were used, which is when they go.
    unused_since: BTreeMap<u64, u64>,
    /// Changed blocks that are not being written.
    changed: BTreeMap<u64, Changed>,
    /// How many blocks are being written.
    writing: usize,
    /// Blocks that could not be read.
    faults: BTreeMap<u64, ReadFault>,
    capacity: usize,
    /// Counts uses.
    uses: u64,
}

#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    /// When it was used last.
    used: u64,
    writing: bool,
}

#[derive(Clone, Copy, Debug)]
struct Changed {
    /// The number of the oldest change that has not been written.
    since: u64,
    /// A write of it has failed, and nobody has asked for another.
    failed: bool,
}

/// How a block could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadFault {
    /// Among others: it is to be read by itself.
    Suspect,
    /// By itself.
    Unreadable,
}

impl Cache {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            blocks: BTreeMap::new(),
            unused_since: BTreeMap::new(),
            changed: BTreeMap::new(),
            writing: 0,
            faults: BTreeMap::new(),
            capacity,
            uses: 0,
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn get(&self, number: u64) -> Option<&[u8]> {
        self.blocks.get(&number).map(|block| &block.bytes[..])
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.blocks.contains_key(&number)
    }

    /// How many blocks can come in, if all that may go goes.
    pub(crate) fn room(&self) -> usize {
        self.capacity
            .saturating_sub(self.changed.len() + self.writing)
    }

    /// How many changed blocks nobody is writing.
    pub(crate) fn changed_count(&self) -> usize {
        self.changed.len()
    }

    /// Notes that a block has been used.
    pub(crate) fn touch(&mut self, number: u64) {
        self.uses += 1;
        let Some(block) = self.blocks.get_mut(&number) else {
            return;
        };
        if self.unused_since.remove(&block.used).is_some() {
            self.unused_since.insert(self.uses, number);
        }
        block.used = self.uses;
    }

    /// Takes in a block as it is on the device, unless there is a newer one or no room.
    pub(crate) fn fill(&mut self, number: u64, bytes: Box<[u8]>) {
        self.faults.remove(&number);
        if self.contains(number) || self.room() == 0 {
            return;
        }
        self.insert(number, bytes);
        self.unused_since.insert(self.uses, number);
        self.trim();
    }

    /// Takes in a block that was changed by the change numbered `change`.
    pub(crate) fn join(&mut self, number: u64, bytes: Box<[u8]>, change: u64) {
        self.insert(number, bytes);
        let changed = self.changed.entry(number).or_insert(Changed {
            since: change,
            failed: false,
        });
        changed.failed = false;
        self.trim();
    }

    /// Drops the blocks of `range`, which nobody is writing, changed or not.
    pub(crate) fn discard(&mut self, range: Range<u64>) {
        while let Some((&number, block)) = self.blocks.range(range.clone()).next() {
            self.unused_since.remove(&block.used);
            self.changed.remove(&number);
            self.blocks.remove(&number);
        }
    }

    /// Drops every unchanged block.
    pub(crate) fn forget(&mut self) {
        for number in core::mem::take(&mut self.unused_since).into_values() {
            self.blocks.remove(&number);
        }
    }

    /// The first blocks in `range`, in a row and at most `limit`, that were changed up to `change`,
    /// are not being written, and have not failed to be.
    pub(crate) fn changed_run(
        &self,
        range: Range<u64>,
        change: u64,
        limit: u64,
    ) -> Option<Range<u64>> {
        let mut due = self
            .changed
            .range(range)
            .filter(|(number, changed)| {
                let writing = self.blocks.get(number).is_some_and(|block| block.writing);
                changed.since <= change && !changed.failed && !writing
            })
            .map(|(&number, _)| number);
        let first = due.next()?;
        let mut end = first + 1;
        while end - first < limit && due.next() == Some(end) {
            end += 1;
        }
        Some(first..end)
    }

    /// The number of the oldest change in the blocks of `range`.
    pub(crate) fn changed_since(&self, range: Range<u64>) -> u64 {
        let since = self.changed.range(range).map(|(_, changed)| changed.since);
        since.min().unwrap_or(u64::MAX)
    }

    /// Whether a block of `range` was changed up to `change` and waits to be written: not if that
    /// has failed.
    pub(crate) fn is_unsettled(&self, range: Range<u64>, change: u64) -> bool {
        let mut changed = self.changed.range(range);
        changed.any(|(_, changed)| changed.since <= change && !changed.failed)
    }

    /// The blocks of `range` are being written as they are now.
    pub(crate) fn begin_write(&mut self, range: Range<u64>) {
        for (number, block) in self.blocks.range_mut(range) {
            block.writing = true;
            self.writing += 1;
            self.changed.remove(number);
        }
    }

    /// The write of the blocks of `range`, changed first by `since`, has ended.
    pub(crate) fn end_write(&mut self, range: Range<u64>, since: u64, failed: bool) {
        for (&number, block) in self.blocks.range_mut(range) {
            block.writing = false;
            self.writing -= 1;
            if failed {
                // What was to be written is still to be, whatever has been changed meanwhile.
                self.changed.insert(number, Changed { since, failed });
            } else if !self.changed.contains_key(&number) {
                self.unused_since.insert(block.used, number);
            }
        }
    }

    /// Blocks of `range` that could not be written are to be tried again.
    pub(crate) fn retry(&mut self, range: Range<u64>) {
        for changed in self.changed.range_mut(range) {
            changed.1.failed = false;
        }
    }

    /// Whether a block of `range` differs from the device.
    pub(crate) fn is_changed(&self, range: Range<u64>) -> bool {
        self.changed.range(range).next().is_some()
    }

    /// How a missing block could not be read, if it was tried.
    pub(crate) fn fault(&self, number: u64) -> Option<ReadFault> {
        self.faults.get(&number).copied()
    }

    /// The blocks of `range` could not be read together.
    pub(crate) fn note_fault(&mut self, range: Range<u64>) {
        let fault = match range.end - range.start {
            1 => ReadFault::Unreadable,
            _ => ReadFault::Suspect,
        };
        self.faults.extend(range.map(|number| (number, fault)));
    }

    /// What could not be read has been reported: the next who wants it has it tried again.
    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    fn insert(&mut self, number: u64, bytes: Box<[u8]>) {
        self.uses += 1;
        let used = self.uses;
        match self.blocks.get_mut(&number) {
            Some(block) => {
                self.unused_since.remove(&block.used);
                block.bytes = bytes;
                block.used = used;
            }
            None => {
                let writing = false;
                let block = Block {
                    bytes,
                    used,
                    writing,
                };
                self.blocks.insert(number, block);
            }
        }
    }

    /// Drops what has not been used for longest until the rest is no more than may be.
    fn trim(&mut self) {
        while self.blocks.len() > self.capacity {
            let Some((_, number)) = self.unused_since.pop_first() else {
                return;
            };
            self.blocks.remove(&number);
        }
    }
}
