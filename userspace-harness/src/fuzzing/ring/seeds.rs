//! The corpus that the target begins with: one small input for each known misbehaviour, named
//! after it.
//!
//! `UPDATE_CORPUS=1 cargo test -p userspace-harness --lib seeds` writes it. Inputs that fuzzing
//! has found stand beside these, under names of their own.

use std::path::PathBuf;

use virtio::Violation::{
    self, NeedsReset, Overdue, Status, UsedId, UsedIndex, UsedLengthLarge, UsedLengthSmall,
};

use super::step::{Maximum, Start, StartFault, Step, encode};
use super::{Ending, run};

const NET: Start = Start {
    is_disk: false,
    event_index: false,
    fault: None,
    maxima: [Maximum(0); 2],
};
const DISK: Start = Start {
    is_disk: true,
    ..NET
};
/// The descriptor table's address, as the device has it.
const TABLE: u32 = 0x4000_1000;
/// The bytes that a read of one sector has a device write.
const ROOM: u32 = 513;
/// A read of one sector, as [`Step::Give`] says it.
const READ: u32 = 0;

/// Sizes that are no queue's, as [`Maximum::value`] has them.
const ZERO: Maximum = Maximum(1);
const NOT_A_POWER_OF_TWO: Maximum = Maximum(2);
const ABOVE_ALL: Maximum = Maximum(3);
const BEYOND_16_BITS: Maximum = Maximum(4);

struct Seed {
    name: &'static str,
    start: Start,
    steps: Vec<Step>,
    ending: Ending,
}

const TAKE: Step = Step::Take { count: 0 };
const BRING: Step = Step::Serve {
    queue: 0,
    count: 3,
    length: 60,
};
const CARRY: Step = Step::Serve {
    queue: 1,
    count: 0,
    length: 0,
};

fn give(count: u16) -> Step {
    Step::Give {
        count,
        length: READ,
    }
}

fn publish(queue: u8, id: u32, length: u16) -> Step {
    Step::Publish { queue, length, id }
}

fn answer(status: u16, length: u32) -> Step {
    Step::Answer { status, length }
}

fn overwrite(offset: u16, value: u32) -> Step {
    Step::Overwrite { offset, value }
}

fn move_index(queue: u8, distance: u16) -> Step {
    Step::MoveIndex { queue, distance }
}

fn good(name: &'static str, start: Start, steps: &[Step]) -> Seed {
    ended(name, start, steps, Ending::Good)
}

fn fails(name: &'static str, start: Start, steps: &[Step], violation: Violation) -> Seed {
    ended(name, start, steps, Ending::Failed(violation))
}

fn refused(name: &'static str, start: Start, fault: Option<StartFault>, maximum: Maximum) -> Seed {
    let start = Start {
        fault,
        maxima: [maximum, Maximum(0)],
        ..start
    };
    ended(name, start, &[], Ending::Refused)
}

fn ended(name: &'static str, start: Start, steps: &[Step], ending: Ending) -> Seed {
    Seed {
        name,
        start,
        steps: steps.to_vec(),
        ending,
    }
}

fn net() -> Vec<Seed> {
    let traffic = [
        BRING,
        Step::Take { count: 3 },
        give(8),
        CARRY,
        give(2),
        CARRY,
    ];
    let told = Start {
        event_index: true,
        ..NET
    };
    let look = Step::Look { seconds: 0 };
    let interrupt = |needs_reset| Step::Interrupt { needs_reset };
    let last = Start {
        maxima: [Maximum(0), ZERO],
        ..NET
    };
    vec![
        good("net-no-misbehaviour", NET, &traffic),
        good("net-no-misbehaviour-event-index", told, &traffic),
        fails(
            "net-used-id-at-queue-size",
            NET,
            &[publish(0, 8, 72), TAKE],
            UsedId,
        ),
        fails(
            "net-used-id-beyond-queue-size",
            NET,
            &[publish(0, 0x1_0000, 72), TAKE],
            UsedId,
        ),
        fails(
            "net-used-id-replayed",
            NET,
            &[give(8), publish(1, 3, 0), publish(1, 3, 0), give(1)],
            UsedId,
        ),
        fails(
            "net-used-length-larger-than-buffer",
            NET,
            &[answer(0, 129), TAKE],
            UsedLengthLarge,
        ),
        fails(
            "net-used-length-smaller-than-header",
            NET,
            &[answer(0, 11), TAKE],
            UsedLengthSmall,
        ),
        good(
            "net-descriptors-rewritten",
            NET,
            &[
                overwrite(0, 0xa5a5_a5a5),
                overwrite(8, 0xa5a5_a5a5),
                publish(0, 0, 72),
                TAKE,
                TAKE,
            ],
        ),
        good(
            "net-forged-address",
            NET,
            &[
                overwrite(0, TABLE),
                publish(0, 0, 72),
                TAKE,
                Step::Release,
                BRING,
                TAKE,
            ],
        ),
        fails(
            "net-used-index-jumping",
            NET,
            &[move_index(0, 9), TAKE],
            UsedIndex,
        ),
        fails(
            "net-used-index-going-back",
            NET,
            &[BRING, TAKE, TAKE, TAKE, move_index(0, 0xffff), TAKE],
            UsedIndex,
        ),
        refused("net-queue-size-zero", NET, None, ZERO),
        ended(
            "net-queue-size-zero-of-the-second",
            last,
            &[],
            Ending::Refused,
        ),
        refused(
            "net-queue-size-not-power-of-two",
            NET,
            None,
            NOT_A_POWER_OF_TWO,
        ),
        refused("net-queue-size-above-all", NET, None, ABOVE_ALL),
        refused("net-queue-size-beyond-16-bits", NET, None, BEYOND_16_BITS),
        refused(
            "net-configuration-changing",
            NET,
            Some(StartFault::ConfigurationChanging),
            Maximum(0),
        ),
        refused(
            "net-features-ok-refused",
            NET,
            Some(StartFault::FeaturesOkRefused),
            Maximum(0),
        ),
        good(
            "net-request-never-completed",
            NET,
            &[give(8), give(1), BRING, TAKE, TAKE],
        ),
        good(
            "net-spurious-interrupts",
            NET,
            &[interrupt(false), TAKE, interrupt(false), look, BRING, TAKE],
        ),
        fails("net-needs-reset", NET, &[interrupt(true), look], NeedsReset),
    ]
}

