//! What is done with an open file or directory beside reading and writing it.

use alloc::vec::Vec;

use block::Settling;
use fs::{DirectoryEntry, FileKind, Permissions, Place, SetAttributes};
use hypercall::Host;

use crate::description::Object;
use crate::flags::Access;
use crate::readiness::{Step, StepResult};
use crate::{Errno, Fd, Kernel};

/// What an offset is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// The start (SEEK_SET).
    Start,
    /// The offset now (SEEK_CUR).
    Current,
    /// The end (SEEK_END).
    End,
}

impl<H: Host> Kernel<H> {
    /// Moves the offset of the next read or write, and returns it. A directory's offset is what
    /// an earlier call returned, or 0.
    pub fn lseek(&mut self, fd: Fd, distance: i64, whence: Whence) -> Result<i64, Errno> {
        let description = self.description(fd)?.1;
        let (object, before) = (description.object, description.offset);
        let base = match (object, whence) {
            (Object::Device(_), _) => return Ok(0),
            (Object::File(_) | Object::Directory(_) | Object::Disk(_), Whence::Start) => 0,
            (Object::File(_) | Object::Directory(_) | Object::Disk(_), Whence::Current) => before,
            (Object::Disk(disk), Whence::End) => self.disk_size(disk),
            (Object::File(file), Whence::End) => self.vfs.attributes(file)?.size,
            (Object::Directory(_), Whence::End) => return Err(Errno::EINVAL),
            _ => return Err(Errno::ESPIPE),
        };
        let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
        let offset = base.checked_add(distance).ok_or(Errno::EOVERFLOW)?;
        let unsigned = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        if let Object::Disk(disk) = object
            && unsigned > self.disk_size(disk)
        {
            return Err(Errno::EINVAL);
        }
        self.description_mut(fd)?.offset = unsigned;
        Ok(offset)
    }

    /// Whether the bytes of `fd` can be had at any offset, as a mapping needs: ENODEV if it is no
    /// regular file, EACCES if it cannot be read (POSIX.1-2017, `mmap`).
    pub fn check_mappable(&self, fd: Fd) -> Result<(), Errno> {
        let description = self.description(fd)?.1;
        match description.object {
            _ if !description.access.contains(Access::READ) => Err(Errno::EACCES),
            Object::File(_) => Ok(()),
            _ => Err(Errno::ENODEV),
        }
    }

    /// Cuts a file, or grows it by zeros, to `length`.
    pub fn ftruncate(&mut self, fd: Fd, length: i64) -> Result<(), Errno> {
        let (_, description) = self.description(fd)?;
        match description.object {
            Object::File(file) if description.access.contains(Access::WRITE) => {
                self.truncate_file(file, length)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// As [`ftruncate`](Self::ftruncate), by path.
    pub fn truncate(&mut self, path: &[u8], length: i64) -> Result<(), Errno> {
        let file = self.vfs.resolve(self.working_directory, path, true)?;
        self.truncate_file(file, length)
    }

    fn truncate_file(&mut self, file: Place, length: i64) -> Result<(), Errno> {
        let size = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        let change = SetAttributes {
            size: Some(size),
            ..SetAttributes::default()
        };
        Ok(self.vfs.set_attributes(file, change, self.clock.wall())?)
    }

    /// Makes what was written to a file or a disk durable, as far as its file system keeps anything:
    /// those there are now live in memory, where a write is all there is to do. `settling` is None
    /// at first, and kept by the caller between the tries.
    pub fn fsync(&mut self, fd: Fd, settling: &mut Option<Settling>) -> StepResult<()> {
        match self.description(fd)?.1.object {
            Object::File(_) | Object::Directory(_) => Ok(Step::Done(())),
            Object::Disk(disk) => {
                let settling = settling.get_or_insert_with(Settling::all);
                self.settle_disk(disk, settling)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The next entry of a directory, `.` and `..` first; `None` at the end. The offset stays
    /// where it is until [`lseek`](Self::lseek) or
    /// [`accept_entry`](Self::accept_entry) moves it.
    pub fn next_entry(&mut self, fd: Fd) -> Result<Option<DirectoryEntry>, Errno> {
        let (_, description) = self.readable(fd)?;
        let offset = description.offset;
        match description.object {
            Object::Directory(directory) => Ok(self.vfs.read_directory(directory, offset)?),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Goes on behind `entry`, which [`next_entry`](Self::next_entry) gave: `getdents` is these
    /// two until the program's buffer is full.
    pub fn accept_entry(&mut self, fd: Fd, entry: &DirectoryEntry) -> Result<(), Errno> {
        self.description_mut(fd)?.offset = entry.next;
        Ok(())
    }

    /// Changes the permissions of an open file.
    pub fn fchmod(&mut self, fd: Fd, permissions: Permissions) -> Result<(), Errno> {
        let change = SetAttributes {
            permissions: Some(permissions),
            ..SetAttributes::default()
        };
        self.set_open_attributes(fd, change)
    }

    /// Changes the owner, the group or both of an open file.
    pub fn fchown(&mut self, fd: Fd, user: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
        let change = SetAttributes {
            user,
            group,
            ..SetAttributes::default()
        };
        self.set_open_attributes(fd, change)
    }

    /// Makes an open directory the working directory.
    pub fn fchdir(&mut self, fd: Fd) -> Result<(), Errno> {
        match self.description(fd)?.1.object {
            Object::Directory(directory) => {
                self.set_working_directory(directory);
                Ok(())
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Makes the directory at `path` the working directory.
    pub fn chdir(&mut self, path: &[u8]) -> Result<(), Errno> {
        let directory = self.vfs.resolve(self.working_directory, path, true)?;
        match self.vfs.attributes(directory)?.kind {
            FileKind::Directory => {
                self.set_working_directory(directory);
                Ok(())
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The working directory's absolute path.
    pub fn getcwd(&mut self) -> Result<Vec<u8>, Errno> {
        Ok(self.vfs.path_of(self.working_directory)?)
    }

    pub(crate) fn set_open_attributes(
        &mut self,
        fd: Fd,
        change: SetAttributes,
    ) -> Result<(), Errno> {
        match self.description(fd)?.1.object {
            Object::File(place) | Object::Directory(place) => {
                Ok(self.vfs.set_attributes(place, change, self.clock.wall())?)
            }
            // What has no file has nobody's permissions.
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn release_file(&mut self, place: Place) {
        self.vfs.release(place);
    }

    fn set_working_directory(&mut self, directory: Place) {
        self.vfs.retain(directory);
        let before = core::mem::replace(&mut self.working_directory, directory);
        self.vfs.release(before);
    }
}
