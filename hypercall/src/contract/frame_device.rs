//! The cases of [`FrameDevice`], over a wire whose far end returns every frame.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Case, Deviation, Verdict, ensure, fill_pattern};
use crate::{FrameDevice, FrameMeta};

mod receiving;
mod sending;

/// A network device on a wire that loses nothing and whose far end returns every frame with its
/// addresses exchanged, as [`echo`] does.
pub trait FrameFixture {
    /// The device under test.
    type Device: FrameDevice + ?Sized;

    /// The device under test.
    fn device(&mut self) -> &mut Self::Device;

    /// Waits as [`Host::wait`](crate::Host::wait) of the device's home does, `limit` at most,
    /// while the far end works; returns how long it took on the home's clock.
    fn wait(&mut self, limit: Duration) -> Duration;
}

/// The cases of [`FrameDevice`].
pub fn cases<F: FrameFixture>() -> Vec<Case<F>> {
    let mut cases = receiving::cases();
    cases.extend(sending::cases());
    cases
}

/// Returns every frame that `device` has received, with destination and source exchanged, as far
/// as its buffers reach: the far end of a [`FrameFixture`]'s wire.
pub fn echo(device: &mut dyn FrameDevice) {
    while let Some(received) = device.received() {
        let mut frame = received.bytes.to_vec();
        exchange_addresses(&mut frame);
        if !put(device, &frame) {
            break;
        }
        device.release();
    }
    device.flush();
}

/// Ethernet's smallest frame without its check sequence (IEEE 802.3, 3.2.8): shorter ones may be
/// padded on the way.
const SHORTEST: usize = 60;
/// Destination, source and type.
const HEADER: usize = 14;
/// An address that nobody has, locally administered.
const PEER: [u8; 6] = [2, 0, 0, 0xec, 0x40, 0x01];
/// The type reserved for local experiments (IEEE 802, 9.2.3), so that no stack answers.
const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];
/// How long a frame may be on its way.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a case listens for a frame that must not come.
const QUIET: Duration = Duration::from_millis(20);
/// One wait between two looks at the device.
const STEP: Duration = Duration::from_millis(1);
/// How often a wait may return for no reason before it counts as no wait.
const SPURIOUS_RETURNS: u32 = 20_000;

fn exchange_addresses(frame: &mut [u8]) {
    if let Some((destination, rest)) = frame.split_at_mut_checked(6)
        && let Some(source) = rest.get_mut(..6)
    {
        destination.swap_with_slice(source);
    }
}

/// A frame of ours to the far end, its content told by `seed`.
fn frame_of(device: &mut (impl FrameDevice + ?Sized), length: usize, seed: u64) -> Vec<u8> {
    let mut frame = vec![0; length];
    frame[..6].copy_from_slice(&PEER);
    frame[6..12].copy_from_slice(&device.capabilities().mac);
    frame[12..HEADER].copy_from_slice(&EXPERIMENTAL);
    fill_pattern(&mut frame[HEADER..], seed);
    frame
}

/// Commits `frame`; `false` when no buffer is free.
fn put(device: &mut (impl FrameDevice + ?Sized), frame: &[u8]) -> bool {
    let Some(buffer) = device.reserve(frame.len()) else {
        return false;
    };
    let Some(front) = buffer.get_mut(..frame.len()) else {
        return false;
    };
    front.copy_from_slice(frame);
    device.commit(frame.len(), FrameMeta::default());
    true
}

/// Commits `frame`, for which there must be room.
fn must_put(device: &mut (impl FrameDevice + ?Sized), frame: &[u8]) -> Verdict {
    ensure(put(device, frame), "no buffer was free on an idle device")
}

/// The next frame of ours that comes back within `patience`, released. Frames of others, as a
/// real wire has them, are passed over.
fn take_back<F: FrameFixture>(fixture: &mut F, patience: Duration) -> Option<Vec<u8>> {
    let mut waited = Duration::ZERO;
    for _ in 0..SPURIOUS_RETURNS {
        while let Some(received) = fixture.device().received() {
            let mut frame = received.bytes.to_vec();
            fixture.device().release();
            if frame.get(12..HEADER) == Some(&EXPERIMENTAL) {
                exchange_addresses(&mut frame);
                return Some(frame);
            }
        }
        if waited >= patience {
            return None;
        }
        waited += fixture.wait(STEP);
    }
    None
}

fn must_take_back<F: FrameFixture>(fixture: &mut F) -> Result<Vec<u8>, Deviation> {
    take_back(fixture, PATIENCE).ok_or(Deviation::Violated("a frame did not come back"))
}

/// Sends one frame of `length` bytes there and back.
fn round_trip<F: FrameFixture>(fixture: &mut F, length: usize, seed: u64) -> Verdict {
    let frame = frame_of(fixture.device(), length, seed);
    must_put(fixture.device(), &frame)?;
    fixture.device().flush();
    let returned = must_take_back(fixture)?;
    ensure(returned == frame, "a frame came back changed")
}

/// Whether waits that nothing but the device ends bring `done` about.
fn wait_brings<F: FrameFixture>(fixture: &mut F, done: fn(&mut F) -> bool) -> bool {
    let mut waited = Duration::ZERO;
    for _ in 0..SPURIOUS_RETURNS {
        if done(fixture) {
            return waited < PATIENCE;
        }
        if waited >= PATIENCE {
            return false;
        }
        waited += fixture.wait(PATIENCE);
    }
    false
}
