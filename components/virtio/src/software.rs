//! A virtio device in software, for tests: a [`Transport`], and the device's side of its queues on
//! the memory that the driver was given. It can be told to misbehave.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};

use hypercall::{DmaRegion, Interrupt, PAGE_SIZE};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use zerocopy::{FromBytes, Immutable, IntoBytes};

mod lender;

pub(crate) use lender::SoftwareLender;

pub(crate) const EVENT_IDX: u64 = 1 << 29;
pub(crate) const VERSION_1: u64 = 1 << 32;

/// Where the device finds the driver's memory: not where the driver does, so that a mix-up shows.
const DEVICE_ADDRESS: u64 = 0x4000_0000;

/// How many queues a device has: enough for a console of four ports.
const QUEUES: usize = 10;
/// How much memory there is for buffers to be lent in.
const LENDING_LENGTH: usize = 1 << 20;

/// The device's own end.
#[derive(Clone)]
pub(crate) struct Device(Arc<Mutex<State>>);

/// The driver's end.
#[derive(Debug)]
pub(crate) struct SoftwareTransport(Device);

/// What a test may set before or while the driver runs.
#[derive(Debug)]
pub(crate) struct State {
    pub class: DeviceType,
    pub offered: u64,
    pub accepted: u64,
    pub status: DeviceStatus,
    pub configuration: Vec<u8>,
    pub generation: u32,
    pub queues: Vec<Queue>,
    pub interrupt: Interrupt,
    pub interrupt_status: u32,
    /// FEATURES_OK does not stick.
    pub refuses_features: bool,
    /// The status does not become 0.
    pub refuses_reset: bool,
    /// The configuration changes at each read of it, so often.
    pub unstable_reads: u32,
    memory: &'static [Page],
    /// The pages of `memory` that are for lending, each with whether it is lent.
    lending: BTreeMap<usize, bool>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    pub maximum: u32,
    pub size: u16,
    pub notifications: usize,
    descriptors: u64,
    available: u64,
    used: u64,
    /// How many chains were taken from the available ring.
    taken: u16,
    /// `used.idx`.
    used_index: u16,
}

/// A chain as the device finds it: its head, and address, length and flags of each descriptor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    pub head: u16,
    pub parts: Vec<(u64, u32, u16)>,
}

#[derive(Debug)]
#[repr(align(4096))]
struct Page([AtomicU8; PAGE_SIZE]);

impl core::fmt::Debug for Device {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Device")
    }
}

impl Device {
    /// A device of `class` that offers `features`, and `length` bytes of memory for its driver.
    pub fn new(class: DeviceType, features: u64, length: usize) -> (Self, DmaRegion) {
        let own_pages = length.div_ceil(PAGE_SIZE);
        let all_pages = own_pages + LENDING_LENGTH / PAGE_SIZE;
        let pages = (0..all_pages)
            .map(|_| Page([const { AtomicU8::new(0) }; PAGE_SIZE]))
            .collect::<Vec<_>>();
        let memory: &'static [Page] = Box::leak(pages.into_boxed_slice());
        let address = NonNull::from(memory).cast();
        #[expect(unsafe_code, reason = "a platform's part, played by the test")]
        // SAFETY: leaked memory in pages, zeroed, of atomics (so it may be written through a
        // shared reference). The driver is the only one who gets this value.
        let region = unsafe { DmaRegion::new(address, DEVICE_ADDRESS, length) };
        let queue = Queue {
            maximum: 256,
            ..Queue::default()
        };
        let state = State {
            class,
            offered: features | VERSION_1,
            accepted: 0,
            status: DeviceStatus::DRIVER_OK,
            configuration: vec![0; 64],
            generation: 0,
            queues: vec![queue; QUEUES],
            interrupt: Interrupt::new(),
            interrupt_status: 0,
            refuses_features: false,
            refuses_reset: false,
            unstable_reads: 0,
            memory,
            lending: (own_pages..all_pages).map(|page| (page, false)).collect(),
        };
        (Self(Arc::new(Mutex::new(state))), region)
    }

    /// A lender of buffers to this device.
    pub fn lender(&self) -> SoftwareLender {
        SoftwareLender::new(self.clone())
    }

