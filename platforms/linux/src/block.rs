//! A file, or a disk of this machine, as a [`BlockDevice`].
//!
//! Reading and writing a file blocks, so a thread does it: requests and completions pass through
//! two queues, in the order of their submission.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use hypercall::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
    SubmitError,
};

use crate::wait::{self, Readiness};

/// How many requests are taken before a completion must be.
const PLACES: usize = 128;
/// The smallest block that a [`BlockDevice`] may have.
const BLOCK_SIZE_MIN: u32 = 512;

/// How a [`FileDisk`] is to be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileDiskOptions {
    /// Bytes in a block, a power of two, 512 at least and by default.
    pub block_size: u32,
    /// Whether to refuse writes. Off by default.
    pub read_only: bool,
}

impl Default for FileDiskOptions {
    fn default() -> Self {
        Self {
            block_size: BLOCK_SIZE_MIN,
            read_only: false,
        }
    }
}

/// A file as a disk. Its size is what it was when it was opened.
#[derive(Debug)]
pub struct FileDisk {
    geometry: BlockGeometry,
    shared: Arc<Shared>,
    readiness: Readiness,
    /// Present until the drop.
    worker: Option<JoinHandle<()>>,
}

/// What the device and its thread share.
#[derive(Debug)]
struct Shared {
    queues: Mutex<Queues>,
    /// There is a request, or no more will come.
    work: Condvar,
    /// Readable when a completion has come that somebody waited for.
    done: File,
}

#[derive(Debug, Default)]
struct Queues {
    requests: VecDeque<BlockRequest>,
    completions: VecDeque<BlockCompletion>,
    /// Requests submitted whose completions were not taken.
    under_way: usize,
    /// Whether the next completion is waited for.
    armed: bool,
    closed: bool,
}

impl FileDisk {
    /// Opens the file at `path`. One whose length is not whole blocks is refused, rather than its
    /// end left out.
    pub fn open(path: impl AsRef<Path>, options: FileDiskOptions) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(!options.read_only)
            .open(path)?;
        Self::new(file, options)
    }

    /// A file that is open for what the options say.
    pub fn new(mut file: File, options: FileDiskOptions) -> io::Result<Self> {
        // Seeking finds the size of block devices too; their metadata says 0.
        let geometry = geometry(file.seek(SeekFrom::End(0))?, options)?;
        let done = wait::event()?;
        let readiness = Readiness::new(done.try_clone()?.into());
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            work: Condvar::new(),
            done,
        });
        let worker = Worker {
            file,
            block_size: u64::from(options.block_size),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("disk".into());
        Ok(Self {
            geometry,
            shared,
            readiness,
            worker: Some(thread.spawn(move || worker.run())?),
        })
    }

    /// What makes a host's wait end ([`LinuxHost::attach`](crate::LinuxHost::attach)).
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    fn check(&self, operation: &BlockOperation) -> Result<(), SubmitError> {
        match operation {
            BlockOperation::Flush => Ok(()),
            BlockOperation::Read { first, buffer } => {
                self.check_blocks(*first, self.blocks_of(buffer)?)
            }
            BlockOperation::Write { first, buffer } => {
                let count = self.blocks_of(buffer)?;
                self.check_writable()?;
                self.check_blocks(*first, count)
            }
            BlockOperation::Discard { first, count } => {
                self.check_writable()?;
                self.check_blocks(*first, *count)
            }
        }
    }

    fn blocks_of(&self, buffer: &[u8]) -> Result<u64, SubmitError> {
        let block_size = self.geometry.block_size as usize;
        if buffer.is_empty() || !buffer.len().is_multiple_of(block_size) {
            return Err(SubmitError::Misaligned);
        }
        Ok((buffer.len() / block_size) as u64)
    }

    fn check_writable(&self) -> Result<(), SubmitError> {
        if self.geometry.read_only {
            Err(SubmitError::ReadOnly)
        } else {
            Ok(())
        }
    }

    fn check_blocks(&self, first: u64, count: u64) -> Result<(), SubmitError> {
        match first.checked_add(count) {
            Some(end) if end <= self.geometry.block_count => Ok(()),
            _ => Err(SubmitError::OutOfRange),
        }
    }
}

impl BlockDevice for FileDisk {
    fn geometry(&self) -> BlockGeometry {
        self.geometry
    }

    fn submit(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        if let Err(error) = self.check(&request.operation) {
            return Err((error, request));
        }
        let mut queues = self.shared.queues();
        if queues.under_way == PLACES {
            return Err((SubmitError::Busy, request));
        }
        queues.under_way += 1;
        queues.requests.push_back(request);
        self.shared.work.notify_one();
        Ok(())
    }

    fn complete(&mut self) -> Option<BlockCompletion> {
        let mut queues = self.shared.queues();
        let completion = queues.completions.pop_front();
        if completion.is_some() {
            queues.under_way -= 1;
        } else {
            wait::clear(&self.shared.done);
            queues.armed = true;
            self.readiness.arm(libc::POLLIN);
        }
        completion
    }
}

