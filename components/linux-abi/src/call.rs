//! One system call: its arguments, as the registers hold them.

use core::time::Duration;

use hypercall::Registers;
use posix::{Directory, Errno, Fd, Permissions};

use crate::bindings::AT_FDCWD;
use crate::user_buffer::Span;

/// What a call returns: a number that is not negative, or an error.
pub type Outcome = Result<u64, Errno>;

/// A call that a program has made (System V x86-64 ABI, A.2.1: rdi, rsi, rdx, r10, r8, r9).
pub struct Call<'a> {
    pub(crate) registers: &'a mut Registers,
}

impl Call<'_> {
    /// The argument at `index`, 0 to 5.
    pub(crate) const fn argument(&self, index: usize) -> u64 {
        let registers = &*self.registers;
        match index {
            0 => registers.rdi,
            1 => registers.rsi,
            2 => registers.rdx,
            3 => registers.r10,
            4 => registers.r8,
            _ => registers.r9,
        }
    }

    /// An `int`: what the upper half of the register holds does not count.
    pub(crate) const fn int(&self, index: usize) -> i32 {
        self.argument(index) as i32
    }

    /// An `unsigned int`.
    pub(crate) const fn unsigned(&self, index: usize) -> u32 {
        self.argument(index) as u32
    }

    /// A `long`.
    pub(crate) const fn long(&self, index: usize) -> i64 {
        self.argument(index).cast_signed()
    }

    /// A descriptor.
    pub(crate) const fn fd(&self, index: usize) -> Result<Fd, Errno> {
        Fd::new(self.int(index))
    }

    /// Where a relative path starts.
    pub(crate) fn directory(&self, index: usize) -> Result<Directory, Errno> {
        match self.int(index) {
            AT_FDCWD => Ok(Directory::Working),
            _ => self.fd(index).map(Directory::Open),
        }
    }

    /// Permissions of a file: what lies beyond them does not count.
    pub(crate) const fn permissions(&self, index: usize) -> Permissions {
        Permissions::from_bits_truncate(self.unsigned(index) as u16)
    }

    /// A buffer: its address at `index`, its length behind it.
    pub(crate) fn span(&self, index: usize) -> Span {
        Span::new(self.argument(index), self.argument(index + 1))
    }

    /// A timeout in milliseconds; a negative one is none.
    pub(crate) fn milliseconds(&self, index: usize) -> Option<Duration> {
        let milliseconds = u64::try_from(self.int(index)).ok()?;
        Some(Duration::from_millis(milliseconds))
    }
}

/// What a call returns that has nothing to say but that it worked.
pub(crate) const SUCCESS: Outcome = Ok(0);

/// A count as a call returns it.
pub(crate) fn count(result: Result<usize, Errno>) -> Outcome {
    result.map(|count| count as u64)
}

/// A descriptor as a call returns it.
pub(crate) fn descriptor(result: Result<Fd, Errno>) -> Outcome {
    result.map(|fd| u64::from(fd.number().unsigned_abs()))
}

/// Nothing as a call returns it.
pub(crate) fn nothing(result: Result<(), Errno>) -> Outcome {
    result.map(|()| 0)
}
