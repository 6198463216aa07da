//! What a driver must make of a queue: virtio's rules, applied to the shared memory by code that
//! shares nothing with the driver's.

use std::collections::BTreeMap;

use virtio::Violation;

use crate::software_device::{Buffer, Buffers, Chain, Places, SoftwareDevice};

/// VIRTQ_DESC_F_NEXT and VIRTQ_DESC_F_WRITE (virtio 1.2, 2.7.5).
const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// What stands next in a used ring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    Nothing,
    /// A chain came back, with so many bytes written.
    Chain(Chain, u32),
    Violation(Violation),
}

/// One queue as its driver must see it.
#[derive(Debug)]
pub struct Model {
    device: SoftwareDevice,
    places: Places,
    /// The chains that the driver has posted and not got back, by their heads.
    posted: BTreeMap<u16, Chain>,
    /// How many chains were posted, modulo 2^16.
    available: u16,
    /// How many completions were taken, modulo 2^16.
    taken: u16,
    /// `used.idx` as the driver last read it.
    used: u16,
}

impl Model {
    /// A queue that was just set up.
    pub fn new(device: &SoftwareDevice, queue: u16) -> Self {
        Self {
            device: device.clone(),
            places: device.places(queue).expect("the driver set it up"),
            posted: BTreeMap::new(),
            available: 0,
            taken: 0,
            used: 0,
        }
    }

    pub fn size(&self) -> u16 {
        self.places.size
    }

    /// Descriptors that are in no chain.
    pub fn free(&self) -> usize {
        let chains = self.posted.values().map(|chain| chain.buffers.len());
        usize::from(self.size()) - chains.sum::<usize>()
    }

    /// Takes note of `count` chains that the driver must just have posted, and returns their heads.
    /// Nobody else has had a chance to write since.
    pub fn expect_posted(&mut self, count: u16) -> Vec<u16> {
        let mut heads = Vec::new();
        for _ in 0..count {
            let entry = u64::from(self.available % self.size());
            let head = self.half_word(self.places.available + 4 + 2 * entry);
            let chain = self.chain(head);
            self.check_apart(&chain);
            let before = self.posted.insert(head, chain);
            assert_eq!(before, None, "a chain is posted once");
            self.available = self.available.wrapping_add(1);
            heads.push(head);
        }
        if count > 0 {
            let index = self.half_word(self.places.available + 2);
            assert_eq!(index, self.available, "avail.idx counts what was posted");
        }
        heads
    }

    /// What the driver must find next.
    pub fn next(&mut self) -> Next {
        if self.taken == self.used {
            let used = self.half_word(self.places.used + 2);
            let fresh = used.wrapping_sub(self.taken);
            if usize::from(fresh) > self.posted.len() {
                return Next::Violation(Violation::UsedIndex);
            }
            self.used = used;
            if fresh == 0 {
                return Next::Nothing;
            }
        }
        let element = self.places.used + 4 + 8 * u64::from(self.taken % self.size());
        self.taken = self.taken.wrapping_add(1);
        let [id, length] = [0, 4].map(|at| u32::from_le_bytes(self.device.look(element + at)));
        let head = u16::try_from(id).ok();
        let Some(chain) = head.and_then(|head| self.posted.remove(&head)) else {
            return Next::Violation(Violation::UsedId);
        };
        match chain.room() {
            0 => Next::Chain(chain, 0),
            room if length > room => Next::Violation(Violation::UsedLengthLarge),
            _ => Next::Chain(chain, length),
        }
    }

    /// The chain that begins at `head`.
    fn chain(&self, head: u16) -> Chain {
        let mut buffers = Buffers::new();
        let mut descriptor = head;
        loop {
            assert!(descriptor < self.size(), "a descriptor of the table");
            assert!(buffers.len() < usize::from(self.size()), "a chain ends");
            let place = self.places.descriptors + 16 * u64::from(descriptor);
            let raw: [u8; 16] = self.device.look(place);
            let half_word = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
            let flags = half_word(12);
            buffers.push(Buffer {
                descriptor,
                address: u64::from_le_bytes(*raw.first_chunk().expect("eight of sixteen")),
                length: u32::from(half_word(8)) | u32::from(half_word(10)) << 16,
                writable: flags & WRITE != 0,
            });
            if flags & NEXT == 0 {
                return Chain { head, buffers };
            }
            descriptor = half_word(14);
        }
    }

    /// That no other chain has a descriptor or a byte of this one.
    fn check_apart(&self, chain: &Chain) {
        for other in self.posted.values().flat_map(|chain| &chain.buffers) {
            for buffer in &chain.buffers {
                assert_ne!(buffer.descriptor, other.descriptor, "a descriptor twice");
                let before = buffer.address + u64::from(buffer.length) <= other.address;
                let behind = other.address + u64::from(other.length) <= buffer.address;
                assert!(before || behind, "a buffer is lent twice");
            }
        }
    }

    fn half_word(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.device.look(address))
    }
}
