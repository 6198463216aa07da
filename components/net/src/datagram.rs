//! One UDP socket: its addresses, and the datagrams that nobody has read yet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

use hypercall::Sink;

use crate::sockets::NO_ADDRESS;
use crate::{Half, NetError, Readiness, memory};

/// What a waiting datagram costs beside its bytes.
const OVERHEAD: usize = 64;

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// The local address that it has claimed, or [`NO_ADDRESS`].
    pub(crate) local: SocketAddrV4,
    /// The only host and port that it talks to, if it is connected.
    pub(crate) peer: Option<SocketAddrV4>,
    /// What went wrong, until the program is told.
    pub(crate) error: Option<NetError>,
    queue: VecDeque<(SocketAddrV4, Vec<u8>)>,
    queued: usize,
    limit: usize,
    receive_shut: bool,
    send_shut: bool,
}

impl Datagram {
    /// A socket without addresses that holds up to `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            local: NO_ADDRESS,
            peer: None,
            error: None,
            queue: VecDeque::new(),
            queued: 0,
            limit,
            receive_shut: false,
            send_shut: false,
        }
    }

    /// Whether it takes datagrams from `source`.
    pub(crate) fn accepts(&self, source: SocketAddrV4) -> bool {
        self.peer.is_none_or(|peer| peer == source)
    }

    /// Keeps a datagram, if there is room.
    pub(crate) fn push(&mut self, source: SocketAddrV4, data: &[u8]) -> bool {
        let cost = data.len() + OVERHEAD;
        let fits = self.queue.is_empty() || self.queued + cost <= self.limit;
        if !fits || self.receive_shut {
            return fits;
        }
        let (Some(data), Ok(())) = (memory::copy(data), self.queue.try_reserve(1)) else {
            return false;
        };
        self.queued += cost;
        self.queue.push_back((source, data));
        true
    }

    /// Moves the oldest datagram's front into `into`; the rest of it is lost unless it is only
    /// looked at. The length is the whole datagram's.
    pub(crate) fn receive(
        &mut self,
        into: &mut dyn Sink,
        peek: bool,
    ) -> Result<(usize, SocketAddrV4), NetError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Some((source, data)) = self.queue.front() else {
            return if self.receive_shut {
                Ok((0, self.peer.unwrap_or(NO_ADDRESS)))
            } else {
                Err(NetError::WouldBlock)
            };
        };
        into.put(data);
        let answer = (data.len(), *source);
        if !peek {
            self.queued -= data.len() + OVERHEAD;
            self.queue.pop_front();
        }
        Ok(answer)
    }

    /// Whether it may send.
    pub(crate) fn check_send(&mut self) -> Result<(), NetError> {
        match self.error.take() {
            Some(error) => Err(error),
            None if self.send_shut => Err(NetError::SendClosed),
            None => Ok(()),
        }
    }

    /// Ends directions of a connected socket.
    pub(crate) fn shutdown(&mut self, half: Half) -> Result<(), NetError> {
        if self.peer.is_none() {
            return Err(NetError::NotConnected);
        }
        self.receive_shut |= half != Half::Send;
        self.send_shut |= half != Half::Receive;
        Ok(())
    }

    /// What a program can do with it, given whether there is room to send.
    pub(crate) fn readiness(&self, has_room: bool) -> Readiness {
        let mut readiness = Readiness::empty();
        let readable = !self.queue.is_empty() || self.receive_shut || self.error.is_some();
        readiness.set(Readiness::READABLE, readable);
        readiness.set(Readiness::WRITABLE, has_room || self.send_shut);
        readiness.set(Readiness::READ_CLOSED, self.receive_shut);
        readiness.set(Readiness::HANG_UP, self.receive_shut && self.send_shut);
        readiness.set(Readiness::ERROR, self.error.is_some());
        readiness
    }

    /// The length of the oldest datagram.
    pub(crate) fn available(&self) -> usize {
        self.queue.front().map_or(0, |(_, data)| data.len())
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use hypercall::SliceSink;

    use super::*;

    const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5);

    #[test]
    fn the_rest_of_a_datagram_is_lost_unless_peeked() {
        let mut socket = Datagram::new(1000);
        assert!(socket.push(PEER, b"hello"));
        for peek in [true, false] {
            let mut room = [0; 3];
            let answer = socket.receive(&mut SliceSink::new(&mut room), peek);
            assert_eq!((answer, &room), (Ok((5, PEER)), b"hel"));
        }
        let answer = socket.receive(&mut SliceSink::new(&mut []), false);
        assert_eq!(answer, Err(NetError::WouldBlock));
        assert_eq!(socket.queued, 0);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut socket = Datagram::new(1000);
        while socket.push(PEER, &[0; 100]) {}
        assert_eq!(socket.queue.len(), 1000 / (100 + OVERHEAD));
        assert_eq!(socket.available(), 100);
    }
}
