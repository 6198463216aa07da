//! The state machine of one connection, and the only module that knows smoltcp.
//!
//! smoltcp walks all sockets of a set for each packet, so a [`Machine`] is a set of its own that
//! holds one socket. All machines share an [`Engine`], smoltcp's interface, which sees packets of
//! IP only: addresses, neighbours, checksums and fragments are dealt with outside.

mod flight;
mod port;
mod record;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use hypercall::{Instant, Sink, Source};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time;
use smoltcp::wire::{HardwareAddress, IpAddress, IpEndpoint, IpListenEndpoint};

use self::flight::{Flight, Outstanding};
use self::port::Port;
pub(super) use self::record::{Heard, Record, Sent};
use super::offers::Offers;
use super::segment::{self, Tuple};
use crate::outlet::{Nowhere, Outlet};
use crate::{NetError, memory};

/// The largest segment for a peer that offers no size (RFC 9293, 3.7.1).
const SEGMENT_UNLESS_SAID: u16 = 536;

/// What all machines share.
pub(super) struct Engine {
    interface: Interface,
    sizes: (usize, usize),
    /// Every machine holds a share of it.
    machines: Arc<()>,
    /// Where packets are written that are lost. Holds the largest.
    scratch: Vec<u8>,
}

impl Engine {
    /// An engine for a link of which `sizes` say the largest packet that it carries and the
    /// largest that the device takes, which is cut into segments that fit.
    pub(super) fn new(sizes: (usize, usize), random_seed: u64, now: Instant) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = random_seed;
        let mut nothing = Port {
            sizes,
            received: None,
            outlet: &mut Nowhere,
            record: Record::default(),
            scratch: &mut [],
        };
        let mut interface = Interface::new(config, &mut nothing, to_smoltcp(now));
        // Whether a packet is ours was decided before it came here.
        interface.set_any_ip(true);
        Self {
            interface,
            sizes,
            machines: Arc::new(()),
            scratch: vec![0; sizes.1],
        }
    }

    /// Has `machine` probe the peer's window if it has forgotten to (RFC 9293, 3.8.6.1).
    ///
    /// When smoltcp's retransmission timer fires while the window is shut, no timer is left, and
    /// if the peer's update is lost nobody ever speaks again. An acknowledgement that says what
    /// is known already starts the probes.
    pub(super) fn remind(&mut self, machine: &mut Machine, tuple: Tuple, now: Instant) {
        self.repeat_acknowledgement(machine, tuple, machine.heard.window, now);
    }

    /// Has `machine` take what it knows already for an acknowledgement of the peer with this
    /// window, as it stands in a header.
    fn repeat_acknowledgement(
        &mut self,
        machine: &mut Machine,
        tuple: Tuple,
        window: u16,
        now: Instant,
    ) {
        let (Some(sent), Some(acknowledged)) =
            (machine.record.last_sent, machine.heard.acknowledged)
        else {
            return;
        };
        let reversed = tuple.reversed();
        let mut packet = segment::build(reversed, sent.acknowledged, acknowledged, segment::ACK);
        segment::set_window(&mut packet[crate::ipv4::HEADER_LENGTH..], window);
        self.receive(machine, &mut packet, now, &mut Nowhere);
    }

    /// Has `machine` send the first segment again that the peer has not acknowledged, if that is
    /// due (see [`flight`]).
    ///
    /// smoltcp does so at the third of three equal acknowledgements; ones with another window
    /// have it count anew.
    pub(super) fn probe(&mut self, machine: &mut Machine, tuple: Tuple, now: Instant) {
        let outstanding = machine.outstanding();
        if !machine.flight.take_probe(outstanding, now) {
            return;
        }
        let window = machine.heard.window;
        for window in [window - 1, window, window, window, window] {
            self.repeat_acknowledgement(machine, tuple, window, now);
        }
    }

    /// How many machines there are.
    pub(super) fn machines(&self) -> usize {
        Arc::strong_count(&self.machines) - 1
    }

    /// Lets `machine` take the segment in `packet`. A segment that answers at once goes to
    /// `reply`.
    pub(super) fn receive(
        &mut self,
        machine: &mut Machine,
        packet: &mut [u8],
        now: Instant,
        reply: &mut dyn Outlet,
    ) {
        let before = machine.heard.acknowledged;
        machine.listen_to(packet);
        let mut port = Port {
            sizes: self.sizes,
            received: Some(packet),
            outlet: reply,
            record: machine.record,
            scratch: &mut self.scratch,
        };
        let set = &mut machine.set;
        self.interface
            .poll_ingress_single(to_smoltcp(now), &mut port, set);
        machine.record = port.record;
        if let Some(number) = machine
            .heard
            .acknowledged
            .filter(|number| before != Some(*number))
        {
            let outstanding = machine.outstanding();
            machine.flight.acknowledged(number, outstanding, now);
        }
    }

    /// Has `machine` send what is due, and returns when it wants to be called again.
    pub(super) fn transmit(
        &mut self,
        machine: &mut Machine,
        now: Instant,
        outlet: &mut dyn Outlet,
    ) -> Option<Instant> {
        let time = to_smoltcp(now);
        let mut port = Port {
            sizes: self.sizes,
            received: None,
            outlet,
            record: machine.record,
            scratch: &mut self.scratch,
        };
        // One call sends one packet of each socket.
        let set = &mut machine.set;
        while self.interface.poll_egress(time, &mut port, set) != PollResult::None {}
        machine.record = port.record;
        machine.note_sent(now);
        let due = self.interface.poll_at(time, &machine.set)?;
        let micros = u64::try_from(due.total_micros()).unwrap_or(0);
        let due = Instant::from_nanos(micros.saturating_mul(1000));
        let probe = machine.flight.probe_at();
        Some(probe.map_or(due, |probe| probe.min(due)))
    }
}

