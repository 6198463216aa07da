//! The memory that a driver and its software device share, between guards.
//!
//! ```text
//! | guard | queues of the driver, in whole pages | guard | room for lent buffers | guard |
//! ```
//!
//! The device reaches it by `vm-memory`, the driver by the [`DmaRegion`]. Neither has a reason to
//! touch a guard.

use std::ops::Range;
use std::ptr::NonNull;

use hypercall::{DmaRegion, PAGE_SIZE};
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestRegionMmap};

use super::queue::{Buffer, Chain};

/// Where the device finds the memory: not where the driver does, so that a mix-up shows.
const BASE: u64 = 0x4000_0000;
/// Bytes of a guard, of which each is in a page of its own.
const GUARD_LENGTH: usize = 512;
/// What guards are filled with.
const GUARD: u8 = 0xc5;

/// Memory that is mapped for as long as the value lives.
#[derive(Debug)]
pub(super) struct SharedMemory {
    guest: GuestMemoryMmap,
    /// Bytes of the queues.
    length: usize,
    /// Bytes of the room for lent buffers.
    room: usize,
    /// The driver has not been given its region yet.
    unused: bool,
}

impl SharedMemory {
    /// At least `length` zeroed bytes for a driver, and `room` for what it lends.
    ///
    /// # Panics
    ///
    /// If the process has no memory left.
    pub fn new(length: usize, room: usize) -> Self {
        let length = length.next_multiple_of(PAGE_SIZE);
        let room = room.next_multiple_of(PAGE_SIZE);
        let memory = Self {
            guest: mapped(length + room + 3 * PAGE_SIZE),
            length,
            room,
            unused: true,
        };
        for guard in memory.guards() {
            memory.write(guard, &[GUARD; GUARD_LENGTH]);
        }
        memory
    }

    /// The memory as `virtio-queue` uses it.
    pub fn guest(&self) -> &GuestMemoryMmap {
        &self.guest
    }

    /// Bytes of the driver's queues.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where the device finds the byte at `offset` from the first guard's end.
    pub fn address(&self, offset: usize) -> u64 {
        BASE + (PAGE_SIZE + offset) as u64
    }

    /// The driver's way to the memory, once.
    pub fn take_region(&mut self) -> Option<DmaRegion> {
        if !std::mem::take(&mut self.unused) {
            return None;
        }
        let address = self.address(0);
        let start = self.guest.get_host_address(GuestAddress(address)).ok()?;
        // SAFETY: the mapping is zeroed, in pages, and of `length` bytes from here. It lives as
        // long as this value, which the driver's transport keeps alive; only this module's owner
        // makes drivers, and gives each the region and the transport of one device. The region is
        // given out once, and the device accesses the memory by raw pointers alone.
        Some(unsafe { DmaRegion::new(NonNull::new(start)?, address, self.length) })
    }

    /// Copies `bytes` to where the device finds `address`. Returns whether all of that is there.
    pub fn write(&self, address: u64, bytes: &[u8]) -> bool {
        self.guest.write_slice(bytes, GuestAddress(address)).is_ok()
    }

    /// Fills `bytes` from where the device finds `address`. Returns whether all of that is there.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        self.guest.read_slice(bytes, GuestAddress(address)).is_ok()
    }

    /// Writes `bytes` into what the device may write of a chain, as far as there is room. Returns
    /// how many were written.
    pub fn fill(&self, chain: &Chain, bytes: &[u8]) -> u32 {
        let mut rest = bytes;
        for buffer in chain.of_kind(true) {
            let (now, later) = rest.split_at(rest.len().min(buffer.length as usize));
            if !self.holds(buffer) || !self.write(buffer.address, now) {
                break;
            }
            rest = later;
        }
        (bytes.len() - rest.len()) as u32
    }

    /// Makes `bytes` what the device may read of a chain. Returns whether all of that is in memory.
    pub fn gather(&self, chain: &Chain, bytes: &mut Vec<u8>) -> bool {
        let mut end = 0;
        let whole = chain.of_kind(false).all(|buffer| {
            if !self.holds(buffer) {
                return false;
            }
            let start = end;
            end += buffer.length as usize;
            // What is there from the last time is overwritten, so only growth costs anything.
            bytes.resize(bytes.len().max(end), 0);
            self.read(buffer.address, &mut bytes[start..end])
        });
        bytes.truncate(end);
        whole
    }

    /// Fills what the device may write of a chain with a pattern.
    pub fn mark(&self, chain: &Chain) {
        for buffer in chain.of_kind(true).filter(|buffer| self.holds(buffer)) {
            self.write(buffer.address, &vec![GUARD; buffer.length as usize]);
        }
    }

    /// Whether what the device may write of a chain is as [`mark`](SharedMemory::mark) left it.
    pub fn is_marked(&self, chain: &Chain) -> bool {
        let mut held = chain.of_kind(true).filter(|buffer| self.holds(buffer));
        held.all(|buffer| {
            let mut bytes = vec![0; buffer.length as usize];
            self.read(buffer.address, &mut bytes) && bytes == vec![GUARD; bytes.len()]
        })
    }

    /// Whether a buffer lies between two guards.
    fn holds(&self, buffer: &Buffer) -> bool {
        let within = |start: u64, length: usize| {
            let offset = buffer.address.wrapping_sub(start);
            let length = length as u64;
            offset <= length && u64::from(buffer.length) <= length - offset
        };
        within(self.address(0), self.length) || within(self.room().start, self.room)
    }

    /// Where the device finds the room for lent buffers.
    pub fn room(&self) -> Range<u64> {
        let start = self.address(self.length + PAGE_SIZE);
        start..start + self.room as u64
    }

    /// Whether nobody has written to a guard.
    pub fn guards_are_whole(&self) -> bool {
        self.guards().into_iter().all(|guard| {
            let mut bytes = [0; GUARD_LENGTH];
            self.read(guard, &mut bytes) && bytes == [GUARD; GUARD_LENGTH]
        })
    }

    fn guards(&self) -> [u64; 3] {
        let first = self.address(0) - GUARD_LENGTH as u64;
        [first, self.address(self.length), self.room().end]
    }
}

/// Zeroed memory, all of it there: one call of the kernel takes less than a fault for each page,
/// and devices are made by the million.
fn mapped(length: usize) -> GuestMemoryMmap {
    let flags = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | libc::MAP_POPULATE;
    let region = MmapRegionBuilder::new(length)
        .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
        .with_mmap_flags(flags)
        .build()
        .expect("the process has memory");
    let region = GuestRegionMmap::new(region, GuestAddress(BASE));
    let region = region.expect("its addresses are 64 bits long");
    GuestMemoryMmap::from_regions(vec![region]).expect("one region overlaps no other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_beyond_the_region_shows() {
        let memory = SharedMemory::new(100, 0);
        assert_eq!(memory.length, PAGE_SIZE);
        assert!(memory.guards_are_whole());
        assert!(memory.write(memory.address(PAGE_SIZE - 1), &[1, 2]));
        assert!(!memory.guards_are_whole());
    }

    #[test]
    fn the_driver_gets_its_region_once() {
        let mut memory = SharedMemory::new(PAGE_SIZE, 0);
        let region = memory.take_region().expect("the first");
        assert_eq!(region.device_address(), memory.address(0));
        assert!(memory.take_region().is_none());
    }
}
