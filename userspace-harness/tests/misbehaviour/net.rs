//! The network driver against bad devices.

use hypercall::{FrameDevice, FrameMeta, LinkState};
use userspace_harness::software_device::{
    Features, Misbehaviour, Moment, SoftwareNet, SoftwareTransport,
};
use virtio::{Violation, VirtioError, VirtioNet, VirtioNetOptions};

use crate::Outcome::{self, Failed, Refused, Unharmed};
use crate::judged;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// The two queues (virtio 1.2, 5.1.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Bytes of the header in front of a frame.
const HEADER_LENGTH: usize = 12;
/// So many frames go each way. More than there are buffers, so that each is used again.
const ROUNDS: u8 = 100;

type Driver = VirtioNet<SoftwareTransport>;

/// Has a device misbehave, with either way of being told, and exchanges frames with it.
fn expect(plan: &[(Misbehaviour, Moment)], outcome: Outcome) {
    with_device(|device| {
        for &(what, moment) in plan {
            device.misbehave(what, moment);
        }
        let found = match device.start() {
            Err(error) => Refused(error),
            Ok(mut driver) => exchange(device, &mut driver),
        };
        assert_eq!(found, outcome, "{plan:?}");
    });
}

fn with_device(test: impl Fn(&SoftwareNet)) {
    for event_index in [false, true] {
        let options = VirtioNetOptions::default();
        let make = || SoftwareNet::new(MAC, Features { event_index }, options);
        judged(make, &test);
    }
}

fn expect_at_start(what: Misbehaviour, outcome: Outcome) {
    expect(&[(what, Moment::Now)], outcome);
}

/// Has the first completion be bad, or a later one, or the first that reuses a buffer.
fn expect_in_queue(what: Misbehaviour, queue: u16, outcome: Outcome) {
    for number in [0, 7, 32] {
        expect(&[(what, Moment::Completion { queue, number })], outcome);
    }
}

fn expect_in_each_queue(what: Misbehaviour, outcome: Outcome) {
    expect_in_queue(what, RECEIVE, outcome);
    expect_in_queue(what, TRANSMIT, outcome);
}

/// Sends and receives one frame at a time until the device has failed or all are through.
fn exchange(device: &SoftwareNet, driver: &mut Driver) -> Outcome {
    for number in 0..ROUNDS {
        let there = device.deliver([&frame(number)[..]]);
        let back = receive(driver);
        let sent = send(driver, number);
        let taken = device.take_sent(|bytes| assert_eq!(bytes[HEADER_LENGTH..], frame(number)));
        if driver.link() == LinkState::Failed {
            return failed(device, driver);
        }
        assert_eq!((there, back), (1, Some(frame(number))));
        assert_eq!((sent, taken), (true, 1));
    }
    Unharmed
}

/// That a failed device can do nothing any more, and why it has failed.
fn failed(device: &SoftwareNet, driver: &mut Driver) -> Outcome {
    let violation = driver.violation().expect("a failed device has a reason");
    device.misbehave(Misbehaviour::SpuriousInterrupts, Moment::Now);
    assert_eq!(device.deliver([&frame(1)[..]]), 0, "it has no buffer");
    assert!(driver.received().is_none());
    driver.release();
    assert!(!send(driver, 1));
    driver.flush();
    assert_eq!(driver.link(), LinkState::Failed);
    assert_eq!(driver.violation(), Some(violation));
    assert!(device.status().is_empty(), "the device was reset");
    Failed(violation)
}

fn receive(driver: &mut Driver) -> Option<Vec<u8>> {
    let frame = driver.received()?.bytes.to_vec();
    driver.release();
    Some(frame)
}

fn send(driver: &mut Driver, number: u8) -> bool {
    let frame = frame(number);
    let Some(buffer) = driver.reserve(frame.len()) else {
        return false;
    };
    buffer.copy_from_slice(&frame);
    driver.commit(frame.len(), FrameMeta::default());
    driver.flush();
    true
}

/// A frame of its own length and bytes for each number.
fn frame(number: u8) -> Vec<u8> {
    (0..60 + usize::from(number) * 14)
        .map(|at| number.wrapping_mul(31).wrapping_add(at as u8))
        .collect()
}

#[test]
fn no_misbehaviour() {
    expect(&[], Unharmed);
}

#[test]
fn used_id_at_the_queue_size() {
    expect_in_each_queue(Misbehaviour::UsedIdAtQueueSize, Failed(Violation::UsedId));
}

#[test]
fn used_id_beyond_the_queue_size() {
    let what = Misbehaviour::UsedIdBeyondQueueSize;
    expect_in_each_queue(what, Failed(Violation::UsedId));
}

#[test]
fn used_id_never_issued() {
    // All receive buffers are always posted, so only frames on their way out can show it.
    let what = Misbehaviour::UsedIdNeverIssued;
    expect_in_queue(what, TRANSMIT, Failed(Violation::UsedId));
}

#[test]
fn used_id_replayed() {
    let completion = |number| Moment::Completion {
        queue: TRANSMIT,
        number,
    };
    // One completion more than there were requests.
    let replayed = (Misbehaviour::UsedIdReplayed, completion(7));
    expect(&[replayed], Failed(Violation::UsedIndex));
    // As many as there were requests.
    let withheld = (Misbehaviour::RequestNeverCompleted, completion(3));
    expect(&[withheld, replayed], Failed(Violation::UsedId));
}

