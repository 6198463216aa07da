//! The program's memory, which the kernel may copy from and to only where it has just found out
//! that the program may.

use std::ops::Range;

use hypercall::fake::FakeProgramHost;
use hypercall::{Fault, MapError, ProgramHost, ProgramRange, Protection};

/// A program's memory that watches what is done with it.
pub struct Memory {
    inner: FakeProgramHost,
    /// What was found accessible since the mappings changed last.
    prepared: Vec<(Range<u64>, Protection)>,
    /// Accesses must have been prepared. Not so those of the loader and of calls that change
    /// mappings, which fill and move pages whatever the program may do with them.
    watched: bool,
}

impl Memory {
    pub fn new() -> Self {
        Self {
            inner: FakeProgramHost::new(),
            prepared: Vec::with_capacity(64),
            watched: false,
        }
    }

    /// Begins a call; `watched` is whether its accesses must have been prepared.
    pub fn begin(&mut self, watched: bool) {
        self.watched = watched;
        self.prepared.clear();
    }

    /// The memory without the watch, for the test's own hands.
    pub fn unwatched(&mut self) -> &mut FakeProgramHost {
        &mut self.inner
    }

    /// # Panics
    ///
    /// If the bytes have not been prepared for `access`.
    fn assert_prepared(&self, address: u64, length: usize, access: Protection) {
        let end = address.saturating_add(length as u64);
        let mut reached = address;
        // A range may have been prepared in pieces that follow one another.
        while self.watched && reached < end {
            let around = self
                .prepared
                .iter()
                .filter(|(range, prepared)| range.contains(&reached) && prepared.contains(access));
            let next = around.map(|(range, _)| range.end).max();
            reached = next.unwrap_or_else(|| {
                panic!("{reached:#x} of {address:#x}..{end:#x} is accessed unprepared")
            });
        }
    }
}

impl ProgramHost for Memory {
    fn program_range(&self) -> ProgramRange {
        self.inner.program_range()
    }

    fn memory(&self) -> (u64, u64) {
        self.inner.memory()
    }

    fn map(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        self.prepared.clear();
        self.inner.map(range, protection)
    }

    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        self.prepared.clear();
        self.inner.protect(range, protection)
    }

    fn unmap(&mut self, range: ProgramRange) {
        self.prepared.clear();
        self.inner.unmap(range);
    }

    fn prepare(&mut self, address: u64, length: usize, access: Protection) -> Result<(), Fault> {
        self.inner.prepare(address, length, access)?;
        let range = address..address.saturating_add(length as u64);
        if self.watched && !range.is_empty() {
            self.prepared.push((range, access));
        }
        Ok(())
    }

    fn copy_in(&mut self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        self.assert_prepared(address, into.len(), Protection::READ);
        self.inner.copy_in(address, into)
    }

    fn copy_out(&mut self, bytes: &[u8], address: u64) -> Result<(), Fault> {
        self.assert_prepared(address, bytes.len(), Protection::WRITE);
        self.inner.copy_out(bytes, address)
    }

    fn set_thread_pointer(&mut self, address: u64) {
        self.inner.set_thread_pointer(address);
    }

    fn extended_state(&mut self, area: &mut [u8; 512], restore: bool) {
        self.inner.extended_state(area, restore);
    }
}
