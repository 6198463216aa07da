//! A split virtqueue (virtio 1.2, 2.7) and the slots of memory that it carries.
//!
//! The queue owns one region: table, rings and slots ([`Layout`]). A [`Slot`] is posted, is the
//! device's until a completion brings it back, and only then can its bytes be reached.
//!
//! # Memory ordering
//!
//! - A descriptor and its entry in the available ring must be visible before the `avail.idx` that
//!   announces them: `avail.idx` is stored with release.
//! - An element of the used ring must be read after the `used.idx` that announces it: `used.idx`
//!   is loaded with acquire.
//! - Each side publishes an index and then reads whether the other wants to be told. Without a
//!   full fence between the two (a store, then a load of another place) both could read the old
//!   value and both sleep: [`Ring::notify`] and [`Ring::arm`] have one.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, Ordering, fence};

use hypercall::DmaRegion;
use virtio_drivers::transport::Transport;

use crate::layout::Layout;
use crate::shadow::Shadow;
use crate::{Violation, VirtioError};

/// VIRTQ_DESC_F_NEXT: the chain goes on (virtio 1.2, 2.7.5).
const DESCRIPTOR_NEXT: u16 = 1;
/// VIRTQ_DESC_F_WRITE: the device writes to the buffer.
const DESCRIPTOR_WRITE: u16 = 2;
/// VIRTQ_AVAIL_F_NO_INTERRUPT, and in the used ring VIRTQ_USED_F_NO_NOTIFY: the writer of the
/// flag does not want to be told (virtio 1.2, 2.7.7 and 2.7.10).
const DO_NOT_TELL: u16 = 1;

/// A piece of the queue's memory that the driver has, and so the device has not.
#[derive(Debug)]
pub(crate) struct Slot(u16);

impl Slot {
    /// Its number, below the queue's size.
    pub fn index(&self) -> usize {
        self.0.into()
    }
}

/// A piece of a chain. Those that the device writes come last (virtio 1.2, 2.7.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// So many bytes of the slot, behind those of the part before; the device reads them.
    Read(u32),
    /// So many bytes of the slot; the device writes them.
    Write(u32),
    /// Memory that was lent to the device, which reads it.
    ReadLent(LentPart),
    /// Memory that was lent to the device, which writes it.
    WriteLent(LentPart),
}

/// A part outside of the queue's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LentPart {
    /// Where the device finds it.
    pub address: u64,
    pub length: u32,
}

impl Part {
    fn length(self) -> u32 {
        match self {
            Self::Read(length) | Self::Write(length) => length,
            Self::ReadLent(lent) | Self::WriteLent(lent) => lent.length,
        }
    }

    /// How much of the slot it takes.
    fn slot_length(self) -> u32 {
        match self {
            Self::Read(length) | Self::Write(length) => length,
            Self::ReadLent(_) | Self::WriteLent(_) => 0,
        }
    }

    fn is_written(self) -> bool {
        matches!(self, Self::Write(_) | Self::WriteLent(_))
    }
}

/// One virtqueue.
#[derive(Debug)]
pub(crate) struct Ring {
    shared: Shared,
    layout: Layout,
    shadow: Shadow,
    queue: u16,
    /// VIRTIO_F_EVENT_IDX was negotiated: each side names the index it wants to be told at.
    event_index: bool,
    /// `avail.idx` as last published.
    available: u16,
    /// `avail.idx` when it was last decided whether to notify.
    announced: u16,
    /// How many elements of the used ring were taken, modulo 2^16.
    taken: u16,
    /// `used.idx` as last read and found plausible.
    used: u16,
    /// Whether an interrupt was asked for since the last completion.
    armed: bool,
}

