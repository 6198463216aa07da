//! The device's side of one virtqueue, on `virtio-queue`: what the driver made available, and
//! completions, the true ones and the others.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

use super::memory::SharedMemory;

/// Bytes of a descriptor (virtio 1.2, 2.7.5).
const DESCRIPTOR_LENGTH: usize = 16;
/// Bytes of `flags` and `idx`, with which the used ring begins (virtio 1.2, 2.7.8).
const USED_HEADER_LENGTH: u64 = 4;
/// Bytes of an element of the used ring.
const USED_ELEMENT_LENGTH: u64 = 8;
/// The largest queue (virtio 1.2, 2.7).
const SIZE_MAX: u16 = 1 << 15;

/// A chain of descriptors, as it was when the device took it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The number of its first descriptor.
    pub head: u16,
    /// Its buffers, in order.
    pub buffers: Buffers,
}

/// The buffers of a chain. A frame has one, and there are the most of those.
pub type Buffers = smallvec::SmallVec<[Buffer; 1]>;

/// A buffer, as its descriptor gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// The number of its descriptor.
    pub descriptor: u16,
    /// Where the device finds it.
    pub address: u64,
    /// Its length in bytes.
    pub length: u32,
    /// The device writes it; else it reads it.
    pub writable: bool,
}

/// Where a queue's parts are (virtio 1.2, 2.7), as the driver has told the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Places {
    /// How many descriptors there are.
    pub size: u16,
    /// The device's address of the descriptor table.
    pub descriptors: u64,
    /// The device's address of the available ring.
    pub available: u64,
    /// The device's address of the used ring.
    pub used: u64,
}

impl Chain {
    /// How many bytes the device may write.
    pub fn room(&self) -> u32 {
        self.of_kind(true).map(|buffer| buffer.length).sum()
    }

    /// The buffers that the device writes, or those that it reads.
    pub fn of_kind(&self, writable: bool) -> impl Iterator<Item = &Buffer> {
        self.buffers
            .iter()
            .filter(move |buffer| buffer.writable == writable)
    }
}

/// One queue of a device.
#[derive(Debug)]
pub(super) struct DeviceQueue {
    queue: Queue,
    /// What the device gives as its largest size; not always a size.
    pub maximum: u32,
    /// How often the driver has told the device.
    pub notifications: u64,
    /// How many completions were published since the queue was set up.
    pub completions: u64,
    /// What the device has taken and not given back.
    pub held: VecDeque<Chain>,
    /// `id` and `len` of the last completion.
    last: Option<(u32, u32)>,
}

impl DeviceQueue {
    pub fn new(maximum: u32) -> Self {
        Self {
            queue: Queue::new(SIZE_MAX).expect("a size that virtio allows"),
            maximum,
            notifications: 0,
            completions: 0,
            held: VecDeque::new(),
            last: None,
        }
    }

    /// Takes the addresses of a queue of `size`. Returns whether they can be a queue's.
    pub fn set_up(
        &mut self,
        memory: &SharedMemory,
        size: u32,
        addresses: [u64; 3],
        event_index: bool,
    ) -> bool {
        self.reset();
        let [descriptors, available, used] = addresses.map(GuestAddress);
        let queue = &mut self.queue;
        let placed = u16::try_from(size).is_ok_and(|size| queue.try_set_size(size).is_ok())
            && queue.try_set_desc_table_address(descriptors).is_ok()
            && queue.try_set_avail_ring_address(available).is_ok()
            && queue.try_set_used_ring_address(used).is_ok();
        queue.set_event_idx(event_index);
        queue.set_ready(placed);
        if placed && queue.is_valid(memory.guest()) {
            return true;
        }
        queue.set_ready(false);
        false
    }

    pub fn reset(&mut self) {
        self.queue.reset();
        self.held.clear();
        self.completions = 0;
        self.last = None;
    }

    pub fn is_ready(&self) -> bool {
        self.queue.ready()
    }

    pub fn size(&self) -> u16 {
        self.queue.size()
    }

