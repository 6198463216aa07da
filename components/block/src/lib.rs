//! Disks: a cache of blocks over a [`BlockDevice`](hypercall::BlockDevice), and what runs on it.
//!
//! Nothing here waits. An operation runs over the blocks that are cached. Where one is missing it
//! stops, the blocks are asked of the device, and the operation is worth another try when
//! something has come back ([`Progress::Wait`]). What an operation changes it changes in blocks of
//! its own, a [`View`]; these join the cache when it has succeeded, and are dropped when it stops.
//! So an operation happens whole or not at all, however often it was tried.
//!
//! Changed blocks are written back when somebody asks ([`Settling`]), when they are many, and when
//! they have been changed for a while. A block that could not be written stays changed: the next
//! who asks for durability is told, and it is tried again.
//!
//! ```
//! use block::{Caching, CachedDisk, Disk, Progress, RamDisk};
//! use hypercall::{SliceSink, SliceSource};
//!
//! let mut disk = CachedDisk::new(RamDisk::new(512, 64), 1 << 20);
//! let mut write = |bytes: &[u8]| disk.write(0, &mut SliceSource::new(bytes), Caching::Cached);
//! // Part of a block is changed: its rest has to be read first.
//! assert_eq!(write(b"hello"), Ok(Progress::Wait));
//! disk.progress(hypercall::Instant::ZERO);
//! let mut write = |bytes: &[u8]| disk.write(0, &mut SliceSource::new(bytes), Caching::Cached);
//! assert_eq!(write(b"hello"), Ok(Progress::Done(5)));
//!
//! let mut bytes = [0; 5];
//! let read = disk.read(0, &mut SliceSink::new(&mut bytes), Caching::Cached);
//! assert_eq!((read, &bytes), (Ok(Progress::Done(5)), b"hello"));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod bytes;
mod cache;
mod cached_disk;
mod direct;
mod disk;
mod fill;
mod flights;
mod ram_disk;
mod read_ahead;
mod requests;
mod settle;
mod shape;
mod view;
mod write_back;

pub use cached_disk::CachedDisk;
pub use disk::{Caching, Disk, DiskError, DiskResult, Progress};
pub use ram_disk::RamDisk;
pub use settle::Settling;
pub use view::{Stop, View};
