//! Sending and receiving on sockets, with the flags that `read` and `write` do not have
//! (POSIX.1-2017, `send`, `recvmsg`).

use core::net::SocketAddrV4;

use bitflags::bitflags;
use hypercall::{Host, Sink, Source};
use net::{NetError, SocketKind};

use crate::description::Object;
use crate::readiness::{Readiness, Step, StepResult};
use crate::socket::SocketAddress;
use crate::{Errno, Fd, Kernel};

bitflags! {
    /// The flags of `send` and `recv`, with Linux' values. A flag without a name here is
    /// EOPNOTSUPP.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MessageFlags: u32 {
        /// MSG_PEEK: what is received stays to be received again.
        const PEEK = 0x2;
        /// MSG_TRUNC: the length returned is the datagram's own.
        const TRUNCATE = 0x20;
        /// MSG_DONTWAIT: do not wait.
        const DONT_WAIT = 0x40;
        /// MSG_WAITALL: receive until there is no room left. One step receives what there is;
        /// [`block_on_all`](crate::block_on_all) goes on.
        const WAIT_ALL = 0x100;
        /// MSG_NOSIGNAL: a broken connection is EPIPE alone.
        const NO_SIGNAL = 0x4000;
        /// MSG_MORE: more will follow at once. It is sent without waiting for that.
        const MORE = 0x8000;
    }
}

/// What was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// How many bytes: with [`MessageFlags::TRUNCATE`] of a datagram, how many it had.
    pub length: usize,
    /// The datagram was longer than the room for it; the rest is lost.
    pub truncated: bool,
    /// Who sent it. Streams do not tell.
    pub sender: Option<SocketAddress>,
}

impl MessageFlags {
    /// The flags of `bits`; EOPNOTSUPP if one has no name here.
    pub const fn new(bits: u32) -> Result<Self, Errno> {
        match Self::from_bits(bits) {
            Some(flags) => Ok(flags),
            None => Err(Errno::EOPNOTSUPP),
        }
    }
}

impl<H: Host> Kernel<H> {
    /// Sends from `data`: of a stream one byte at least, a datagram whole. `send`, `sendto` and
    /// `sendmsg`.
    pub fn sendto(
        &mut self,
        fd: Fd,
        data: &mut dyn Source,
        flags: MessageFlags,
        peer: Option<SocketAddrV4>,
    ) -> StepResult<usize> {
        let sent = self.send_step(fd, data, flags, peer);
        self.without_waiting(sent, flags)
    }

    /// Receives what there is, as much as fits `into`: zero at the end of a stream. `recv`,
    /// `recvfrom` and `recvmsg`.
    pub fn recvfrom(
        &mut self,
        fd: Fd,
        into: &mut dyn Sink,
        flags: MessageFlags,
    ) -> StepResult<Received> {
        let received = self.receive_step(fd, into, flags);
        self.without_waiting(received, flags)
    }

