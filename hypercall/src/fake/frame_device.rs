//! Two network devices in memory, with a wire between them.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use super::FakeWaker;
use super::shared::Shared;
use crate::{
    FrameCapabilities, FrameDevice, FrameMeta, LinkState, MacAddress, Offloads, ReceivedFrame, Wake,
};

/// How many frames a device can have on their way.
const BUFFERS: usize = 64;
/// The largest IP packet.
const MTU: usize = 1500;
/// The largest frame: an Ethernet header and the packet.
const MAX_FRAME: usize = MTU + 14;

/// One end of a wire in memory: a [`FrameDevice`] without offloads, MTU 1500.
///
/// Frames reach the other end when they are flushed. They stay there until received, up to 64;
/// then the sender has no buffer left. Nothing is lost.
#[derive(Debug)]
pub struct FakeFrameDevice {
    mac: MacAddress,
    end: usize,
    wire: Shared<[End; 2]>,
    lent: Option<Vec<u8>>,
    reserved: Option<Vec<u8>>,
    committed: Vec<Vec<u8>>,
}

/// What one end of the wire has before it.
#[derive(Debug, Default)]
struct End {
    arrived: VecDeque<Vec<u8>>,
    waker: Option<FakeWaker>,
    armed_for_frame: bool,
    armed_for_buffer: bool,
}

impl End {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}

impl FakeFrameDevice {
    /// The two ends of a new wire, with addresses 02:00:00:00:00:01 and 02:00:00:00:00:02.
    pub fn pair() -> (Self, Self) {
        let wire = Shared::new([End::default(), End::default()]);
        (Self::new(0, wire.clone()), Self::new(1, wire))
    }

    fn new(end: usize, wire: Shared<[End; 2]>) -> Self {
        Self {
            mac: [2, 0, 0, 0, 0, if end == 0 { 1 } else { 2 }],
            end,
            wire,
            lent: None,
            reserved: None,
            committed: Vec::new(),
        }
    }

    /// Has the device end waits by `waker`, as its contract says.
    pub fn set_waker(&mut self, waker: FakeWaker) {
        self.wire.with(|ends| ends[self.end].waker = Some(waker));
    }

    /// How many frames have arrived and were not yet released. Unlike
    /// [`received`](FrameDevice::received) this does not arm the device.
    pub fn arrived(&self) -> usize {
        self.wire.with(|ends| ends[self.end].arrived.len()) + usize::from(self.lent.is_some())
    }

    /// Whether a buffer is free. Unlike [`reserve`](FrameDevice::reserve) this does not arm the
    /// device.
    pub fn has_room(&self) -> bool {
        let on_their_way = self.wire.with(|ends| ends[1 - self.end].arrived.len());
        on_their_way + self.committed.len() < BUFFERS
    }

    /// Takes the oldest frame that has arrived, for tests that look at the wire.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        self.lent.take().or_else(|| self.next_arrived())
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

    /// Takes a frame off the wire, which frees a buffer of the sender.
    fn next_arrived(&mut self) -> Option<Vec<u8>> {
        self.wire.with(|ends| {
            let frame = ends[self.end].arrived.pop_front();
            ends[self.end].armed_for_frame = frame.is_none();
            let sender = &mut ends[1 - self.end];
            if frame.is_some() && core::mem::take(&mut sender.armed_for_buffer) {
                sender.wake();
            }
            frame
        })
    }
}

impl FrameDevice for FakeFrameDevice {
    fn capabilities(&self) -> FrameCapabilities {
        FrameCapabilities {
            mac: self.mac,
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
            self.lent = self.next_arrived();
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
                self.wire
                    .with(|ends| ends[self.end].armed_for_buffer = true);
                return None;
            }
            self.reserved = Some(vec![0; length]);
        }
        let buffer = self.reserved.as_mut()?;
        buffer.resize(length, 0);
        Some(buffer)
    }

    fn commit(&mut self, length: usize, _meta: FrameMeta) {
        if let Some(mut frame) = self.reserved.take_if(|buffer| length <= buffer.len()) {
            frame.truncate(length);
            self.committed.push(frame);
        }
    }

    fn flush(&mut self) {
        if self.committed.is_empty() {
            return;
        }
        let committed = core::mem::take(&mut self.committed);
        self.wire.with(|ends| {
            let receiver = &mut ends[1 - self.end];
            receiver.arrived.extend(committed);
            if core::mem::take(&mut receiver.armed_for_frame) {
                receiver.wake();
            }
        });
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
    fn a_sender_has_sixty_four_buffers() {
        let (mut near, mut far) = FakeFrameDevice::pair();
        let sent = (0..100).filter(|_| near.send_frame(b"frame")).count();
        assert_eq!(sent, BUFFERS);
        assert_eq!(far.arrived(), BUFFERS);
        assert!(far.take_frame().is_some());
        assert!(near.send_frame(b"frame"));
    }
}
