//! Calls that open files and work on open ones.

use alloc::vec::Vec;

use hypercall::{Host, ProgramHost, Protection};
use posix::{Directory, DirectoryEntry, Errno, FileKind, OpenFlags, Permissions, Whence};

use crate::bindings::{
    DT_BLK, DT_CHR, DT_DIR, DT_FIFO, DT_LNK, DT_REG, DT_SOCK, SEEK_CUR, SEEK_END, SEEK_SET,
};
use crate::call::{Call, Outcome, descriptor, nothing};
use crate::program::Program;

/// Where the name begins in a `linux_dirent64`: behind the node's number, the next offset, the
/// record's length and the type.
const NAME_OFFSET: usize = 19;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn open(&mut self, call: &mut Call<'_>) -> Outcome {
        let flags = OpenFlags::from_bits_retain(call.unsigned(1));
        let path = (Directory::Working, call.argument(0));
        self.open_at(path, flags, call.permissions(2))
    }

    pub(crate) fn openat(&mut self, call: &mut Call<'_>) -> Outcome {
        let flags = OpenFlags::from_bits_retain(call.unsigned(2));
        let path = (call.directory(0)?, call.argument(1));
        self.open_at(path, flags, call.permissions(3))
    }

    pub(crate) fn creat(&mut self, call: &mut Call<'_>) -> Outcome {
        let flags = OpenFlags::WRITE_ONLY | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let path = (Directory::Working, call.argument(0));
        self.open_at(path, flags, call.permissions(1))
    }

    pub(crate) fn lseek(&mut self, call: &mut Call<'_>) -> Outcome {
        let whence = match call.unsigned(2) {
            SEEK_SET => Whence::Start,
            SEEK_CUR => Whence::Current,
            SEEK_END => Whence::End,
            _ => return Err(Errno::EINVAL),
        };
        let offset = self.kernel.lseek(call.fd(0)?, call.long(1), whence)?;
        Ok(offset.cast_unsigned())
    }

    pub(crate) fn truncate(&mut self, call: &mut Call<'_>) -> Outcome {
        let path = self.memory().read_path(call.argument(0))?;
        nothing(self.entered().truncate(&path, call.long(1)))
    }

    pub(crate) fn ftruncate(&mut self, call: &mut Call<'_>) -> Outcome {
        let (fd, length) = (call.fd(0)?, call.long(1));
        nothing(self.entered().ftruncate(fd, length))
    }

    /// `fsync` and `fdatasync`.
    pub(crate) fn fsync(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        nothing(posix::fsync(&mut self.kernel, fd))
    }

    pub(crate) fn fchmod(&mut self, call: &mut Call<'_>) -> Outcome {
        let (fd, permissions) = (call.fd(0)?, call.permissions(1));
        nothing(self.entered().fchmod(fd, permissions))
    }

    pub(crate) fn fchown(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let (user, group) = (owner(call.unsigned(1)), owner(call.unsigned(2)));
        nothing(self.entered().fchown(fd, user, group))
    }

    pub(crate) fn chdir(&mut self, call: &mut Call<'_>) -> Outcome {
        let path = self.memory().read_path(call.argument(0))?;
        nothing(self.kernel.chdir(&path))
    }

    pub(crate) fn fchdir(&mut self, call: &mut Call<'_>) -> Outcome {
        nothing(self.kernel.fchdir(call.fd(0)?))
    }

    /// Returns the path's length with its NUL.
    pub(crate) fn getcwd(&mut self, call: &mut Call<'_>) -> Outcome {
        let mut path = self.kernel.getcwd()?;
        path.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        path.push(0);
        if path.len() as u64 > call.argument(1) {
            return Err(Errno::ERANGE);
        }
        self.memory().write_bytes(call.argument(0), &path)?;
        Ok(path.len() as u64)
    }

    pub(crate) fn umask(&mut self, call: &mut Call<'_>) -> Outcome {
        let mask = Permissions::from_bits_truncate(call.unsigned(0) as u16);
        Ok(self.kernel.umask(mask).bits().into())
    }

    fn open_at(
        &mut self,
        (directory, path): (Directory, u64),
        flags: OpenFlags,
        permissions: Permissions,
    ) -> Outcome {
        let path = self.memory().read_path(path)?;
        let kernel = self.entered();
        descriptor(kernel.openat(directory, &path, flags, permissions))
    }

    /// Whole records, as many as fit.
    pub(crate) fn getdents64(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let room = call.unsigned(2) as usize;
        let start = call.argument(1);
        self.memory().prepare(start, room, Protection::WRITE)?;
        let mut filled = 0;
        while let Some(entry) = self.kernel.next_entry(fd)? {
            let record = match record(&entry) {
                Err(_) if filled > 0 => break,
                record => record?,
            };
            if record.len() > room - filled {
                if filled == 0 {
                    return Err(Errno::EINVAL);
                }
                break;
            }
            self.memory().write_bytes(start + filled as u64, &record)?;
            filled += record.len();
            self.kernel.accept_entry(fd, &entry)?;
        }
        Ok(filled as u64)
    }
}

/// An owner to be set; −1 leaves it.
pub(crate) fn owner(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

/// A `linux_dirent64`: padded to eight bytes.
fn record(entry: &DirectoryEntry) -> Result<Vec<u8>, Errno> {
    let length = (NAME_OFFSET + entry.name.len() + 1).next_multiple_of(8);
    let mut record = Vec::new();
    record
        .try_reserve_exact(length)
        .map_err(|_| Errno::ENOMEM)?;
    record.resize(length, 0);
    record[0..8].copy_from_slice(&entry.node.0.to_le_bytes());
    record[8..16].copy_from_slice(&entry.next.to_le_bytes());
    record[16..18].copy_from_slice(&(length as u16).to_le_bytes());
    record[18] = type_of(entry.kind) as u8;
    record[NAME_OFFSET..NAME_OFFSET + entry.name.len()].copy_from_slice(&entry.name);
    Ok(record)
}

fn type_of(kind: FileKind) -> u32 {
    match kind {
        FileKind::Regular => DT_REG,
        FileKind::Directory => DT_DIR,
        FileKind::SymbolicLink => DT_LNK,
        FileKind::CharacterDevice { .. } => DT_CHR,
        FileKind::BlockDevice { .. } => DT_BLK,
        FileKind::Fifo => DT_FIFO,
        FileKind::Socket => DT_SOCK,
    }
}
