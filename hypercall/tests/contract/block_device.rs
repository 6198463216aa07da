//! Disks, each with one promise broken.

use std::collections::VecDeque;
use std::time::Duration;

use hypercall::contract::block_device::{BlockFixture, cases};
use hypercall::fake::{FakeBlockDevice, FakeHost};
use hypercall::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus, Host,
    SubmitError,
};

use crate::{assert_each_breaks_its_own, assert_kept};

/// What is wrong with a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoil {
    Nothing,
    GeometryGrows,
    ThreeSectorBlocks,
    BlocksChangePlaces,
    ReadsDrift,
    WriteSpills,
    LastBlockForgets,
    DiscardsOneMore,
    FlushDoesNothing,
    Takes(Kind, SubmitError),
    RefusalClearsBuffer,
    CompletionOfAnotherPlace,
    CompletionOfACopy,
    CompletesTwice,
    LosesTheEighth,
    CompleteDoesNotArm,
    BusyForEver,
    PlacesLeak,
}

/// The kinds of operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Read,
    ReadNothing,
    Write,
    Flush,
    Discard,
}

fn kind(operation: &BlockOperation) -> Kind {
    match operation {
        BlockOperation::Read { buffer, .. } if buffer.is_empty() => Kind::ReadNothing,
        BlockOperation::Read { .. } => Kind::Read,
        BlockOperation::Write { .. } => Kind::Write,
        BlockOperation::Flush => Kind::Flush,
        BlockOperation::Discard { .. } => Kind::Discard,
    }
}

/// Every case of the suite, and how it is broken.
const SPOILS: [(&str, Spoil); 24] = [
    ("geometry-never-changes", Spoil::GeometryGrows),
    ("geometry-makes-sense", Spoil::ThreeSectorBlocks),
    ("read-gives-what-was-written", Spoil::BlocksChangePlaces),
    ("read-is-repeatable", Spoil::ReadsDrift),
    ("write-spares-the-neighbours", Spoil::WriteSpills),
    ("write-reaches-the-last-block", Spoil::LastBlockForgets),
    ("discard-spares-the-neighbours", Spoil::DiscardsOneMore),
    ("flush-survives-a-power-cut", Spoil::FlushDoesNothing),
    (
        "read-out-of-range",
        Spoil::Takes(Kind::Read, SubmitError::OutOfRange),
    ),
    (
        "write-out-of-range",
        Spoil::Takes(Kind::Write, SubmitError::OutOfRange),
    ),
    (
        "discard-out-of-range",
        Spoil::Takes(Kind::Discard, SubmitError::OutOfRange),
    ),
    (
        "buffer-empty",
        Spoil::Takes(Kind::ReadNothing, SubmitError::Misaligned),
    ),
    (
        "buffer-in-part-of-a-block",
        Spoil::Takes(Kind::Read, SubmitError::Misaligned),
    ),
    (
        "read-only-refuses-writes",
        Spoil::Takes(Kind::Write, SubmitError::ReadOnly),
    ),
    (
        "read-only-refuses-discards",
        Spoil::Takes(Kind::Discard, SubmitError::ReadOnly),
    ),
    (
        "discard-not-understood",
        Spoil::Takes(Kind::Discard, SubmitError::Unsupported),
    ),
    ("refused-comes-back-untouched", Spoil::RefusalClearsBuffer),
    (
        "completion-brings-the-request",
        Spoil::CompletionOfAnotherPlace,
    ),
    ("completion-brings-the-buffer", Spoil::CompletionOfACopy),
    ("completion-once", Spoil::CompletesTwice),
    ("completion-of-all", Spoil::LosesTheEighth),
    ("completion-ends-the-wait", Spoil::CompleteDoesNotArm),
    ("busy-passes", Spoil::BusyForEver),
    ("places-never-leak", Spoil::PlacesLeak),
];

#[test]
fn the_fake_keeps_the_contract() {
    assert_kept(&cases(), &mut disks(Spoil::Nothing));
}

#[test]
fn every_clause_has_a_disk_that_breaks_it() {
    assert_each_breaks_its_own(&cases(), &SPOILS, disks);
}

