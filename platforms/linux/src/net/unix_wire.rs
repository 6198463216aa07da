//! A wire over a stream socket: each frame behind its length in four bytes, big-endian, as QEMU's
//! `-netdev stream` sends them. The other end is a QEMU, another process, or another kernel here.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use hypercall::{
    FrameCapabilities, FrameDevice, FrameMeta, LinkState, MacAddress, Offloads, ReceivedFrame,
};

use crate::wait::Readiness;

use super::ETHERNET_HEADER_LENGTH;
use super::stream_buffer::StreamBuffer;

/// Bytes of the length in front of each frame.
const PREFIX_LENGTH: usize = 4;
/// The longest frame that the other end may send (QEMU's NET_BUFSIZE).
const RECEIVED_MAX: usize = 4096 + 65536;
/// Room for many frames, so that one system call carries many.
const BUFFER_LENGTH: usize = 256 * 1024;

/// How a [`UnixWire`] is to be set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnixWireOptions {
    /// The address of our end. A random one by default.
    pub mac: Option<MacAddress>,
    /// The largest IP packet, 1500 by default.
    pub mtu: u16,
}

impl Default for UnixWireOptions {
    fn default() -> Self {
        Self {
            mac: None,
            mtu: 1500,
        }
    }
}

/// A wire over a stream socket as a [`FrameDevice`].
///
/// No frame is lost: one for which there is no room waits. When the other end hangs up, or sends a
/// length that no frame has, the link has [failed](LinkState::Failed).
#[derive(Debug)]
pub struct UnixWire {
    readiness: Readiness,
    capabilities: FrameCapabilities,
    failed: bool,
    input: StreamBuffer,
    /// The length of the frame lent from the front of `input`.
    received: Option<usize>,
    output: StreamBuffer,
    /// For how long a frame the end of `output` is lent.
    reserved: Option<usize>,
}

impl UnixWire {
    /// Connects to the socket at `path`, where somebody listens.
    pub fn connect(path: impl AsRef<Path>, options: UnixWireOptions) -> io::Result<Self> {
        Self::new(UnixStream::connect(path)?, options)
    }

    /// The two ends of a new wire.
    pub fn pair(options: UnixWireOptions) -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self::new(one, options)?, Self::new(other, options)?))
    }

    /// A wire over a socket that is connected.
    pub fn new(stream: UnixStream, options: UnixWireOptions) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mtu = usize::from(options.mtu);
        Ok(Self {
            readiness: Readiness::new(stream.into()),
            capabilities: FrameCapabilities {
                mac: options.mac.map_or_else(super::random_mac, Ok)?,
                mtu,
                max_frame: ETHERNET_HEADER_LENGTH + mtu,
                offloads: Offloads::empty(),
            },
            failed: false,
            input: StreamBuffer::new(BUFFER_LENGTH),
            received: None,
            output: StreamBuffer::new(BUFFER_LENGTH),
            reserved: None,
        })
    }

    /// What makes a host's wait end ([`LinuxHost::attach`](crate::LinuxHost::attach)).
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    fn fail(&mut self) {
        self.failed = true;
        self.received = None;
        self.reserved = None;
        self.readiness.disarm(libc::POLLIN | libc::POLLOUT);
    }

    /// Finds the next frame if none is lent.
    fn fetch(&mut self) {
        while self.received.is_none() && !self.failed {
            match announced(self.input.filled()) {
                Some(length) if length > RECEIVED_MAX => self.fail(),
                Some(length) if self.input.filled().len() >= PREFIX_LENGTH + length => {
                    self.received = Some(length);
                }
                _ if !self.fill() => return,
                _ => {}
            }
        }
    }

    /// Reads what is there. Returns whether there was something.
    fn fill(&mut self) -> bool {
        self.input.compact();
        loop {
            match self.readiness.file().read(self.input.room()) {
                // The room is never empty: the longest frame takes less than the buffer.
                Ok(0) => break self.fail(),
                Ok(count) => {
                    self.input.grow(count);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    break self.readiness.arm(libc::POLLIN);
                }
                Err(_) => break self.fail(),
            }
        }
        false
    }

    /// Writes as much of what is committed as the socket takes.
    fn send(&mut self) {
        while !self.failed && !self.output.filled().is_empty() {
            match send_some(self.readiness.file(), self.output.filled()) {
                Ok(count) => self.output.consume(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.readiness.arm(libc::POLLOUT);
                }
                Err(_) => self.fail(),
            }
        }
    }

    /// Whether there is room for another frame, after making some. What is reserved stays where it
    /// is.
    fn has_room(&mut self) -> bool {
        let needed = PREFIX_LENGTH + self.capabilities.max_frame;
        if self.reserved.is_none() && self.output.room().len() < needed {
            self.send();
            self.output.compact();
        }
        self.output.room().len() >= needed
    }
}

impl FrameDevice for UnixWire {
    fn capabilities(&self) -> FrameCapabilities {
        self.capabilities
    }

    fn link(&mut self) -> LinkState {
        if self.failed {
            LinkState::Failed
        } else {
            LinkState::Up
        }
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        self.fetch();
        // A wait that has ended because there is room is followed by a call of this.
        self.send();
        let length = self.received?;
        Some(ReceivedFrame {
            bytes: &mut self.input.filled_mut()[PREFIX_LENGTH..][..length],
            checksum_good: false,
        })
    }