impl Ring {
    /// Sets queue number `queue` of a device up in `region`, which is zeroed. `layout` is what the
    /// driver wants; the queue is smaller if the device's is. All slots are the caller's. No
    /// interrupt is asked for.
    pub fn new<T: Transport>(
        transport: &mut T,
        queue: u16,
        region: DmaRegion,
        layout: Layout,
        event_index: bool,
    ) -> Result<(Self, Vec<Slot>), VirtioError> {
        let size = layout.size().within(transport.max_queue_size(queue))?;
        let layout = Layout::new(size, layout.slot_length());
        if region.length() < layout.length() {
            return Err(VirtioError::MemoryTooSmall);
        }
        let shared = Shared(region);
        transport.queue_set(
            queue,
            size.get().into(),
            shared.device_address(layout.descriptor(0)),
            shared.device_address(layout.available()),
            shared.device_address(layout.used()),
        );
        let mut ring = Self {
            shared,
            layout,
            shadow: Shadow::new(size),
            queue,
            event_index,
            available: 0,
            announced: 0,
            taken: 0,
            used: 0,
            armed: true,
        };
        ring.disarm();
        Ok((ring, (0..size.get()).map(Slot).collect()))
    }

    /// How many descriptors, and slots, there are.
    pub fn size(&self) -> u16 {
        self.layout.size().get()
    }

    /// Bytes of a slot.
    pub fn slot_length(&self) -> u32 {
        self.layout.slot_length()
    }

    /// The bytes of a slot that the driver has, of any content.
    ///
    /// # Panics
    ///
    /// If `slot` belongs to another ring and this one's has been posted: a driver's bug.
    pub fn bytes(&mut self, slot: &Slot) -> &mut [u8] {
        assert!(!self.shadow.is_posted(slot.0), "the device has this slot");
        let length = self.layout.slot_length() as usize;
        let start = self.shared.pointer(self.layout.slot(slot.0), length);
        // SAFETY: `pointer` has checked that the bytes are in the region, which is initialised
        // (zeroed at first). The slot is not posted, so the device has no descriptor for it, and
        // `&mut self` makes this the driver's only reference. A device that writes here all the
        // same breaks the protocol; see "What is trusted" in the crate's documentation.
        unsafe { core::slice::from_raw_parts_mut(start, length) }
    }

    /// Posts the front of `slot` as a chain of `parts`, which are below 4 GiB. Gives the slot back
    /// when there are not enough descriptors.
    ///
    /// # Panics
    ///
    /// If the parts of the slot are longer than it is, or it belongs to another ring: a driver's
    /// bug.
    pub fn post(&mut self, slot: Slot, parts: &[Part]) -> Result<(), Slot> {
        let length = parts
            .iter()
            .map(|part| u64::from(part.slot_length()))
            .sum::<u64>();
        assert!(
            length <= u64::from(self.layout.slot_length()) && !self.shadow.is_posted(slot.0),
            "a chain has one slot"
        );
        let written = parts.iter().filter(|part| part.is_written());
        let room = written.map(|part| part.length()).sum();
        let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
        let Some(head) = self.shadow.post(slot.0, count, room) else {
            return Err(slot);
        };
        self.write_chain(head, self.layout.slot(slot.0), parts);
        self.publish(head);
        Ok(())
    }

    /// Posts all of `slot` for the device to write to, in a queue whose chains are one part each. It
    /// is told later, once for many.
    pub fn post_for_writing(&mut self, slot: Slot) {
        let part = Part::Write(self.slot_length());
        // There is a descriptor for each slot, so there is room; else one buffer would be lost.
        let posted = self.post(slot, &[part]);
        debug_assert!(posted.is_ok(), "a descriptor for each slot");
    }

    /// The oldest completion not yet taken: its slot, and how many bytes of it the device wrote.
    pub fn complete(&mut self) -> Result<Option<(Slot, u32)>, Violation> {
        if self.taken == self.used && !self.refresh()? {
            return Ok(None);
        }
        let (id, length) = self
            .shared
            .used_element(self.layout.used_element(self.taken));
        self.taken = self.taken.wrapping_add(1);
        if self.armed {
            self.disarm();
        }
        let (slot, written) = self.shadow.take(id, length)?;
        Ok(Some((Slot(slot), written)))
    }

