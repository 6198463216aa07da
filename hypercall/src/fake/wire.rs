//! A wire in memory on virtual time, with faults drawn from a seed.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::shared::Shared;
use super::{FakeFrameDevice, FakeWaker};
use crate::{Instant, Wake};

/// What a wire does to frames. By default it loses none and takes no time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireFaults {
    /// Of a hundred frames, how many are lost.
    pub lost: u64,
    /// Of a hundred frames, how many arrive twice.
    pub doubled: u64,
    /// Of a hundred frames, how many are late: three delays and 50 us more, so that others
    /// overtake them.
    pub late: u64,
    /// How long a frame takes.
    pub delay: Duration,
    /// How many frames are on their way at once; a device with more has no buffer left.
    pub capacity: usize,
}

impl Default for WireFaults {
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

/// The middle of a wire between two [`FakeFrameDevice`]s; clones are the same one.
///
/// Its clock stands until [`set_now`](FakeWire::set_now). What happens to which frame follows from
/// the seed and the order in which frames are sent, and from nothing else.
#[derive(Clone, Debug)]
pub struct FakeWire(Shared<State>);

#[derive(Debug)]
struct State {
    now: Instant,
    faults: WireFaults,
    random: u64,
    ends: [End; 2],
}

/// What one end of the wire has before it.
#[derive(Debug, Default)]
struct End {
    /// Frames with the time at which they arrive, in that order.
    coming: VecDeque<(Instant, Vec<u8>)>,
    waker: Option<FakeWaker>,
    armed_for_frame: bool,
    armed_for_buffer: bool,
}

impl FakeWire {
    /// A wire, and the devices at its two ends, with addresses 02:00:00:00:00:01 and
    /// 02:00:00:00:00:02. Seed 0 counts as 1.
    pub fn new(faults: WireFaults, seed: u64) -> (Self, FakeFrameDevice, FakeFrameDevice) {
        let wire = Self(Shared::new(State {
            now: Instant::ZERO,
            faults,
            random: seed.max(1),
            ends: Default::default(),
        }));
        let device = |end| FakeFrameDevice::new(end, wire.clone());
        let (one, other) = (device(0), device(1));
        (wire, one, other)
    }

    /// Sets the time. Devices at which frames have arrived by then end their hosts' waits.
    pub fn set_now(&self, now: Instant) {
        self.0.with(|state| {
            state.now = now;
            for end in &mut state.ends {
                end.announce(now);
            }
        });
    }

    /// Changes what happens to frames from now on.
    pub fn set_faults(&self, faults: WireFaults) {
        self.0.with(|state| state.faults = faults);
    }

    /// When the next frame arrives at end `end`, 0 or 1; a time that has passed if one waits there
    /// to be received.
    pub fn next_arrival(&self, end: usize) -> Option<Instant> {
        self.0
            .with(|state| state.ends[end].coming.front().map(|(at, _)| *at))
    }

    pub(super) fn set_waker(&self, end: usize, waker: FakeWaker) {
        self.0.with(|state| state.ends[end].waker = Some(waker));
    }

    /// How many frames have arrived at `end`.
    pub(super) fn arrived(&self, end: usize) -> usize {
        self.0.with(|state| {
            let now = state.now;
            state.ends[end].coming.partition_point(|(at, _)| *at <= now)
        })
    }

    /// Whether `end` may send another frame beside `committed` ones.
    pub(super) fn has_room(&self, end: usize, committed: usize) -> bool {
        self.0
            .with(|state| state.ends[1 - end].coming.len() + committed < state.faults.capacity)
    }

    /// Has a wait of the host at `end` be ended when there is room.
    pub(super) fn arm_for_buffer(&self, end: usize) {
        self.0.with(|state| state.ends[end].armed_for_buffer = true);
    }

    /// Takes a frame that has arrived off the wire, which frees a buffer of the sender.
    pub(super) fn take(&self, end: usize) -> Option<Vec<u8>> {
        self.0.with(|state| {
            let receiver = &mut state.ends[end];
            let frame = receiver.take(state.now);
            receiver.armed_for_frame = frame.is_none();
            let sender = &mut state.ends[1 - end];
            if frame.is_some() && core::mem::take(&mut sender.armed_for_buffer) {
                sender.wake();
            }
            frame
        })
    }

