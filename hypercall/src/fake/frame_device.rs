//! Two network devices in memory, with a wire between them.

use alloc::vec;
use alloc::vec::Vec;

use super::{FakeWaker, FakeWire, WireFaults};
use crate::{
    FrameCapabilities, FrameDevice, FrameMeta, LinkState, MacAddress, Offloads, ReceivedFrame,
};

/// The largest IP packet.
const MTU: usize = 1500;
/// The largest frame: an Ethernet header and the packet.
const MAX_FRAME: usize = MTU + 14;
/// What a buffer holds before it is written: whoever relies on that shall notice.
const STALE: u8 = 0xA5;

/// One end of a wire in memory: a [`FrameDevice`] without offloads, MTU 1500.
///
/// Frames go out when they are flushed, and stay on the wire until received; when there are as
/// many as the wire carries (256 unless said), the sender has no buffer left.
#[derive(Debug)]
pub struct FakeFrameDevice {
    end: usize,
    wire: FakeWire,
    lent: Option<Vec<u8>>,
    /// The length of the frame that is being written in `buffer`.
    reserved: Option<usize>,
    buffer: Vec<u8>,
    committed: Vec<Vec<u8>>,
}

impl FakeFrameDevice {
    /// The two ends of a new wire that takes no time and loses nothing, with addresses
    /// 02:00:00:00:00:01 and 02:00:00:00:00:02.
    pub fn pair() -> (Self, Self) {
        let (_, one, other) = FakeWire::new(WireFaults::default(), 1);
        (one, other)
    }

    pub(super) fn new(end: usize, wire: FakeWire) -> Self {
        Self {
            end,
            wire,
            lent: None,
            reserved: None,
            buffer: vec![STALE; MAX_FRAME],
            committed: Vec::new(),
        }
    }

    /// The address of the device at `end`, 0 or 1.
    pub const fn mac(end: usize) -> MacAddress {
        [2, 0, 0, 0, 0, if end == 0 { 1 } else { 2 }]
    }

    /// Has the device end waits by `waker`, as its contract says.
    pub fn set_waker(&mut self, waker: FakeWaker) {
        self.wire.set_waker(self.end, waker);
    }

    /// How many frames have arrived and were not yet released. Unlike
    /// [`received`](FrameDevice::received) this does not arm the device.
    pub fn arrived(&self) -> usize {
        self.wire.arrived(self.end) + usize::from(self.lent.is_some())
    }

    /// Whether a buffer is free. Unlike [`reserve`](FrameDevice::reserve) this does not arm the
    /// device.
    pub fn has_room(&self) -> bool {
        self.wire.has_room(self.end, self.committed.len())
    }

    /// Takes the oldest frame that has arrived, for tests that look at the wire.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        self.lent.take().or_else(|| self.wire.take(self.end))
    }

    /// Sends `bytes` as one frame; `false` when no buffer is free, or the frame is too large.
    pub fn send_frame(&mut self, bytes: &[u8]) -> bool {
        let Some(buffer) = self.reserve(bytes.len()) else {
            return false;
        };
        buffer.copy_from_slice(bytes);
        self.commit(bytes.len(), FrameMeta::default());
        self.flush();
        true
    }
}

impl FrameDevice for FakeFrameDevice {
    fn capabilities(&self) -> FrameCapabilities {
        FrameCapabilities {
            mac: Self::mac(self.end),
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
            self.lent = self.wire.take(self.end);
        }
        let bytes = self.lent.as_deref_mut()?;
        Some(ReceivedFrame {
            bytes,
            checksum_good: false,
        })
    }

    fn release(&mut self) {
        self.lent = None;
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > MAX_FRAME {
            return None;
        }
        if self.reserved.is_none() {
            if !self.has_room() {
                self.wire.arm_for_buffer(self.end);
                return None;
            }
            self.buffer.fill(STALE);
        }
        self.reserved = Some(length);
        Some(&mut self.buffer[..length])
    }

    fn commit(&mut self, length: usize, _meta: FrameMeta) {
        if self
            .reserved
            .take_if(|reserved| length <= *reserved)
            .is_some()
        {
            self.committed.push(self.buffer[..length].to_vec());
        }
    }

    fn flush(&mut self) {
        self.wire
            .send(self.end, core::mem::take(&mut self.committed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_crosses_when_it_is_flushed() {
        let (mut near, mut far) = FakeFrameDevice::pair();
        near.reserve(3)
            .expect("room for a frame")
            .copy_from_slice(b"abc");
        near.commit(3, FrameMeta::default());
        assert_eq!(far.take_frame(), None);
        near.flush();
        assert_eq!(far.take_frame().as_deref(), Some(&b"abc"[..]));
        assert_eq!(near.take_frame(), None);
    }

    #[test]
    fn a_sender_has_as_many_buffers_as_the_wire_carries() {
        let (mut near, mut far) = FakeFrameDevice::pair();
        let sent = (0..300).filter(|_| near.send_frame(b"frame")).count();
        assert_eq!(sent, 256);
        assert_eq!(far.arrived(), 256);
        assert!(far.take_frame().is_some());
        assert!(near.send_frame(b"frame"));
    }
}
