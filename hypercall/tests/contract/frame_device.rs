//! Network devices, each with one promise broken.

use std::time::Duration;

use hypercall::contract::frame_device::{FrameFixture, cases, echo};
use hypercall::fake::{FakeFrameDevice, FakeHost};
use hypercall::{
    FrameCapabilities, FrameDevice, FrameMeta, Host, LinkState, Offloads, ReceivedFrame,
};

use crate::{assert_each_breaks_its_own, assert_kept};

/// What is wrong with a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoil {
    Nothing,
    CapabilitiesChange,
    MaxFrameWithoutHeader,
    LinkSaysDown,
    ReceivedMovesOn,
    ReleaseIsRemembered,
    ReceivedDoesNotArm,
    FrameFromNobody,
    BuffersLeak,
    LongFramesAreCut,
    FramesInPairs,
    ReserveGivesMore,
    ReserveForgets,
    ReserveBeyondMaxFrame,
    Overcommits,
    FullForEver,
    ReserveDoesNotArm,
    CommitsWhatWasReserved,
    CommitRepeats,
    CommitsMore,
    FlushSkipsBatches,
}

/// Every case of the suite, and how it is broken.
const SPOILS: [(&str, Spoil); 20] = [
    ("capabilities-never-change", Spoil::CapabilitiesChange),
    ("capabilities-frame-holds-mtu", Spoil::MaxFrameWithoutHeader),
    ("link-is-up", Spoil::LinkSaysDown),
    ("received-same-until-release", Spoil::ReceivedMovesOn),
    ("release-without-a-frame", Spoil::ReleaseIsRemembered),
    ("received-arms-the-wait", Spoil::ReceivedDoesNotArm),
    ("received-nothing-unsent", Spoil::FrameFromNobody),
    ("buffers-never-leak", Spoil::BuffersLeak),
    ("frames-of-all-sizes", Spoil::LongFramesAreCut),
    ("frames-in-order", Spoil::FramesInPairs),
    ("reserve-as-long-as-asked", Spoil::ReserveGivesMore),
    ("reserve-same-until-commit", Spoil::ReserveForgets),
    ("reserve-up-to-max-frame", Spoil::ReserveBeyondMaxFrame),
    ("reserve-never-overcommits", Spoil::Overcommits),
    ("reserve-recovers", Spoil::FullForEver),
    ("reserve-arms-the-wait", Spoil::ReserveDoesNotArm),
    ("commit-less-than-reserved", Spoil::CommitsWhatWasReserved),
    ("commit-without-reserve", Spoil::CommitRepeats),
    ("commit-more-than-reserved", Spoil::CommitsMore),
    ("flush-sends-the-batch", Spoil::FlushSkipsBatches),
];

#[test]
fn the_fake_keeps_the_contract() {
    assert_kept(&cases(), &mut [Wire::new(Spoil::Nothing)]);
}

#[test]
fn every_clause_has_a_device_that_breaks_it() {
    assert_each_breaks_its_own(&cases(), &SPOILS, |spoil| vec![Wire::new(spoil)]);
}

/// A wire with a device of ours at one end and an echo at the other.
struct Wire {
    host: FakeHost,
    near: SpoiledDevice,
    far: FakeFrameDevice,
}

impl Wire {
    fn new(spoil: Spoil) -> Self {
        let host = FakeHost::new();
        let (mut near, far) = FakeFrameDevice::pair();
        near.set_waker(host.waker());
        let near = SpoiledDevice {
            inner: near,
            spoil,
            is_lent: false,
            own_frames: Vec::new(),
            release_debt: false,
            released: 0,
            reserved: None,
            scratch: Vec::new(),
            committed: 0,
            batch: 0,
            was_full: false,
        };
        Self { host, near, far }
    }
}

impl FrameFixture for Wire {
    type Device = SpoiledDevice;

    fn device(&mut self) -> &mut SpoiledDevice {
        &mut self.near
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        echo(&mut self.far);
        let start = self.host.monotonic();
        self.host.wait(Some(start + limit));
        self.host.monotonic().saturating_since(start)
    }
}

/// How many leaked buffers stop a device.
const BUFFERS: u64 = 64;

/// A [`FakeFrameDevice`] with one promise broken.
struct SpoiledDevice {
    inner: FakeFrameDevice,
    spoil: Spoil,
    is_lent: bool,
    /// Frames that the spoil lends itself, the next one last.
    own_frames: Vec<Vec<u8>>,
    release_debt: bool,
    released: u64,
    reserved: Option<usize>,
    scratch: Vec<u8>,
    committed: u64,
    batch: u64,
    was_full: bool,
}

