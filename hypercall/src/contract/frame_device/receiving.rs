//! What a device is, and the way in: `capabilities`, `link`, `received`, `release`.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{
    FrameFixture, HEADER, QUIET, SHORTEST, SPURIOUS_RETURNS, STEP, frame_of, must_put,
    must_take_back, round_trip, take_back, wait_brings,
};
use crate::contract::{Case, Verdict, ensure};
use crate::{FrameDevice, LinkState};

pub(super) fn cases<F: FrameFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "capabilities-never-change",
            clause: "capabilities: the answer never changes",
            check: capabilities_never_change,
        },
        Case {
            name: "capabilities-frame-holds-mtu",
            clause: "max_frame: an Ethernet header and the MTU, or more",
            check: frame_holds_mtu,
        },
        Case {
            name: "link-is-up",
            clause: "link: Up while frames can pass",
            check: link_is_up,
        },
        Case {
            name: "received-same-until-release",
            clause: "received: the same frame until release",
            check: same_until_release,
        },
        Case {
            name: "release-without-a-frame",
            clause: "release: without a frame lent it does nothing",
            check: release_without_a_frame,
        },
        Case {
            name: "received-arms-the-wait",
            clause: "received: None arms the device, and the next frame ends the wait",
            check: arms_the_wait,
        },
        Case {
            name: "received-nothing-unsent",
            clause: "received: None when no frame has come",
            check: nothing_unsent,
        },
        Case {
            name: "buffers-never-leak",
            clause: "release, commit: every buffer comes back, over 10,000 frames",
            check: buffers_never_leak,
        },
    ]
}

fn capabilities_never_change<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let first = fixture.device().capabilities();
    round_trip(fixture, SHORTEST, 1)?;
    ensure(
        fixture.device().capabilities() == first,
        "the capabilities changed",
    )
}

fn frame_holds_mtu<F: FrameFixture>(fixture: &mut F) -> Verdict {
    let capabilities = fixture.device().capabilities();
    ensure(
        capabilities.max_frame >= capabilities.mtu.saturating_add(HEADER),
        "a full packet does not fit the largest frame",
    )
}

fn link_is_up<F: FrameFixture>(fixture: &mut F) -> Verdict {
    round_trip(fixture, SHORTEST, 2)?;
    ensure(
        fixture.device().link() == LinkState::Up,
        "frames pass, and the link is not up",
    )
}

fn same_until_release<F: FrameFixture>(fixture: &mut F) -> Verdict {
    for seed in [3, 4] {
        let frame = frame_of(fixture.device(), SHORTEST, seed);
        must_put(fixture.device(), &frame)?;
        fixture.device().flush();
    }
    let first = look_until_there(fixture);
    let looks = [look(fixture), look(fixture)];
    let same = first.is_some() && looks.iter().all(|look| *look == first);
    ensure(same, "another frame was lent before release")?;
    must_take_back(fixture)?;
    must_take_back(fixture)?;
    Ok(())
}

/// The frame that is lent now.
fn look<F: FrameFixture>(fixture: &mut F) -> Option<Vec<u8>> {
    let received = fixture.device().received()?;
    Some(received.bytes.to_vec())
}

/// The first frame that is lent, waited for in steps: the device need not end a wait for it.
fn look_until_there<F: FrameFixture>(fixture: &mut F) -> Option<Vec<u8>> {
    (0..SPURIOUS_RETURNS).find_map(|_| {
        look(fixture).or_else(|| {
            fixture.wait(STEP);
            None
        })
    })
}

fn release_without_a_frame<F: FrameFixture>(fixture: &mut F) -> Verdict {
    fixture.device().release();
    for seed in [5, 6] {
        round_trip(fixture, SHORTEST, seed)?;
        fixture.device().release();
    }
    Ok(())
}

fn arms_the_wait<F: FrameFixture>(fixture: &mut F) -> Verdict {
    while take_back(fixture, Duration::ZERO).is_some() {}
    let frame = frame_of(fixture.device(), SHORTEST, 7);
    must_put(fixture.device(), &frame)?;
    fixture.device().flush();
    let came = wait_brings(fixture, |fixture| {
        take_back(fixture, Duration::ZERO).is_some()
    });
    ensure(came, "a frame came and the wait went on")
}

fn nothing_unsent<F: FrameFixture>(fixture: &mut F) -> Verdict {
    ensure(
        take_back(fixture, QUIET).is_none(),
        "a frame came that nobody sent",
    )
}

fn buffers_never_leak<F: FrameFixture>(fixture: &mut F) -> Verdict {
    for seed in 0..10_000 {
        round_trip(fixture, SHORTEST, seed)?;
    }
    Ok(())
}
