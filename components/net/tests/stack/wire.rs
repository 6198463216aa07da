//! A wire between two frame devices, on virtual time, with faults drawn from a seed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hypercall::{
    FrameCapabilities, FrameDevice, FrameMeta, Instant, LinkState, MacAddress, Offloads,
    ReceivedFrame,
};

use crate::scarce::Plenty;

/// What a wire does to frames. The default does nothing and takes no time.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Of a hundred frames, how many are lost.
    pub lost: u64,
    /// Of a hundred frames, how many arrive twice.
    pub doubled: u64,
    /// Of a hundred frames, how many are late, so that others overtake them.
    pub late: u64,
    /// How long a frame takes.
    pub delay: Duration,
    /// How many frames are on their way at once; a device with more has no room.
    pub capacity: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            lost: 0,
            doubled: 0,
            late: 0,
            delay: Duration::ZERO,
            capacity: 256,
        }
    }
}

/// One direction.
#[derive(Default)]
struct Direction {
    /// Frames with the time at which they arrive, in that order.
    frames: VecDeque<(Instant, Vec<u8>)>,
    /// Every frame that was ever sent.
    log: Vec<Vec<u8>>,
}

struct State {
    now: Instant,
    faults: Faults,
    random: u64,
    directions: [Direction; 2],
    cut: usize,
}

/// A wire; clones are the same one.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<State>>);

impl Wire {
    /// A wire with its two devices.
    pub fn new(faults: Faults, seed: u64) -> (Self, Device, Device) {
        let wire = Self(Arc::new(Mutex::new(State {
            now: Instant::ZERO,
            faults,
            random: seed | 1,
            directions: Default::default(),
            cut: 0,
        })));
        let device = |side| Device {
            wire: wire.clone(),
            side,
            offloads: Offloads::empty(),
            lent: None,
            reserved: None,
        };
        let (one, other) = (device(0), device(1));
        (wire, one, other)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics inside")
    }

    /// Sets the time.
    pub fn set_now(&self, now: Instant) {
        self.state().now = now;
    }

    /// Changes what happens to frames from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// When the next frame arrives at one of the first `hosts` devices.
    pub fn next_arrival(&self, hosts: usize) -> Option<Instant> {
        let state = self.state();
        let first = |direction: &Direction| direction.frames.front().map(|(at, _)| *at);
        let towards_hosts = state.directions.iter().rev().take(hosts);
        towards_hosts.filter_map(first).min()
    }

    /// How many large frames a device has cut into segments.
    pub fn frames_cut(&self) -> usize {
        self.state().cut
    }

    /// The frames that side `side` has sent since the last call.
    pub fn take_log(&self, side: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state().directions[side].log)
    }
}

impl State {
    fn percent(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100
    }

    fn carry(&mut self, side: usize, frame: Vec<u8>) {
        self.directions[side].log.push(frame.clone());
        let faults = self.faults;
        if self.percent() < faults.lost {
            return;
        }
        let copies = if self.percent() < faults.doubled {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let late = self.percent() < faults.late;
            let extra = if late {
                faults.delay * 3 + Duration::from_micros(50)
            } else {
                Duration::ZERO
            };
            let at = self.now + faults.delay + extra;
            let frames = &mut self.directions[side].frames;
            let place = frames.partition_point(|(other, _)| *other <= at);
            frames.insert(place, (at, frame.clone()));
        }
    }
}

/// One end of a wire.
pub struct Device {
    wire: Wire,
    side: usize,
    offloads: Offloads,
    lent: Option<Vec<u8>>,
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
            65_549
        } else {
            1514
        }
    }

    /// The address of the device at `side`.
    pub const fn mac(side: usize) -> MacAddress {
        [2, 0, 0, 0, 0, side as u8 + 1]
    }

    /// Sends `frame` as it is.
    pub fn inject(&mut self, frame: &[u8]) {
        self.wire.state().carry(self.side, frame.to_vec());
    }

    /// The frame that has arrived, taken out.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let frame = self.received()?.bytes.to_vec();
        self.release();
        Some(frame)
    }
}

impl FrameDevice for Device {
    fn capabilities(&self) -> FrameCapabilities {
        FrameCapabilities {
            mac: Self::mac(self.side),
            mtu: 1500,
            max_frame: self.max_frame(),
            offloads: self.offloads,
        }
    }

    fn link(&mut self) -> LinkState {
        LinkState::Up
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        let _plenty = Plenty::new();
        if self.lent.is_none() {
            let mut state = self.wire.state();
            let now = state.now;
            let frames = &mut state.directions[1 - self.side].frames;
            if frames.front().is_some_and(|(at, _)| *at <= now) {
                self.lent = frames.pop_front().map(|(_, frame)| frame);
            }
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
        let _plenty = Plenty::new();
        let state = self.wire.state();
        let full = state.directions[self.side].frames.len() >= state.faults.capacity;
        drop(state);
        if full || length > self.max_frame() {
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
            self.wire.state().cut += 1;
            for segment in crate::packet::cut(&frame, size.into()) {
                self.wire.state().carry(self.side, segment);
            }
            return;
        }
        assert!(length <= 1514, "more than the link carries");
        if let Some(request) = meta.checksum {
            assert!(self.offloads.contains(Offloads::TRANSMIT_CHECKSUM));
            let (start, offset) = (usize::from(request.start), usize::from(request.offset));
            let sum = crate::packet::checksum(&frame[start..]);
            frame[start + offset..start + offset + 2].copy_from_slice(&sum);
        }
        self.wire.state().carry(self.side, frame);
    }

    fn flush(&mut self) {}
}
