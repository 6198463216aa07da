//! The block driver over a queue of which anything may come true.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hypercall::{
    BlockCompletion, BlockDevice, BlockOperation, BlockRequest, BlockStatus, Instant, SubmitError,
};
use virtio::{QueueSize, Violation, VirtioBlk, VirtioBlkOptions, VirtioError};

use crate::software_device::{
    Buffer, Chain, Features, SoftwareDisk, SoftwareLender, SoftwareTransport,
};

use super::model::{Model, Next};
use super::step::{Start, StartFault, Step};
use super::{refused_size, spoil};

const SECTORS: usize = 8;
const SECTOR: usize = 512;
const QUEUE: u16 = 0;
const PATIENCE: Duration = Duration::from_secs(30);
const OPTIONS: VirtioBlkOptions = VirtioBlkOptions {
    queue: QueueSize::new(16).expect("a power of two"),
    patience: PATIENCE,
};

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Request {
    tag: u64,
    /// How many descriptors its chain takes.
    descriptors: usize,
    /// The bytes come from the device.
    is_read: bool,
    /// When the driver was first told the time with it under way.
    seen: Option<Instant>,
}

/// How a request must have ended.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Answer {
    tag: u64,
    status: BlockStatus,
    /// What a read must have brought.
    data: Option<Vec<u8>>,
}

/// A driver, its device, and what must be true of them.
pub struct DiskRun {
    device: SoftwareDisk,
    driver: VirtioBlk<SoftwareTransport, SoftwareLender>,
    queue: Model,
    /// Requests that the device has, by the heads of their chains.
    flying: BTreeMap<u16, Request>,
    /// Requests for which there were no descriptors, oldest first.
    waiting: VecDeque<Request>,
    /// Answers that the driver has, oldest first.
    finished: VecDeque<Answer>,
    /// Requests that failed with the device, in any order, behind those.
    lost: BTreeSet<u64>,
    now: Instant,
    next_tag: u64,
    interrupted: bool,
    needs_reset: bool,
    honest: bool,
    asleep: bool,
    device_asleep: bool,
    /// How often the device has been notified.
    told: u64,
    violation: Option<Violation>,
}

impl DiskRun {
    /// Starts a driver, or sees that it refuses its device for the right reason.
    pub fn start(start: &Start) -> (SoftwareDisk, Option<Self>) {
        let features = Features {
            event_index: start.event_index,
        };
        let device = SoftwareDisk::new(SECTORS, features, OPTIONS);
        spoil(&device, start, 1);
        let refusal = refusal(start);
        let driver = match device.start() {
            Ok(driver) => driver,
            Err(error) => {
                assert_eq!(Some(error), refusal, "refused for another reason");
                return (device, None);
            }
        };
        assert_eq!(refusal, None, "not refused");
        let run = Self {
            queue: Model::new(&device, QUEUE),
            device: device.clone(),
            driver,
            flying: BTreeMap::new(),
            waiting: VecDeque::new(),
            finished: VecDeque::new(),
            lost: BTreeSet::new(),
            now: Instant::from_nanos(0),
            next_tag: 0,
            interrupted: false,
            needs_reset: false,
            honest: true,
            asleep: false,
            device_asleep: false,
            told: 0,
            violation: None,
        };
        (device, Some(run))
    }

    /// Ends the driver. Returns why its device has failed, if it has.
    pub fn end(self) -> Option<Violation> {
        self.violation
    }

