//! The protocols together: what a received packet passes through.
//!
//! Everything of the stack except for its device, so that a frame which the device lends can be
//! looked at while the protocols change.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use hypercall::{FrameCapabilities, Instant};

use crate::addressing::Addressing;
use crate::changes::Changes;
use crate::ethernet::{self, EtherType};
use crate::icmp::{self, Message, Quote, Undelivered};
use crate::link::Link;
use crate::neighbors::Waiting;
use crate::ports::Ports;
use crate::random::Random;
use crate::reassembly::Reassembly;
use crate::sockets::{Socket, Sockets};
use crate::tcp::{Surroundings, Tcp};
use crate::{Config, Counters, NetError, SocketId, ipv4, udp};

/// Error messages sent in one [`ERROR_PERIOD`] (RFC 1812, 4.3.2.8).
const MAX_ERRORS: u32 = 100;
const ERROR_PERIOD: Duration = Duration::from_secs(1);

/// All protocols of a stack.
pub(crate) struct Layers {
    pub(crate) link: Link,
    pub(crate) reassembly: Reassembly,
    pub(crate) tcp: Tcp,
    pub(crate) tcp_ports: Ports,
    pub(crate) udp_ports: Ports,
    pub(crate) sockets: Sockets,
    pub(crate) changes: Changes,
    pub(crate) counters: Counters,
    pub(crate) random: Random,
    /// The time of the last poll.
    pub(crate) now: Instant,
    /// How many bytes of datagrams a socket holds.
    pub(crate) datagram_buffer: usize,
    /// Datagram sockets whose programs wait for room in the outbox.
    pub(crate) room_waiters: Vec<u32>,
    /// Error messages sent since this time.
    errors: (u32, Instant),
}

impl Layers {
    /// The protocols over a device of `capabilities`.
    pub(crate) fn new(config: &Config, capabilities: &FrameCapabilities, now: Instant) -> Self {
        let mut random = Random::new(config.random_seed);
        let link = Link::new(Addressing::new(config), capabilities);
        Self {
            reassembly: Reassembly::new(),
            tcp: Tcp::new(config, &link, &mut random, now),
            tcp_ports: Ports::new(),
            udp_ports: Ports::new(),
            sockets: Sockets::new(config.max_sockets),
            changes: Changes::new(),
            counters: Counters::default(),
            random,
            now,
            datagram_buffer: config.datagram_buffer,
            room_waiters: Vec::new(),
            errors: (0, now),
            link,
        }
    }

    /// Adds a socket.
    pub(crate) fn add_socket(&mut self, socket: Socket) -> Result<SocketId, NetError> {
        // One place more than there are, in case that it is the one.
        if !self.changes.reserve(self.sockets.places() + 1) {
            return Err(NetError::OutOfMemory);
        }
        self.sockets.add(socket)
    }

    /// The connections, and what they need of the rest.
    pub(crate) fn tcp(&mut self) -> (&mut Tcp, &mut Link, Surroundings<'_>) {
        let around = Surroundings {
            now: self.now,
            changes: &mut self.changes,
            counters: &mut self.counters,
        };
        (&mut self.tcp, &mut self.link, around)
    }

    /// Takes a frame from the wire.
    pub(crate) fn receive_frame(
        &mut self,
        frame: &mut [u8],
        own: hypercall::MacAddress,
        checksum_good: bool,
    ) {
        self.counters.frames_received += 1;
        let Some(ether_type) = ethernet::classify(frame, own) else {
            return;
        };
        let group = frame[0] & 1 == 1;
        let payload = &mut frame[ethernet::HEADER_LENGTH..];
        match ether_type {
            EtherType::Arp => {
                let waiting = self.link.receive_arp(payload, self.now);
                self.resume(waiting);
            }
            EtherType::Ipv4 => self.receive_from_wire(payload, group, checksum_good),
        }
    }

    fn receive_from_wire(&mut self, packet: &mut [u8], group: bool, checksum_good: bool) {
        let Some(header) = ipv4::Header::parse(packet) else {
            self.counters.malformed += 1;
            return;
        };
        let addressing = &self.link.addressing;
        let broadcast = addressing.is_broadcast(header.destination);
        let ours = header.destination == addressing.address();
        // A frame for all must not carry a packet for one (RFC 1122, 3.3.6).
        let wanted = if group { broadcast } else { ours };
        if !wanted || !addressing.is_credible_source(header.source) {
            return;
        }
        self.receive_packet(packet, header, broadcast, checksum_good);
    }

    /// Takes a packet that this host sent to itself.
    pub(crate) fn receive_own(&mut self, packet: &mut [u8]) {
        if let Some(header) = ipv4::Header::parse(packet) {
            self.receive_packet(packet, header, false, true);
        }
    }

    fn receive_packet(
        &mut self,
        packet: &mut [u8],
        header: ipv4::Header,
        broadcast: bool,
        checksum_good: bool,
    ) {
        let packet = &mut packet[..header.total_length];
        if !header.is_fragment() {
            return self.dispatch(packet, &header, broadcast, checksum_good);
        }
        let whole = self.reassembly.add(&header, packet, self.now);
        if let Some(mut whole) = whole
            && let Some(header) = ipv4::Header::parse(&whole)
        {
            self.dispatch(&mut whole, &header, broadcast, false);
        }
    }

