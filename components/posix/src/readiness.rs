//! What can be done with a description without waiting, and what a step waits for.
//!
//! Every call that waits uses these two values: blocking reads and writes, `poll`, `select`,
//! `epoll`, sleeps.

use alloc::vec::Vec;

use bitflags::bitflags;
use hypercall::Instant;

use crate::Errno;
use crate::description::DescriptionId;
use crate::disk::DiskWait;

bitflags! {
    /// What can be done now; the bits are those of `poll` and `epoll` on Linux.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Readiness: u32 {
        /// A read would not wait (POLLIN).
        const READABLE = 0x001;
        /// Urgent data (POLLPRI). No description here ever has any.
        const PRIORITY = 0x002;
        /// A write would not wait (POLLOUT).
        const WRITABLE = 0x004;
        /// An error waits to be taken, or the reader of a pipe has gone (POLLERR).
        const ERROR = 0x008;
        /// The other side has gone (POLLHUP).
        const HANG_UP = 0x010;
        /// Not an open descriptor (POLLNVAL).
        const INVALID = 0x020;
        /// The same as READABLE where there are no priorities (POLLRDNORM).
        const READ_NORMAL = 0x040;
        /// The same as WRITABLE where there are no priorities (POLLWRNORM).
        const WRITE_NORMAL = 0x100;
        /// The peer will send nothing more (POLLRDHUP).
        const READ_CLOSED = 0x2000;
    }
}

impl Readiness {
    /// What is always reported, asked for or not.
    pub const ALWAYS: Self = Self::ERROR.union(Self::HANG_UP);

    /// READABLE under both of its names.
    pub(crate) const IN: Self = Self::READABLE.union(Self::READ_NORMAL);

    /// WRITABLE under both of its names.
    pub(crate) const OUT: Self = Self::WRITABLE.union(Self::WRITE_NORMAL);
}

impl From<net::Readiness> for Readiness {
    fn from(ready: net::Readiness) -> Self {
        let table = [
            (net::Readiness::READABLE, Self::IN),
            (net::Readiness::WRITABLE, Self::OUT),
            (net::Readiness::READ_CLOSED, Self::READ_CLOSED),
            (net::Readiness::HANG_UP, Self::HANG_UP),
            (net::Readiness::ERROR, Self::ERROR),
        ];
        table
            .into_iter()
            .filter(|(theirs, _)| ready.contains(*theirs))
            .fold(Self::empty(), |all, (_, ours)| all | ours)
    }
}

/// What a step returns.
pub type StepResult<T> = Result<Step<T>, Errno>;

/// How far an operation came.
#[derive(Debug)]
#[must_use]
pub enum Step<T> {
    /// It is done.
    Done(T),
    /// It has changed nothing; the same call is worth another try when this is over.
    Wait(Wait),
}

impl<T> Step<T> {
    /// The same with another result.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Done(result) => Step::Done(change(result)),
            Self::Wait(wait) => Step::Wait(wait),
        }
    }
}

/// What a step waits for: any of some descriptions, a disk, a deadline, or else a signal.
#[derive(Debug, Default)]
pub struct Wait {
    /// A description with the readiness wanted of it: most steps wait for one, which needs no memory.
    pub(crate) interest: Option<(DescriptionId, Readiness)>,
    /// More of them.
    pub(crate) interests: Vec<(DescriptionId, Readiness)>,
    /// Something that a disk has been asked for. It comes, so that no signal ends the wait.
    pub(crate) disk: Option<DiskWait>,
    /// When to try again in any case.
    pub(crate) deadline: Option<Instant>,
}

impl Wait {
    /// Waits for a signal, or for `deadline` if there is one.
    pub const fn until(deadline: Option<Instant>) -> Self {
        Self {
            interest: None,
            interests: Vec::new(),
            disk: None,
            deadline,
        }
    }

    /// Waits until `id` has one of `wanted`, or whatever is always reported.
    pub(crate) fn on(id: DescriptionId, wanted: Readiness) -> Self {
        Self {
            interest: Some((id, wanted)),
            interests: Vec::new(),
            disk: None,
            deadline: None,
        }
    }

    /// Waits for a disk.
    pub(crate) const fn on_disk(disk: DiskWait) -> Self {
        Self {
            interest: None,
            interests: Vec::new(),
            disk: Some(disk),
            deadline: None,
        }
    }

    /// When the step is worth another try in any case.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
