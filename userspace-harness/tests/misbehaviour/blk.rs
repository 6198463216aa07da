//! The block driver against bad devices.

use std::time::Duration;

use hypercall::{BlockDevice, BlockOperation, BlockRequest, BlockStatus, Instant};
use userspace_harness::software_device::{
    Features, Misbehaviour, Moment, SoftwareDisk, SoftwareLender, SoftwareTransport,
};
use virtio::{Violation, VirtioBlk, VirtioBlkOptions, VirtioError};

use crate::Outcome::{self, Failed, Refused, Unharmed};
use crate::judged;

const SECTORS: usize = 64;
const SECTOR: usize = 512;
/// So many writes, flushes and reads are asked for, two at a time: all descriptors are used again.
const ROUNDS: u8 = 50;
/// How long a request may stay without an answer: the driver's patience, and a second.
const DEADLINE: Duration = Duration::from_secs(31);

type Driver = VirtioBlk<SoftwareTransport, SoftwareLender>;

/// Has a device misbehave, with either way of being told, and keeps blocks on it.
fn expect(plan: &[(Misbehaviour, Moment)], outcome: Outcome) {
    with_disk(|disk| {
        for &(what, moment) in plan {
            disk.misbehave(what, moment);
        }
        let found = match disk.start() {
            Err(error) => Refused(error),
            Ok(mut driver) => keep_blocks(disk, &mut driver),
        };
        assert_eq!(found, outcome, "{plan:?}");
        assert_eq!(disk.lent(), 0, "all buffers came back");
    });
}

fn with_disk(test: impl Fn(&SoftwareDisk)) {
    for event_index in [false, true] {
        let options = VirtioBlkOptions::default();
        let make = || SoftwareDisk::new(SECTORS, Features { event_index }, options);
        judged(make, &test);
    }
}

fn expect_at_start(what: Misbehaviour, outcome: Outcome) {
    expect(&[(what, Moment::Now)], outcome);
}

/// Has the first completion be bad, or one of the two later.
fn expect_later(what: Misbehaviour, outcome: Outcome) {
    for number in [0, 7, 42] {
        expect(&[(what, completion(number))], outcome);
    }
}

fn completion(number: u64) -> Moment {
    Moment::Completion { queue: 0, number }
}

/// Writes blocks and reads them again, two requests at a time, until the device has failed.
fn keep_blocks(disk: &SoftwareDisk, driver: &mut Driver) -> Outcome {
    for number in 0..ROUNDS {
        let first = u64::from(number) % (SECTORS as u64 - 1);
        let pair = [number, number + 1].map(|number| [number; SECTOR]);
        let requests = [
            write(first, &pair[0]),
            write(first + 1, &pair[1]),
            flush(),
            read(first),
            read(first + 1),
            flush(),
        ];
        let mut answers = Vec::new();
        for two in requests.chunks_exact(2) {
            answers.extend(ask(disk, driver, two.iter().map(copy)));
        }
        if let Some(violation) = driver.violation() {
            return failed(disk, driver, violation);
        }
        assert_eq!(answers.len(), requests.len(), "each is answered");
        for (operation, status) in answers {
            assert_eq!(status, BlockStatus::Done);
            if let BlockOperation::Read { first: at, buffer } = operation {
                assert_eq!(*buffer, pair[usize::from(at != first)]);
            }
        }
    }
    Unharmed
}

/// Submits requests, has the device serve them, and returns their answers. All must come before
/// the deadline.
fn ask(
    disk: &SoftwareDisk,
    driver: &mut Driver,
    operations: impl Iterator<Item = BlockOperation>,
) -> Vec<(BlockOperation, BlockStatus)> {
    let start = Instant::from_nanos(0);
    let mut waiting = 0;
    for operation in operations {
        let tag = waiting;
        driver
            .submit(BlockRequest { tag, operation })
            .expect("a valid request");
        waiting += 1;
    }
    let mut now = start;
    let mut answers = Vec::new();
    disk.serve();
    loop {
        while let Some(completion) = driver.complete() {
            answers.push((completion.request.operation, completion.status));
        }
        if answers.len() as u64 >= waiting {
            return answers;
        }
        now = driver.expire(now).unwrap_or(now);
        assert!(now <= start + DEADLINE, "no answer");
    }
}

/// That requests to a failed device come back as failed, and why it has failed.
fn failed(disk: &SoftwareDisk, driver: &mut Driver, violation: Violation) -> Outcome {
    disk.misbehave(Misbehaviour::SpuriousInterrupts, Moment::Now);
    assert!(disk.status().is_empty(), "the device was reset");
    let answers = ask(disk, driver, [read(0), flush()].into_iter());
    assert!(
        answers
            .iter()
            .all(|(_, status)| *status == BlockStatus::Failed)
    );
    assert_eq!(disk.serve(), 0, "nothing is asked of it any more");
    assert_eq!(driver.violation(), Some(violation));
    Failed(violation)
}