    /// Asks for an interrupt at the next completion. Returns whether there is one already, for
    /// which none may come.
    pub fn arm(&mut self) -> Result<bool, Violation> {
        if !self.armed {
            self.armed = true;
            if self.event_index {
                self.shared.store(self.layout.used_event(), self.taken);
            } else {
                self.shared.store(self.layout.available(), 0);
            }
            fence(Ordering::SeqCst);
        }
        Ok(self.taken != self.used || self.refresh()?)
    }

    /// Tells the device of what was posted since the last call, if it wants to be told.
    pub fn notify<T: Transport>(&mut self, transport: &mut T) {
        if self.must_notify() {
            transport.notify(self.queue);
        }
    }

    /// Asks for no interrupt. With an event index that is a number just passed: one interrupt in
    /// 65536 completions comes all the same and does no harm.
    fn disarm(&mut self) {
        self.armed = false;
        if self.event_index {
            self.shared
                .store(self.layout.used_event(), self.taken.wrapping_sub(1));
        } else {
            self.shared.store(self.layout.available(), DO_NOT_TELL);
        }
    }

    /// Reads `used.idx`. Returns whether there are completions to take.
    fn refresh(&mut self) -> Result<bool, Violation> {
        let used = self.shared.load(self.layout.used_index());
        let fresh = used.wrapping_sub(self.taken);
        // An index that goes back is one that jumps ahead by nearly 2^16.
        if fresh > self.shadow.in_flight() {
            return Err(Violation::UsedIndex);
        }
        self.used = used;
        Ok(fresh != 0)
    }

    fn write_chain(&mut self, head: u16, start: usize, parts: &[Part]) {
        let (mut index, mut offset) = (head, start);
        for (position, part) in parts.iter().enumerate() {
            let last = position + 1 == parts.len();
            let next = self.shadow.successor(index);
            let address = match part {
                Part::Read(_) | Part::Write(_) => self.shared.device_address(offset),
                Part::ReadLent(lent) | Part::WriteLent(lent) => lent.address,
            };
            let descriptor = Descriptor {
                address: address.to_le(),
                length: part.length().to_le(),
                flags: (if last { 0 } else { DESCRIPTOR_NEXT }
                    | if part.is_written() {
                        DESCRIPTOR_WRITE
                    } else {
                        0
                    })
                .to_le(),
                next: if last { 0 } else { next.to_le() },
            };
            self.shared
                .write_descriptor(self.layout.descriptor(index), descriptor);
            offset += part.slot_length() as usize;
            index = next;
        }
    }

    fn publish(&mut self, head: u16) {
        self.shared
            .store(self.layout.available_entry(self.available), head);
        self.available = self.available.wrapping_add(1);
        self.shared
            .store(self.layout.available_index(), self.available);
    }

    fn must_notify(&mut self) -> bool {
        let before = core::mem::replace(&mut self.announced, self.available);
        let fresh = self.available.wrapping_sub(before);
        if fresh == 0 {
            return false;
        }
        fence(Ordering::SeqCst);
        if !self.event_index {
            return self.shared.load(self.layout.used()) & DO_NOT_TELL == 0;
        }
        // vring_need_event (virtio 1.2, 2.7.10): the event lies in what was posted since.
        let event = self.shared.load(self.layout.available_event());
        self.available.wrapping_sub(event).wrapping_sub(1) < fresh
    }
}

/// A descriptor as virtio 1.2, 2.7.5 lays it out, each field little-endian.
#[repr(C)]
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

/// The queue's memory: every access is checked to lie in the region, and none assumes that the
/// device leaves it alone.
#[derive(Debug)]
struct Shared(DmaRegion);

impl Shared {
    fn device_address(&self, offset: usize) -> u64 {
        self.0.device_address() + offset as u64
    }