    fn send_step(
        &mut self,
        fd: Fd,
        data: &mut dyn Source,
        flags: MessageFlags,
        peer: Option<SocketAddrV4>,
    ) -> StepResult<usize> {
        let quiet = flags.contains(MessageFlags::NO_SIGNAL);
        let (id, description) = self.description(fd)?;
        if let Object::LocalSocket { send, .. } = description.object {
            return match peer {
                None => self.write_pipe(id, send, data, quiet),
                Some(_) => Err(Errno::EISCONN),
            };
        }
        let (network, socket) = self.network_socket(fd)?;
        let (kind, timeout) = (socket.kind, socket.send_timeout);
        // POSIX.1-2017, `sendto`: a stream's peer is whom it is connected with.
        let peer = peer.filter(|_| kind == SocketKind::Datagram);
        match network.send(socket.id, data, peer) {
            Ok(length) => {
                self.network_is_dirty();
                Ok(Step::Done(length))
            }
            Err(NetError::WouldBlock) => self.wait_for_socket(fd, Readiness::OUT, timeout),
            Err(NetError::SendClosed) => {
                self.raise_broken_pipe(quiet || kind == SocketKind::Datagram);
                Err(Errno::EPIPE)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn receive_step(
        &mut self,
        fd: Fd,
        into: &mut dyn Sink,
        flags: MessageFlags,
    ) -> StepResult<Received> {
        let peek = flags.contains(MessageFlags::PEEK);
        let (id, description) = self.description(fd)?;
        if let Object::LocalSocket { receive, .. } = description.object {
            let moved = self.read_pipe(id, receive, into, peek)?;
            return Ok(moved.map(Received::of_stream));
        }
        let (network, socket) = self.network_socket(fd)?;
        let (kind, timeout) = (socket.kind, socket.receive_timeout);
        let room = into.remaining();
        match network.receive(socket.id, into, peek) {
            Ok((length, sender)) if kind == SocketKind::Datagram => {
                let whole = flags.contains(MessageFlags::TRUNCATE);
                Ok(Step::Done(Received {
                    length: if whole { length } else { length.min(room) },
                    truncated: length > room,
                    sender: Some(SocketAddress::Inet(sender)),
                }))
            }
            Ok((length, _)) => {
                // Room in the receive window is news for the peer.
                self.network_is_dirty();
                Ok(Step::Done(Received::of_stream(length)))
            }
            Err(NetError::WouldBlock) => self.wait_for_socket(fd, Readiness::IN, timeout),
            Err(error) => Err(error.into()),
        }
    }

    /// Turns a wait into EAGAIN if the caller asked not to wait.
    fn without_waiting<T>(&self, step: StepResult<T>, flags: MessageFlags) -> StepResult<T> {
        match step {
            Ok(Step::Wait(_)) if flags.contains(MessageFlags::DONT_WAIT) => Err(Errno::EAGAIN),
            other => other,
        }
    }
}

impl Received {
    const fn of_stream(length: usize) -> Self {
        Self {
            length,
            truncated: false,
            sender: None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::boxed::Box;

    use hypercall::{SliceSink, SliceSource};

    use super::*;
    use crate::OpenFlags;
    use crate::fake_host::{self, FakeHost, done};
    use crate::fake_network::{FakeNetwork, HERE};
    use crate::signal::Signal;

    const ADDRESS: SocketAddrV4 = SocketAddrV4::new(HERE, 53);

    /// A kernel, a socket bound to [`ADDRESS`], and one that sends to it.
    fn datagrams() -> (Kernel<FakeHost>, Fd, Fd) {
        let mut kernel = fake_host::kernel_with(Some(Box::new(FakeNetwork::default())));
        let flags = OpenFlags::empty();
        let server = kernel.socket(SocketKind::Datagram, flags).unwrap();
        kernel.bind(server, ADDRESS).unwrap();
        let client = kernel.socket(SocketKind::Datagram, flags).unwrap();
        (kernel, server, client)
    }

    fn send(kernel: &mut Kernel<FakeHost>, fd: Fd, bytes: &[u8]) {
        let flags = MessageFlags::empty();
        let sent = kernel.sendto(fd, &mut SliceSource::new(bytes), flags, Some(ADDRESS));
        assert_eq!(sent.map(done), Ok(Some(bytes.len())));
    }

    fn receive(
        kernel: &mut Kernel<FakeHost>,
        fd: Fd,
        room: usize,
        flags: MessageFlags,
    ) -> Result<Option<Received>, Errno> {
        let mut bytes = std::vec![0; room];
        let mut sink = SliceSink::new(&mut bytes);
        kernel.recvfrom(fd, &mut sink, flags).map(done)
    }

    #[test]
    fn a_datagram_tells_its_sender() {
        let (mut kernel, server, client) = datagrams();
        send(&mut kernel, client, b"hello");
        let received = receive(&mut kernel, server, 9, MessageFlags::empty());
        let received = received.unwrap().unwrap();
        assert_eq!(received.length, 5);
        assert!(!received.truncated);
        assert_eq!(received.sender, Some(kernel.getsockname(client).unwrap()));
    }

    #[test]
    fn a_long_datagram_is_cut_and_says_so() {
        let (mut kernel, server, client) = datagrams();
        for flags in [MessageFlags::empty(), MessageFlags::TRUNCATE] {
            send(&mut kernel, client, b"hello");
            let received = receive(&mut kernel, server, 2, flags).unwrap().unwrap();
            assert!(received.truncated);
            assert_eq!(received.length, if flags.is_empty() { 2 } else { 5 });
        }
        let gone = receive(&mut kernel, server, 2, MessageFlags::DONT_WAIT);
        assert_eq!(gone, Err(Errno::EAGAIN));
    }

    #[test]
    fn a_peek_leaves_what_it_sees() {
        let (mut kernel, server, client) = datagrams();
        send(&mut kernel, client, b"hello");
        for flags in [MessageFlags::PEEK, MessageFlags::empty()] {
            let received = receive(&mut kernel, server, 9, flags).unwrap().unwrap();
            assert_eq!(received.length, 5);
        }
        let nothing = receive(&mut kernel, server, 9, MessageFlags::empty());
        assert_eq!(nothing, Ok(None));
    }

    #[test]
    fn a_broken_connection_is_silent_where_asked() {
        let mut kernel = fake_host::kernel();
        let (ours, theirs) = kernel.socketpair(OpenFlags::empty()).unwrap();
        kernel.close(theirs).unwrap();
        for (flags, raised) in [
            (MessageFlags::NO_SIGNAL, false),
            (MessageFlags::empty(), true),
        ] {
            let sent = kernel.sendto(ours, &mut SliceSource::new(b"x"), flags, None);
            assert_eq!(sent.map(done), Err(Errno::EPIPE));
            assert_eq!(kernel.signals().pending().contains(Signal::PIPE), raised);
        }
    }

    #[test]
    fn a_flag_without_a_meaning_here_is_refused() {
        assert_eq!(MessageFlags::new(0x1), Err(Errno::EOPNOTSUPP));
        let both = MessageFlags::PEEK | MessageFlags::DONT_WAIT;
        assert_eq!(MessageFlags::new(0x42), Ok(both));
    }
}