    fn dispatch(
        &mut self,
        packet: &mut [u8],
        header: &ipv4::Header,
        broadcast: bool,
        checksum_good: bool,
    ) {
        match header.protocol {
            ipv4::TCP if broadcast => {}
            ipv4::TCP => {
                let (tcp, link, mut around) = self.tcp();
                tcp.receive_segment(header, packet, checksum_good, link, &mut around);
            }
            ipv4::UDP => self.receive_datagram(packet, header, broadcast, checksum_good),
            ipv4::ICMP => self.receive_icmp(packet, header, broadcast),
            _ if broadcast => {}
            _ => self.refuse(packet, header, Undelivered::Protocol),
        }
    }

    fn receive_icmp(&mut self, packet: &[u8], header: &ipv4::Header, broadcast: bool) {
        let message = &packet[header.header_length..];
        match Message::parse(message) {
            Some(Message::EchoRequest) if !broadcast => {
                let (own, peer) = (header.destination, header.source);
                self.link.post(icmp::build_echo_reply(own, peer, message));
            }
            Some(Message::Unreachable(quote, error)) => self.unreachable(&quote, error),
            _ => {}
        }
    }

    fn receive_datagram(
        &mut self,
        packet: &[u8],
        header: &ipv4::Header,
        broadcast: bool,
        checksum_good: bool,
    ) {
        let payload = &packet[header.header_length..];
        let (source, destination) = (header.source, header.destination);
        let Some(udp) = udp::Header::parse(payload, source, destination, checksum_good) else {
            self.counters.malformed += 1;
            return;
        };
        let source = SocketAddrV4::new(source, udp.source_port);
        // Whoever is to hear everybody has claimed the port for all addresses.
        let address = if broadcast {
            Ipv4Addr::UNSPECIFIED
        } else {
            destination
        };
        let local = SocketAddrV4::new(address, udp.destination_port);
        for socket in self.udp_ports.owners(local) {
            let Some(datagram) = self.sockets.datagram_at(socket) else {
                continue;
            };
            if datagram.accepts(source) {
                if datagram.push(source, &payload[udp::HEADER_LENGTH..udp.length]) {
                    self.changes.note(socket);
                } else {
                    self.counters.dropped_datagrams += 1;
                }
                return;
            }
        }
        if !broadcast {
            self.refuse(packet, header, Undelivered::Port);
        }
    }

    /// Tells the sender of a packet that it was not taken, unless many were told already.
    fn refuse(&mut self, packet: &[u8], header: &ipv4::Header, why: Undelivered) {
        let (count, since) = &mut self.errors;
        if self.now.saturating_since(*since) >= ERROR_PERIOD {
            (*count, *since) = (0, self.now);
        }
        if *count < MAX_ERRORS {
            *count += 1;
            self.link.post(icmp::build_unreachable(header, packet, why));
        }
    }

    /// Takes the news that a packet of ours did not arrive.
    fn unreachable(&mut self, quote: &Quote, error: NetError) {
        match quote.protocol {
            ipv4::TCP => {
                let (tcp, _, mut around) = self.tcp();
                tcp.unreachable(quote, error, &mut around);
            }
            ipv4::UDP => self.datagram_unreachable(quote, error),
            _ => {}
        }
    }

    /// Tells the connected socket that sent the quoted datagram (RFC 1122, 4.1.3.3). Others could
    /// not say whom the error is about.
    fn datagram_unreachable(&mut self, quote: &Quote, error: NetError) {
        for socket in self.udp_ports.owners(quote.local) {
            if let Some(datagram) = self.sockets.datagram_at(socket)
                && datagram.peer == Some(quote.remote)
            {
                datagram.error = Some(error);
                self.changes.note(socket);
                return;
            }
        }
    }

    /// Sends what had waited for a neighbour.
    fn resume(&mut self, waiting: Waiting) {
        for packet in waiting.packets {
            self.link.post(Some(packet));
        }
        self.tcp.wake(&waiting.connections);
    }

    /// Does what is due by now.
    pub(crate) fn expire(&mut self) {
        self.tcp.expire(self.now);
        self.reassembly.expire(self.now);
        while let Some(waiting) = self.link.neighbors.give_up(self.now) {
            self.fail(waiting.packets, &waiting.connections);
        }
    }

    /// Ends what had waited for a neighbour that does not answer.
    fn fail(&mut self, packets: Vec<Vec<u8>>, connections: &[u32]) {
        for packet in packets {
            if let Some(quote) = Quote::parse(&packet) {
                self.unreachable(&quote, NetError::HostUnreachable);
            }
        }
        let (tcp, _, mut around) = self.tcp();
        tcp.fail(connections, &mut around);
    }

    /// When something is due. Without room to send, a question that is due already must wait
    /// for that.
    pub(crate) fn next_deadline(&self, no_room: bool) -> Option<Instant> {
        let questions = self.link.neighbors.next_deadline();
        let deadlines = [
            self.tcp.next_deadline(),
            self.reassembly.next_deadline(),
            questions.filter(|due| !no_room || *due > self.now),
        ];
        deadlines.into_iter().flatten().min()
    }
}
