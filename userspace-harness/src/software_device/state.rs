//! All that a software device knows, and how it misbehaves when its time has come.

use std::collections::BTreeMap;

use hypercall::Interrupt;
use virtio::{DeviceStatus, DeviceType, InterruptStatus};

use super::memory::SharedMemory;
use super::queue::{Chain, DeviceQueue};
use super::{Misbehaviour, Moment};

/// VIRTIO_F_EVENT_IDX (virtio 1.2, chapter 6).
pub(super) const EVENT_INDEX: u64 = 1 << 29;
/// VIRTIO_F_VERSION_1.
pub(super) const VERSION_1: u64 = 1 << 32;
/// A size that is no queue's.
const NOT_A_POWER_OF_TWO: u32 = 100;
/// What descriptors are overwritten with.
const SCRIBBLE: u8 = 0xa5;

/// What a device is before any driver comes.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub class: DeviceType,
    pub features: u64,
    pub configuration: Vec<u8>,
    /// The largest size of each queue.
    pub queues: Vec<u32>,
    /// The least that a completion must say was written: the device's own header.
    pub header_length: u32,
    /// Bytes that the driver needs.
    pub memory: usize,
    /// Bytes that it can lend.
    pub room: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub class: DeviceType,
    pub offered: u64,
    pub accepted: u64,
    pub status: DeviceStatus,
    pub configuration: Vec<u8>,
    pub generation: u32,
    pub queues: Vec<DeviceQueue>,
    pub memory: SharedMemory,
    /// Where lent buffers are, and how many bytes each has.
    pub lent: BTreeMap<u64, usize>,
    pub interrupt: Interrupt,
    /// Why the device has interrupted since that was last acknowledged.
    pub reasons: u32,
    /// How often the driver has accessed a register.
    pub accesses: u64,
    /// How often it may.
    pub accesses_allowed: u64,
    /// Buffers that the device has are filled with a pattern, which the driver is to leave alone.
    pub watching: bool,
    /// What the driver did that virtio forbids it.
    pub complaints: Vec<&'static str>,
    pub active: Vec<Misbehaviour>,
    planned: Vec<(Misbehaviour, usize, u64)>,
    header_length: u32,
}

impl State {
    pub fn new(profile: Profile) -> Self {
        Self {
            class: profile.class,
            offered: profile.features | VERSION_1,
            accepted: 0,
            // A boot loader has used the device, and left it running.
            status: DeviceStatus::DRIVER_OK,
            configuration: profile.configuration,
            generation: 0,
            queues: profile.queues.into_iter().map(DeviceQueue::new).collect(),
            memory: SharedMemory::new(profile.memory, profile.room),
            lent: BTreeMap::new(),
            interrupt: Interrupt::new(),
            reasons: 0,
            accesses: 0,
            accesses_allowed: u64::MAX,
            watching: false,
            complaints: Vec::new(),
            active: Vec::new(),
            planned: Vec::new(),
            header_length: profile.header_length,
        }
    }

    pub fn is(&self, what: Misbehaviour) -> bool {
        self.active.contains(&what)
    }

    /// Notes that the driver did what virtio forbids it, unless `right`.
    pub fn require(&mut self, right: bool, complaint: &'static str) {
        if !right {
            self.complaints.push(complaint);
        }
    }

    /// Begins to misbehave, or plans to.
    pub fn misbehave(&mut self, what: Misbehaviour, moment: Moment) {
        match moment {
            Moment::Completion { queue, number } => {
                self.planned.push((what, queue.into(), number));
            }
            Moment::Now if is_of_completions(what) => {
                let next = self.queues[0].completions;
                self.planned.push((what, 0, next));
            }
            Moment::Now => self.strike(what),
        }
    }

    /// What is planned for the next completion of a queue.
    pub fn due(&mut self, queue: usize) -> Option<Misbehaviour> {
        if self.planned.is_empty() {
            return None;
        }
        let number = self.queues[queue].completions;
        let position = self
            .planned
            .iter()
            .position(|plan| (plan.1, plan.2) == (queue, number))?;
        Some(self.planned.swap_remove(position).0)
    }

    /// Takes what the driver has made available in a queue.
    pub fn fetch(&mut self, queue: usize) {
        let held = self.queues[queue].held.len();
        let right = self.queues[queue].fetch(&self.memory);
        self.require(right, "made available what cannot be");
        if self.watching {
            for chain in self.queues[queue].held.iter().skip(held) {
                self.memory.mark(chain);
            }
        }
    }

    /// The oldest chain that was fetched and not yet given back.
    pub fn next_chain(&mut self, queue: usize) -> Option<Chain> {
        let chain = self.queues[queue].held.pop_front()?;
        let untouched = !self.watching || self.memory.is_marked(&chain);
        self.require(untouched, "wrote to a buffer that the device has");
        Some(chain)
    }