/// A disk that does everything, one that is read-only, and one without discards.
fn disks(spoil: Spoil) -> Vec<SpoiledDisk> {
    let new = || FakeBlockDevice::new(SECTOR, 48);
    [new(), new().read_only(), new().without_discards()]
        .into_iter()
        .map(|inner| SpoiledDisk::new(inner, spoil))
        .collect()
}

const SECTOR: u32 = 512;
/// How many lost places stop a disk.
const PLACES: u64 = 16;
/// The tag of a request that the spoil itself made.
const OWN_TAG: u64 = u64::MAX;

/// A slow [`FakeBlockDevice`] with one promise broken.
struct SpoiledDisk {
    host: FakeHost,
    inner: FakeBlockDevice,
    spoil: Spoil,
    submitted: u64,
    completed: u64,
    own_completions: VecDeque<BlockCompletion>,
    duplicate: Option<BlockCompletion>,
    was_busy: bool,
}

impl SpoiledDisk {
    fn new(inner: FakeBlockDevice, spoil: Spoil) -> Self {
        let host = FakeHost::new();
        inner.set_waker(host.waker());
        inner.set_slow();
        Self {
            host,
            inner,
            spoil,
            submitted: 0,
            completed: 0,
            own_completions: VecDeque::new(),
            duplicate: None,
            was_busy: false,
        }
    }

    fn is(&self, spoil: Spoil) -> bool {
        self.spoil == spoil
    }

    /// Says that `request` was done, and does nothing.
    fn pretend(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        self.own_completions.push_back(BlockCompletion {
            request,
            status: BlockStatus::Done,
        });
        Ok(())
    }

    /// Whether the spoil does without the inner device.
    fn pretends(&self, operation: &BlockOperation) -> bool {
        let last = self.inner.geometry().block_count - 1;
        match operation {
            BlockOperation::Write { first, buffer } => {
                let one = buffer.len() == SECTOR as usize;
                self.is(Spoil::LastBlockForgets) && one && *first == last
            }
            BlockOperation::Flush => self.is(Spoil::FlushDoesNothing),
            _ => false,
        }
    }
}

impl BlockFixture for SpoiledDisk {
    type Device = Self;

    fn device(&mut self) -> &mut Self {
        self
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        self.inner.work();
        let start = self.host.monotonic();
        self.host.wait(Some(start + limit));
        self.host.monotonic().saturating_since(start)
    }

    fn cut_power(&mut self) -> bool {
        self.inner.cut_power();
        true
    }
}

impl BlockDevice for SpoiledDisk {
    fn geometry(&self) -> BlockGeometry {
        let mut geometry = self.inner.geometry();
        match self.spoil {
            Spoil::GeometryGrows if self.completed > 0 => geometry.block_count += 1,
            Spoil::ThreeSectorBlocks => {
                geometry.block_size *= 3;
                geometry.block_count /= 3;
            }
            _ => {}
        }
        geometry
    }

    fn submit(&mut self, mut request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        self.submitted += 1;
        if self.pretends(&request.operation) {
            return self.pretend(request);
        }
        match self.spoil {
            Spoil::LosesTheEighth if request.tag == 7 && self.submitted == 8 => return Ok(()),
            Spoil::BusyForEver if self.was_busy => return Err((SubmitError::Busy, request)),
            Spoil::PlacesLeak if self.completed / 500 >= PLACES => {
                return Err((SubmitError::Busy, request));
            }
            Spoil::WriteSpills => self.spill(&request.operation),
            _ => {}
        }
        self.change(&mut request.operation);
        let (error, mut request) = match self.inner.submit(request) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        self.change_back(&mut request.operation);
        self.was_busy |= error == SubmitError::Busy;
        if self.is(Spoil::Takes(kind(&request.operation), error)) {
            return self.pretend(request);
        }
        if let (Spoil::RefusalClearsBuffer, BlockOperation::Read { buffer, .. }) =
            (self.spoil, &mut request.operation)
        {
            buffer.fill(0);
        }
        Err((error, request))
    }

