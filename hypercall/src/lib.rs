//! The vocabulary between components and platforms.
//!
//! A component (TCP/IP, a file system, a driver, POSIX) reaches the world through the traits of
//! this crate and through nothing else; a platform (a Linux process, bare metal, a simulator)
//! implements them. Neither names the other: only the wiring of a final product names both.
//!
//! - [`Host`]: clocks, entropy, console, waiting, pages, exit.
//! - [`FrameDevice`], [`BlockDevice`], [`ConsoleDevice`], [`EntropySource`]: one trait for each
//!   class of device.
//! - [`ProgramHost`]: what a home adds that runs a whole program: its memory.
//! - [`RegisterWindow`], [`DmaRegion`], [`Interrupt`]: the values that a driver is given;
//!   [`BufferLender`]: how it lends its caller's buffers to the device.
//! - [`Sink`] and [`Source`]: where bytes go to and come from, whatever holds them.
//!
//! Every trait method states what holds on success and on error, who owns a buffer afterwards,
//! whether it may block, and who may call it. The module [`contract`] turns these statements into
//! cases that every platform runs; [`fake`] holds homes in memory for tests.
#![no_std]

extern crate alloc;

mod block_device;
mod buffer;
mod console;
mod console_device;
pub mod contract;
mod driver;
mod entropy;
pub mod fake;
mod frame_device;
mod host;
mod pages;
mod program;
mod time;

pub use block_device::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
    SubmitError,
};
pub use buffer::{Sink, SliceSink, SliceSource, Source};
pub use console::{ConsoleError, ConsoleWriter, Input, Stream};
pub use console_device::ConsoleDevice;
pub use driver::{BufferLender, DeviceAccess, DmaRegion, Interrupt, RegisterWindow};
pub use entropy::EntropySource;
pub use frame_device::{
    ChecksumRequest, FrameCapabilities, FrameDevice, FrameMeta, LinkState, MacAddress, Offloads,
    ReceivedFrame,
};
pub use host::{EntropyUnavailable, Host, HostRequest, Wake};
pub use pages::{OutOfPages, PAGE_SIZE, Pages};
pub use program::{Fault, MapError, ProgramHost, ProgramRange, Protection, Registers};
pub use time::Instant;
