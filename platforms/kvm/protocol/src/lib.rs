//! What `bake`, `run` and a booted image say to one another.
//!
//! Pure data, in one place so that the two sides cannot drift apart: `bake` fills in the
//! [`ImageTable`] and chooses from [`COMPONENTS`]; `run` writes a [`CommandLine`] that the image
//! reads as [`Settings`]; while the image runs, both speak the framing of [`control`] over the
//! [`ports`]; of code that failed the image hands over a [`FailureHead`]. [`staging`] is spoken by the contract suite alone.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod command_line;
mod components;
pub mod control;
mod failure_record;
mod image_part;
mod image_table;
mod mmio_device;
mod percent;
pub mod ports;
mod settings;
pub mod staging;
mod terminals;

pub use command_line::CommandLine;
pub use components::{BLOCK, COMPONENTS, CONSOLE, Choice, Component};
pub use failure_record::{Failed, FailureHead, REGISTER_COUNT};
pub use image_part::ImagePart;
pub use image_table::ImageTable;
pub use mmio_device::MmioDevice;
pub use percent::decode;
pub use settings::{Ipv4Network, Settings};
pub use terminals::Terminals;

/// What the words on a kernel command line begin with: their names, and the sign before the value.
mod name {
    /// Linux' own word for a virtio-mmio transport.
    pub const DEVICE: &str = "virtio_mmio.device=";
    pub const ARGUMENT: &str = "anykernel.arg=";
    pub const ENVIRONMENT: &str = "anykernel.env=";
    pub const TERMINAL: &str = "anykernel.terminal=";
    pub const EPOCH: &str = "anykernel.epoch=";
    pub const ADDRESS: &str = "anykernel.ip=";
    pub const COMPONENTS: &str = "anykernel.components=";
    pub const GATEWAY: &str = "anykernel.gateway=";
}