fn disk() -> Vec<Seed> {
    let serve = BRING;
    let traffic = [
        give(8),
        serve,
        Step::Take { count: 9 },
        Step::Give {
            count: 4,
            length: 2,
        },
        serve,
        TAKE,
    ];
    let told = Start {
        event_index: true,
        ..DISK
    };
    let look = |seconds| Step::Look { seconds };
    let interrupt = |needs_reset| Step::Interrupt { needs_reset };
    let room = ROOM as u16;
    vec![
        good("disk-no-misbehaviour", DISK, &traffic),
        good("disk-no-misbehaviour-event-index", told, &traffic),
        fails(
            "disk-used-id-at-queue-size",
            DISK,
            &[give(1), publish(0, 16, room), TAKE],
            UsedId,
        ),
        fails(
            "disk-used-id-beyond-queue-size",
            DISK,
            &[give(1), publish(0, 0x1_0000, room), TAKE],
            UsedId,
        ),
        fails(
            "disk-used-id-never-issued",
            DISK,
            &[give(1), publish(0, 5, room), TAKE],
            UsedId,
        ),
        fails(
            "disk-used-id-in-mid-chain",
            DISK,
            &[give(1), publish(0, 1, room), TAKE],
            UsedId,
        ),
        fails(
            "disk-used-id-replayed",
            DISK,
            &[give(2), answer(0, ROOM), publish(0, 0, room), TAKE],
            UsedId,
        ),
        fails(
            "disk-used-length-larger-than-buffer",
            DISK,
            &[give(1), answer(0, ROOM + 1), TAKE],
            UsedLengthLarge,
        ),
        fails(
            "disk-used-length-without-status",
            DISK,
            &[give(1), answer(1, 0), TAKE],
            UsedLengthSmall,
        ),
        fails(
            "disk-used-length-without-data",
            DISK,
            &[give(1), answer(0, 1), TAKE],
            UsedLengthSmall,
        ),
        good(
            "disk-descriptors-rewritten",
            DISK,
            &[
                give(1),
                serve,
                overwrite(0, 0xa5a5_a5a5),
                overwrite(16, 0xa5a5_a5a5),
                overwrite(28, 0xa5a5_a5a5),
                TAKE,
                give(5),
                serve,
                TAKE,
            ],
        ),
        good(
            "disk-forged-address",
            DISK,
            &[
                give(1),
                serve,
                overwrite(16, TABLE),
                TAKE,
                give(5),
                serve,
                TAKE,
            ],
        ),
        fails(
            "disk-used-index-jumping",
            DISK,
            &[give(1), move_index(0, 2), TAKE],
            UsedIndex,
        ),
        fails(
            "disk-used-index-going-back",
            DISK,
            &[give(1), serve, TAKE, give(1), move_index(0, 0xffff), TAKE],
            UsedIndex,
        ),
        refused("disk-queue-size-zero", DISK, None, ZERO),
        refused(
            "disk-queue-size-not-power-of-two",
            DISK,
            None,
            NOT_A_POWER_OF_TWO,
        ),
        refused("disk-queue-size-below-a-request", DISK, None, Maximum(10)),
        refused(
            "disk-capacity-zero",
            DISK,
            Some(StartFault::CapacityZero),
            Maximum(0),
        ),
        refused(
            "disk-capacity-huge",
            DISK,
            Some(StartFault::CapacityHuge),
            Maximum(0),
        ),
        refused(
            "disk-configuration-changing",
            DISK,
            Some(StartFault::ConfigurationChanging),
            Maximum(0),
        ),
        refused(
            "disk-features-ok-refused",
            DISK,
            Some(StartFault::FeaturesOkRefused),
            Maximum(0),
        ),
        fails(
            "disk-request-never-completed",
            DISK,
            &[give(1), look(0), look(30)],
            Overdue,
        ),
        good(
            "disk-spurious-interrupts",
            DISK,
            &[give(1), interrupt(false), TAKE, serve, TAKE],
        ),
        fails(
            "disk-needs-reset",
            DISK,
            &[give(1), interrupt(true), TAKE],
            NeedsReset,
        ),
        fails(
            "disk-block-status-unwritten",
            DISK,
            &[give(1), publish(0, 0, room), TAKE],
            Status,
        ),
        fails(
            "disk-block-status-above-two",
            DISK,
            &[give(1), answer(3, ROOM), TAKE],
            Status,
        ),
    ]
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", "ring"]
        .iter()
        .collect()
}

#[test]
fn each_misbehaviour_ends_as_it_must() {
    for seed in net().into_iter().chain(disk()) {
        let (_, ending) = run(&encode(seed.start, &seed.steps));
        assert_eq!(ending, seed.ending, "{}", seed.name);
    }
}

#[test]
fn the_corpus_has_them() {
    for seed in net().into_iter().chain(disk()) {
        let path = folder().join(seed.name);
        let input = encode(seed.start, &seed.steps);
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::write(&path, &input).expect("the folder is there");
        }
        assert_eq!(std::fs::read(&path).ok(), Some(input), "{}", path.display());
    }
}