    /// Does one step.
    pub fn take(&mut self, step: &Step) {
        match *step {
            Step::Take { count } => (0..=count % 16).for_each(|_| self.complete_one()),
            Step::Release => {}
            Step::Give { count, length } => self.submit(count % 16, length),
            Step::Look { seconds } => self.expire(Duration::from_secs((seconds % 64).into())),
            Step::Serve { .. } => self.serve(),
            Step::Answer { status, length } => {
                self.honest = false;
                self.device.answer_with(status as u8, length);
            }
            Step::Publish { length, id, .. } => {
                self.honest = false;
                self.device.publish(QUEUE, id, length.into());
            }
            Step::MoveIndex { distance, .. } => {
                self.honest = false;
                self.device.move_used_index(QUEUE, distance);
            }
            Step::Overwrite { offset, value } => {
                self.honest = false;
                self.device.overwrite(offset.into(), &value.to_le_bytes());
            }
            Step::Interrupt { needs_reset } => {
                self.device.interrupt(needs_reset);
                self.interrupted = true;
                self.needs_reset |= needs_reset;
            }
        }
        assert_eq!(self.driver.violation(), self.violation);
        if self.violation.is_some() {
            assert!(self.device.status().is_empty(), "a failed device is reset");
            assert_eq!(self.device.lent(), 0, "it has no buffer any more");
        }
        if self.honest {
            assert_eq!(self.device.complaints(), [""; 0]);
        }
    }

    fn submit(&mut self, count: u16, kind: u32) {
        for _ in 0..count {
            let operation = operation(kind);
            let request = Request {
                tag: self.next_tag,
                descriptors: if operation == BlockOperation::Flush {
                    2
                } else {
                    3
                },
                is_read: matches!(operation, BlockOperation::Read { .. }),
                seen: None,
            };
            self.next_tag += 1;
            let tag = request.tag;
            match self.driver.submit(BlockRequest { tag, operation }) {
                Ok(()) => {
                    assert!(self.has_room(), "more requests than there are places");
                    if self.violation.is_some() {
                        self.lost.insert(tag);
                        continue;
                    }
                    self.waiting.push_back(request);
                    self.expect_posted();
                }
                Err((error, request)) => {
                    assert_eq!((error, request.tag), (SubmitError::Busy, tag));
                    assert!(!self.has_room(), "refused while there was a place");
                }
            }
        }
    }

    /// Whether another request can be under way: answers hold their places until they are taken.
    fn has_room(&self) -> bool {
        let held = self.finished.len() + self.lost.len();
        self.flying.len() + self.waiting.len() + held < self.queue.size().into()
    }

    /// Requests go to the device in order, as long as there are descriptors, and it is told.
    fn expect_posted(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let mut free = self.queue.free();
        let fits = |request: &&Request| {
            let rest = free.checked_sub(request.descriptors);
            free = rest.unwrap_or(0);
            rest.is_some()
        };
        let count = self.waiting.iter().take_while(fits).count();
        let heads = self.queue.expect_posted(count as u16);
        self.flying
            .extend(heads.into_iter().zip(self.waiting.drain(..count)));
        let told = self.device.notifications(QUEUE);
        let before = std::mem::replace(&mut self.told, told);
        if count > 0 && self.honest && std::mem::take(&mut self.device_asleep) {
            assert!(told > before, "the device sleeps on requests");
        }
    }

    fn complete_one(&mut self) {
        self.asleep = false;
        if self.finished.is_empty() && self.lost.is_empty() {
            self.expect_collected();
        }
        if self.finished.is_empty() && self.lost.is_empty() {
            self.expect_acknowledged();
            self.asleep = self.violation.is_none();
        }
        let expected = self.finished.pop_front();
        let completion = self.driver.complete();
        assert_eq!(self.driver.violation(), self.violation);
        self.expect_posted();
        let Some(completion) = completion else {
            assert_eq!(expected, None, "an answer is missing");
            assert!(self.lost.is_empty(), "a failed request is missing");
            return;
        };
        let Some(expected) = expected else {
            assert_eq!(completion.status, BlockStatus::Failed);
            assert!(
                self.lost.remove(&completion.request.tag),
                "an answer to nothing"
            );
            return;
        };
        assert_eq!(answer(&expected, completion), expected);
    }

    /// Takes all completions that the driver must find.
    fn expect_collected(&mut self) {
        while self.violation.is_none() {
            match self.queue.next() {
                Next::Nothing => return,
                Next::Violation(violation) => self.fail(violation),
                Next::Chain(chain, written) => self.expect_ended(&chain, written),
            }
        }
    }