    fn complete(&mut self) -> Option<BlockCompletion> {
        if let Some(completion) = self.own_completions.pop_front() {
            return Some(completion);
        }
        if self.is(Spoil::CompleteDoesNotArm) && self.inner.finished() == 0 {
            return None;
        }
        let Some(mut completion) = self.inner.complete() else {
            let idle = self.submitted == self.completed;
            return self.duplicate.take_if(|_| idle);
        };
        if completion.request.tag == OWN_TAG {
            return self.complete();
        }
        self.completed += 1;
        self.change_back(&mut completion.request.operation);
        self.spoil_completion(&mut completion);
        Some(completion)
    }
}

impl SpoiledDisk {
    /// What the spoil makes of an operation before the inner device gets it.
    fn change(&self, operation: &mut BlockOperation) {
        match (self.spoil, operation) {
            (Spoil::ThreeSectorBlocks, BlockOperation::Discard { first, count }) => {
                *first = first.saturating_mul(3);
                *count = count.saturating_mul(3);
            }
            (
                Spoil::ThreeSectorBlocks,
                BlockOperation::Read { first, .. } | BlockOperation::Write { first, .. },
            ) => *first = first.saturating_mul(3),
            (Spoil::BlocksChangePlaces, BlockOperation::Write { buffer, .. })
                if buffer.len() == 3 * SECTOR as usize =>
            {
                buffer.rotate_left(SECTOR as usize);
            }
            (Spoil::DiscardsOneMore, BlockOperation::Discard { count, .. }) => *count += 1,
            _ => {}
        }
    }

    /// Undoes [`change`](Self::change), of places that are not beyond the end.
    fn change_back(&self, operation: &mut BlockOperation) {
        match (self.spoil, operation) {
            (Spoil::ThreeSectorBlocks, BlockOperation::Discard { first, count }) => {
                *first /= 3;
                *count /= 3;
            }
            (
                Spoil::ThreeSectorBlocks,
                BlockOperation::Read { first, .. } | BlockOperation::Write { first, .. },
            ) => *first /= 3,
            (Spoil::BlocksChangePlaces, BlockOperation::Write { buffer, .. })
                if buffer.len() == 3 * SECTOR as usize =>
            {
                buffer.rotate_right(SECTOR as usize);
            }
            (Spoil::DiscardsOneMore, BlockOperation::Discard { count, .. }) => *count -= 1,
            _ => {}
        }
    }

    /// Writes what goes to block 2 to block 3 as well.
    fn spill(&mut self, operation: &BlockOperation) {
        if let BlockOperation::Write { first: 2, buffer } = operation
            && buffer.len() == SECTOR as usize
        {
            let operation = BlockOperation::Write {
                first: 3,
                buffer: buffer.clone(),
            };
            let tag = OWN_TAG;
            let taken = self.inner.submit(BlockRequest { tag, operation });
            assert_eq!(taken, Ok(()), "the case writes one block at a time");
        }
    }

    fn spoil_completion(&mut self, completion: &mut BlockCompletion) {
        match (self.spoil, &mut completion.request.operation) {
            (Spoil::ReadsDrift, BlockOperation::Read { buffer, .. })
                if buffer.len() == 4 * SECTOR as usize =>
            {
                buffer[0] = buffer[0].wrapping_add(self.completed.to_le_bytes()[0]);
            }
            (Spoil::CompletionOfAnotherPlace, BlockOperation::Write { first, .. }) => *first += 1,
            (Spoil::CompletionOfACopy, BlockOperation::Read { buffer, .. }) => {
                *buffer = buffer.clone();
            }
            (Spoil::CompletesTwice, BlockOperation::Read { first: 0, buffer }) => {
                let operation = BlockOperation::Read {
                    first: 0,
                    buffer: buffer.clone(),
                };
                let tag = completion.request.tag;
                self.duplicate = Some(BlockCompletion {
                    request: BlockRequest { tag, operation },
                    status: BlockStatus::Done,
                });
            }
            _ => {}
        }
    }
}