    /// Sends frames from `end`.
    pub(super) fn send(&self, end: usize, frames: Vec<Vec<u8>>) {
        self.0.with(|state| {
            for frame in frames {
                state.carry(1 - end, frame);
            }
            state.ends[1 - end].announce(state.now);
        });
    }
}

impl State {
    /// Carries `frame` to `end`, as the faults want it.
    fn carry(&mut self, end: usize, frame: Vec<u8>) {
        if self.happens(self.faults.lost) {
            return;
        }
        let twin = self.happens(self.faults.doubled).then(|| frame.clone());
        for frame in [Some(frame), twin].into_iter().flatten() {
            let delay = self.faults.delay;
            let late = self.happens(self.faults.late);
            let extra = if late {
                delay * 3 + Duration::from_micros(50)
            } else {
                Duration::ZERO
            };
            let at = self.now + delay + extra;
            let coming = &mut self.ends[end].coming;
            let place = coming.partition_point(|(other, _)| *other <= at);
            coming.insert(place, (at, frame));
        }
    }

    /// Draws whether something happens that does so `percent` times of a hundred (xorshift64).
    fn happens(&mut self, percent: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < percent
    }
}

impl End {
    fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        let (_, frame) = self.coming.pop_front_if(|(at, _)| *at <= now)?;
        if self.coming.is_empty() {
            // An idle wire holds no memory: a test may count what others hold.
            self.coming = VecDeque::new();
        }
        Some(frame)
    }

    /// Ends the host's wait if it waits for a frame and one has arrived.
    fn announce(&mut self, now: Instant) {
        let has_arrived = self.coming.front().is_some_and(|(at, _)| *at <= now);
        if has_arrived && core::mem::take(&mut self.armed_for_frame) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameDevice;
    use crate::fake::FakeHost;
    use crate::{Host, Instant};

    const DELAY: Duration = Duration::from_millis(5);

    /// Sends a hundred numbered frames and returns those that arrive, in their order.
    fn arrivals(faults: WireFaults, seed: u64) -> Vec<u8> {
        let capacity = 400;
        let (wire, mut near, mut far) = FakeWire::new(WireFaults { capacity, ..faults }, seed);
        for number in 0..100 {
            wire.set_now(Instant::from_nanos(number.into()));
            assert!(near.send_frame(&[number]));
        }
        wire.set_now(Instant::from_nanos(u64::MAX));
        core::iter::from_fn(|| far.take_frame())
            .map(|frame| frame[0])
            .collect()
    }

    #[test]
    fn a_frame_takes_its_time() {
        let delay = DELAY;
        let (wire, mut near, mut far) = FakeWire::new(
            WireFaults {
                delay,
                ..WireFaults::default()
            },
            1,
        );
        let mut host = FakeHost::new();
        far.set_waker(host.waker());
        assert!(near.send_frame(b"frame"));
        assert_eq!(wire.next_arrival(1), Some(Instant::ZERO + DELAY));
        assert!(far.received().is_none());
        host.wait(Some(Instant::ZERO + DELAY));
        wire.set_now(host.monotonic());
        host.wait(Some(Instant::from_nanos(u64::MAX)));
        assert_eq!(host.monotonic(), Instant::ZERO + DELAY);
        assert_eq!(far.take_frame().as_deref(), Some(&b"frame"[..]));
        assert_eq!(wire.next_arrival(1), None);
    }

    #[test]
    fn each_fault_happens_as_often_as_it_is_set() {
        let good = WireFaults::default();
        let all: Vec<u8> = (0..100).collect();
        assert_eq!(arrivals(good, 1), all);
        let lossy = arrivals(WireFaults { lost: 20, ..good }, 1);
        assert!(
            (65..95).contains(&lossy.len()) && lossy.is_sorted(),
            "{lossy:?}"
        );
        let doubled = arrivals(
            WireFaults {
                doubled: 20,
                ..good
            },
            1,
        );
        assert!((105..135).contains(&doubled.len()), "{doubled:?}");
        let mut late = arrivals(WireFaults { late: 20, ..good }, 1);
        assert!(!late.is_sorted());
        late.sort_unstable();
        assert_eq!(late, all);
    }

    #[test]
    fn a_seed_says_what_happens() {
        let faults = WireFaults {
            lost: 10,
            doubled: 10,
            late: 10,
            ..WireFaults::default()
        };
        assert_eq!(arrivals(faults, 2), arrivals(faults, 2));
        assert_ne!(arrivals(faults, 2), arrivals(faults, 3));
    }
}
