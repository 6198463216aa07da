//! The operations on a directory of the host.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ::fs::{FileKind, FsError, OpenHow};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::operation::{From, HANDLES, Operation, Start};
use crate::{Answer, BASE, Home, status};

/// A temporary directory and what is held open in it.
pub struct Linux {
    directory: tempfile::TempDir,
    base: OwnedFd,
    held: [Option<(OwnedFd, bool)>; HANDLES],
}

impl Linux {
    /// A directory that is empty but for the base.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a place for temporary files");
        let base = directory.path().join(BASE);
        std::fs::create_dir_all(&base).expect("made");
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base = rustix::fs::open(&base, flags, Mode::empty()).expect("there");
        Self {
            directory,
            base,
            held: [const { None }; HANDLES],
        }
    }

    fn start(&self, start: Start) -> BorrowedFd<'_> {
        let held = start.and_then(|handle| self.held[handle].as_ref());
        held.map_or(self.base.as_fd(), |(file, _)| file.as_fd())
    }

    fn hold(&mut self, handle: usize, from: &From, how: OpenHow) -> Result<Answer, Errno> {
        let mut flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
        flags.set(OFlags::CREATE, how.create);
        flags.set(OFlags::EXCL, how.exclusive);
        flags.set(OFlags::TRUNC, how.truncate);
        flags.set(OFlags::DIRECTORY, how.directory_only);
        flags.set(OFlags::NOFOLLOW, !how.follow);
        flags.set(OFlags::RDWR, how.writable);
        let mode = Mode::from_raw_mode(0o644);
        let file = rustix::fs::openat(self.start(from.0), &from.1, flags, mode)?;
        self.held[handle] = Some((file, how.writable));
        Ok(Answer::Done)
    }

    fn list(&self, from: &From) -> Result<Answer, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let start = self.start(from.0);
        let directory = rustix::fs::openat(start, &from.1, flags, Mode::empty())?;
        let entries = rustix::fs::Dir::read_from(directory)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
        Ok(Answer::Names(names.collect::<Result<_, Errno>>()?))
    }

    fn truncate(&self, from: &From, size: u64) -> Result<Answer, Errno> {
        // A directory is refused before its status as an open file could be.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let start = self.start(from.0);
        if file_kind(&rustix::fs::statat(start, &from.1, AtFlags::empty())?) == FileKind::Fifo {
            return Err(Errno::INVAL);
        }
        let file = rustix::fs::openat(start, &from.1, flags, Mode::empty())?;
        rustix::fs::ftruncate(file, size)?;
        Ok(Answer::Done)
    }

    fn is_pipe(file: &OwnedFd) -> bool {
        let status = rustix::fs::fstat(file).expect("it is open");
        file_kind(&status) == FileKind::Fifo
    }

    fn path(&self, file: &OwnedFd) -> Result<Answer, Errno> {
        if file_kind(&rustix::fs::fstat(file)?) != FileKind::Directory {
            return Err(Errno::NOTDIR);
        }
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let path = rustix::fs::readlink(link, Vec::new())?.into_bytes();
        if path.ends_with(b" (deleted)") {
            return Err(Errno::NOENT);
        }
        let host = self.directory.path().canonicalize().expect("there");
        let below = path.strip_prefix(host.as_os_str().as_encoded_bytes());
        Ok(Answer::Bytes(below.expect("all is below it").to_vec()))
    }

    fn try_run(&mut self, operation: &Operation) -> Result<Answer, Errno> {
        use Operation::*;
        let done = |()| Answer::Done;
        match operation {
            MakeDirectory((start, path)) => {
                let mode = Mode::from_raw_mode(0o755);
                rustix::fs::mkdirat(self.start(*start), path, mode).map(done)
            }
            MakeFifo((start, path)) => {
                let mode = Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(self.start(*start), path, FileType::Fifo, mode, 0).map(done)
            }
            RemoveDirectory((start, path)) => {
                rustix::fs::unlinkat(self.start(*start), path, AtFlags::REMOVEDIR).map(done)
            }
            Unlink((start, path)) => {
                rustix::fs::unlinkat(self.start(*start), path, AtFlags::empty()).map(done)
            }
            Rename((start, path), (to_start, to)) => {
                rustix::fs::renameat(self.start(*start), path, self.start(*to_start), to).map(done)
            }
            Link((start, path), follow, (to_start, to)) => {
                let flags = match follow {
                    true => AtFlags::SYMLINK_FOLLOW,
                    false => AtFlags::empty(),
                };
                let to_start = self.start(*to_start);
                rustix::fs::linkat(self.start(*start), path, to_start, to, flags).map(done)
            }
            Symlink(target, (start, path)) => {
                rustix::fs::symlinkat(target, self.start(*start), path).map(done)
            }
            Status((start, path), follow) => {
                let flags = match follow {
                    true => AtFlags::empty(),
                    false => AtFlags::SYMLINK_NOFOLLOW,
                };
                let found = rustix::fs::statat(self.start(*start), path, flags)?;
                Ok(host_status(&found))
            }
            ReadLink((start, path)) => {
                let target = rustix::fs::readlinkat(self.start(*start), path, Vec::new())?;
                Ok(Answer::Bytes(target.into_bytes()))
            }
            List(from) => self.list(from),
            Truncate(from, size) => self.truncate(from, *size),
            Hold(handle, from, how) => self.hold(*handle, from, *how),
            Drop(handle) => {
                self.held[*handle] = None;
                Ok(Answer::Done)
            }
            Write(handle, offset, length, byte) => match &self.held[*handle] {
                Some((file, true)) if !Self::is_pipe(file) => {
                    let written = rustix::io::pwrite(file, &vec![*byte; *length], *offset)?;
                    assert_eq!(written, *length);
                    Ok(Answer::Done)
                }
                _ => Ok(Answer::Done),
            },
            Read(handle, offset, length) => match &self.held[*handle] {
                Some((file, _)) if !Self::is_pipe(file) => {
                    let mut bytes = vec![0; *length];
                    let read = rustix::io::pread(file, &mut bytes[..], *offset)?;
                    bytes.truncate(read);
                    Ok(Answer::Bytes(bytes))
                }
                _ => Ok(Answer::Done),
            },
            HeldStatus(handle) => match &self.held[*handle] {
                Some((file, _)) => Ok(host_status(&rustix::fs::fstat(file)?)),
                None => Ok(Answer::Done),
            },
            HeldPath(handle) => match &self.held[*handle] {
                Some((file, _)) => self.path(file),
                None => Ok(Answer::Done),
            },
        }
    }
}