    /// Where the `length` bytes from `offset` are.
    fn pointer(&self, offset: usize, length: usize) -> *mut u8 {
        let end = offset.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.0.length()),
            "outside the region"
        );
        // SAFETY: the offset lies in the region, which is mapped in one piece (`DmaRegion::new`).
        unsafe { self.0.address().as_ptr().add(offset) }
    }

    fn half_word(&self, offset: usize) -> &AtomicU16 {
        let pointer = self.pointer(offset, 2).cast::<u16>();
        debug_assert!(pointer.is_aligned());
        // SAFETY: `pointer` has checked that the two bytes are in the region, which is mapped as
        // long as it lives. They are aligned: the region is to a page, and `Layout` gives even
        // offsets for these. Only atomic accesses are made to them.
        unsafe { AtomicU16::from_ptr(pointer) }
    }

    /// What is at `offset`, seen no earlier than what is read after it.
    fn load(&self, offset: usize) -> u16 {
        u16::from_le(self.half_word(offset).load(Ordering::Acquire))
    }

    /// Stores `value` at `offset`, seen no earlier than what was written before it.
    fn store(&self, offset: usize, value: u16) {
        self.half_word(offset)
            .store(value.to_le(), Ordering::Release);
    }

    /// `id` and `len` of the element of the used ring at `offset`, read once.
    fn used_element(&self, offset: usize) -> (u32, u32) {
        let element = self
            .pointer(offset, size_of::<[u32; 2]>())
            .cast::<[u32; 2]>();
        // SAFETY: `pointer` has checked the bounds. `Layout` aligns elements to 4 within a region
        // aligned to a page. The read is volatile, so what the device may write meanwhile is read
        // once and any value is a valid one.
        let [id, length] = unsafe { element.read_volatile() };
        (u32::from_le(id), u32::from_le(length))
    }

    fn write_descriptor(&self, offset: usize, descriptor: Descriptor) {
        let place = self
            .pointer(offset, size_of::<Descriptor>())
            .cast::<Descriptor>();
        // SAFETY: `pointer` has checked the bounds, `Layout` aligns descriptors to 16. The
        // descriptor is free, so the device has no business with it; it is never read back.
        unsafe { place.write_volatile(descriptor) };
    }
}

#[cfg(test)]
mod tests {
    use virtio_drivers::transport::DeviceType;

    use crate::QueueSize;
    use crate::software::{Device, EVENT_IDX, SoftwareTransport};

    use super::*;

    const REQUEST: [Part; 3] = [Part::Read(16), Part::Write(64), Part::Write(1)];

    /// Queue 0, of 8 descriptors and slots of 128 bytes.
    fn ring(features: u64) -> (Device, SoftwareTransport, Ring, Vec<Slot>) {
        let layout = Layout::new(QueueSize::new(8).expect("a power of two"), 128);
        let (device, region) = Device::new(DeviceType::Block, features, layout.length());
        device.state().accepted = features;
        let mut transport = device.transport();
        let (ring, slots) =
            Ring::new(&mut transport, 0, region, layout, features & EVENT_IDX != 0).expect("fits");
        (device, transport, ring, slots)
    }

    fn pop(slots: &mut Vec<Slot>) -> Slot {
        slots.pop().expect("a slot")
    }

    #[test]
    fn a_chain_carries_its_parts_both_ways() {
        let (device, _, mut ring, mut slots) = ring(0);
        let slot = pop(&mut slots);
        ring.bytes(&slot)[..16].copy_from_slice(b"read sector nine");
        ring.post(slot, &REQUEST).expect("room");
        let chain = device.next_chain(0).expect("a request");
        assert_eq!(device.read(&chain), b"read sector nine");
        assert_eq!(
            chain.parts.iter().map(|part| part.1).collect::<Vec<_>>(),
            [16, 64, 1]
        );
        device.write(&chain, &[9; 65]);
        device.complete(0, chain.head.into(), 65);
        let (slot, written) = ring.complete().expect("good").expect("done");
        assert_eq!(written, 65);
        assert_eq!(ring.bytes(&slot)[16..81], [9; 65]);
        assert_eq!(ring.complete().map(|done| done.is_none()), Ok(true));
    }

    #[test]
    fn a_full_ring_gives_the_slot_back() {
        let (device, _, mut ring, mut slots) = ring(0);
        ring.post(pop(&mut slots), &REQUEST).expect("room");
        ring.post(pop(&mut slots), &REQUEST).expect("room");
        let slot = ring
            .post(pop(&mut slots), &REQUEST)
            .expect_err("two descriptors are left");
        ring.post(slot, &REQUEST[..2]).expect("room");
        assert_eq!(core::iter::from_fn(|| device.next_chain(0)).count(), 3);
    }