    /// How many pages are lent to it.
    pub fn lent_pages(&self) -> usize {
        self.state().lending.values().filter(|lent| **lent).count()
    }

    pub fn transport(&self) -> SoftwareTransport {
        SoftwareTransport(self.clone())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test panics while it holds the state")
    }

    /// Whether the driver was interrupted since the last call; the line stays raised for it.
    pub fn interrupted(&self) -> bool {
        core::mem::take(&mut self.state().interrupt_status) != 0
    }

    /// The next chain that the driver has made available.
    pub fn next_chain(&self, queue: usize) -> Option<Chain> {
        self.state().next_chain(queue)
    }

    /// Returns a chain, as a good device does.
    pub fn complete(&self, queue: usize, id: u32, length: u32) {
        let mut state = self.state();
        state.push_used(queue, id, length);
        let index = state.queues[queue].used_index;
        state.publish_used(queue, index);
    }

    /// Claims in `used.idx` that there are `count` more completions than there are.
    pub fn advance_used_index(&self, queue: usize, count: u16) {
        let mut state = self.state();
        let index = state.queues[queue].used_index.wrapping_add(count);
        state.publish_used(queue, index);
    }

    /// Writes into a chain's writable parts.
    pub fn write(&self, chain: &Chain, bytes: &[u8]) {
        let state = self.state();
        let mut rest = bytes;
        for &(address, length, flags) in &chain.parts {
            if flags & 2 != 0 {
                let (now, later) = rest.split_at(rest.len().min(length as usize));
                state.write_memory(address, now);
                rest = later;
            }
        }
        assert!(rest.is_empty(), "the chain has no room for it");
    }

    /// Reads a chain's readable parts.
    pub fn read(&self, chain: &Chain) -> Vec<u8> {
        let state = self.state();
        let readable = chain.parts.iter().filter(|(_, _, flags)| flags & 2 == 0);
        readable
            .flat_map(|&(address, length, _)| state.read_memory(address, length as usize))
            .collect()
    }

    /// Overwrites the whole descriptor table of a queue.
    pub fn scribble_descriptors(&self, queue: usize) {
        let state = self.state();
        let table = &state.queues[queue];
        state.write_memory(table.descriptors, &vec![0xa5; usize::from(table.size) * 16]);
    }

    /// Interrupts for another reason than a queue: the configuration.
    pub fn interrupt_for_configuration(&self) {
        let mut state = self.state();
        state.interrupt_status |= 2;
        state.interrupt.raise();
    }
}

impl State {
    fn event_index(&self) -> bool {
        self.accepted & EVENT_IDX != 0
    }

    fn bytes_at(&self, address: u64, length: usize) -> impl Iterator<Item = &AtomicU8> {
        let start = address
            .checked_sub(DEVICE_ADDRESS)
            .expect("an address for the device");
        let start = usize::try_from(start).expect("an offset");
        assert!(
            start + length <= self.memory.len() * PAGE_SIZE,
            "outside the driver's memory"
        );
        (start..start + length).map(|at| &self.memory[at / PAGE_SIZE].0[at % PAGE_SIZE])
    }

    fn read_memory(&self, address: u64, length: usize) -> Vec<u8> {
        self.bytes_at(address, length)
            .map(|byte| byte.load(Ordering::SeqCst))
            .collect()
    }

    fn write_memory(&self, address: u64, bytes: &[u8]) {
        for (place, byte) in self.bytes_at(address, bytes.len()).zip(bytes) {
            place.store(*byte, Ordering::SeqCst);
        }
    }

