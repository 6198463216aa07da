//! How a description is open: POSIX's flags with Linux' values, and what is kept of them.

use bitflags::bitflags;

use crate::Errno;

bitflags! {
    /// The flags of `open`, and those of them that `pipe2`, `dup3` and others share
    /// (Linux x86-64). Bits without a name are ignored, as Linux does.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct OpenFlags: u32 {
        /// Write and not read.
        const WRITE_ONLY = 0o1;
        /// Read and write.
        const READ_WRITE = 0o2;
        /// O_CREAT: make the file if it is not there.
        const CREATE = 0o100;
        /// O_EXCL: with CREATE, the file must not be there.
        const EXCLUSIVE = 0o200;
        /// O_TRUNC: empty the file.
        const TRUNCATE = 0o1000;
        /// O_APPEND: every write goes to the end.
        const APPEND = 0o2000;
        /// O_NONBLOCK: no operation waits.
        const NONBLOCK = 0o4000;
        /// O_DSYNC: every write is as durable as after `fdatasync`.
        const DATA_SYNC = 0o10000;
        /// O_SYNC: with DATA_SYNC's bit, as durable as after `fsync`.
        const SYNC = 0o4010000;
        /// O_DIRECT: past every cache.
        const DIRECT = 0o40000;
        /// O_DIRECTORY: it must be a directory.
        const DIRECTORY = 0o200000;
        /// O_NOFOLLOW: a symbolic link at the path's end is an error.
        const NO_FOLLOW = 0o400000;
        /// O_CLOEXEC: `exec` closes the descriptor.
        const CLOSE_ON_EXEC = 0o2000000;
        /// O_PATH: the name alone.
        const PATH = 0o10000000;
        /// O_TMPFILE (without O_DIRECTORY's bit): a file without a name.
        const TEMPORARY = 0o20000000;
        const _ = !0;
    }

    /// The flags that a description keeps. `fcntl(F_SETFL)` can change all but SYNC and DATA_SYNC.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct StatusFlags: u32 {
        /// O_APPEND.
        const APPEND = OpenFlags::APPEND.bits();
        /// O_NONBLOCK.
        const NONBLOCK = OpenFlags::NONBLOCK.bits();
        /// O_DIRECT.
        const DIRECT = OpenFlags::DIRECT.bits();
        /// O_DSYNC.
        const DATA_SYNC = OpenFlags::DATA_SYNC.bits();
        /// O_SYNC.
        const SYNC = OpenFlags::SYNC.bits();
    }

    /// What a description may be used for.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Access: u8 {
        const READ = 1;
        const WRITE = 2;
    }
}

impl OpenFlags {
    /// The access asked for (O_ACCMODE); EINVAL for the fourth value, which means nothing.
    pub(crate) fn access(self) -> Result<Access, Errno> {
        let mode = self & (Self::WRITE_ONLY | Self::READ_WRITE);
        if mode.is_empty() {
            Ok(Access::READ)
        } else if mode == Self::WRITE_ONLY {
            Ok(Access::WRITE)
        } else if mode == Self::READ_WRITE {
            Ok(Access::all())
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// What a description keeps.
    pub(crate) const fn status(self) -> StatusFlags {
        StatusFlags::from_bits_truncate(self.bits())
    }

    /// EINVAL if anything but `allowed` is set: for calls whose flags are few.
    pub(crate) const fn only(self, allowed: Self) -> Result<Self, Errno> {
        if allowed.contains(self) {
            Ok(self)
        } else {
            Err(Errno::EINVAL)
        }
    }
}

impl Access {
    /// As `open` would be told it.
    pub(crate) fn as_open_flags(self) -> OpenFlags {
        if self == Self::READ {
            OpenFlags::empty()
        } else if self == Self::WRITE {
            OpenFlags::WRITE_ONLY
        } else {
            OpenFlags::READ_WRITE
        }
    }
}