    #[test]
    fn running_numbers_wrap() {
        for features in [0, EVENT_IDX] {
            let (device, mut transport, mut ring, mut slots) = ring(features);
            for number in 0..70_000u32 {
                ring.post(pop(&mut slots), &[Part::Write(4)]).expect("room");
                ring.notify(&mut transport);
                let chain = device.next_chain(0).expect("a chain");
                device.write(&chain, &number.to_le_bytes());
                device.complete(0, chain.head.into(), 4);
                let (slot, _) = ring.complete().expect("good").expect("done");
                assert_eq!(ring.bytes(&slot)[..4], number.to_le_bytes());
                slots.push(slot);
            }
            assert_eq!(device.state().queues[0].notifications, 70_000);
        }
    }

    #[test]
    fn arming_sees_what_came_before_it() {
        let (device, _, mut ring, mut slots) = ring(EVENT_IDX);
        assert_eq!(ring.arm(), Ok(false));
        assert!(ring.post(pop(&mut slots), &[Part::Write(4)]).is_ok());
        device.complete(0, 0, 4);
        assert!(device.interrupted());
        assert_eq!(ring.arm(), Ok(true));
    }

    #[test]
    #[should_panic(expected = "the device has this slot")]
    fn a_posted_slot_cannot_be_reached() {
        let (_, _, mut ring, mut slots) = ring(0);
        let slot = pop(&mut slots);
        let same = Slot(slot.0);
        ring.post(slot, &REQUEST).expect("room");
        ring.bytes(&same);
    }

    #[test]
    fn used_id_in_mid_chain() {
        let (device, _, mut ring, mut slots) = ring(0);
        ring.post(pop(&mut slots), &REQUEST).expect("room");
        device.complete(0, 1, 65);
        assert_eq!(ring.complete().err(), Some(Violation::UsedId));
    }

    #[test]
    fn used_id_never_issued() {
        let (device, _, mut ring, mut slots) = ring(0);
        ring.post(pop(&mut slots), &REQUEST).expect("room");
        device.complete(0, 3, 65);
        assert_eq!(ring.complete().err(), Some(Violation::UsedId));
    }

    #[test]
    fn used_id_replayed() {
        let (device, _, mut ring, mut slots) = ring(0);
        ring.post(pop(&mut slots), &[Part::Write(8)]).expect("room");
        ring.post(pop(&mut slots), &[Part::Write(8)]).expect("room");
        device.complete(0, 0, 8);
        device.complete(0, 0, 8);
        assert!(ring.complete().is_ok());
        assert_eq!(ring.complete().err(), Some(Violation::UsedId));
    }

    #[test]
    fn used_len_beyond_the_writable_parts() {
        let (device, _, mut ring, mut slots) = ring(0);
        ring.post(pop(&mut slots), &REQUEST).expect("room");
        // Less than the chain's length, but more than the device may write.
        device.complete(0, 0, 66);
        assert_eq!(ring.complete().err(), Some(Violation::UsedLengthLarge));
    }

    #[test]
    fn used_index_without_anything_posted() {
        let (device, _, mut ring, _slots) = ring(0);
        device.advance_used_index(0, 1);
        assert_eq!(ring.arm(), Err(Violation::UsedIndex));
        assert_eq!(ring.complete().err(), Some(Violation::UsedIndex));
    }

    #[test]
    fn descriptors_rewritten_after_submission() {
        let (device, _, mut ring, mut slots) = ring(0);
        for _ in 0..20 {
            ring.post(pop(&mut slots), &REQUEST).expect("room");
            let chain = device.next_chain(0).expect("a request");
            device.scribble_descriptors(0);
            device.complete(0, chain.head.into(), 65);
            slots.push(ring.complete().expect("good").expect("done").0);
            assert_eq!(chain.parts.len(), 3);
        }
    }
}
