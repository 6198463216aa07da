//! A kernel of ours in an ordinary Linux process, without root for anything but the TAP device.
//!
//! [`Setup::start`] puts the components together over the process as their home: the result is a
//! [`posix::Kernel`], whose methods are POSIX's functions. `examples/serve` is a web server on it,
//! `examples/fetch` a client. [`software_device`] has devices for the drivers that boot, and
//! [`fuzzing`] is what the fuzz targets run.
#![deny(unsafe_code)]

pub mod fuzzing;
mod rendezvous;
pub mod software_device;
mod wiring;

pub use rendezvous::{Rendezvous, RendezvousError};
pub use wiring::{Address, AddressError, Link, ProcessKernel, Setup, StartError};