/// Where a connection stands (RFC 9293, 3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// There is none, or no longer.
    Closed,
    /// Our SYN is out.
    SynSent,
    /// No SYN has come yet. A machine is in this state only between being made and its first
    /// segment, or after the peer has reset the handshake.
    Listen,
    /// The peer's SYN has come, and it has not acknowledged ours.
    SynReceived,
    /// Open both ways.
    Established,
    /// We have ended; the peer has neither acknowledged that nor ended.
    FinWait1,
    /// We have ended and the peer knows.
    FinWait2,
    /// The peer has ended.
    CloseWait,
    /// Both have ended at once.
    Closing,
    /// The peer ended first, then we; it does not know yet.
    LastAck,
    /// Both have ended and know.
    TimeWait,
}

/// One connection's state machine with its buffers.
pub(super) struct Machine {
    set: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) record: Record,
    pub(super) heard: Heard,
    flight: Flight,
    _share: Arc<()>,
}

impl Machine {
    fn new(engine: &Engine, receive_buffer: usize, send_buffer: usize) -> Result<Self, NetError> {
        let buffer = |size: usize| {
            let bytes = memory::zeroed(size.clamp(1 << 10, 1 << 30));
            bytes.ok_or(NetError::OutOfMemory)
        };
        let (receive_buffer, send_buffer) = (buffer(receive_buffer)?, buffer(send_buffer)?);
        // An empty vector would grow to four places, and fail by a panic.
        let mut place = Vec::new();
        let lacking = |_| NetError::OutOfMemory;
        place.try_reserve_exact(1).map_err(lacking)?;
        let mut set = SocketSet::new(place);
        let handle = set.add(tcp::Socket::new(
            tcp::SocketBuffer::new(receive_buffer),
            tcp::SocketBuffer::new(send_buffer),
        ));
        Ok(Self {
            set,
            handle,
            record: Record::default(),
            heard: Heard::default(),
            flight: Flight::default(),
            _share: engine.machines.clone(),
        })
    }

    /// A machine that will send a SYN.
    pub(super) fn connecting(
        engine: &mut Engine,
        tuple: Tuple,
        receive_buffer: usize,
        send_buffer: usize,
    ) -> Result<Self, NetError> {
        let mut machine = Self::new(engine, receive_buffer, send_buffer)?;
        machine
            .socket()
            .connect(
                engine.interface.context(),
                endpoint(tuple.remote),
                endpoint(tuple.local),
            )
            // No connection can have these addresses.
            .map_err(|_| NetError::NetworkUnreachable)?;
        Ok(machine)
    }