impl SpoiledDevice {
    fn is(&self, spoil: Spoil) -> bool {
        self.spoil == spoil
    }

    /// Puts frames before those of the inner device, where the spoil does so.
    fn prepare_own_frames(&mut self) {
        match self.spoil {
            Spoil::FrameFromNobody if self.committed == 0 && self.released == 0 => {
                let mut frame = vec![0; 60];
                frame[12..14].copy_from_slice(&[0x88, 0xb5]);
                self.own_frames.push(frame);
            }
            Spoil::FramesInPairs if self.inner.arrived() >= 2 => {
                let pair = [self.inner.take_frame(), self.inner.take_frame()];
                self.own_frames.extend(pair.into_iter().flatten());
            }
            _ => {}
        }
    }
}

impl FrameDevice for SpoiledDevice {
    fn capabilities(&self) -> FrameCapabilities {
        let mut capabilities = self.inner.capabilities();
        match self.spoil {
            Spoil::CapabilitiesChange if self.released > 0 => {
                capabilities.offloads = Offloads::TRANSMIT_CHECKSUM;
            }
            Spoil::MaxFrameWithoutHeader => capabilities.max_frame = capabilities.mtu,
            _ => {}
        }
        capabilities
    }

    fn link(&mut self) -> LinkState {
        if self.is(Spoil::LinkSaysDown) {
            return LinkState::Down;
        }
        self.inner.link()
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        match self.spoil {
            Spoil::ReceivedMovesOn if self.is_lent && self.inner.arrived() > 1 => {
                self.inner.release();
            }
            Spoil::ReleaseIsRemembered if self.release_debt && self.inner.arrived() > 0 => {
                self.inner.take_frame();
                self.release_debt = false;
            }
            Spoil::ReceivedDoesNotArm if self.inner.arrived() == 0 => return None,
            _ => {}
        }
        if self.own_frames.is_empty() {
            self.prepare_own_frames();
        }
        if let Some(frame) = self.own_frames.last_mut() {
            return Some(ReceivedFrame {
                bytes: frame,
                checksum_good: false,
            });
        }
        let received = self.inner.received();
        self.is_lent = received.is_some();
        received
    }

    fn release(&mut self) {
        self.released += 1;
        if self.own_frames.pop().is_some() {
            return;
        }
        self.release_debt |= !self.is_lent;
        self.is_lent = false;
        self.inner.release();
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        let largest = self.capabilities().max_frame;
        if length > largest {
            let beyond = self.is(Spoil::ReserveBeyondMaxFrame);
            return if beyond {
                self.inner.reserve(largest)
            } else {
                None
            };
        }
        match self.spoil {
            Spoil::BuffersLeak if self.committed / 150 >= BUFFERS => return None,
            Spoil::Overcommits if !self.inner.has_room() => {
                self.scratch.resize(length, 0);
                return Some(&mut self.scratch);
            }
            Spoil::FullForEver => {
                self.was_full |= !self.inner.has_room();
                if self.was_full && self.inner.arrived() == 0 {
                    let _ = self.inner.reserve(length);
                    return None;
                }
            }
            Spoil::ReserveDoesNotArm if !self.inner.has_room() => return None,
            _ => {}
        }
        let more = self.is(Spoil::ReserveGivesMore) && (700..largest).contains(&length);
        let buffer = self.inner.reserve(length + usize::from(more))?;
        if self.spoil == Spoil::ReserveForgets {
            buffer.fill(0);
        }
        self.reserved = Some(length);
        Some(buffer)
    }

    fn commit(&mut self, length: usize, meta: FrameMeta) {
        self.committed += 1;
        self.batch += 1;
        let Some(reserved) = self.reserved.take_if(|reserved| length <= *reserved) else {
            return self.commit_what_is_not_reserved(length, meta);
        };
        let length = match self.spoil {
            Spoil::LongFramesAreCut if length > 1000 => length - 1,
            Spoil::CommitsWhatWasReserved => reserved,
            _ => length,
        };
        self.inner.commit(length, meta);
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !self.is(Spoil::FlushSkipsBatches) || !(2..=8).contains(&batch) {
            self.inner.flush();
        }
    }
}

impl SpoiledDevice {
    fn commit_what_is_not_reserved(&mut self, length: usize, meta: FrameMeta) {
        match (self.spoil, self.reserved) {
            (Spoil::CommitRepeats, None) => {
                let mut frame = vec![0; length];
                frame[12..14].copy_from_slice(&[0x88, 0xb5]);
                self.inner.send_frame(&frame);
            }
            (Spoil::CommitsMore, Some(reserved)) => self.inner.commit(reserved, meta),
            _ => {}
        }
    }
}
