//! A device that fails where it is told to, counts what it is asked, and finishes out of order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hypercall::fake::FakeBlockDevice;
use hypercall::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
    SubmitError,
};

/// How many requests the device takes before completions must be taken.
const PLACES: usize = 4;

/// What a test sees of the device, and tells it.
#[derive(Debug, Default)]
pub struct Behaviour {
    /// Device blocks of which no read or write succeeds.
    pub bad: BTreeSet<u64>,
    /// Flushes fail.
    pub bad_flush: bool,
    /// What was asked for, in order: the operation's letter, first block and count.
    pub log: Vec<(char, u64, u64)>,
}

/// A [`FakeBlockDevice`] under a test's control. Of the requests that it has it finishes the newest
/// first.
pub struct Controlled {
    disk: FakeBlockDevice,
    behaviour: Arc<Mutex<Behaviour>>,
    waiting: Vec<BlockRequest>,
}

impl Controlled {
    pub fn new(disk: FakeBlockDevice) -> (Self, Arc<Mutex<Behaviour>>) {
        let behaviour = Arc::new(Mutex::new(Behaviour::default()));
        let device = Self {
            disk,
            behaviour: Arc::clone(&behaviour),
            waiting: Vec::new(),
        };
        (device, behaviour)
    }

    fn describe(&self, operation: &BlockOperation) -> (char, u64, u64) {
        let block_size = u64::from(self.geometry().block_size);
        match operation {
            BlockOperation::Read { first, buffer } => {
                ('r', *first, buffer.len() as u64 / block_size)
            }
            BlockOperation::Write { first, buffer } => {
                ('w', *first, buffer.len() as u64 / block_size)
            }
            BlockOperation::Discard { first, count } => ('d', *first, *count),
            BlockOperation::Flush => ('f', 0, 0),
        }
    }
}

impl BlockDevice for Controlled {
    fn geometry(&self) -> BlockGeometry {
        self.disk.geometry()
    }

    fn submit(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        if self.waiting.len() == PLACES {
            return Err((SubmitError::Busy, request));
        }
        let entry = self.describe(&request.operation);
        self.behaviour.lock().unwrap().log.push(entry);
        self.waiting.push(request);
        Ok(())
    }

    fn complete(&mut self) -> Option<BlockCompletion> {
        let request = self.waiting.pop()?;
        let (kind, first, count) = self.describe(&request.operation);
        let behaviour = self.behaviour.lock().unwrap();
        let is_bad = behaviour.bad.range(first..first + count).next().is_some();
        if is_bad || (kind == 'f' && behaviour.bad_flush) {
            let status = BlockStatus::Failed;
            return Some(BlockCompletion { request, status });
        }
        self.disk.submit(request).expect("the cache checks ranges");
        self.disk.complete()
    }
}
