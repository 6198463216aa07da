//! Handing our standard input on to the virtio console.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

/// A thread that copies our input, as far as the machine takes it, and QEMU's end of the socket.
///
/// It outlives a QEMU that did not start: what that one left unread is there for the next.
pub struct Feed {
    end: UnixStream,
    /// The thread's end. It stays open: QEMU takes a socket that is closed on both sides for
    /// broken, and leaves unread what is in it.
    _open: UnixStream,
}

impl Feed {
    /// Copies `input` until it ends. The thread ends with our process at the latest.
    pub fn start(mut input: File) -> io::Result<Self> {
        let (mut socket, end) = UnixStream::pair()?;
        let open = socket.try_clone()?;
        thread::spawn(move || {
            // As a read(2) that fails for good, or a machine that has ended: there is no more.
            let _ = copy(&mut input, &mut socket);
            let _ = socket.shutdown(Shutdown::Write);
        });
        Ok(Self { end, _open: open })
    }

    /// QEMU's end.
    pub fn end(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Copies everything, each piece as soon as it is there, also where somebody who shares our input
/// made it non-blocking.
fn copy(input: &mut (impl Read + AsFd), to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 1 << 14];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&*input, PollFlags::IN)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn all_of_an_input_that_does_not_block_arrives_and_then_its_end() {
        let (ours, mut typist) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let feed = Feed::start(File::from(OwnedFd::from(ours))).unwrap();
        let typing = thread::spawn(move || typist.write_all(&[7; 1 << 20]).unwrap());
        let mut received = Vec::new();
        let mut end = UnixStream::from(feed.end().try_clone_to_owned().unwrap());
        end.read_to_end(&mut received).unwrap();
        assert!(received == [7; 1 << 20], "{} bytes", received.len());
        typing.join().unwrap();
    }
}
