//! Error numbers: POSIX's names, Linux' values, and the one table from the errors of the
//! components below to them.

use block::DiskError;
use fs::FsError;
use hypercall::{ConsoleError, EntropyUnavailable};
use net::{AddressError, NetError};
use thiserror::Error;

/// Why an operation failed, as `errno` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{self:?}")]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are POSIX's (XBD, <errno.h>)")]
pub enum Errno {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    ECHILD = 10,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    ENOTTY = 25,
    ETXTBSY = 26,
    EFBIG = 27,
    ENOSPC = 28,
    ESPIPE = 29,
    EROFS = 30,
    EMLINK = 31,
    EPIPE = 32,
    EDOM = 33,
    ERANGE = 34,
    EDEADLK = 35,
    ENAMETOOLONG = 36,
    ENOLCK = 37,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    ELOOP = 40,
    EPROTO = 71,
    EOVERFLOW = 75,
    ENOTSOCK = 88,
    EDESTADDRREQ = 89,
    EMSGSIZE = 90,
    EPROTOTYPE = 91,
    ENOPROTOOPT = 92,
    EPROTONOSUPPORT = 93,
    ESOCKTNOSUPPORT = 94,
    EOPNOTSUPP = 95,
    EAFNOSUPPORT = 97,
    EADDRINUSE = 98,
    EADDRNOTAVAIL = 99,
    ENETDOWN = 100,
    ENETUNREACH = 101,
    ECONNABORTED = 103,
    ECONNRESET = 104,
    ENOBUFS = 105,
    EISCONN = 106,
    ENOTCONN = 107,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
    EHOSTUNREACH = 113,
    EALREADY = 114,
    EINPROGRESS = 115,
    ECANCELED = 125,
}

impl Errno {
    /// The number that a Linux program sees.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl From<FsError> for Errno {
    fn from(error: FsError) -> Self {
        match error {
            FsError::NotFound => Self::ENOENT,
            FsError::Exists => Self::EEXIST,
            FsError::NotDirectory => Self::ENOTDIR,
            FsError::IsDirectory => Self::EISDIR,
            FsError::NotEmpty => Self::ENOTEMPTY,
            FsError::ReadOnly => Self::EROFS,
            FsError::NoSpace => Self::ENOSPC,
            FsError::NameTooLong => Self::ENAMETOOLONG,
            FsError::LinkLoop => Self::ELOOP,
            FsError::CrossDevice => Self::EXDEV,
            FsError::Busy => Self::EBUSY,
            FsError::TooLarge => Self::EFBIG,
            FsError::Invalid => Self::EINVAL,
            FsError::Denied => Self::EACCES,
            FsError::NotPermitted => Self::EPERM,
            FsError::Damaged => Self::EIO,
        }
    }
}

impl From<DiskError> for Errno {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Failed => Self::EIO,
            DiskError::EndOfDisk => Self::ENOSPC,
            // As Linux says it of a disk; EROFS is for file systems.
            DiskError::ReadOnly => Self::EPERM,
            DiskError::Misaligned => Self::EINVAL,
            DiskError::Unsupported => Self::EOPNOTSUPP,
            DiskError::OutOfMemory => Self::ENOMEM,
        }
    }
}

impl From<NetError> for Errno {
    fn from(error: NetError) -> Self {
        match error {
            NetError::WouldBlock => Self::EAGAIN,
            NetError::InProgress => Self::EINPROGRESS,
            NetError::Address(AddressError::InUse) => Self::EADDRINUSE,
            NetError::Address(AddressError::NotLocal) => Self::EADDRNOTAVAIL,
            NetError::Address(AddressError::NoFreePort) => Self::EADDRNOTAVAIL,
            NetError::Refused => Self::ECONNREFUSED,
            NetError::Reset => Self::ECONNRESET,
            NetError::TimedOut => Self::ETIMEDOUT,
            NetError::HostUnreachable => Self::EHOSTUNREACH,
            NetError::NetworkUnreachable => Self::ENETUNREACH,
            NetError::NotConnected => Self::ENOTCONN,
            NetError::AlreadyConnected => Self::EISCONN,
            NetError::SendClosed => Self::EPIPE,
            NetError::MessageTooLong => Self::EMSGSIZE,
            NetError::DestinationRequired => Self::EDESTADDRREQ,
            NetError::Unsupported => Self::EINVAL,
            NetError::NoSuchSocket => Self::EBADF,
            NetError::OutOfMemory => Self::ENOBUFS,
        }
    }
}

impl From<ConsoleError> for Errno {
    fn from(error: ConsoleError) -> Self {
        match error {
            ConsoleError::Closed => Self::EPIPE,
            ConsoleError::Failed => Self::EIO,
        }
    }
}

impl From<EntropyUnavailable> for Errno {
    fn from(_: EntropyUnavailable) -> Self {
        Self::EIO
    }
}
