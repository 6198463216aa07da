//! The entropy driver against bad devices.

use hypercall::EntropySource;
use userspace_harness::software_device::{
    Features, Misbehaviour, Moment, SoftwareRng, SoftwareTransport,
};
use virtio::{Violation, VirtioError, VirtioRng};

use crate::Outcome::{self, Failed, Refused, Unharmed};
use crate::judged;

/// So many buffers are filled: more than there are, so that each is used again.
const ROUNDS: u8 = 50;

/// Has a device misbehave, with either way of being told, and draws bytes from it.
fn expect(what: Option<(Misbehaviour, Moment)>, outcome: Outcome) {
    for event_index in [false, true] {
        judged(
            || SoftwareRng::new(Features { event_index }),
            |device| {
                if let Some((what, moment)) = what {
                    device.misbehave(what, moment);
                }
                let found = match device.start() {
                    Err(error) => Refused(error),
                    Ok(mut driver) => draw(device, &mut driver),
                };
                assert_eq!(found, outcome, "{what:?}");
            },
        );
    }
}

fn expect_at_start(what: Misbehaviour, outcome: Outcome) {
    expect(Some((what, Moment::Now)), outcome);
}

/// Has the first completion be bad, or a later one, or the first that uses a buffer again.
fn expect_in_queue(what: Misbehaviour, outcome: Outcome) {
    for number in [0, 3, 8] {
        let queue = 0;
        expect(Some((what, Moment::Completion { queue, number })), outcome);
    }
}

/// Draws one buffer at a time until the device has failed or all have come.
fn draw(device: &SoftwareRng, driver: &mut VirtioRng<SoftwareTransport>) -> Outcome {
    for number in 1..=ROUNDS {
        let given = device.give(&[number; 16]);
        let mut bytes = [0; 16];
        let taken = driver.take(&mut bytes);
        if let Some(violation) = driver.violation() {
            assert_eq!(driver.take(&mut bytes), 0, "it gives no more");
            assert!(device.status().is_empty(), "the device was reset");
            return Failed(violation);
        }
        assert_eq!((given, taken, bytes), (true, 16, [number; 16]));
    }
    Unharmed
}

#[test]
fn no_misbehaviour() {
    expect(None, Unharmed);
}

#[test]
fn used_id() {
    expect_in_queue(Misbehaviour::UsedIdAtQueueSize, Failed(Violation::UsedId));
    let what = Misbehaviour::UsedIdBeyondQueueSize;
    expect_in_queue(what, Failed(Violation::UsedId));
}

#[test]
fn used_length() {
    let what = Misbehaviour::UsedLengthLargerThanBuffer;
    expect_in_queue(what, Failed(Violation::UsedLengthLarge));
    let what = Misbehaviour::UsedLengthSmallerThanHeader;
    expect_in_queue(what, Failed(Violation::UsedLengthSmall));
}

#[test]
fn used_index() {
    let what = Misbehaviour::UsedIndexJumping;
    expect_in_queue(what, Failed(Violation::UsedIndex));
}

#[test]
fn descriptors() {
    expect_in_queue(Misbehaviour::DescriptorsRewritten, Unharmed);
    expect_in_queue(Misbehaviour::ForgedAddress, Unharmed);
}

#[test]
fn spurious_interrupts() {
    expect_at_start(Misbehaviour::SpuriousInterrupts, Unharmed);
}

#[test]
fn a_device_that_does_not_start() {
    for (what, error) in [
        (Misbehaviour::QueueSizeZero, VirtioError::QueueMissing),
        (
            Misbehaviour::QueueSizeNotPowerOfTwo,
            VirtioError::QueueSize(100),
        ),
        (
            Misbehaviour::FeaturesOkRefused,
            VirtioError::FeaturesRefused,
        ),
        (Misbehaviour::ResetNeverFinished, VirtioError::ResetTimeout),
    ] {
        expect_at_start(what, Refused(error));
    }
}
