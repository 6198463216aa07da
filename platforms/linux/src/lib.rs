//! An ordinary Linux process as a home for components.
//!
//! - [`LinuxHost`]: clocks, entropy, console, waiting, pages, exit.
//! - [`Tap`] and [`UnixWire`]: network devices; [`FileDisk`]: a disk.
//!
//! A device is a value of its own. [`LinuxHost::attach`] makes the host's wait end when the device
//! has something new.

mod block;
mod clock;
mod console;
mod entropy;
mod host;
mod memory;
mod net;
mod requests;
mod wait;

pub use block::{FileDisk, FileDiskOptions};
pub use host::LinuxHost;
pub use net::{Tap, TapOptions, UnixWire, UnixWireOptions, random_mac};
pub use wait::{LinuxWaker, Readiness};
