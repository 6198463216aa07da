//! Homes that exist only in memory, for tests.
//!
//! Each fake keeps the contract of its trait (`tests/contract` runs the suite on it) and does
//! nothing by itself: time passes when the test moves it or a wait jumps to its deadline, frames
//! move when both ends act, a disk that was told to be slow finishes when it is told to. So a
//! test reads as a list of what happened, and fails the same way each time.

mod block_device;
mod frame_device;
mod host;
mod program_host;
mod shared;
mod wire;

pub use block_device::FakeBlockDevice;
pub use frame_device::FakeFrameDevice;
pub use host::{FakeHost, FakeWaker};
pub use program_host::FakeProgramHost;
pub use wire::{FakeWire, WireFaults};
