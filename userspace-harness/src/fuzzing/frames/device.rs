//! The wire's two ends: the stack's device, and the test's hands.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use hypercall::{
    FrameCapabilities, FrameDevice, FrameMeta, LinkState, MacAddress, Offloads, ReceivedFrame,
};

/// The largest IP packet.
const MTU: usize = 1500;
/// The largest frame.
const MAX_FRAME: usize = MTU + 14;
/// How many frames a direction holds: few, so that the stack often finds no room.
const CAPACITY: usize = 16;
/// The address of the stack's device.
pub const MAC: MacAddress = [2, 0, 0, 0, 0, 1];

/// The test's end of the wire.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<Ends>>);

/// What is on the wire, with buffers to be used again: frames are many, and allocating is slow.
#[derive(Default)]
struct Ends {
    towards_stack: VecDeque<Vec<u8>>,
    from_stack: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    /// The stack was told that there is no room.
    refused: bool,
}

impl Wire {
    /// A wire and the stack's device on it.
    pub fn new() -> (Self, Device) {
        let wire = Self::default();
        let device = Device {
            wire: wire.clone(),
            lent: None,
            reserved: vec![0xA5; MAX_FRAME],
        };
        (wire, device)
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().expect("one thread has both ends")
    }

    /// An empty buffer.
    pub fn buffer(&self) -> Vec<u8> {
        self.ends().spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.ends().spare.push(buffer);
    }

    /// Sends a frame to the stack. A wire that is full loses it.
    pub fn inject(&self, frame: Vec<u8>) -> bool {
        let mut ends = self.ends();
        let has_room = ends.towards_stack.len() < CAPACITY;
        if has_room {
            ends.towards_stack.push_back(frame);
        } else {
            drop(ends);
            self.recycle(frame);
        }
        has_room
    }

    /// The oldest frame that the stack has sent, to be [recycled](Wire::recycle).
    pub fn take(&self) -> Option<Vec<u8>> {
        self.ends().from_stack.pop_front()
    }

    /// Whether a frame waits for the stack, or room for which it had asked in vain.
    pub fn has_news(&self) -> bool {
        let mut ends = self.ends();
        let room = ends.from_stack.len() < CAPACITY && std::mem::take(&mut ends.refused);
        room || !ends.towards_stack.is_empty()
    }
}

/// The stack's end.
pub struct Device {
    wire: Wire,
    lent: Option<Vec<u8>>,
    reserved: Vec<u8>,
}

impl FrameDevice for Device {
    fn capabilities(&self) -> FrameCapabilities {
        FrameCapabilities {
            mac: MAC,
            mtu: MTU,
            max_frame: MAX_FRAME,
            offloads: Offloads::empty(),
        }
    }

    fn link(&mut self) -> LinkState {
        LinkState::Up
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        if self.lent.is_none() {
            self.lent = self.wire.ends().towards_stack.pop_front();
        }
        let bytes = self.lent.as_deref_mut()?;
        Some(ReceivedFrame {
            bytes,
            checksum_good: false,
        })
    }

    fn release(&mut self) {
        if let Some(frame) = self.lent.take() {
            self.wire.recycle(frame);
        }
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        let mut ends = self.wire.ends();
        if ends.from_stack.len() >= CAPACITY {
            ends.refused = true;
            return None;
        }
        drop(ends);
        self.reserved.get_mut(..length)
    }

    fn commit(&mut self, length: usize, _meta: FrameMeta) {
        let frame = self.reserved.get(..length);
        let frame = frame.expect("no more is committed than was reserved");
        let mut buffer = self.wire.buffer();
        buffer.extend_from_slice(frame);
        self.wire.ends().from_stack.push_back(buffer);
    }

    fn flush(&mut self) {}
}
