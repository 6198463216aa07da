//! A wire between two frame devices that can be given offloads, and whose frames are kept.

use std::sync::{Arc, Mutex, MutexGuard};

use hypercall::fake::{FakeFrameDevice, FakeWire};
use hypercall::{
    FrameCapabilities, FrameDevice, FrameMeta, Instant, LinkState, MacAddress, Offloads,
    ReceivedFrame,
};

pub use hypercall::fake::WireFaults as Faults;

use crate::scarce::Plenty;

/// The largest frame that goes over the wire.
const MAX_FRAME: usize = 1514;
/// The largest that a device takes which cuts it.
const MAX_CUT_FRAME: usize = 65_549;

/// What went over a wire.
#[derive(Default)]
struct Log {
    /// Every frame that each side has sent.
    sent: [Vec<Vec<u8>>; 2],
    /// How many large frames were cut.
    cut: usize,
}

/// A wire; clones are the same one.
#[derive(Clone)]
pub struct Wire {
    middle: FakeWire,
    log: Arc<Mutex<Log>>,
}

impl Wire {
    /// A wire with its two devices.
    pub fn new(faults: Faults, seed: u64) -> (Self, Device, Device) {
        let (middle, one, other) = FakeWire::new(faults, seed);
        let wire = Self {
            middle,
            log: Arc::default(),
        };
        let device = |side, end| Device {
            wire: wire.clone(),
            side,
            end,
            offloads: Offloads::empty(),
            reserved: None,
        };
        let (one, other) = (device(0, one), device(1, other));
        (wire, one, other)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("no test panics inside")
    }

    /// Sets the time.
    pub fn set_now(&self, now: Instant) {
        self.middle.set_now(now);
    }

    /// Changes what happens to frames from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.middle.set_faults(faults);
    }

    /// When the next frame arrives at one of the first `hosts` devices.
    pub fn next_arrival(&self, hosts: usize) -> Option<Instant> {
        let arrivals = (0..hosts).filter_map(|end| self.middle.next_arrival(end));
        arrivals.min()
    }

    /// How many large frames a device has cut into segments.
    pub fn frames_cut(&self) -> usize {
        self.log().cut
    }

    /// The frames that side `side` has sent since the last call.
    pub fn take_log(&self, side: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.log().sent[side])
    }
}

/// One end of a wire.
pub struct Device {
    wire: Wire,
    side: usize,
    end: FakeFrameDevice,
    offloads: Offloads,
    reserved: Option<Vec<u8>>,
}

impl Device {
    /// Has the device take work over from its stack.
    pub fn with_offloads(mut self, offloads: Offloads) -> Self {
        self.offloads = offloads;
        self
    }

    fn max_frame(&self) -> usize {
        if self.offloads.contains(Offloads::TRANSMIT_TCP4) {
            MAX_CUT_FRAME
        } else {
            MAX_FRAME
        }
    }

    /// The address of the device at `side`.
    pub const fn mac(side: usize) -> MacAddress {
        FakeFrameDevice::mac(side)
    }

    /// Sends `frame` as it is.
    pub fn inject(&mut self, frame: &[u8]) {
        assert!(frame.len() <= MAX_FRAME, "more than the link carries");
        self.wire.log().sent[self.side].push(frame.to_vec());
        assert!(self.end.send_frame(frame), "more than the wire holds");
    }

    /// The frame that has arrived, taken out.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.end.take_frame()
    }
}

impl FrameDevice for Device {
    fn capabilities(&self) -> FrameCapabilities {
        FrameCapabilities {
            max_frame: self.max_frame(),
            offloads: self.offloads,
            ..self.end.capabilities()
        }
    }

    fn link(&mut self) -> LinkState {
        LinkState::Up
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        let _plenty = Plenty::new();
        self.end.received()
    }

    fn release(&mut self) {
        self.end.release();
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        let _plenty = Plenty::new();
        if !self.end.has_room() || length > self.max_frame() {
            return None;
        }
        let buffer = self.reserved.get_or_insert_default();
        // Whoever relies on a buffer's content shall notice.
        buffer.resize(length.max(buffer.len()), 0xA5);
        Some(&mut buffer[..length])
    }

    fn commit(&mut self, length: usize, meta: FrameMeta) {
        let _plenty = Plenty::new();
        let Some(mut frame) = self.reserved.take() else {
            return;
        };
        assert!(length <= frame.len(), "more committed than reserved");
        frame.truncate(length);
        if let Some(size) = meta.segment_size {
            assert!(self.offloads.contains(Offloads::TRANSMIT_TCP4));
            self.wire.log().cut += 1;
            for segment in crate::packet::cut(&frame, size.into()) {
                self.inject(&segment);
            }
            return;
        }
        if let Some(request) = meta.checksum {
            assert!(self.offloads.contains(Offloads::TRANSMIT_CHECKSUM));
            let (start, offset) = (usize::from(request.start), usize::from(request.offset));
            let sum = crate::packet::checksum(&frame[start..]);
            frame[start + offset..start + offset + 2].copy_from_slice(&sum);
        }
        self.inject(&frame);
    }

    fn flush(&mut self) {}
}