    fn expect_ended(&mut self, chain: &Chain, written: u32) {
        let request = self
            .flying
            .remove(&chain.head)
            .expect("posted for a request");
        let (room, status) = (chain.room(), self.status(chain));
        let status = match status {
            _ if written == 0 => Err(Violation::UsedLengthSmall),
            0 if written < room => Err(Violation::UsedLengthSmall),
            0 => Ok(BlockStatus::Done),
            1 | 2 => Ok(BlockStatus::Failed),
            _ => Err(Violation::Status),
        };
        match status {
            Ok(status) => {
                let is_wanted = request.is_read && status == BlockStatus::Done;
                let data = is_wanted.then(|| self.bytes(&chain.buffers[1]));
                let tag = request.tag;
                self.finished.push_back(Answer { tag, status, data });
            }
            Err(violation) => {
                self.lost.insert(request.tag);
                self.fail(violation);
            }
        }
    }

    /// The last byte of a chain.
    fn status(&self, chain: &Chain) -> u8 {
        let last = chain.buffers.last().expect("a chain has a status");
        self.bytes(last)[0]
    }

    fn bytes(&self, buffer: &Buffer) -> Vec<u8> {
        let mut bytes = vec![0; buffer.length as usize];
        self.device.look_into(buffer.address, &mut bytes);
        bytes
    }

    fn expire(&mut self, time: Duration) {
        self.now = self.now + time;
        self.expect_collected();
        let now = self.now;
        let under_way = self.flying.values_mut().chain(&mut self.waiting);
        let deadlines = under_way.map(|request| *request.seen.get_or_insert(now) + PATIENCE);
        let mut first = deadlines.min();
        if first.is_some_and(|first| first <= now) {
            self.fail(Violation::Overdue);
            first = None;
        }
        assert_eq!(self.driver.expire(now), first, "when to look again");
        self.expect_posted();
    }

    fn serve(&mut self) {
        let served = self.device.serve();
        self.device_asleep = true;
        if served > 0 && self.honest && std::mem::take(&mut self.asleep) {
            assert!(
                self.device.has_interrupted(),
                "the driver sleeps on answers"
            );
        }
    }

    /// The driver takes its interrupt, and sees whether that was for a reset.
    fn expect_acknowledged(&mut self) {
        if self.violation.is_none() && std::mem::take(&mut self.interrupted) && self.needs_reset {
            self.fail(Violation::NeedsReset);
        }
    }

    fn fail(&mut self, violation: Violation) {
        self.violation = Some(violation);
        let flying = std::mem::take(&mut self.flying);
        let lost = flying.into_values().chain(self.waiting.drain(..));
        self.lost.extend(lost.map(|request| request.tag));
    }
}

/// Why a driver must refuse its device, if it must.
fn refusal(start: &Start) -> Option<VirtioError> {
    match start.fault {
        Some(StartFault::FeaturesOkRefused) => Some(VirtioError::FeaturesRefused),
        Some(StartFault::ConfigurationChanging) => Some(VirtioError::Configuration),
        Some(StartFault::CapacityZero | StartFault::CapacityHuge) => {
            Some(VirtioError::ConfigurationInvalid)
        }
        None => refused_size(start.maxima[0]).or_else(|| {
            // Header, data and status take three descriptors.
            let size = start.maxima[0].value();
            (size < 3).then_some(VirtioError::QueueSize(size))
        }),
    }
}

/// One of the operations, chosen by `kind`.
fn operation(kind: u32) -> BlockOperation {
    let sectors = 1 + (kind / 4 % 2) as usize;
    let first = u64::from(kind / 8) % (SECTORS as u64 - 1);
    let buffer = vec![kind as u8; sectors * SECTOR].into_boxed_slice();
    match kind % 4 {
        0 | 1 => BlockOperation::Read { first, buffer },
        2 => BlockOperation::Write { first, buffer },
        _ => BlockOperation::Flush,
    }
}

/// What the driver answered, as far as `expected` says it.
fn answer(expected: &Answer, completion: BlockCompletion) -> Answer {
    let data = match completion.request.operation {
        BlockOperation::Read { buffer, .. } if expected.data.is_some() => Some(buffer.into_vec()),
        _ => None,
    };
    Answer {
        tag: completion.request.tag,
        status: completion.status,
        data,
    }
}