    fn release(&mut self) {
        if let Some(length) = self.received.take() {
            self.input.consume(PREFIX_LENGTH + length);
        }
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > self.capabilities.max_frame || self.failed || !self.has_room() {
            return None;
        }
        self.reserved = Some(length);
        Some(&mut self.output.room()[PREFIX_LENGTH..][..length])
    }

    /// Does nothing either if `meta` asks for an offload: there are none.
    fn commit(&mut self, length: usize, meta: FrameMeta) {
        let plain = meta == FrameMeta::default();
        if self
            .reserved
            .take_if(|reserved| plain && length <= *reserved)
            .is_some()
        {
            // `reserve` gives no more than a frame of 16 bits of length and a header.
            let prefix = (length as u32).to_be_bytes();
            self.output.room()[..PREFIX_LENGTH].copy_from_slice(&prefix);
            self.output.grow(PREFIX_LENGTH + length);
        }
    }

    fn flush(&mut self) {
        self.send();
    }
}

/// The length of the frame at the front of `bytes`, if that much has come.
fn announced(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.first_chunk::<PREFIX_LENGTH>()?;
    Some(u32::from_be_bytes(*prefix) as usize)
}

/// Sends the front of `bytes`. A peer that has gone is an error, and no SIGPIPE.
fn send_some(socket: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    let descriptor = socket.as_raw_fd();
    // SAFETY: `bytes` can be read for their length.
    let count = unsafe {
        libc::send(
            descriptor,
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn wire() -> (UnixWire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        (
            UnixWire::new(ours, UnixWireOptions::default()).expect("entropy"),
            theirs,
        )
    }

    fn send(wire: &mut UnixWire, frame: &[u8]) -> bool {
        let Some(buffer) = wire.reserve(frame.len()) else {
            return false;
        };
        buffer.copy_from_slice(frame);
        wire.commit(frame.len(), FrameMeta::default());
        true
    }

    fn receive(wire: &mut UnixWire) -> Option<Vec<u8>> {
        let frame = wire.received()?.bytes.to_vec();
        wire.release();
        Some(frame)
    }

    #[test]
    fn frames_stand_behind_their_lengths() {
        let (mut wire, mut peer) = wire();
        assert!(send(&mut wire, b"fourteen bytes"));
        assert!(send(&mut wire, b"and seventeen yet"));
        wire.flush();
        let mut sent = [0; 39];
        peer.read_exact(&mut sent).expect("both");
        assert_eq!(
            &sent[..],
            b"\0\0\0\x0efourteen bytes\0\0\0\x11and seventeen yet"
        );
    }

    #[test]
    fn a_peer_that_hangs_up_fails_the_link() {
        let (mut wire, mut peer) = wire();
        peer.write_all(b"\0\0\0\x03abc\0\0").expect("room");
        drop(peer);
        assert_eq!(receive(&mut wire), Some(b"abc".to_vec()));
        assert_eq!(receive(&mut wire), None);
        assert_eq!(wire.link(), LinkState::Failed);
        assert!(wire.reserve(60).is_none());
    }

    #[test]
    fn an_impossible_length_fails_the_link() {
        let (mut wire, mut peer) = wire();
        peer.write_all(&(RECEIVED_MAX as u32 + 1).to_be_bytes())
            .expect("room");
        assert_eq!(receive(&mut wire), None);
        assert_eq!(wire.link(), LinkState::Failed);
    }

    #[test]
    fn the_longest_frame_passes() {
        let (mut wire, mut peer) = wire();
        let frame: Vec<u8> = (0..=255).cycle().take(RECEIVED_MAX).collect();
        let sent = frame.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..9 {
                peer.write_all(&(sent.len() as u32).to_be_bytes())
                    .expect("a reader");
                peer.write_all(&sent).expect("a reader");
            }
            peer
        });
        for _ in 0..9 {
            let received = core::iter::repeat_with(|| receive(&mut wire))
                .flatten()
                .next();
            assert!(received.as_ref() == Some(&frame));
        }
        thread.join().expect("it only writes");
    }

    proptest! {
        /// Whatever the order of sending, flushing and receiving, and however full the socket,
        /// every frame arrives once, whole and in order.
        #[test]
        fn frames_arrive_in_order(
            steps in proptest::collection::vec((0..3u8, 1..200usize, 0..1515usize), 1..60),
        ) {
            let (mut one, mut other) = UnixWire::pair(UnixWireOptions::default())?;
            let mut expected = std::collections::VecDeque::new();
            for (number, (step, count, length)) in steps.into_iter().enumerate() {
                match step {
                    0 => for _ in 0..count {
                        let frame = vec![number as u8; length];
                        if !send(&mut one, &frame) { break }
                        expected.push_back(frame);
                    },
                    1 => one.flush(),
                    _ => for _ in 0..count {
                        let Some(frame) = receive(&mut other) else { break };
                        prop_assert_eq!(Some(frame), expected.pop_front());
                    },
                }
            }
            while !expected.is_empty() {
                one.flush();
                while let Some(frame) = receive(&mut other) {
                    prop_assert_eq!(Some(frame), expected.pop_front());
                }
            }
            prop_assert_eq!(receive(&mut other), None);
        }
    }
}
