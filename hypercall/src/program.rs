//! What a home adds that runs a whole program: the program's memory and registers.

use core::ops::Range;

use bitflags::bitflags;
use thiserror::Error;

use crate::PAGE_SIZE;

/// A home that runs a program beside the kernel.
///
/// Addresses here are the program's own. A mapped page that has not been touched costs nothing,
/// reads as zeros, and takes memory when the program, [`prepare`](ProgramHost::prepare) or a copy
/// first reaches it. No method blocks.
pub trait ProgramHost {
    /// The addresses that [`map`](ProgramHost::map) can use.
    fn program_range(&self) -> ProgramRange;

    /// How many bytes of memory the home has in all, and how many of them are free.
    fn memory(&self) -> (u64, u64);

    /// Makes `range` readable as zeros, with `protection`. It must be free; on error nothing has
    /// changed.
    fn map(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError>;

    /// Gives the mapped pages of `range` a new protection. Pages that are not mapped stay so.
    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError>;

    /// Frees `range`, mapped or not: whatever was there is gone and its memory comes back.
    fn unmap(&mut self, range: ProgramRange);

    /// Checks that the program may access the `length` bytes from `address` as `access` says, and
    /// gives memory to pages that have none yet. After success copies within that range succeed
    /// until the next `map`, `protect` or `unmap`.
    fn prepare(&mut self, address: u64, length: usize, access: Protection) -> Result<(), Fault>;

    /// Copies from the program's memory at `address`. On error `into` holds anything.
    fn copy_in(&mut self, address: u64, into: &mut [u8]) -> Result<(), Fault>;

    /// Copies into the program's memory at `address`, writable for the program or not (a loader
    /// fills pages that the program may only read). On error a front part may have been written.
    fn copy_out(&mut self, bytes: &[u8], address: u64) -> Result<(), Fault>;

    /// Sets the thread pointer (x86-64: the FS base) with which the program goes on.
    fn set_thread_pointer(&mut self, address: u64);

    /// Writes the extended state (x87, SSE) that the program left off with into `area`, as
    /// `fxsave64` does, or with `restore` makes the program go on with what `area` holds.
    fn extended_state(&mut self, area: &mut [u8; 512], restore: bool);
}

/// Whole pages of a program's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProgramRange {
    start: u64,
    length: u64,
}

impl ProgramRange {
    /// The range of `length` bytes from `start`, if both are whole pages and the end is an
    /// address.
    pub const fn new(start: u64, length: u64) -> Option<Self> {
        let page = PAGE_SIZE as u64;
        let whole = start.is_multiple_of(page) && length.is_multiple_of(page);
        if !whole || start.checked_add(length).is_none() {
            return None;
        }
        Some(Self { start, length })
    }

    /// The first address.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The first address beyond.
    pub const fn end(self) -> u64 {
        self.start + self.length
    }

    /// The length in bytes.
    pub const fn length(self) -> u64 {
        self.length
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The addresses as a plain range.
    pub const fn addresses(self) -> Range<u64> {
        self.start..self.end()
    }
}

bitflags! {
    /// What a program may do with a page. Empty: nothing at all.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Protection: u8 {
        /// Read it.
        const READ = 1;
        /// Write it.
        const WRITE = 2;
        /// Execute it.
        const EXECUTE = 4;
    }
}

/// Why a mapping was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum MapError {
    /// No memory for the mapping's own bookkeeping.
    #[error("out of memory")]
    OutOfMemory,
    /// The range is not within [`ProgramHost::program_range`], or not free.
    #[error("the range is not free for a program")]
    Unavailable,
    /// The home never lets a page be writable and executable at once.
    #[error("a page cannot be writable and executable at once")]
    WriteExecute,
}

/// A program's address that cannot be accessed as asked, or no memory to back it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("address {address:#x} cannot be accessed")]
pub struct Fault {
    /// The first such address.
    pub address: u64,
}

/// A program thread's general registers where it entered the kernel, x86-64.
///
/// The order is the platform's entry code's: it pushes them from the last field to the first.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the registers of their names")]
pub struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
}
