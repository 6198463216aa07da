//! `stat`: what is known of a file, and of what is no file (POSIX.1-2017, `fstat`).

use fs::{Attributes, FileKind, NodeId, Permissions, Place, Timestamps};
use hypercall::{Host, PAGE_SIZE};

use crate::description::Object;
use crate::{Errno, Fd, Kernel};

/// The device number of what lies in no file system; mounts have theirs from 1 on.
const NO_FILE_SYSTEM: u64 = 0;

/// What `stat` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileStatus {
    /// The file system (`st_dev`).
    pub device: u64,
    /// What it holds there.
    pub attributes: Attributes,
    /// How many bytes are best moved at a time (`st_blksize`).
    pub block_size: u32,
}

/// What `statfs` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSystemStatus {
    /// Bytes in all.
    pub total: u64,
    /// Bytes free.
    pub free: u64,
    /// Files can be written.
    pub writable: bool,
}

impl<H: Host> Kernel<H> {
    /// What `fd` names.
    pub fn fstat(&mut self, fd: Fd) -> Result<FileStatus, Errno> {
        let kind = match self.description(fd)?.1.object {
            Object::File(place) | Object::Directory(place) => return self.status_of(place),
            Object::Device(device) => FileKind::CharacterDevice {
                major: 1,
                minor: device.minor(),
            },
            Object::Disk(disk) => disk.kind(),
            Object::Console(stream) if self.console_is_terminal(stream) => {
                FileKind::CharacterDevice { major: 5, minor: 1 }
            }
            Object::Console(_) | Object::PipeReader(_) | Object::PipeWriter(_) => FileKind::Fifo,
            Object::Socket(_) | Object::LocalSocket { .. } => FileKind::Socket,
            Object::Epoll(_) | Object::EventCounter(_) | Object::Timer(_) => FileKind::Regular,
        };
        Ok(self.status_without_file(fd, kind))
    }

    /// The file system that has what `fd` names; ENOSYS if none has.
    pub fn fstatfs(&mut self, fd: Fd) -> Result<FileSystemStatus, Errno> {
        match self.description(fd)?.1.object {
            Object::File(place) | Object::Directory(place) => self.file_system_status(place),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// The file system that has what is at `path`.
    pub fn statfs(&mut self, path: &[u8]) -> Result<FileSystemStatus, Errno> {
        let place = self.vfs.resolve(self.working_directory, path, true)?;
        self.file_system_status(place)
    }

    pub(crate) fn status_of(&mut self, place: Place) -> Result<FileStatus, Errno> {
        Ok(FileStatus {
            device: u64::from(place.mount.0) + 1,
            attributes: self.vfs.attributes(place)?,
            block_size: PAGE_SIZE as u32,
        })
    }

    fn file_system_status(&mut self, place: Place) -> Result<FileSystemStatus, Errno> {
        let (total, free) = self.vfs.space(place)?;
        let writable = self.vfs.is_writable(place)?;
        Ok(FileSystemStatus {
            total,
            free,
            writable,
        })
    }

    /// Descriptors of one description tell the same, different descriptions different things, as
    /// far as there are no files to tell apart.
    fn status_without_file(&self, fd: Fd, kind: FileKind) -> FileStatus {
        let number = self.description_id(fd).map_or(0, |id| id.number());
        FileStatus {
            device: NO_FILE_SYSTEM,
            attributes: Attributes {
                node: NodeId(number),
                kind,
                permissions: Permissions::from_bits_truncate(0o600),
                links: 1,
                user: 0,
                group: 0,
                size: 0,
                blocks: 0,
                times: Timestamps {
                    accessed: self.clock.wall(),
                    modified: self.clock.wall(),
                    changed: self.clock.wall(),
                },
            },
            block_size: PAGE_SIZE as u32,
        }
    }
}
