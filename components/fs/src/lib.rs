//! Files by name: mounts, path walk, and the file systems that need no disk.
//!
//! A [`Vfs`] is one tree of files. What stands in it are values of [`FileSystem`]: [`RamFs`] to
//! write to, [`TarFs`] for an archive in memory, [`SyntheticFs`] for files that the kernel itself
//! supplies, [`devices()`] for `/dev`. Nothing here reads a clock, checks permissions or knows a
//! process: that is the POSIX layer's.
//!
//! ```
//! use core::time::Duration;
//! use fs::{FileKind, Permissions, RamFs, SyntheticFs, Vfs};
//!
//! let now = Duration::ZERO;
//! let root = SyntheticFs::new(now).file(b"etc/hosts", b"127.0.0.1 localhost\n");
//! let mut tree = Vfs::new(Box::new(root));
//! tree.mount(b"/tmp", Box::new(RamFs::new(1 << 20, now)))?;
//! let mode = Permissions::USER;
//! tree.create(tree.root(), b"/tmp/work", FileKind::Directory, mode, now)?;
//! let place = tree.resolve(tree.root(), b"/etc/../tmp/work", true)?;
//! assert_eq!(tree.path_of(place)?, b"/tmp/work");
//! # Ok::<(), fs::FsError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod devices;
mod file_system;
mod listing;
mod mount;
mod names;
mod path;
mod ramfs;
mod synthetic;
mod tarfs;
#[cfg(test)]
mod testing;
mod vfs;
mod walk;

pub use devices::{DISK_MAJOR, DISK_MINORS, devices};
pub use file_system::{
    Attributes, DirectoryEntry, FileKind, FileSystem, FsError, NodeId, Permissions, SetAttributes,
    Timestamps,
};
pub use mount::{MountId, Place};
pub use names::OpenHow;
pub use ramfs::RamFs;
pub use synthetic::SyntheticFs;
pub use tarfs::TarFs;
pub use vfs::Vfs;
pub use walk::LastName;