    /// A machine that waits for a SYN.
    pub(super) fn listening(
        engine: &mut Engine,
        tuple: Tuple,
        receive_buffer: usize,
        send_buffer: usize,
    ) -> Result<Self, NetError> {
        let mut machine = Self::new(engine, receive_buffer, send_buffer)?;
        machine
            .socket()
            .listen(IpListenEndpoint {
                addr: Some(address(*tuple.local.ip())),
                port: tuple.local.port(),
            })
            .map_err(|_| NetError::Unsupported)?;
        Ok(machine)
    }

    /// Notes what the segment in `packet` says of its sender, and turns its numbers into the
    /// machine's own.
    fn listen_to(&mut self, packet: &mut [u8]) {
        let start = packet
            .first()
            .map_or(0, |byte| usize::from(byte & 0x0F) * 4);
        let segment = packet.get_mut(start..).unwrap_or(&mut []);
        let Some(header) = segment::Header::parse(segment) else {
            return;
        };
        let expected = self.record.last_sent.map_or(0, |sent| sent.acknowledged);
        if header.has(segment::SYN) {
            self.heard.offers = Offers::parse(segment);
            // The window of a SYN is not scaled (RFC 7323, 2.2).
            let scale = self.heard.offers.window_scale.unwrap_or(0).min(14);
            self.heard.window = header.window >> scale;
        } else if !segment::is_before(header.sequence, expected) {
            self.heard.window = header.window;
            self.heard.acknowledge(&header, self.record.last_sent);
            if self.is_all_acknowledged(&header) {
                // A window is of no use any more. Left shut it would have smoltcp probe for ever,
                // without a pause (0.14: in FIN-WAIT-2 its probes do not count as such).
                segment::set_window(segment, header.window.max(1));
            }
        }
        segment::shift_acknowledgement(segment, self.record.offset.wrapping_neg());
    }

    /// Whether a segment says that the peer has everything, our end included.
    fn is_all_acknowledged(&self, header: &segment::Header) -> bool {
        let has_ended = matches!(self.state(), State::FinWait1 | State::FinWait2);
        let sent = self.record.last_sent;
        has_ended && sent.is_some_and(|sent| sent.next == header.acknowledgement)
    }

    /// Notes what has been sent by `now`, on a link with this largest packet.
    fn note_sent(&mut self, now: Instant) {
        let again = core::mem::take(&mut self.record.again);
        if let Some(sent) = self.record.last_sent {
            let outstanding = self.outstanding();
            self.flight.sent(sent.next, outstanding, again, now);
        }
    }