    /// Takes all that the driver has made available. Returns whether it was in order.
    pub fn fetch(&mut self, memory: &SharedMemory) -> bool {
        let Ok(chains) = self.queue.iter(memory.guest()) else {
            return !self.is_ready();
        };
        for chain in chains {
            let head = chain.head_index();
            let mut next = head;
            let mut buffers = Buffers::new();
            for descriptor in chain {
                buffers.push(Buffer {
                    descriptor: std::mem::replace(&mut next, descriptor.next()),
                    address: descriptor.addr().0,
                    length: descriptor.len(),
                    writable: descriptor.is_write_only(),
                });
            }
            self.held.push_back(Chain { head, buffers });
        }
        // With an event index: tell me of the next one.
        self.queue.enable_notification(memory.guest()).is_ok()
    }

    /// Gives a chain back with `written` bytes written, as a good device does.
    pub fn complete(&mut self, memory: &SharedMemory, head: u16, written: u32) {
        // The queue is ready and in mapped memory, and the head came from it.
        let _ = self.queue.add_used(memory.guest(), head, written);
        self.completions += 1;
        self.last = Some((head.into(), written));
    }

    /// Publishes any `id` and `length` as a completion.
    pub fn complete_as(&mut self, memory: &SharedMemory, id: u32, length: u32) {
        if !self.is_ready() {
            return;
        }
        let index = self.queue.next_used();
        let mut element = [0; USED_ELEMENT_LENGTH as usize];
        element[..4].copy_from_slice(&id.to_le_bytes());
        element[4..].copy_from_slice(&length.to_le_bytes());
        memory.write(self.used_element(index), &element);
        self.queue.set_next_used(index.wrapping_add(1));
        self.publish(memory, index.wrapping_add(1));
        self.completions += 1;
        self.last = Some((id, length));
    }

    /// Publishes the last completion once more.
    pub fn replay(&mut self, memory: &SharedMemory) {
        if let Some((id, length)) = self.last {
            self.complete_as(memory, id, length);
        }
    }

    /// Moves `used.idx` on by `distance` with nothing behind it, modulo 2^16.
    pub fn jump(&mut self, memory: &SharedMemory, distance: u16) {
        if self.is_ready() {
            self.publish(memory, self.queue.next_used().wrapping_add(distance));
        }
    }

    /// Whether the driver wants to be told of what was completed since the last call.
    pub fn must_interrupt(&mut self, memory: &SharedMemory) -> bool {
        self.is_ready()
            && self
                .queue
                .needs_notification(memory.guest())
                .unwrap_or(true)
    }

    /// A descriptor that belongs to no chain that the device has.
    pub fn free_descriptor(&self, except: &Chain) -> Option<u16> {
        let chains = || self.held.iter().chain([except]);
        (0..self.size()).find(|&descriptor| {
            let mut buffers = chains().flat_map(|chain| &chain.buffers);
            buffers.all(|buffer| buffer.descriptor != descriptor)
        })
    }

    /// Overwrites the address, length, flags and successor of each descriptor.
    pub fn rewrite_descriptors(&self, memory: &SharedMemory, descriptor: [u8; DESCRIPTOR_LENGTH]) {
        let table = descriptor.repeat(self.size().into());
        memory.write(self.queue.desc_table(), &table);
    }

    /// Where the device finds the descriptor table.
    pub fn descriptor_table(&self) -> u64 {
        self.queue.desc_table()
    }

    /// Where the device finds the queue's parts.
    pub fn places(&self) -> Option<Places> {
        self.is_ready().then(|| Places {
            size: self.size(),
            descriptors: self.queue.desc_table(),
            available: self.queue.avail_ring(),
            used: self.queue.used_ring(),
        })
    }

    fn used_element(&self, index: u16) -> u64 {
        let place = u64::from(index % self.size());
        self.queue.used_ring() + USED_HEADER_LENGTH + place * USED_ELEMENT_LENGTH
    }

    fn publish(&self, memory: &SharedMemory, index: u16) {
        let place = GuestAddress(self.queue.used_ring() + 2);
        let _ = memory
            .guest()
            .store(index.to_le(), place, Ordering::Release);
    }
}
