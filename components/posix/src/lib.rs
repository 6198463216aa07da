//! POSIX for one program: what descriptors, files, sockets, pipes, timers and signals mean.
//!
//! A [`Kernel`] is a value. Its methods are POSIX's functions; none blocks, and one that may have
//! to wait returns a [`Step`]. [`block_on`] waits, [`call`] runs what does not wait.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod blocking;
mod connection;
mod console;
mod control;
mod description;
mod descriptor;
mod device;
mod disk;
mod edge;
mod epoll;
#[cfg(test)]
mod epoll_model;
pub mod errno;
mod event_counter;
#[cfg(test)]
mod every_kind;
#[cfg(test)]
mod fake_host;
#[cfg(test)]
mod fake_network;
mod file;
mod flags;
pub mod interval_timer;
mod kernel;
mod local_socket;
pub mod memory_map;
mod names;
mod open;
mod pipe;
mod poll;
mod readiness;
mod ring;
mod select;
mod sendfile;
pub mod signal;
pub mod signal_timers;
mod slab;
mod sleep;
mod socket;
mod socket_option;
mod socket_transfer;
mod status;
mod timer_descriptor;
mod transfer;

pub use fs::{Attributes, DirectoryEntry, FileKind, Permissions, Timestamps};
pub use net::{Half, SocketKind};

pub use blocking::{fsync, pread, pwrite, read, sync, write};
pub use control::Lock;
pub use descriptor::{DEFAULT_DESCRIPTOR_LIMIT, Fd, MAXIMUM_DESCRIPTOR_LIMIT};
pub use edge::{block_on, block_on_all, call, drain};
pub use epoll::{EpollChange, EpollEvent, WatchMode};
pub use errno::Errno;
pub use file::Whence;
pub use flags::{OpenFlags, StatusFlags};
pub use kernel::Kernel;
pub use names::{AccessWanted, SetTime};
pub use open::Directory;
pub use poll::PollRequest;
pub use readiness::{Readiness, Step, StepResult, Wait};
pub use select::{FD_SET_SIZE, FdSet, SelectSets};
pub use socket::SocketAddress;
pub use socket_option::{OptionName, OptionValue};
pub use socket_transfer::{MessageFlags, Received};
pub use status::{FileStatus, FileSystemStatus};
