//! Operations on names: making, removing, renaming and looking at what they name.

use alloc::vec::Vec;
use core::time::Duration;

use fs::{FileKind, Permissions, Place, SetAttributes};
use hypercall::Host;

use crate::open::Directory;
use crate::status::FileStatus;
use crate::{Errno, Fd, Kernel};

/// A time to set by `utimensat`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetTime {
    /// The time now (UTIME_NOW).
    Now,
    /// Left as it is (UTIME_OMIT).
    Omit,
    /// This one, since 1970.
    To(Duration),
}

impl<H: Host> Kernel<H> {
    /// What is at `path`: `stat` with `follow`, `lstat` without.
    pub fn fstatat(
        &mut self,
        directory: Directory,
        path: &[u8],
        follow: bool,
    ) -> Result<FileStatus, Errno> {
        let place = self.place(directory, path, follow)?;
        self.status_of(place)
    }

    /// Whether there is something at `path` that the program may use as it likes. The superuser
    /// may read and write anything, and execute what anybody may (POSIX.1-2017, `access`).
    pub fn faccessat(
        &mut self,
        directory: Directory,
        path: &[u8],
        wanted: AccessWanted,
        follow: bool,
    ) -> Result<(), Errno> {
        let place = self.place(directory, path, follow)?;
        let attributes = self.vfs.attributes(place)?;
        let executable = Permissions::from_bits_truncate(0o111);
        if wanted.execute
            && attributes.kind == FileKind::Regular
            && !attributes.permissions.intersects(executable)
        {
            return Err(Errno::EACCES);
        }
        let is_device = matches!(
            attributes.kind,
            FileKind::CharacterDevice { .. } | FileKind::BlockDevice { .. }
        );
        if wanted.write && !is_device && !self.vfs.is_writable(place)? {
            return Err(Errno::EROFS);
        }
        Ok(())
    }

    /// Makes a directory.
    pub fn mkdirat(
        &mut self,
        directory: Directory,
        path: &[u8],
        permissions: Permissions,
    ) -> Result<(), Errno> {
        let start = self.start(directory, path)?;
        let (kind, now) = (FileKind::Directory, self.clock.wall());
        let permissions = permissions - self.umask;
        self.vfs.create(start, path, kind, permissions, now)?;
        Ok(())
    }

    /// Removes a name: `unlink`.
    pub fn unlinkat(&mut self, directory: Directory, path: &[u8]) -> Result<(), Errno> {
        let start = self.start(directory, path)?;
        Ok(self.vfs.unlink(start, path, self.clock.wall())?)
    }

    /// Removes an empty directory: `rmdir`, `unlinkat` with AT_REMOVEDIR.
    pub fn rmdirat(&mut self, directory: Directory, path: &[u8]) -> Result<(), Errno> {
        let start = self.start(directory, path)?;
        Ok(self.vfs.remove_directory(start, path, self.clock.wall())?)
    }

    /// Gives what `from` names the name `to`.
    pub fn renameat(
        &mut self,
        (from_directory, from): (Directory, &[u8]),
        (to_directory, to): (Directory, &[u8]),
    ) -> Result<(), Errno> {
        let from = (self.start(from_directory, from)?, from);
        let to = (self.start(to_directory, to)?, to);
        Ok(self.vfs.rename(from, to, self.clock.wall())?)
    }

    /// Gives what `from` names the further name `to`; with `follow` what a symbolic link there
    /// leads to.
    pub fn linkat(
        &mut self,
        (from_directory, from): (Directory, &[u8]),
        (to_directory, to): (Directory, &[u8]),
        follow: bool,
    ) -> Result<(), Errno> {
        let from = (self.start(from_directory, from)?, from);
        let to = (self.start(to_directory, to)?, to);
        Ok(self.vfs.link(from, follow, to, self.clock.wall())?)
    }

    /// Makes a symbolic link to `target`.
    pub fn symlinkat(
        &mut self,
        target: &[u8],
        directory: Directory,
        path: &[u8],
    ) -> Result<(), Errno> {
        let start = self.start(directory, path)?;
        Ok(self.vfs.symlink(target, start, path, self.clock.wall())?)
    }

    /// The target of a symbolic link.
    pub fn readlinkat(&mut self, directory: Directory, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let place = self.place(directory, path, false)?;
        Ok(self.vfs.read_link(place)?)
    }

    /// Changes permissions.
    pub fn fchmodat(
        &mut self,
        directory: Directory,
        path: &[u8],
        permissions: Permissions,
    ) -> Result<(), Errno> {
        let change = SetAttributes {
            permissions: Some(permissions),
            ..SetAttributes::default()
        };
        let place = self.place(directory, path, true)?;
        Ok(self.vfs.set_attributes(place, change, self.clock.wall())?)
    }