#[test]
fn used_id_replayed_of_a_received_frame() {
    // Its buffer has been posted anew by then, so this is one more frame, of any content.
    with_device(|device| {
        let moment = Moment::Completion {
            queue: RECEIVE,
            number: 0,
        };
        device.misbehave(Misbehaviour::UsedIdReplayed, moment);
        let mut driver = device.start().expect("a good device so far");
        device.deliver([&frame(1)[..]]);
        assert_eq!(receive(&mut driver), Some(frame(1)));
        assert!(receive(&mut driver).is_some());
        assert!(receive(&mut driver).is_none());
        assert_eq!(driver.violation(), None);
    });
}

#[test]
fn used_length_larger_than_the_buffer() {
    let what = Misbehaviour::UsedLengthLargerThanBuffer;
    expect_in_queue(what, RECEIVE, Failed(Violation::UsedLengthLarge));
    // Where nothing is to be written, the length means nothing (virtio 1.2, 2.7.8.2).
    expect_in_queue(what, TRANSMIT, Unharmed);
}

#[test]
fn used_length_smaller_than_the_header() {
    let what = Misbehaviour::UsedLengthSmallerThanHeader;
    expect_in_queue(what, RECEIVE, Failed(Violation::UsedLengthSmall));
    expect_in_queue(what, TRANSMIT, Unharmed);
}

#[test]
fn descriptors_rewritten_after_submission() {
    expect_in_each_queue(Misbehaviour::DescriptorsRewritten, Unharmed);
}

#[test]
fn forged_address_of_the_ring_itself() {
    expect_in_each_queue(Misbehaviour::ForgedAddress, Unharmed);
}

#[test]
fn used_index_jumping() {
    let what = Misbehaviour::UsedIndexJumping;
    expect_in_queue(what, RECEIVE, Failed(Violation::UsedIndex));
    // Frames sent are looked at when all buffers are out: what was true again by then is fine.
    let last = Moment::Completion {
        queue: TRANSMIT,
        number: 31,
    };
    expect(&[(what, last)], Failed(Violation::UsedIndex));
}

#[test]
fn used_index_going_back() {
    let what = Misbehaviour::UsedIndexGoingBack;
    expect_in_queue(what, RECEIVE, Failed(Violation::UsedIndex));
}

#[test]
fn queue_size_zero() {
    expect_at_start(
        Misbehaviour::QueueSizeZero,
        Refused(VirtioError::QueueMissing),
    );
}

#[test]
fn queue_size_not_a_power_of_two() {
    expect_at_start(
        Misbehaviour::QueueSizeNotPowerOfTwo,
        Refused(VirtioError::QueueSize(100)),
    );
}

#[test]
fn configuration_changing_during_a_read() {
    expect_at_start(
        Misbehaviour::ConfigurationChanging,
        Refused(VirtioError::Configuration),
    );
}

#[test]
fn features_ok_refused() {
    expect_at_start(
        Misbehaviour::FeaturesOkRefused,
        Refused(VirtioError::FeaturesRefused),
    );
}

#[test]
fn reset_never_finished() {
    expect_at_start(
        Misbehaviour::ResetNeverFinished,
        Refused(VirtioError::ResetTimeout),
    );
}

#[test]
fn reset_never_finished_of_a_failed_device() {
    with_device(|device| {
        let mut driver = device.start().expect("a good device so far");
        device.misbehave(Misbehaviour::ResetNeverFinished, Moment::Now);
        device.misbehave(Misbehaviour::UsedIdAtQueueSize, Moment::Now);
        device.deliver([&frame(1)[..]]);
        assert!(driver.received().is_none());
        // It goes on, and nobody listens.
        device.deliver([&frame(2)[..]]);
        assert!(driver.received().is_none());
        assert_eq!(driver.violation(), Some(Violation::UsedId));
        assert_eq!(driver.link(), LinkState::Failed);
    });
}

#[test]
fn a_frame_to_send_never_completed() {
    with_device(|device| {
        let mut driver = device.start().expect("a good device so far");
        let first = Moment::Completion {
            queue: TRANSMIT,
            number: 0,
        };
        for _ in 0..32 {
            device.misbehave(Misbehaviour::RequestNeverCompleted, first);
            assert!(send(&mut driver, 1));
            assert_eq!(device.take_sent(|_| {}), 1);
        }
        // It answers at once that there is no room, and receives as before.
        assert!(!send(&mut driver, 2));
        for number in 0..ROUNDS {
            device.deliver([&frame(number)[..]]);
            assert_eq!(receive(&mut driver), Some(frame(number)));
        }
        assert_eq!(driver.link(), LinkState::Up);
    });
}

#[test]
fn a_receive_buffer_never_completed() {
    with_device(|device| {
        let mut driver = device.start().expect("a good device so far");
        let first = Moment::Completion {
            queue: RECEIVE,
            number: 0,
        };
        for _ in 0..32 {
            device.misbehave(Misbehaviour::RequestNeverCompleted, first);
            device.deliver([&frame(1)[..]]);
            assert!(receive(&mut driver).is_none());
        }
        for number in 0..ROUNDS {
            assert!(send(&mut driver, number));
            assert_eq!(device.take_sent(|_| {}), 1);
        }
        assert_eq!(driver.link(), LinkState::Up);
    });
}

#[test]
fn spurious_interrupts() {
    expect_in_each_queue(Misbehaviour::SpuriousInterrupts, Unharmed);
}

#[test]
fn needs_reset() {
    expect_in_each_queue(Misbehaviour::NeedsReset, Failed(Violation::NeedsReset));
}