    /// How much the peer has not acknowledged that can be sent again now. Nothing is while its
    /// window is shut, for then smoltcp probes that.
    fn outstanding(&self) -> Outstanding {
        let acknowledged = self.heard.acknowledged;
        let sent = self.record.last_sent.zip(acknowledged);
        let bytes = sent.map_or(0, |(sent, acknowledged)| {
            sent.next.wrapping_sub(acknowledged)
        });
        let segment = u32::from(
            self.heard
                .offers
                .largest_segment
                .unwrap_or(SEGMENT_UNLESS_SAID),
        );
        match bytes {
            _ if self.send_queue() == 0 || self.heard.window == 0 => Outstanding::Nothing,
            0 => Outstanding::Nothing,
            bytes if bytes <= segment => Outstanding::One,
            _ => Outstanding::Several,
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    fn socket_ref(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    /// Where the connection stands.
    pub(super) fn state(&self) -> State {
        match self.socket_ref().state() {
            tcp::State::Closed => State::Closed,
            tcp::State::Listen => State::Listen,
            tcp::State::SynSent => State::SynSent,
            tcp::State::SynReceived => State::SynReceived,
            tcp::State::Established => State::Established,
            tcp::State::FinWait1 => State::FinWait1,
            tcp::State::FinWait2 => State::FinWait2,
            tcp::State::CloseWait => State::CloseWait,
            tcp::State::Closing => State::Closing,
            tcp::State::LastAck => State::LastAck,
            tcp::State::TimeWait => State::TimeWait,
        }
    }

    /// The last segment sent.
    pub(super) fn last_sent(&self) -> Option<Sent> {
        self.record.last_sent
    }

    /// How many bytes the receive buffer holds.
    pub(super) fn receive_capacity(&self) -> usize {
        self.socket_ref().recv_capacity()
    }

    /// Whether it is closed and has nothing left to send, not even a RST.
    pub(super) fn is_finished(&self) -> bool {
        let socket = self.socket_ref();
        socket.state() == tcp::State::Closed && socket.remote_endpoint().is_none()
    }

    /// How many bytes can be read.
    pub(super) fn receive_queue(&self) -> usize {
        self.socket_ref().recv_queue()
    }

    /// By how many bits our windows are scaled down: smoltcp takes what the buffer needs, if the
    /// peer understands it (RFC 7323, 2.2).
    pub(super) fn window_scale(&self) -> u32 {
        let bits = usize::BITS - self.receive_capacity().leading_zeros();
        let scale = self.heard.offers.window_scale;
        scale.map_or(0, |_| bits.saturating_sub(u16::BITS))
    }

    /// How many bytes the peer has not acknowledged.
    pub(super) fn send_queue(&self) -> usize {
        self.socket_ref().send_queue()
    }

    /// How many bytes can be queued.
    pub(super) fn send_room(&self) -> usize {
        self.socket_ref().send_capacity() - self.send_queue()
    }

    /// Queues from `data` what there is room for.
    pub(super) fn send(&mut self, data: &mut dyn Source) -> usize {
        let mut sent = 0;
        // The free part of a ring is at most two pieces.
        for _ in 0..2 {
            let taken = self.socket().send(|room| {
                let taken = data.take(room);
                (taken, taken)
            });
            sent += taken.unwrap_or(0);
        }
        sent
    }

    /// Moves received bytes into `into`.
    pub(super) fn receive(&mut self, into: &mut dyn Sink) -> usize {
        let mut received = 0;
        for _ in 0..2 {
            let moved = self.socket().recv(|bytes| {
                let moved = into.put(bytes);
                (moved, moved)
            });
            received += moved.unwrap_or(0);
        }
        received
    }

    /// Copies received bytes into `into` and leaves them to be read.
    pub(super) fn peek(&mut self, into: &mut dyn Sink) -> usize {
        let wanted = self.receive_queue().min(into.remaining());
        // smoltcp shows what lies in one piece. What wraps around the ring's end must be copied.
        let piece = self.socket().peek(wanted).unwrap_or(&[]);
        if piece.len() == wanted {
            return into.put(piece);
        }
        let Some(mut copy) = memory::zeroed(wanted) else {
            // A peek may always see less.
            return into.put(piece);
        };
        let length = self.socket().peek_slice(&mut copy).unwrap_or(0);
        into.put(&copy[..length])
    }

    /// Ends our direction after what is queued.
    pub(super) fn close(&mut self) {
        self.socket().close();
    }

    /// Ends the connection with a RST.
    pub(super) fn abort(&mut self) {
        self.socket().abort();
    }

    /// Whether small segments wait for acknowledgements (RFC 896).
    pub(super) fn set_delay(&mut self, delay: bool) {
        self.socket().set_nagle_enabled(delay);
    }

    /// How long a connection is idle before it is probed, if it is.
    pub(super) fn set_keep_alive(&mut self, interval: Option<Duration>) {
        self.socket()
            .set_keep_alive(interval.map(time::Duration::from));
    }
}

fn to_smoltcp(now: Instant) -> time::Instant {
    // 2^63 microseconds are 292,000 years.
    time::Instant::from_micros((now.as_nanos() / 1000) as i64)
}

fn address(address: Ipv4Addr) -> IpAddress {
    IpAddress::Ipv4(address)
}

fn endpoint(endpoint: SocketAddrV4) -> IpEndpoint {
    IpEndpoint::new(address(*endpoint.ip()), endpoint.port())
}
