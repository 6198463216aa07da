//! The seam between sockets and the stack that carries them.
//!
//! POSIX sockets know a TCP/IP stack through [`Network`] alone, so a program image whose program
//! opens no socket links no stack.

use core::net::SocketAddrV4;

use bitflags::bitflags;
use hypercall::{Instant, Sink, Source};
use thiserror::Error;

/// Names a socket of one [`Network`]; never reused within 2^32 sockets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId {
    /// The socket's place in its network's table.
    pub index: u32,
    /// Which of the sockets that had this place it is.
    pub generation: u32,
}

/// What a socket speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketKind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
}

/// An accepted connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its socket, which the caller now owns.
    pub socket: SocketId,
    /// Who connected.
    pub peer: SocketAddrV4,
}

/// A direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// What the peer sends.
    Receive,
    /// What we send.
    Send,
    /// Both.
    Both,
}

/// An option that a stack understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketOption {
    /// Send small segments at once (RFC 896's delay off).
    NoDelay(bool),
    /// Probe an idle connection (RFC 1122, 4.2.3.6).
    KeepAlive(bool),
    /// Let a listener take a port that old connections still use.
    ReuseAddress(bool),
}

bitflags! {
    /// What can be done with a socket now without being told to wait.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Readiness: u8 {
        /// Bytes, a datagram, a connection to accept, or the end of the stream can be had.
        const READABLE = 1;
        /// Bytes or a datagram can be sent.
        const WRITABLE = 2;
        /// The peer will send nothing more.
        const READ_CLOSED = 4;
        /// Both directions are closed.
        const HANG_UP = 8;
        /// An error waits to be taken.
        const ERROR = 16;
    }
}

/// A TCP/IP stack with sockets, as POSIX needs it.
///
/// No call blocks: one that would is [`NetError::WouldBlock`] and has changed nothing; after it,
/// [`changed`](Network::changed) names the socket once it is worth another try. Time is an
/// argument of [`poll`](Network::poll) and [`connect`](Network::connect), never read.
pub trait Network: Send {
    /// Moves frames and timers on: takes what the device received, sends what is due. Returns
    /// whether anything moved. Cost follows activity: idle sockets cost nothing.
    fn poll(&mut self, now: Instant) -> bool;

    /// When [`poll`](Network::poll) must be called again though no frame arrives.
    fn next_deadline(&self) -> Option<Instant>;

    /// A socket whose readiness may have changed since it was last named; `None` when all such
    /// have been named.
    fn changed(&mut self) -> Option<SocketId>;

    /// A new socket, which the caller owns until [`close`](Network::close).
    fn open(&mut self, kind: SocketKind) -> Result<SocketId, NetError>;

    /// Gives the socket a local address. Port 0 takes a free one.
    fn bind(&mut self, socket: SocketId, local: SocketAddrV4) -> Result<(), NetError>;

    /// Makes a bound stream socket wait for connections (an unbound one takes a free port); at
    /// most `backlog` wait to be accepted.
    fn listen(&mut self, socket: SocketId, backlog: usize) -> Result<(), NetError>;

    /// The oldest connection that has completed its handshake.
    fn accept(&mut self, socket: SocketId) -> Result<Connection, NetError>;

    /// Starts a connection, or sets a datagram socket's peer. A stream answers
    /// [`NetError::InProgress`] and becomes writable, or has an error to take, when it is decided.
    fn connect(
        &mut self,
        socket: SocketId,
        peer: SocketAddrV4,
        now: Instant,
    ) -> Result<(), NetError>;

    /// Queues from `data` and returns how many bytes, one at least unless `data` is empty. A
    /// datagram goes whole to `peer`, or to the connected peer without one.
    fn send(
        &mut self,
        socket: SocketId,
        data: &mut dyn Source,
        peer: Option<SocketAddrV4>,
    ) -> Result<usize, NetError>;

    /// Moves received bytes into `into` and returns how many: zero at the end of the stream. Of a
    /// datagram the rest is lost; the length returned is then the datagram's own. `peek` leaves
    /// it to be received again. The address is the sender's (the peer's, for a stream).
    fn receive(
        &mut self,
        socket: SocketId,
        into: &mut dyn Sink,
        peek: bool,
    ) -> Result<(usize, SocketAddrV4), NetError>;

    /// Ends one or both directions in order.
    fn shutdown(&mut self, socket: SocketId, half: Half) -> Result<(), NetError>;

    /// Gives the socket up. Bytes already queued are still sent and acknowledged in order; what
    /// was received and not read resets the connection (RFC 1122, 4.2.2.13).
    fn close(&mut self, socket: SocketId);

    /// How much of what was queued on sockets that are closed now has not reached its receiver,
    /// ends of streams included: bytes and packets, counted together. It shrinks as they arrive,
    /// and is zero when nothing would be lost if the stack ended here.
    fn undelivered(&self) -> usize;

    /// What can be done with the socket now.
    fn readiness(&mut self, socket: SocketId) -> Readiness;

    /// The socket's error, which is thereby cleared.
    fn take_error(&mut self, socket: SocketId) -> Option<NetError>;

    /// The local address: 0.0.0.0:0 before one is given.
    fn local(&self, socket: SocketId) -> Result<SocketAddrV4, NetError>;

    /// The peer's address.
    fn peer(&self, socket: SocketId) -> Result<SocketAddrV4, NetError>;

    /// Sets an option.
    fn set_option(&mut self, socket: SocketId, option: SocketOption) -> Result<(), NetError>;

    /// How many received bytes could be read now.
    fn available(&mut self, socket: SocketId) -> usize;
}

/// Why an address cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AddressError {
    /// Somebody has this port.
    #[error("the address is in use")]
    InUse,
    /// It is no address of ours.
    #[error("the address is not one of this host's")]
    NotLocal,
    /// Every port is taken.
    #[error("no free port is left")]
    NoFreePort,
}

/// Why a socket operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NetError {
    /// Not now; nothing has changed.
    #[error("the operation would block")]
    WouldBlock,
    /// The connection is being made.
    #[error("the connection is in progress")]
    InProgress,
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The peer refused the connection.
    #[error("the connection was refused")]
    Refused,
    /// The peer reset the connection.
    #[error("the connection was reset")]
    Reset,
    /// The peer did not answer in time.
    #[error("the connection timed out")]
    TimedOut,
    /// No route, or the neighbour does not answer.
    #[error("the host is unreachable")]
    HostUnreachable,
    /// No address or gateway serves that network.
    #[error("the network is unreachable")]
    NetworkUnreachable,
    /// The socket is not connected.
    #[error("the socket is not connected")]
    NotConnected,
    /// The socket is connected already.
    #[error("the socket is connected already")]
    AlreadyConnected,
    /// Our sending direction has ended.
    #[error("the connection's sending side is closed")]
    SendClosed,
    /// A datagram larger than the link or the buffer carries.
    #[error("the message is too long")]
    MessageTooLong,
    /// A datagram needs a destination.
    #[error("a destination address is required")]
    DestinationRequired,
    /// The operation does not fit the socket's kind or state.
    #[error("the socket cannot do this")]
    Unsupported,
    /// No such socket.
    #[error("no such socket")]
    NoSuchSocket,
    /// Memory or the limit of sockets is used up.
    #[error("out of memory for sockets")]
    OutOfMemory,
}
