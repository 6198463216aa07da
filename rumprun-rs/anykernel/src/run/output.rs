//! Handing the guest's output on as it comes.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};

/// A thread that copies one of the guest's streams.
pub struct Copier {
    thread: JoinHandle<()>,
}

impl Copier {
    /// Copies `from` to `to` until it ends. A thread does it, so that a slow reader of ours holds
    /// up the guest's writes and nothing else. When our reader has gone, `reader_gone` is told.
    pub fn start(
        mut from: PipeReader,
        mut to: impl Write + AsFd + Send + 'static,
        mut reader_gone: PipeWriter,
    ) -> Self {
        let thread = std::thread::spawn(move || {
            if copy(&mut from, &mut to).is_err() {
                // Whoever would be told has ended already if this fails.
                let _ = reader_gone.write_all(&[0]);
            }
        });
        Self { thread }
    }

    /// Waits until all is copied.
    pub fn finish(self) {
        // A panic there has been shown, and the stream is closed.
        let _ = self.thread.join();
    }
}

/// Copies everything, each piece as soon as it is there. Fails when `to` does.
fn copy(from: &mut PipeReader, to: &mut (impl Write + AsFd)) -> io::Result<()> {
    let mut buffer = [0; 1 << 14];
    loop {
        match from.read(&mut buffer) {
            // A pipe has no errors but those of a process that is ending.
            Ok(0) | Err(_) => return Ok(()),
            Ok(length) => write_all(to, &buffer[..length])?,
        }
    }
}

/// Writes all of `bytes`, also where somebody who shares our stream made it non-blocking.
fn write_all(to: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&*to, PollFlags::OUT)], None)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn all_arrives_before_the_end() {
        let (from, mut guest) = io::pipe().unwrap();
        let (mut reader, to) = io::pipe().unwrap();
        let (mut gone, reader_gone) = io::pipe().unwrap();
        let copier = Copier::start(from, to, reader_gone);
        guest.write_all(b"before the end").unwrap();
        drop(guest);
        copier.finish();
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "before the end");
        assert_eq!(gone.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_stream_that_does_not_block_gets_all() {
        let (from, mut guest) = io::pipe().unwrap();
        let (mut reader, to) = UnixStream::pair().unwrap();
        to.set_nonblocking(true).unwrap();
        let (_gone, reader_gone) = io::pipe().unwrap();
        let copier = Copier::start(from, to, reader_gone);
        let writer = std::thread::spawn(move || guest.write_all(&[7; 1 << 20]).unwrap());
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        assert!(received == [7; 1 << 20], "{} bytes", received.len());
        writer.join().unwrap();
        copier.finish();
    }

    #[test]
    fn a_reader_that_goes_is_told_of() {
        let (from, mut guest) = io::pipe().unwrap();
        let (reader, to) = io::pipe().unwrap();
        let (mut gone, reader_gone) = io::pipe().unwrap();
        drop(reader);
        let copier = Copier::start(from, to, reader_gone);
        guest.write_all(b"x").unwrap();
        assert_eq!(gone.read(&mut [0]).unwrap(), 1);
        copier.finish();
    }
}