    /// Changes the owner, the group or both.
    pub fn fchownat(
        &mut self,
        directory: Directory,
        path: &[u8],
        user: Option<u32>,
        group: Option<u32>,
        follow: bool,
    ) -> Result<(), Errno> {
        let change = SetAttributes {
            user,
            group,
            ..SetAttributes::default()
        };
        let place = self.place(directory, path, follow)?;
        Ok(self.vfs.set_attributes(place, change, self.clock.wall())?)
    }

    /// Changes the times of what is at `path`.
    pub fn utimensat(
        &mut self,
        directory: Directory,
        path: &[u8],
        accessed: SetTime,
        modified: SetTime,
        follow: bool,
    ) -> Result<(), Errno> {
        let change = self.time_change(accessed, modified);
        let place = self.place(directory, path, follow)?;
        Ok(self.vfs.set_attributes(place, change, self.clock.wall())?)
    }

    /// Changes the times of an open file.
    pub fn futimens(&mut self, fd: Fd, accessed: SetTime, modified: SetTime) -> Result<(), Errno> {
        let change = self.time_change(accessed, modified);
        self.set_open_attributes(fd, change)
    }

    fn time_change(&self, accessed: SetTime, modified: SetTime) -> SetAttributes {
        let time = |set| match set {
            SetTime::Now => Some(self.clock.wall()),
            SetTime::Omit => None,
            SetTime::To(time) => Some(time),
        };
        SetAttributes {
            accessed: time(accessed),
            modified: time(modified),
            ..SetAttributes::default()
        }
    }

    fn place(&mut self, directory: Directory, path: &[u8], follow: bool) -> Result<Place, Errno> {
        let start = self.start(directory, path)?;
        Ok(self.vfs.resolve(start, path, follow)?)
    }
}

/// What `access` asks for. Nothing: that there is something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccessWanted {
    /// W_OK.
    pub write: bool,
    /// X_OK.
    pub execute: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenFlags;
    use crate::fake_host::{self, FakeHost, START};

    const HERE: Directory = Directory::Working;

    fn access(
        kernel: &mut Kernel<FakeHost>,
        path: &[u8],
        write: bool,
        execute: bool,
    ) -> Result<(), Errno> {
        let wanted = AccessWanted { write, execute };
        kernel.faccessat(HERE, path, wanted, true)
    }

    #[test]
    fn the_superuser_may_all_but_execute_what_nobody_may() {
        let mut kernel = fake_host::kernel();
        kernel.file(b"/f", OpenFlags::CREATE).unwrap();
        let none = Permissions::empty();
        kernel.fchmodat(HERE, b"/f", none).unwrap();
        assert_eq!(access(&mut kernel, b"/f", true, false), Ok(()));
        assert_eq!(access(&mut kernel, b"/f", false, true), Err(Errno::EACCES));
        let one = Permissions::from_bits_truncate(0o001);
        kernel.fchmodat(HERE, b"/f", one).unwrap();
        assert_eq!(access(&mut kernel, b"/f", true, true), Ok(()));
        assert_eq!(access(&mut kernel, b"/g", false, false), Err(Errno::ENOENT));
    }

    #[test]
    fn a_device_can_be_written_where_files_cannot() {
        let mut kernel = fake_host::kernel();
        assert_eq!(access(&mut kernel, b"/dev/null", true, false), Ok(()));
        assert_eq!(access(&mut kernel, b"/dev", true, false), Err(Errno::EROFS));
    }

    #[test]
    fn times_are_set_left_and_taken_from_the_clock() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.file(b"/f", OpenFlags::CREATE).unwrap();
        let day = Duration::from_secs(86_400);
        kernel
            .utimensat(HERE, b"/f", SetTime::To(day), SetTime::To(day), true)
            .unwrap();
        kernel.futimens(fd, SetTime::Omit, SetTime::Now).unwrap();
        let times = kernel.fstat(fd).unwrap().attributes.times;
        assert_eq!((times.accessed, times.modified), (day, START));
    }

    #[test]
    fn the_working_directory_is_where_paths_start() {
        let mut kernel = fake_host::kernel();
        kernel.mkdirat(HERE, b"/a", Permissions::USER).unwrap();
        kernel.chdir(b"a").unwrap();
        kernel.mkdirat(HERE, b"b", Permissions::USER).unwrap();
        let fd = kernel.file(b"b", OpenFlags::DIRECTORY).unwrap();
        assert_eq!(kernel.getcwd().unwrap(), b"/a");
        kernel.fchdir(fd).unwrap();
        assert_eq!(kernel.getcwd().unwrap(), b"/a/b");
        assert_eq!(kernel.chdir(b"/dev/null"), Err(Errno::ENOTDIR));
        assert_eq!(kernel.fchdir(Fd::STDIN), Err(Errno::ENOTDIR));
        kernel.rmdirat(HERE, b"/a/b").unwrap();
        assert_eq!(kernel.getcwd(), Err(Errno::ENOENT));
    }
}
