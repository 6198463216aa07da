//! The machine's disks: files of this machine.

use std::convert::Infallible;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// Bytes of a disk's blocks.
const BLOCK_SIZE: u64 = 512;
/// What may follow the file's name.
const READ_ONLY: &str = ",readonly";

/// What `--disk` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    /// The file, or block device, whose bytes are the disk's.
    pub path: PathBuf,
    /// Whether the image may only read it.
    pub read_only: bool,
}

/// A disk cannot be had.
#[derive(Debug, Error)]
pub enum DiskError {
    /// There is no such file.
    #[error("{disk}: no such file (`truncate -s 64M {disk}` makes an empty disk)")]
    Missing {
        /// The file.
        disk: Disk,
    },
    /// It may be read perhaps, but not written.
    #[error("{disk}: {source} (--disk {disk},readonly needs no right to write)")]
    NotWritable {
        /// The file.
        disk: Disk,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be opened.
    #[error("{disk}: {source}")]
    Unreadable {
        /// The file.
        disk: Disk,
        /// Why not.
        source: io::Error,
    },
    /// It is not as long as a disk can be.
    #[error("{disk}: {length} bytes; a disk is one or more blocks of {BLOCK_SIZE} bytes")]
    Length {
        /// The file.
        disk: Disk,
        /// Its length.
        length: u64,
    },
    /// There are more than the machine has places for.
    #[error("{0} disks are too many: a machine has room for {1}")]
    TooMany(usize, usize),
    /// Nothing in the image would use them.
    #[error("this image cannot use a disk; bake it with `--with block`, or run the program itself")]
    NoUse,
}

impl Disk {
    /// Whether QEMU will find what it needs. QEMU itself would round the length.
    pub fn check(&self) -> Result<(), DiskError> {
        let disk = self.clone();
        match self.length() {
            Ok(length) if length > 0 && length.is_multiple_of(BLOCK_SIZE) => Ok(()),
            Ok(length) => Err(DiskError::Length { disk, length }),
            Err(source) => Err(match source.kind() {
                ErrorKind::NotFound => DiskError::Missing { disk },
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if !self.read_only => {
                    DiskError::NotWritable { disk, source }
                }
                _ => DiskError::Unreadable { disk, source },
            }),
        }
    }

    /// Whether it is a disk of this machine.
    pub fn is_block_device(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.file_type().is_block_device())
    }

    /// The length in bytes, of a file or a block device.
    fn length(&self) -> io::Result<u64> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(!self.read_only)
            .open(&self.path)?;
        if file.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        file.seek(SeekFrom::End(0))
    }
}

impl FromStr for Disk {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let read_only = text.strip_suffix(READ_ONLY);
        Ok(Self {
            path: read_only.unwrap_or(text).into(),
            read_only: read_only.is_some(),
        })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_name_is_no_part_of_it() {
        let disk = |text: &str| text.parse::<Disk>().unwrap();
        assert_eq!(disk("a,b").path, PathBuf::from("a,b"));
        assert!(!disk("a,b").read_only);
        assert_eq!(disk("a,b,readonly").path, PathBuf::from("a,b"));
        assert!(disk("a,b,readonly").read_only);
    }

    /// The line for a disk that is `path` in a folder with files of several lengths.
    fn complaint(path: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (name, length) in [("empty", 0), ("odd", 513), ("good", 512)] {
            std::fs::write(folder.path().join(name), vec![0; length]).unwrap();
        }
        let path = folder.path().join(path);
        let disk: Disk = path.to_str().unwrap().parse().unwrap();
        disk.check()
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn each_mistake_has_its_line() {
        assert_eq!(complaint("good"), "");
        assert_eq!(complaint("good,readonly"), "");
        assert!(complaint("empty").contains("empty: 0 bytes; "));
        assert!(complaint("odd").contains("odd: 513 bytes; "));
        assert!(complaint("none").contains("none: no such file (`truncate"));
        assert!(complaint(".").contains("irectory"), "{}", complaint("."));
    }
}
