//! The virtio ring, beneath the network and the block driver, against a device of which anything
//! may come true.
//!
//! An input is a list of steps of both sides in any order: the driver is asked for something, the
//! device does what is right, or publishes any completion, moves its index, overwrites any of the
//! shared memory, interrupts. What must hold, always:
//!
//! - the driver does what virtio's rules make of the memory that it saw ([`model`], which shares no
//!   code with it): the same frames and answers, or the same violation at the same moment;
//! - chains in flight share neither descriptors nor buffers, and what the device has is left alone;
//! - a device that has failed is reset and stays so; whatever it was given comes back as failed;
//! - while the device does only what is right, nobody sleeps on work;
//! - nothing is written to the guards round the shared memory; afterwards no memory is left.

mod disk;
mod model;
mod net;
#[cfg(test)]
mod seeds;
mod step;

use virtio::{Violation, VirtioError};

use super::LiveBytes;
use crate::software_device::{Misbehaviour, Moment, SoftwareDevice};
use disk::DiskRun;
use net::NetRun;
use step::{Maximum, Start, StartFault, Step};

/// How often a driver may access its device's registers: far more than any input needs.
const ACCESSES: u64 = 10_000;

/// Runs the input, and returns how many steps it had.
///
/// # Panics
///
/// If the driver does what it must not.
pub fn ring(input: &[u8], live_bytes: LiveBytes) -> usize {
    let before = live_bytes();
    let (steps, _) = run(input);
    assert!(live_bytes() <= before, "memory is lost");
    steps
}

/// What the input says: the start, then a step a line.
pub fn ring_as_text(input: &[u8]) -> String {
    let (start, steps) = step::decode(input);
    let lines = steps.map(|step| format!("{step:?}\n"));
    format!("{start:?}\n") + &lines.collect::<String>()
}

/// How a run ended: after so many steps, with the device refused, failed or still good.
fn run(input: &[u8]) -> (usize, Ending) {
    let (start, steps) = step::decode(input);
    if start.is_disk {
        let (device, run) = DiskRun::start(&start);
        finish(&device, run, steps, DiskRun::take, DiskRun::end)
    } else {
        let (device, run) = NetRun::start(&start);
        finish(&device, run, steps, NetRun::take, |run| run.violation())
    }
}

/// What became of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Refused,
    Failed(Violation),
    Good,
}

/// Takes the steps, and looks at what must hold when a run is over.
fn finish<R>(
    device: &SoftwareDevice,
    run: Option<R>,
    steps: impl Iterator<Item = Step>,
    take: impl Fn(&mut R, &Step),
    end: impl FnOnce(R) -> Option<Violation>,
) -> (usize, Ending) {
    let Some(mut run) = run else {
        return (0, Ending::Refused);
    };
    let count = steps.map(|step| take(&mut run, &step)).count();
    let ending = end(run).map_or(Ending::Good, Ending::Failed);
    assert!(device.guards_are_whole(), "a guard was written to");
    assert_eq!(device.lent(), 0, "all buffers came back");
    (count, ending)
}

/// Makes a device that is to start what its start says.
fn spoil(device: &SoftwareDevice, start: &Start, queues: u16) {
    device.limit_time(ACCESSES);
    device.watch_buffers();
    for (queue, maximum) in (0..queues).zip(start.maxima) {
        device.set_queue_maximum(queue, maximum.value());
    }
    let fault = start.fault.map(|fault| match fault {
        StartFault::FeaturesOkRefused => Misbehaviour::FeaturesOkRefused,
        StartFault::ConfigurationChanging => Misbehaviour::ConfigurationChanging,
        StartFault::CapacityZero => Misbehaviour::CapacityZero,
        StartFault::CapacityHuge => Misbehaviour::CapacityHuge,
    });
    if let Some(fault) = fault {
        device.misbehave(fault, Moment::Now);
    }
}

/// Why a driver must refuse a queue of this size, if it must.
fn refused_size(maximum: Maximum) -> Option<VirtioError> {
    match maximum.value() {
        0 => Some(VirtioError::QueueMissing),
        size if size.is_power_of_two() && size <= 1 << 15 => None,
        size => Some(VirtioError::QueueSize(size)),
    }
}