    /// Gives a chain back, or does what is `due` in place of that.
    pub fn finish(&mut self, queue: usize, chain: &Chain, written: u32, due: Option<Misbehaviour>) {
        let Self {
            queues,
            memory,
            header_length,
            ..
        } = self;
        let used = &mut queues[queue];
        let head = u32::from(chain.head);
        match due {
            Some(Misbehaviour::UsedIdAtQueueSize) => {
                used.complete_as(memory, used.size().into(), written);
            }
            Some(Misbehaviour::UsedIdBeyondQueueSize) => {
                used.complete_as(memory, head | 0x1_0000, written);
            }
            Some(Misbehaviour::UsedIdNeverIssued) => {
                let free = used.free_descriptor(chain).map_or(u32::MAX, u32::from);
                used.complete_as(memory, free, written);
            }
            Some(Misbehaviour::UsedIdInMidChain) => {
                let second = chain.buffers.get(1);
                let id = second.map_or(u32::MAX, |buffer| buffer.descriptor.into());
                used.complete_as(memory, id, written);
            }
            Some(Misbehaviour::UsedIdReplayed) => {
                used.complete(memory, chain.head, written);
                used.replay(memory);
            }
            Some(Misbehaviour::UsedLengthLargerThanBuffer) => {
                used.complete_as(memory, head, chain.room().saturating_add(1));
            }
            Some(Misbehaviour::UsedLengthSmallerThanHeader) => {
                used.complete_as(memory, head, *header_length - 1);
            }
            Some(Misbehaviour::UsedIndexJumping) => used.jump(memory, used.size() + 1),
            Some(Misbehaviour::UsedIndexGoingBack) => used.jump(memory, u16::MAX),
            Some(Misbehaviour::RequestNeverCompleted) => {}
            Some(other) => {
                self.strike(other);
                self.queues[queue].complete(&self.memory, chain.head, written);
            }
            None => used.complete(memory, chain.head, written),
        }
    }

    /// Interrupts if the driver wants to be told of what was completed.
    pub fn interrupt_for_queue(&mut self, queue: usize) {
        if self.queues[queue].must_interrupt(&self.memory) {
            self.raise(InterruptStatus::QUEUE_INTERRUPT);
        }
    }

    pub fn raise(&mut self, reason: InterruptStatus) {
        self.reasons |= reason.bits();
        self.interrupt.raise();
    }

    /// Forgets its driver, and what it was told since the last reset.
    pub fn reset(&mut self) {
        self.status = DeviceStatus::empty();
        self.accepted = 0;
        self.reasons = 0;
        self.queues.iter_mut().for_each(DeviceQueue::reset);
    }

    fn strike(&mut self, what: Misbehaviour) {
        match what {
            Misbehaviour::QueueSizeZero => self.give_size(0),
            Misbehaviour::QueueSizeNotPowerOfTwo => self.give_size(NOT_A_POWER_OF_TWO),
            Misbehaviour::CapacityZero => self.give_capacity(0),
            Misbehaviour::CapacityHuge => self.give_capacity(u64::MAX),
            Misbehaviour::NeedsReset => {
                self.status |= DeviceStatus::DEVICE_NEEDS_RESET;
                self.raise(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT);
            }
            Misbehaviour::SpuriousInterrupts => self.interrupt.raise(),
            Misbehaviour::DescriptorsRewritten => self.rewrite(|_| [SCRIBBLE; 16]),
            Misbehaviour::ForgedAddress => self.rewrite(|queue| {
                let mut forged = [0; 16];
                forged[..8].copy_from_slice(&queue.descriptor_table().to_le_bytes());
                forged
            }),
            other => self.active.push(other),
        }
    }

    /// Overwrites all descriptors, after the device itself has read them.
    fn rewrite(&mut self, descriptor: impl Fn(&DeviceQueue) -> [u8; 16]) {
        for queue in 0..self.queues.len() {
            self.fetch(queue);
            let queue = &self.queues[queue];
            if queue.is_ready() {
                queue.rewrite_descriptors(&self.memory, descriptor(queue));
            }
        }
    }

    fn give_size(&mut self, size: u32) {
        for queue in &mut self.queues {
            queue.maximum = size;
        }
    }

    /// A disk's capacity is the first field of its configuration (virtio 1.2, 5.2.4).
    fn give_capacity(&mut self, sectors: u64) {
        if let Some(field) = self.configuration.first_chunk_mut() {
            *field = sectors.to_le_bytes();
        }
    }
}

/// Whether it can only be done in place of a completion.
fn is_of_completions(what: Misbehaviour) -> bool {
    matches!(
        what,
        Misbehaviour::UsedIdAtQueueSize
            | Misbehaviour::UsedIdBeyondQueueSize
            | Misbehaviour::UsedIdNeverIssued
            | Misbehaviour::UsedIdReplayed
            | Misbehaviour::UsedIdInMidChain
            | Misbehaviour::UsedLengthLargerThanBuffer
            | Misbehaviour::UsedLengthSmallerThanHeader
            | Misbehaviour::UsedIndexJumping
            | Misbehaviour::UsedIndexGoingBack
            | Misbehaviour::RequestNeverCompleted
            | Misbehaviour::BlockStatusUnwritten
            | Misbehaviour::BlockStatusAboveTwo
    )
}
