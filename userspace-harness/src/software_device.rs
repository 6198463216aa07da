//! Virtio devices in software, for the drivers that boot: the device and its driver are in one
//! process and share its memory, as a virtual machine and its host do.
//!
//! The device's side of the queues is `virtio-queue` over `vm-memory`, so the two sides were
//! written apart and agree by the specification alone. [`SoftwareNet`], [`SoftwareDisk`] and
//! [`SoftwareRng`] behave well unless they are told to [`misbehave`](SoftwareDevice::misbehave), by
//! name and at a chosen moment.
//!
//! A device does nothing by itself: whoever owns it says when it looks at its queues. So a test
//! chooses every interleaving of the two sides, and the same choice does the same again.

mod by_hand;
mod disk;
mod lender;
#[allow(
    unsafe_code,
    reason = "memory is given to a driver that knows it by address"
)]
mod memory;
mod misbehaviour;
mod net;
mod queue;
mod rng;
mod state;
mod transport;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hypercall::{DmaRegion, Interrupt};
use virtio::{DeviceStatus, InterruptStatus};

use state::{EVENT_INDEX, Profile, State};

pub use disk::SoftwareDisk;
pub use lender::{LentBuffer, SoftwareLender};
pub use misbehaviour::{Misbehaviour, Moment};
pub use net::SoftwareNet;
pub use queue::{Buffer, Buffers, Chain, Places};
pub use rng::SoftwareRng;
pub use transport::SoftwareTransport;

/// What a device offers beyond what each of its class does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features {
    /// VIRTIO_F_EVENT_IDX: each side names the index at which it wants to be told.
    pub event_index: bool,
}

impl Features {
    /// As virtio has them.
    fn bits(self) -> u64 {
        if self.event_index { EVENT_INDEX } else { 0 }
    }
}

/// What the software devices of all classes have in common: the device's own end.
#[derive(Clone, Debug)]
pub struct SoftwareDevice(Arc<Mutex<State>>);

impl SoftwareDevice {
    fn new(profile: Profile) -> Self {
        Self(Arc::new(Mutex::new(State::new(profile))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a driver is started with. A device has one driver in its life, as the memory is given
    /// out once.
    ///
    /// # Panics
    ///
    /// If it has had one.
    fn for_driver(&self) -> (SoftwareTransport, DmaRegion, Interrupt) {
        let mut state = self.state();
        let region = state.memory.take_region().expect("the device's one driver");
        let transport = SoftwareTransport(Arc::clone(&self.0));
        (transport, region, state.interrupt.clone())
    }

    /// Has the device misbehave. What concerns completions strikes, if it is to be
    /// [`Now`](Moment::Now), at the next one of queue 0; what concerns a queue's size or its
    /// configuration shows when the driver looks at it.
    pub fn misbehave(&self, what: Misbehaviour, moment: Moment) {
        self.state().misbehave(what, moment);
    }

    /// The time that the device has lived through, in microseconds: one for each access of its
    /// driver to a register, which is what leaving a virtual machine takes.
    pub fn time_us(&self) -> u64 {
        self.state().accesses
    }

    /// Panics within the driver when more than `limit_us` of [that time](SoftwareDevice::time_us)
    /// have passed: for drivers that might wait for ever.
    pub fn limit_time(&self, limit_us: u64) {
        self.state().accesses_allowed = limit_us;
    }

    /// From now on marks the buffers that the driver makes available for the device to write. A
    /// driver that writes to one before it comes back is among the
    /// [`complaints`](SoftwareDevice::complaints).
    pub fn watch_buffers(&self) {
        self.state().watching = true;
    }

    /// The status that the driver has set and the device has taken.
    pub fn status(&self) -> DeviceStatus {
        self.state().status
    }

    /// What the driver did that virtio forbids it.
    pub fn complaints(&self) -> Vec<&'static str> {
        self.state().complaints.clone()
    }

    /// How many buffers the driver has lent to the device and not taken back.
    pub fn lent(&self) -> usize {
        self.state().lent.len()
    }

    /// Whether nobody has written to the guards before and behind the shared memory.
    pub fn guards_are_whole(&self) -> bool {
        self.state().memory.guards_are_whole()
    }

    /// How often the driver has notified a queue.
    pub fn notifications(&self, queue: u16) -> u64 {
        self.state().queues[usize::from(queue)].notifications
    }

    /// Whether the device has interrupted since the driver last acknowledged it.
    pub fn has_interrupted(&self) -> bool {
        self.state().reasons & InterruptStatus::QUEUE_INTERRUPT.bits() != 0
    }
}