fn read(first: u64) -> BlockOperation {
    let buffer = vec![0xee; SECTOR].into_boxed_slice();
    BlockOperation::Read { first, buffer }
}

fn write(first: u64, bytes: &[u8]) -> BlockOperation {
    let buffer = bytes.into();
    BlockOperation::Write { first, buffer }
}

fn flush() -> BlockOperation {
    BlockOperation::Flush
}

fn copy(operation: &BlockOperation) -> BlockOperation {
    match operation {
        BlockOperation::Read { first, .. } => read(*first),
        BlockOperation::Write { first, buffer } => write(*first, buffer),
        BlockOperation::Flush | BlockOperation::Discard { .. } => flush(),
    }
}

#[test]
fn no_misbehaviour() {
    expect(&[], Unharmed);
}

#[test]
fn used_id_at_the_queue_size() {
    expect_later(Misbehaviour::UsedIdAtQueueSize, Failed(Violation::UsedId));
}

#[test]
fn used_id_beyond_the_queue_size() {
    expect_later(
        Misbehaviour::UsedIdBeyondQueueSize,
        Failed(Violation::UsedId),
    );
}

#[test]
fn used_id_never_issued() {
    expect_later(Misbehaviour::UsedIdNeverIssued, Failed(Violation::UsedId));
}

#[test]
fn used_id_in_mid_chain() {
    expect_later(Misbehaviour::UsedIdInMidChain, Failed(Violation::UsedId));
}

#[test]
fn used_id_replayed() {
    let replayed = (Misbehaviour::UsedIdReplayed, completion(0));
    // One completion more than there were requests.
    expect(&[replayed], Failed(Violation::UsedIndex));
    // As many as there were requests.
    let withheld = (Misbehaviour::RequestNeverCompleted, completion(2));
    expect(&[replayed, withheld], Failed(Violation::UsedId));
}

#[test]
fn used_length_larger_than_the_buffer() {
    let what = Misbehaviour::UsedLengthLargerThanBuffer;
    expect_later(what, Failed(Violation::UsedLengthLarge));
}

#[test]
fn used_length_smaller_than_the_header() {
    let what = Misbehaviour::UsedLengthSmallerThanHeader;
    expect_later(what, Failed(Violation::UsedLengthSmall));
}

#[test]
fn descriptors_rewritten_after_submission() {
    expect_later(Misbehaviour::DescriptorsRewritten, Unharmed);
}

#[test]
fn forged_address_of_the_ring_itself() {
    expect_later(Misbehaviour::ForgedAddress, Unharmed);
}

#[test]
fn used_index_jumping() {
    // The last of two: what is published after it is true again.
    let jump = (Misbehaviour::UsedIndexJumping, completion(7));
    expect(&[jump], Failed(Violation::UsedIndex));
}

#[test]
fn used_index_going_back() {
    let back = (Misbehaviour::UsedIndexGoingBack, completion(6));
    let withheld = (Misbehaviour::RequestNeverCompleted, completion(6));
    expect(&[back, withheld], Failed(Violation::UsedIndex));
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
fn capacity_zero() {
    expect_at_start(
        Misbehaviour::CapacityZero,
        Refused(VirtioError::ConfigurationInvalid),
    );
}

#[test]
fn capacity_huge() {
    expect_at_start(
        Misbehaviour::CapacityHuge,
        Refused(VirtioError::ConfigurationInvalid),
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
    with_disk(|disk| {
        let mut driver = disk.start().expect("a good device so far");
        disk.misbehave(Misbehaviour::ResetNeverFinished, Moment::Now);
        disk.misbehave(Misbehaviour::UsedIdAtQueueSize, Moment::Now);
        let answers = ask(disk, &mut driver, [read(0)].into_iter());
        assert_eq!(answers, [(read(0), BlockStatus::Failed)]);
        assert_eq!(driver.violation(), Some(Violation::UsedId));
        assert_eq!(
            disk.lent(),
            1,
            "what the device may still write to stays lent"
        );
    });
}

#[test]
fn a_request_never_completed() {
    let what = Misbehaviour::RequestNeverCompleted;
    expect_later(what, Failed(Violation::Overdue));
}

#[test]
fn spurious_interrupts() {
    expect_later(Misbehaviour::SpuriousInterrupts, Unharmed);
}

#[test]
fn needs_reset() {
    expect_later(Misbehaviour::NeedsReset, Failed(Violation::NeedsReset));
}

#[test]
fn status_unwritten() {
    expect_later(
        Misbehaviour::BlockStatusUnwritten,
        Failed(Violation::Status),
    );
}

#[test]
fn status_above_two() {
    expect_later(Misbehaviour::BlockStatusAboveTwo, Failed(Violation::Status));
}
