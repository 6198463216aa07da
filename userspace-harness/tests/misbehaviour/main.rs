//! Every known kind of bad device, against each of the drivers that boot.
//!
//! The oracle is the same for all: an answer comes before a deadline in virtual time; the driver
//! refuses the device, fails it for the right reason, or is unharmed and loses nothing; nobody
//! writes to the guards round the shared memory, nor the driver to a buffer that the device has;
//! when all is dropped, the memory of the process is what it was; nothing panics.
//!
//! A capability of PCI with a length out of range has no test: devices are found by their
//! memory-mapped registers alone, and a window too short for those is refused by `virtio::probe`.

mod blk;
#[path = "../../fuzz/src/memory.rs"]
mod memory;
mod net;
mod rng;

use userspace_harness::software_device::SoftwareDevice;

/// How long the driver may ask its device for anything in one test: a second of a machine's time.
const DEADLINE_US: u64 = 1_000_000;

/// What a device's misbehaviour must come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// The driver does not start.
    Refused(virtio::VirtioError),
    /// The device is reset and fails for good.
    Failed(virtio::Violation),
    /// Nothing is lost or changed.
    Unharmed,
}

/// Runs a test of `device`, and then whatever holds after each of them.
fn judged<D: std::ops::Deref<Target = SoftwareDevice>>(
    device: impl FnOnce() -> D,
    test: impl FnOnce(&D),
) {
    let before = memory::live_bytes();
    let device = device();
    device.limit_time(DEADLINE_US);
    device.watch_buffers();
    test(&device);
    assert!(device.guards_are_whole(), "a guard was written to");
    assert_eq!(device.complaints(), [""; 0]);
    drop(device);
    assert_eq!(memory::live_bytes(), before, "memory was lost");
}