impl Home for Linux {
    fn run(&mut self, operation: &Operation) -> Result<Answer, FsError> {
        self.try_run(operation).map_err(error_of)
    }
}

fn file_kind(status: &rustix::fs::Stat) -> FileKind {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::SymbolicLink,
        FileType::Fifo => FileKind::Fifo,
        other => panic!("nothing here makes {other:?}"),
    }
}

fn host_status(found: &rustix::fs::Stat) -> Answer {
    status(
        file_kind(found),
        u64::try_from(found.st_size).expect("no size is negative"),
        u32::try_from(found.st_nlink).expect("few"),
        (found.st_mode & 0o7777) as u16,
    )
}

/// What our layers call an error of Linux.
fn error_of(errno: Errno) -> FsError {
    match errno {
        Errno::NOENT => FsError::NotFound,
        Errno::EXIST => FsError::Exists,
        Errno::NOTDIR => FsError::NotDirectory,
        Errno::ISDIR => FsError::IsDirectory,
        Errno::NOTEMPTY => FsError::NotEmpty,
        Errno::NAMETOOLONG => FsError::NameTooLong,
        Errno::LOOP => FsError::LinkLoop,
        Errno::BUSY => FsError::Busy,
        Errno::INVAL => FsError::Invalid,
        Errno::PERM => FsError::NotPermitted,
        other => panic!("Linux answers {other:?}"),
    }
}