impl Drop for FileDisk {
    /// What was submitted is still done.
    fn drop(&mut self) {
        self.shared.queues().closed = true;
        self.shared.work.notify_one();
        if let Some(worker) = self.worker.take() {
            // It ends when its requests do, and has nothing to say.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        // No change of the queues can be left half done.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest request; waits for one. `None` when no more will come.
    fn next_request(&self) -> Option<BlockRequest> {
        let idle = |queues: &mut Queues| queues.requests.is_empty() && !queues.closed;
        let queues = self.work.wait_while(self.queues(), idle);
        queues
            .unwrap_or_else(PoisonError::into_inner)
            .requests
            .pop_front()
    }

    fn finish(&self, completion: BlockCompletion) {
        let mut queues = self.queues();
        queues.completions.push_back(completion);
        if std::mem::take(&mut queues.armed) {
            wait::signal(&self.done);
        }
    }
}

/// The thread that does the requests.
struct Worker {
    file: File,
    block_size: u64,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(self) {
        while let Some(mut request) = self.shared.next_request() {
            let status = match self.perform(&mut request.operation) {
                Ok(()) => BlockStatus::Done,
                Err(_) => BlockStatus::Failed,
            };
            self.shared.finish(BlockCompletion { request, status });
        }
    }

    fn perform(&self, operation: &mut BlockOperation) -> io::Result<()> {
        match operation {
            BlockOperation::Read { first, buffer } => {
                self.file.read_exact_at(buffer, *first * self.block_size)
            }
            BlockOperation::Write { first, buffer } => {
                self.file.write_all_at(buffer, *first * self.block_size)
            }
            BlockOperation::Flush => self.file.sync_data(),
            BlockOperation::Discard { first, count } => {
                self.discard(*first * self.block_size, *count * self.block_size)
            }
        }
    }

    /// Gives the file's space back. A file system that cannot leaves it as it is, which a discard
    /// allows.
    fn discard(&self, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let too_far = |_| io::Error::from(ErrorKind::InvalidInput);
        let offset = libc::off_t::try_from(offset).map_err(too_far)?;
        let length = libc::off_t::try_from(length).map_err(too_far)?;
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: the call takes numbers only, and changes no memory of ours.
        match unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset, length) } {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
                error => Err(error),
            },
        }
    }
}

fn geometry(length: u64, options: FileDiskOptions) -> io::Result<BlockGeometry> {
    let FileDiskOptions {
        block_size,
        read_only,
    } = options;
    if block_size < BLOCK_SIZE_MIN || !block_size.is_power_of_two() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "no size of a block",
        ));
    }
    if !length.is_multiple_of(block_size.into()) {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "the file is not whole blocks",
        ));
    }
    Ok(BlockGeometry {
        block_size,
        block_count: length / u64::from(block_size),
        read_only,
        discards: true,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn disk(blocks: usize, options: FileDiskOptions) -> (FileDisk, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().expect("a place for files");
        file.write_all(&vec![7; blocks * 512]).expect("room");
        (
            FileDisk::open(file.path(), options).expect("whole blocks"),
            file,
        )
    }

    fn perform(disk: &mut FileDisk, operation: BlockOperation) -> BlockOperation {
        disk.submit(BlockRequest { tag: 0, operation })
            .expect("a good request");
        let completion = std::iter::repeat_with(|| disk.complete()).flatten().next();
        let completion = completion.expect("without end");
        assert_eq!(completion.status, BlockStatus::Done);
        completion.request.operation
    }

    #[test]
    fn what_is_written_is_in_the_file() {
        let (mut disk, file) = disk(8, FileDiskOptions::default());
        let buffer = vec![1; 1024].into_boxed_slice();
        perform(&mut disk, BlockOperation::Write { first: 3, buffer });
        perform(&mut disk, BlockOperation::Flush);
        let content = std::fs::read(file.path()).expect("readable");
        assert_eq!(content[..1536], [7; 1536]);
        assert_eq!(content[1536..2560], [1; 1024]);
        assert_eq!(content[2560..], [7; 1536]);
    }

    #[test]
    fn what_was_submitted_is_done_before_the_drop_returns() {
        let (mut disk, file) = disk(100, FileDiskOptions::default());
        for first in 0..100 {
            let buffer = vec![first as u8; 512].into_boxed_slice();
            let operation = BlockOperation::Write { first, buffer };
            disk.submit(BlockRequest {
                tag: first,
                operation,
            })
            .expect("a good request");
        }
        drop(disk);
        let content = std::fs::read(file.path()).expect("readable");
        assert!(
            content
                .chunks(512)
                .zip(0..)
                .all(|(block, number)| block == [number; 512])
        );
    }

    #[test]
    fn a_file_that_shrinks_fails_the_read() {
        let (mut disk, file) = disk(8, FileDiskOptions::default());
        file.as_file().set_len(512).expect("a file can shrink");
        let buffer = vec![0; 512].into_boxed_slice();
        let operation = BlockOperation::Read { first: 7, buffer };
        disk.submit(BlockRequest { tag: 5, operation })
            .expect("a good request");
        let completion = std::iter::repeat_with(|| disk.complete()).flatten().next();
        assert_eq!(
            completion.map(|done| done.status),
            Some(BlockStatus::Failed)
        );
    }

    #[test]
    fn an_end_that_is_no_block_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a place for files");
        file.write_all(&[0; 513]).expect("room");
        let error = FileDisk::open(file.path(), FileDiskOptions::default()).expect_err("odd");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn impossible_blocks_are_refused() {
        for block_size in [0, 256, 768] {
            let options = FileDiskOptions {
                block_size,
                ..FileDiskOptions::default()
            };
            let error = FileDisk::new(tempfile::tempfile().expect("a file"), options);
            assert_eq!(error.expect_err("no size").kind(), ErrorKind::InvalidInput);
        }
    }
}
