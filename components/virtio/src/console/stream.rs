//! The data queues: bytes out, and bytes in.

use alloc::vec::Vec;

use virtio_drivers::transport::Transport;

use crate::Violation;
use crate::ring::{Part, Ring, Slot};

/// A transmit queue of bytes.
#[derive(Debug)]
pub(super) struct Outgoing {
    ring: Ring,
    free: Vec<Slot>,
    slots: usize,
}

impl Outgoing {
    pub fn new((ring, free): (Ring, Vec<Slot>)) -> Self {
        let slots = free.len();
        Self { ring, free, slots }
    }

    /// Sends as much of `bytes` as fits into one slot. None, with the device armed, if all slots
    /// are on their way.
    pub fn send<T: Transport>(
        &mut self,
        bytes: &[u8],
        transport: &mut T,
    ) -> Result<usize, Violation> {
        self.reclaim()?;
        if self.free.is_empty() && self.ring.arm()? {
            self.reclaim()?;
        }
        let Some(slot) = self.free.pop() else {
            return Ok(0);
        };
        let length = bytes.len().min(self.ring.slot_length() as usize);
        self.ring.bytes(&slot)[..length].copy_from_slice(&bytes[..length]);
        match self.ring.post(slot, &[Part::Read(length as u32)]) {
            Ok(()) => self.ring.notify(transport),
            // Cannot happen, as there is a descriptor for each slot; if it did, nothing was sent.
            Err(slot) => {
                self.free.push(slot);
                return Ok(0);
            }
        }
        Ok(length)
    }

    /// Whether the device has read everything. If not, it is armed.
    pub fn is_drained(&mut self) -> Result<bool, Violation> {
        self.reclaim()?;
        if self.free.len() < self.slots && self.ring.arm()? {
            self.reclaim()?;
        }
        Ok(self.free.len() == self.slots)
    }

    fn reclaim(&mut self) -> Result<(), Violation> {
        while let Some((slot, _)) = self.ring.complete()? {
            self.free.push(slot);
        }
        Ok(())
    }
}

/// A receive queue of bytes.
#[derive(Debug)]
pub(super) struct Incoming {
    ring: Ring,
    held: Option<Held>,
}

/// Bytes that have come, in their slot.
#[derive(Debug)]
struct Held {
    slot: Slot,
    taken: usize,
    length: usize,
}

impl Incoming {
    /// The queue, all of it the device's.
    pub fn new<T: Transport>((mut ring, slots): (Ring, Vec<Slot>), transport: &mut T) -> Self {
        for slot in slots {
            ring.post_for_writing(slot);
        }
        ring.notify(transport);
        Self { ring, held: None }
    }

    /// Takes what has come into the front of `buffer`. None, with the device armed, if nothing has.
    pub fn receive<T: Transport>(
        &mut self,
        buffer: &mut [u8],
        transport: &mut T,
    ) -> Result<usize, Violation> {
        loop {
            let Some(held) = &mut self.held else {
                if !self.hold()? && !self.ring.arm()? {
                    return Ok(0);
                }
                continue;
            };
            let bytes = &self.ring.bytes(&held.slot)[held.taken..held.length];
            let length = bytes.len().min(buffer.len());
            buffer[..length].copy_from_slice(&bytes[..length]);
            held.taken += length;
            if held.taken == held.length
                && let Some(held) = self.held.take()
            {
                self.ring.post_for_writing(held.slot);
                self.ring.notify(transport);
            }
            // A slot of no bytes says nothing.
            if length > 0 {
                return Ok(length);
            }
        }
    }

    /// Reads the next message, which has a slot of its own. None, with the device armed, if none
    /// has come.
    pub fn message<T: Transport, R>(
        &mut self,
        transport: &mut T,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Violation> {
        let _ = self.hold()? || self.ring.arm()? && self.hold()?;
        let Some(held) = self.held.take() else {
            return Ok(None);
        };
        let result = read(&self.ring.bytes(&held.slot)[..held.length]);
        self.ring.post_for_writing(held.slot);
        self.ring.notify(transport);
        Ok(Some(result))
    }

    /// Makes the oldest completion the held one, if there is one.
    fn hold(&mut self) -> Result<bool, Violation> {
        let completion = self.ring.complete()?;
        self.held = completion.map(|(slot, length)| Held {
            slot,
            taken: 0,
            length: length as usize,
        });
        Ok(self.held.is_some())
    }
}