    fn read_u16(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.read_memory(address, 2).try_into().expect("two bytes"))
    }

    fn next_chain(&mut self, queue: usize) -> Option<Chain> {
        let Queue {
            size,
            taken,
            available,
            used,
            ..
        } = self.queues[queue];
        if size == 0 || self.read_u16(available + 2) == taken {
            return None;
        }
        let head = self.read_u16(available + 4 + 2 * u64::from(taken % size));
        let chain = self.chain(queue, head);
        let taken = taken.wrapping_add(1);
        self.queues[queue].taken = taken;
        // avail_event: tell me of the next one.
        self.write_memory(used + 4 + 8 * u64::from(size), &taken.to_le_bytes());
        Some(chain)
    }

    fn chain(&self, queue: usize, head: u16) -> Chain {
        let mut parts = Vec::new();
        let mut index = head;
        loop {
            let place = self.queues[queue].descriptors + 16 * u64::from(index);
            let raw = self.read_memory(place, 16);
            let address = u64::from_le_bytes(raw[..8].try_into().expect("eight bytes"));
            let length = u32::from_le_bytes(raw[8..12].try_into().expect("four bytes"));
            let flags = u16::from_le_bytes(raw[12..14].try_into().expect("two bytes"));
            parts.push((address, length, flags));
            if flags & 1 == 0 {
                return Chain { head, parts };
            }
            index = u16::from_le_bytes(raw[14..].try_into().expect("two bytes"));
        }
    }

    fn push_used(&mut self, queue: usize, id: u32, length: u32) {
        let Queue {
            size,
            used,
            used_index,
            ..
        } = self.queues[queue];
        let place = used + 4 + 8 * u64::from(used_index % size);
        self.write_memory(place, &id.to_le_bytes());
        self.write_memory(place + 4, &length.to_le_bytes());
        self.queues[queue].used_index = used_index.wrapping_add(1);
    }

    /// Stores `used.idx`, and interrupts if the driver wants it.
    fn publish_used(&mut self, queue: usize, index: u16) {
        let Queue {
            size,
            used,
            available,
            ..
        } = self.queues[queue];
        let before = self.read_u16(used + 2);
        self.write_memory(used + 2, &index.to_le_bytes());
        let wanted = if self.event_index() {
            let event = self.read_u16(available + 4 + 2 * u64::from(size));
            index.wrapping_sub(event).wrapping_sub(1) < index.wrapping_sub(before)
        } else {
            self.read_u16(available) & 1 == 0
        };
        if wanted {
            self.interrupt_status |= 1;
            self.interrupt.raise();
        }
    }
}

impl Transport for SoftwareTransport {
    fn device_type(&self) -> DeviceType {
        self.0.state().class
    }

    fn read_device_features(&mut self) -> u64 {
        self.0.state().offered
    }

    fn write_driver_features(&mut self, features: u64) {
        self.0.state().accepted = features;
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.0.state().queues[usize::from(queue)].maximum
    }

    fn notify(&mut self, queue: u16) {
        self.0.state().queues[usize::from(queue)].notifications += 1;
    }

    fn get_status(&self) -> DeviceStatus {
        self.0.state().status
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let mut state = self.0.state();
        if status.is_empty() && state.refuses_reset {
            return;
        }
        if status.is_empty() {
            state.queues.iter_mut().for_each(|queue| queue.size = 0);
        }
        state.status = status;
        if state.refuses_features {
            state.status.remove(DeviceStatus::FEATURES_OK);
        }
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, size: u32, descriptors: u64, available: u64, used: u64) {
        let queue = &mut self.0.state().queues[usize::from(queue)];
        *queue = Queue {
            maximum: queue.maximum,
            size: u16::try_from(size).expect("a valid size"),
            descriptors,
            available,
            used,
            ..Queue::default()
        };
    }

    fn queue_unset(&mut self, queue: u16) {
        self.0.state().queues[usize::from(queue)].size = 0;
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.0.state().queues[usize::from(queue)].size != 0
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let status = core::mem::take(&mut self.0.state().interrupt_status);
        InterruptStatus::from_bits_truncate(status)
    }

    fn read_config_generation(&self) -> u32 {
        self.0.state().generation
    }

    fn read_config_space<V: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> virtio_drivers::Result<V> {
        // What the transports with registers insist on.
        assert!(align_of::<V>() <= 4 && offset.is_multiple_of(align_of::<V>()));
        let mut state = self.0.state();
        if state.unstable_reads > 0 {
            state.unstable_reads -= 1;
            state.generation += 1;
        }
        let bytes = state.configuration.get(offset..offset + size_of::<V>());
        let bytes = bytes.ok_or(virtio_drivers::Error::ConfigSpaceTooSmall)?;
        Ok(V::read_from_bytes(bytes).expect("as long as the value"))
    }

    fn write_config_space<V: IntoBytes + Immutable>(
        &mut self,
        _: usize,
        _: V,
    ) -> virtio_drivers::Result<()> {
        Err(virtio_drivers::Error::Unsupported)
    }
}
