//! Calls on names: making, removing and renaming them, and attributes by path.

use core::time::Duration;

use hypercall::{Host, ProgramHost};
use posix::{AccessWanted, Directory, Errno, Permissions, SetTime};

use crate::bindings::{
    __kernel_old_timeval, __kernel_timespec, AT_EACCESS, AT_REMOVEDIR, AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
};
use crate::call::{Call, Outcome, nothing};
use crate::files::owner;
use crate::program::Program;
use crate::time::{duration_of, duration_of_timeval};

/// `access` modes: F_OK, X_OK, W_OK, R_OK.
const EXECUTE_WANTED: u32 = 1;
const WRITE_WANTED: u32 = 2;
const ALL_WANTED: u32 = 7;

/// Nanoseconds with a meaning of their own in `utimensat`.
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn access(&mut self, call: &mut Call<'_>) -> Outcome {
        self.check_access(Directory::Working, call.argument(0), call.unsigned(1), 0)
    }

    pub(crate) fn faccessat(&mut self, call: &mut Call<'_>) -> Outcome {
        self.check_access(call.directory(0)?, call.argument(1), call.unsigned(2), 0)
    }

    pub(crate) fn faccessat2(&mut self, call: &mut Call<'_>) -> Outcome {
        let (path, flags) = (call.argument(1), call.unsigned(3));
        self.check_access(call.directory(0)?, path, call.unsigned(2), flags)
    }

    pub(crate) fn mkdir(&mut self, call: &mut Call<'_>) -> Outcome {
        self.make_directory(Directory::Working, call.argument(0), call.permissions(1))
    }

    pub(crate) fn mkdirat(&mut self, call: &mut Call<'_>) -> Outcome {
        self.make_directory(call.directory(0)?, call.argument(1), call.permissions(2))
    }

    pub(crate) fn unlink(&mut self, call: &mut Call<'_>) -> Outcome {
        self.remove_name(Directory::Working, call.argument(0), 0)
    }

    pub(crate) fn rmdir(&mut self, call: &mut Call<'_>) -> Outcome {
        self.remove_name(Directory::Working, call.argument(0), AT_REMOVEDIR)
    }

    pub(crate) fn unlinkat(&mut self, call: &mut Call<'_>) -> Outcome {
        self.remove_name(call.directory(0)?, call.argument(1), call.unsigned(2))
    }

    pub(crate) fn rename(&mut self, call: &mut Call<'_>) -> Outcome {
        let (from, to) = (call.argument(0), call.argument(1));
        self.rename_between((Directory::Working, from), (Directory::Working, to))
    }

    pub(crate) fn renameat(&mut self, call: &mut Call<'_>) -> Outcome {
        let from = (call.directory(0)?, call.argument(1));
        let to = (call.directory(2)?, call.argument(3));
        self.rename_between(from, to)
    }

    /// No flag of `renameat2` is known here.
    pub(crate) fn renameat2(&mut self, call: &mut Call<'_>) -> Outcome {
        match call.unsigned(4) {
            0 => self.renameat(call),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn link(&mut self, call: &mut Call<'_>) -> Outcome {
        let (from, to) = (call.argument(0), call.argument(1));
        self.link_between((Directory::Working, from), (Directory::Working, to), false)
    }

    pub(crate) fn linkat(&mut self, call: &mut Call<'_>) -> Outcome {
        let from = (call.directory(0)?, call.argument(1));
        let to = (call.directory(2)?, call.argument(3));
        match call.unsigned(4) {
            0 => self.link_between(from, to, false),
            AT_SYMLINK_FOLLOW => self.link_between(from, to, true),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn symlink(&mut self, call: &mut Call<'_>) -> Outcome {
        let target = call.argument(0);
        self.make_symbolic_link(target, Directory::Working, call.argument(1))
    }

    pub(crate) fn symlinkat(&mut self, call: &mut Call<'_>) -> Outcome {
        let target = call.argument(0);
        self.make_symbolic_link(target, call.directory(1)?, call.argument(2))
    }

    pub(crate) fn readlink(&mut self, call: &mut Call<'_>) -> Outcome {
        let (path, buffer) = (call.argument(0), call.argument(1));
        self.read_link(Directory::Working, path, buffer, call.int(2))
    }

    pub(crate) fn readlinkat(&mut self, call: &mut Call<'_>) -> Outcome {
        let (path, buffer) = (call.argument(1), call.argument(2));
        self.read_link(call.directory(0)?, path, buffer, call.int(3))
    }

    pub(crate) fn chmod(&mut self, call: &mut Call<'_>) -> Outcome {
        self.change_permissions(Directory::Working, call.argument(0), call.permissions(1))
    }

    pub(crate) fn fchmodat(&mut self, call: &mut Call<'_>) -> Outcome {
        self.change_permissions(call.directory(0)?, call.argument(1), call.permissions(2))
    }

    pub(crate) fn chown(&mut self, call: &mut Call<'_>) -> Outcome {
        let owners = (call.unsigned(1), call.unsigned(2));
        self.change_owner(Directory::Working, call.argument(0), owners, true)
    }

    pub(crate) fn lchown(&mut self, call: &mut Call<'_>) -> Outcome {
        let owners = (call.unsigned(1), call.unsigned(2));
        self.change_owner(Directory::Working, call.argument(0), owners, false)
    }

    pub(crate) fn fchownat(&mut self, call: &mut Call<'_>) -> Outcome {
        let follow = match call.unsigned(4) {
            0 => true,
            AT_SYMLINK_NOFOLLOW => false,
            _ => return Err(Errno::EINVAL),
        };
        let owners = (call.unsigned(2), call.unsigned(3));
        self.change_owner(call.directory(0)?, call.argument(1), owners, follow)
    }

    /// Times of the file at a path, or without one of an open file.
    pub(crate) fn utimensat(&mut self, call: &mut Call<'_>) -> Outcome {
        let follow = match call.unsigned(3) {
            0 => true,
            AT_SYMLINK_NOFOLLOW => false,
            _ => return Err(Errno::EINVAL),
        };
        let times: Option<[__kernel_timespec; 2]> =
            self.memory().read_optional(call.argument(2))?;
        let (accessed, modified) = match times {
            Some([accessed, modified]) => (time_to_set(&accessed)?, time_to_set(&modified)?),
            None => (SetTime::Now, SetTime::Now),
        };
        if call.argument(1) == 0 {
            let fd = call.fd(0)?;
            return nothing(self.entered().futimens(fd, accessed, modified));
        }
        let directory = call.directory(0)?;
        let path = self.memory().read_path(call.argument(1))?;
        let kernel = self.entered();
        nothing(kernel.utimensat(directory, &path, accessed, modified, follow))
    }

    pub(crate) fn utimes(&mut self, call: &mut Call<'_>) -> Outcome {
        let path = self.memory().read_path(call.argument(0))?;
        let times: Option<[__kernel_old_timeval; 2]> =
            self.memory().read_optional(call.argument(1))?;
        let times = match times {
            Some([accessed, modified]) => Some((
                duration_of_timeval(&accessed)?,
                duration_of_timeval(&modified)?,
            )),
            None => None,
        };
        self.set_times(&path, times)
    }

    pub(crate) fn utime(&mut self, call: &mut Call<'_>) -> Outcome {
        let path = self.memory().read_path(call.argument(0))?;
        let times: Option<[u64; 2]> = self.memory().read_optional(call.argument(1))?;
        let times = times.map(|[accessed, modified]| {
            (Duration::from_secs(accessed), Duration::from_secs(modified))
        });
        self.set_times(&path, times)
    }

    fn set_times(&mut self, path: &[u8], times: Option<(Duration, Duration)>) -> Outcome {
        let (accessed, modified) = match times {
            Some((accessed, modified)) => (SetTime::To(accessed), SetTime::To(modified)),
            None => (SetTime::Now, SetTime::Now),
        };
        let kernel = self.entered();
        nothing(kernel.utimensat(Directory::Working, path, accessed, modified, true))
    }

    fn check_access(
        &mut self,
        directory: Directory,
        path: u64,
        wanted: u32,
        flags: u32,
    ) -> Outcome {
        if wanted & !ALL_WANTED != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW) != 0 {
            return Err(Errno::EINVAL);
        }
        let path = self.memory().read_path(path)?;
        let wanted = AccessWanted {
            write: wanted & WRITE_WANTED != 0,
            execute: wanted & EXECUTE_WANTED != 0,
        };
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        nothing(self.kernel.faccessat(directory, &path, wanted, follow))
    }

    fn make_directory(
        &mut self,
        directory: Directory,
        path: u64,
        permissions: Permissions,
    ) -> Outcome {
        let path = self.memory().read_path(path)?;
        nothing(self.entered().mkdirat(directory, &path, permissions))
    }

    fn remove_name(&mut self, directory: Directory, path: u64, flags: u32) -> Outcome {
        let path = self.memory().read_path(path)?;
        let kernel = self.entered();
        nothing(match flags {
            0 => kernel.unlinkat(directory, &path),
            AT_REMOVEDIR => kernel.rmdirat(directory, &path),
            _ => Err(Errno::EINVAL),
        })
    }

    fn make_symbolic_link(&mut self, target: u64, directory: Directory, path: u64) -> Outcome {
        let target = self.memory().read_path(target)?;
        let path = self.memory().read_path(path)?;
        nothing(self.entered().symlinkat(&target, directory, &path))
    }

    fn change_permissions(
        &mut self,
        directory: Directory,
        path: u64,
        permissions: Permissions,
    ) -> Outcome {
        let path = self.memory().read_path(path)?;
        nothing(self.entered().fchmodat(directory, &path, permissions))
    }

    fn rename_between(&mut self, from: (Directory, u64), to: (Directory, u64)) -> Outcome {
        let from_path = self.memory().read_path(from.1)?;
        let to_path = self.memory().read_path(to.1)?;
        let kernel = self.entered();
        nothing(kernel.renameat((from.0, &from_path), (to.0, &to_path)))
    }

    fn link_between(
        &mut self,
        from: (Directory, u64),
        to: (Directory, u64),
        follow: bool,
    ) -> Outcome {
        let from_path = self.memory().read_path(from.1)?;
        let to_path = self.memory().read_path(to.1)?;
        let kernel = self.entered();
        nothing(kernel.linkat((from.0, &from_path), (to.0, &to_path), follow))
    }

    /// As much of the target as fits, without a NUL.
    fn read_link(&mut self, directory: Directory, path: u64, buffer: u64, size: i32) -> Outcome {
        let size = usize::try_from(size).or(Err(Errno::EINVAL))?;
        if size == 0 {
            return Err(Errno::EINVAL);
        }
        let path = self.memory().read_path(path)?;
        let target = self.kernel.readlinkat(directory, &path)?;
        let part = &target[..target.len().min(size)];
        self.memory().write_bytes(buffer, part)?;
        Ok(part.len() as u64)
    }

    fn change_owner(
        &mut self,
        directory: Directory,
        path: u64,
        (user, group): (u32, u32),
        follow: bool,
    ) -> Outcome {
        let path = self.memory().read_path(path)?;
        let kernel = self.entered();
        nothing(kernel.fchownat(directory, &path, owner(user), owner(group), follow))
    }
}

fn time_to_set(time: &__kernel_timespec) -> Result<SetTime, Errno> {
    match time.tv_nsec {
        UTIME_NOW => Ok(SetTime::Now),
        UTIME_OMIT => Ok(SetTime::Omit),
        _ => duration_of(time).map(SetTime::To),
    }
}
