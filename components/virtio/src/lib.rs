//! Drivers for virtio devices (virtio 1.2), host-independent.
//!
//! - [`probe`] finds the device behind a [`RegisterWindow`](hypercall::RegisterWindow); everything
//!   else works on the [`Transport`] trait, which a software device in a process implements too.
//! - [`VirtioNet`] is a network card as a [`FrameDevice`](hypercall::FrameDevice).
//! - [`VirtioBlk`] is a disk as a [`BlockDevice`](hypercall::BlockDevice).
//! - [`VirtioConsole`] is a console as a [`ConsoleDevice`](hypercall::ConsoleDevice).
//! - [`VirtioRng`] is a generator of random bytes as an [`EntropySource`](hypercall::EntropySource).
//!
//! # What is trusted
//!
//! A device may be malicious: nothing that it writes is believed. What was posted is remembered
//! privately, every id, index and length is checked against that memory, and nothing is read back
//! from a descriptor. A device that breaks its protocol is reset, and its driver fails for good.
//!
//! One thing no check can give: the bytes of a frame that is being read may change under the
//! reader's eyes when the device writes to a buffer that it has given back. Readers are safe
//! Rust and parse what they find.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod blk;
mod console;
mod device;
mod error;
mod layout;
mod net;
#[allow(
    unsafe_code,
    reason = "memory shared with the device is reached by raw pointers"
)]
mod ring;
mod rng;
mod shadow;
#[cfg(test)]
mod software;
#[allow(unsafe_code, reason = "registers are reached by raw pointers")]
mod transport;

pub use blk::{VirtioBlk, VirtioBlkOptions};
pub use console::{ConsolePorts, VirtioConsole};
pub use error::{ProbeError, Violation, VirtioError};
pub use layout::QueueSize;
pub use net::{VirtioNet, VirtioNetOptions};
pub use rng::VirtioRng;
pub use transport::{MmioDevice, probe};
pub use virtio_drivers::Error as TransportError;
pub use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
