//! `stat` and its kin.

use core::time::Duration;

use hypercall::{Host, ProgramHost};
use posix::{Directory, Errno, FileKind, FileStatus, FileSystemStatus};
use zerocopy::FromZeros as _;

use crate::bindings::{
    AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, S_IFBLK, S_IFCHR,
    S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, STATX_BASIC_STATS, stat, statfs, statx,
    statx_timestamp,
};
use crate::call::{Call, Outcome, SUCCESS};
use crate::program::Program;

/// The unit in which `statfs` counts.
const FILE_SYSTEM_UNIT: u64 = 4096;

/// The longest name (NAME_MAX).
const NAME_MAX: i64 = 255;

/// ST_RDONLY, and ST_VALID: the flags are given at all.
const READ_ONLY: i64 = 1;
const FLAGS_VALID: i64 = 0x20;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn stat(&mut self, call: &mut Call<'_>) -> Outcome {
        self.status_by_path(call, true)
    }

    pub(crate) fn lstat(&mut self, call: &mut Call<'_>) -> Outcome {
        self.status_by_path(call, false)
    }

    pub(crate) fn fstat(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let status = self.entered().fstat(fd)?;
        self.memory().write(call.argument(1), &stat_of(&status))?;
        SUCCESS
    }

    pub(crate) fn newfstatat(&mut self, call: &mut Call<'_>) -> Outcome {
        let status = self.status_at(call, call.unsigned(3))?;
        self.memory().write(call.argument(2), &stat_of(&status))?;
        SUCCESS
    }

    pub(crate) fn statx(&mut self, call: &mut Call<'_>) -> Outcome {
        let flags = call.unsigned(2) & !AT_STATX_SYNC_TYPE;
        let status = self.status_at(call, flags)?;
        self.memory().write(call.argument(4), &statx_of(&status))?;
        SUCCESS
    }

    pub(crate) fn statfs(&mut self, call: &mut Call<'_>) -> Outcome {
        let path = self.memory().read_path(call.argument(0))?;
        let status = self.kernel.statfs(&path)?;
        self.memory().write(call.argument(1), &statfs_of(&status))?;
        SUCCESS
    }

    pub(crate) fn fstatfs(&mut self, call: &mut Call<'_>) -> Outcome {
        let status = self.kernel.fstatfs(call.fd(0)?)?;
        self.memory().write(call.argument(1), &statfs_of(&status))?;
        SUCCESS
    }

    fn status_by_path(&mut self, call: &Call<'_>, follow: bool) -> Outcome {
        let path = self.memory().read_path(call.argument(0))?;
        let status = self.entered().fstatat(Directory::Working, &path, follow)?;
        self.memory().write(call.argument(1), &stat_of(&status))?;
        SUCCESS
    }

    /// What is at the path of the second argument, from the directory of the first.
    fn status_at(&mut self, call: &Call<'_>, flags: u32) -> Result<FileStatus, Errno> {
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT) != 0 {
            return Err(Errno::EINVAL);
        }
        let directory = call.directory(0)?;
        let path = self.memory().read_path(call.argument(1))?;
        let kernel = self.entered();
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            return match directory {
                Directory::Open(fd) => kernel.fstat(fd),
                Directory::Working => kernel.fstatat(directory, b".", true),
            };
        }
        kernel.fstatat(directory, &path, flags & AT_SYMLINK_NOFOLLOW == 0)
    }
}

fn stat_of(status: &FileStatus) -> stat {
    let attributes = &status.attributes;
    let (major, minor) = device_of(attributes.kind);
    let (accessed, accessed_ns) = split(attributes.times.accessed);
    let (modified, modified_ns) = split(attributes.times.modified);
    let (changed, changed_ns) = split(attributes.times.changed);
    let mut to = stat::new_zeroed();
    to.st_dev = status.device;
    to.st_ino = attributes.node.0;
    to.st_nlink = attributes.links.into();
    to.st_mode = mode_of(status);
    to.st_uid = attributes.user;
    to.st_gid = attributes.group;
    to.st_rdev = device_number(major, minor);
    to.st_size = signed(attributes.size);
    to.st_blksize = status.block_size.into();
    to.st_blocks = signed(attributes.blocks);
    to.st_atime = accessed;
    to.st_atime_nsec = accessed_ns;
    to.st_mtime = modified;
    to.st_mtime_nsec = modified_ns;
    to.st_ctime = changed;
    to.st_ctime_nsec = changed_ns;
    to
}

fn statx_of(status: &FileStatus) -> statx {
    let attributes = &status.attributes;
    let (major, minor) = device_of(attributes.kind);
    let mut to = statx::new_zeroed();
    to.stx_mask = STATX_BASIC_STATS;
    to.stx_blksize = status.block_size;
    to.stx_nlink = attributes.links;
    to.stx_uid = attributes.user;
    to.stx_gid = attributes.group;
    to.stx_mode = mode_of(status) as u16;
    to.stx_ino = attributes.node.0;
    to.stx_size = attributes.size;
    to.stx_blocks = attributes.blocks;
    to.stx_atime = statx_time(attributes.times.accessed);
    to.stx_mtime = statx_time(attributes.times.modified);
    to.stx_ctime = statx_time(attributes.times.changed);
    to.stx_rdev_major = major;
    to.stx_rdev_minor = minor;
    to.stx_dev_major = (status.device >> 8) as u32 & 0xfff;
    to.stx_dev_minor = status.device as u32 & 0xff;
    to
}

fn statfs_of(status: &FileSystemStatus) -> statfs {
    let units = |bytes: u64| signed(bytes / FILE_SYSTEM_UNIT);
    let mut to = statfs::new_zeroed();
    to.f_bsize = signed(FILE_SYSTEM_UNIT);
    to.f_frsize = signed(FILE_SYSTEM_UNIT);
    to.f_blocks = units(status.total);
    to.f_bfree = units(status.free);
    to.f_bavail = units(status.free);
    to.f_namelen = NAME_MAX;
    to.f_flags = match status.writable {
        true => FLAGS_VALID,
        false => FLAGS_VALID | READ_ONLY,
    };
    to
}

fn mode_of(status: &FileStatus) -> u32 {
    let kind = match status.attributes.kind {
        FileKind::Regular => S_IFREG,
        FileKind::Directory => S_IFDIR,
        FileKind::SymbolicLink => S_IFLNK,
        FileKind::CharacterDevice { .. } => S_IFCHR,
        FileKind::BlockDevice { .. } => S_IFBLK,
        FileKind::Fifo => S_IFIFO,
        FileKind::Socket => S_IFSOCK,
    };
    kind | u32::from(status.attributes.permissions.bits())
}

fn device_of(kind: FileKind) -> (u32, u32) {
    match kind {
        FileKind::CharacterDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            (major, minor)
        }
        _ => (0, 0),
    }
}

/// Linux' device number for programs (`makedev(3)`).
fn device_number(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

fn split(time: Duration) -> (u64, u64) {
    (time.as_secs(), time.subsec_nanos().into())
}

fn statx_time(time: Duration) -> statx_timestamp {
    let mut to = statx_timestamp::new_zeroed();
    to.tv_sec = signed(time.as_secs());
    to.tv_nsec = time.subsec_nanos();
    to
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
