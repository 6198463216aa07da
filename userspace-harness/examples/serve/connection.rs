//! One client: what it sent and is not answered, what is answered and not sent.

use fs::{FileKind, Permissions};
use hypercall::{SliceSink, SliceSource};
use posix::{Directory, Errno, Fd, Half, OpenFlags, block_on, call};
use userspace_harness::ProcessKernel;

use crate::http::{self, Body, Content, Status};

/// The longest request head.
const INPUT_MAX: usize = 4096;
/// What is sent of a file at a time.
const CHUNK: usize = 64 * 1024;

pub struct Connection {
    socket: Fd,
    root: Fd,
    input: Vec<u8>,
    /// To be sent first.
    output: Vec<u8>,
    /// To be sent then.
    file: Option<Transfer>,
    /// Close once everything has been sent.
    closing: bool,
}

/// A part of a file on its way.
struct Transfer {
    file: Fd,
    offset: u64,
    end: u64,
}

/// How far a client was served.
pub enum Progress {
    /// It or the network has to go on.
    Waiting,
    /// There is no more to say.
    Finished,
}

impl Connection {
    pub fn new(socket: Fd, root: Fd) -> Self {
        Self {
            socket,
            root,
            input: Vec::new(),
            output: Vec::new(),
            file: None,
            closing: false,
        }
    }

    pub fn close(self, kernel: &mut ProcessKernel) {
        call(kernel, |kernel| {
            if let Some(transfer) = &self.file {
                // The descriptor is open: `open_file` returned it.
                let _ = kernel.close(transfer.file);
            }
            let _ = kernel.shutdown(self.socket, Half::Send);
            let _ = kernel.close(self.socket);
        });
    }

    /// Sends, answers and receives, until one has to wait.
    pub fn advance(
        &mut self,
        kernel: &mut ProcessKernel,
        requests: &mut u64,
    ) -> Result<Progress, Errno> {
        loop {
            match self.send(kernel) {
                Ok(()) if self.closing => return Ok(Progress::Finished),
                Err(Errno::EAGAIN) => return Ok(Progress::Waiting),
                sent => sent?,
            }
            if self.answer_next(kernel)? {
                *requests += 1;
                continue;
            }
            match self.receive(kernel) {
                Ok(0) => return Ok(Progress::Finished),
                Err(Errno::EAGAIN) => return Ok(Progress::Waiting),
                received => received?,
            };
        }
    }

    /// Sends all that is to be sent; EAGAIN when the network takes no more now.
    fn send(&mut self, kernel: &mut ProcessKernel) -> Result<(), Errno> {
        loop {
            // A small file goes out with its head, in one piece.
            if self.output.len() < CHUNK {
                self.read_on(kernel)?;
            }
            if self.output.is_empty() {
                return Ok(());
            }
            let mut data = SliceSource::new(&self.output);
            let sent = block_on(kernel, |kernel| kernel.write(self.socket, &mut data))?;
            self.output.drain(..sent);
        }
    }

    /// Adds the next part of the file to the output, if there is one.
    fn read_on(&mut self, kernel: &mut ProcessKernel) -> Result<(), Errno> {
        let Some(transfer) = &mut self.file else {
            return Ok(());
        };
        let left = usize::try_from(transfer.end - transfer.offset).unwrap_or(usize::MAX);
        if left == 0 {
            let file = transfer.file;
            self.file = None;
            return call(kernel, |kernel| kernel.close(file));
        }
        let start = self.output.len();
        self.output.resize(start + left.min(CHUNK), 0);
        let mut sink = SliceSink::new(&mut self.output[start..]);
        let offset = transfer.offset.cast_signed();
        let read = posix::pread(kernel, transfer.file, &mut sink, offset)?;
        if read == 0 {
            // The file has shrunk: the length promised cannot be kept.
            return Err(Errno::EIO);
        }
        self.output.truncate(start + read);
        transfer.offset += read as u64;
        Ok(())
    }

    fn receive(&mut self, kernel: &mut ProcessKernel) -> Result<usize, Errno> {
        let start = self.input.len();
        self.input.resize(INPUT_MAX, 0);
        let mut sink = SliceSink::new(&mut self.input[start..]);
        let received = block_on(kernel, |kernel| kernel.read(self.socket, &mut sink));
        self.input.truncate(start + received.unwrap_or(0));
        received
    }

    /// Answers the first complete request of the input, if there is one.
    fn answer_next(&mut self, kernel: &mut ProcessKernel) -> Result<bool, Errno> {
        let Some(length) = http::head_length(&self.input) else {
            if self.input.len() < INPUT_MAX {
                return Ok(false);
            }
            self.input.clear();
            self.refuse(Status::HeadTooLarge, Body::Sent);
            return Ok(true);
        };
        let head: Vec<u8> = self.input.drain(..length).collect();
        match http::parse(&head) {
            Ok(request) => self.answer(kernel, &request)?,
            Err(status) => self.refuse(status, Body::Sent),
        }
        Ok(true)
    }

    fn refuse(&mut self, status: Status, body: Body) {
        self.closing |= status.ends_the_connection();
        self.output
            .extend(http::refusal(status, self.closing, body));
    }

    fn answer(&mut self, kernel: &mut ProcessKernel, request: &http::Request) -> Result<(), Errno> {
        self.closing = !request.keep_alive;
        if !request.method_is_served {
            self.refuse(Status::MethodNotAllowed, Body::Sent);
            return Ok(());
        }
        let found = call(kernel, |kernel| open_file(kernel, self.root, &request.path));
        let Some((file, content)) = found else {
            self.refuse(Status::NotFound, request.body);
            return Ok(());
        };
        let (head, part) = http::answer(request, content, self.closing);
        self.output.extend(head);
        match part {
            Some(part) if request.body == Body::Sent => {
                let (offset, end) = (part.start, part.end);
                self.file = Some(Transfer { file, offset, end });
                Ok(())
            }
            _ => call(kernel, |kernel| kernel.close(file)),
        }
    }
}

/// Opens what the path names: a file, or the index of a folder.
fn open_file(kernel: &mut ProcessKernel, root: Fd, path: &[u8]) -> Option<(Fd, Content)> {
    let relative = match path.iter().position(|byte| *byte != b'/') {
        Some(start) => &path[start..],
        None => b".",
    };
    let (file, kind, size) = open(kernel, root, relative)?;
    match kind {
        FileKind::Regular => Some((file, Content::new(path, size))),
        FileKind::Directory => {
            let index = open(kernel, file, b"index.html");
            let _ = kernel.close(file);
            let (index, kind, size) = index?;
            if kind == FileKind::Regular {
                return Some((index, Content::new(b"index.html", size)));
            }
            let _ = kernel.close(index);
            None
        }
        _ => {
            let _ = kernel.close(file);
            None
        }
    }
}

fn open(kernel: &mut ProcessKernel, folder: Fd, path: &[u8]) -> Option<(Fd, FileKind, u64)> {
    let directory = Directory::Open(folder);
    let none = Permissions::empty();
    let file = kernel
        .openat(directory, path, OpenFlags::empty(), none)
        .ok()?;
    match kernel.fstat(file) {
        Ok(status) => Some((file, status.attributes.kind, status.attributes.size)),
        Err(_) => {
            let _ = kernel.close(file);
            None
        }
    }
}
