//! The peer: its ends of the connections, and the frames that steps ask for.

use std::net::Ipv4Addr;

use super::packet::{self, Header, ICMP, TCP, UDP};
use super::step::{Action, Envelope, Fragment, Number, Options, Segment};
use super::world::{ADDRESS, DATAGRAM_PORT, PEER, PEER_SERVICE, STREAM_PORT};

/// The flags of TCP that have a number.
pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// The flows: that which the program connected, three to its listener, and one that steps do not
/// know.
pub const FLOWS: usize = 5;
/// The connection that the program makes.
pub const CONNECTED: usize = 0;
/// The connection that is made after all steps.
pub const FRESH: usize = 4;

/// The first port of the peer's own.
const FIRST_PORT: u16 = 50_000;
/// The port that its datagrams come from.
const DATAGRAM_SOURCE: u16 = 5353;

/// One connection as the peer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    peer_port: u16,
    stack_port: u16,
    /// The number of the peer's next byte.
    next: u32,
    /// What the stack has acknowledged.
    pub acknowledged: u32,
    /// The number of the stack's next byte.
    pub heard: u32,
    /// What the peer has acknowledged.
    answered: u32,
    /// The flags of the stack's last segment, and how much data it had.
    pub last: (u8, usize),
}

impl Flow {
    /// The peer's port.
    pub fn peer_port(&self) -> u16 {
        self.peer_port
    }
}

/// The peer.
pub struct Peer {
    pub flows: [Flow; FLOWS],
    /// The identification of the next packet.
    identification: u16,
    /// The packet that the stack sent last: what it can be sent an error about.
    last_heard: Vec<u8>,
    heard: usize,
}

impl Peer {
    pub fn new() -> Self {
        let flow = |index: usize| Flow {
            peer_port: if index == CONNECTED {
                PEER_SERVICE
            } else {
                FIRST_PORT + index as u16
            },
            stack_port: if index == CONNECTED { 0 } else { STREAM_PORT },
            next: 1000,
            acknowledged: 1000,
            heard: 0,
            answered: 0,
            last: (0, 0),
        };
        Self {
            flows: std::array::from_fn(flow),
            identification: 0,
            last_heard: Vec::new(),
            heard: 0,
        }
    }

    /// How many packets the stack has sent.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Takes note of an IP packet from the stack.
    pub fn hear(&mut self, packet: &[u8]) {
        self.heard += 1;
        self.last_heard.clear();
        self.last_heard.extend_from_slice(packet);
    }

    /// Takes note of a segment from the stack: its ports, its numbers, its flags and how much data
    /// it has.
    pub fn hear_segment(&mut self, ports: (u16, u16), numbers: (u32, u32), flags: u8, data: usize) {
        let Some(flow) = self.flows.iter_mut().find(|flow| flow.peer_port == ports.1) else {
            return;
        };
        flow.stack_port = ports.0;
        flow.last = (flags, data);
        let marks = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        flow.heard = numbers.0.wrapping_add(data as u32).wrapping_add(marks);
        if flags & ACK != 0 {
            flow.acknowledged = numbers.1;
        }
    }

    /// Writes the frame that `action` sends. `false` if it sends none.
    pub fn write(&mut self, action: &Action<'_>, envelope: Envelope, frame: &mut Vec<u8>) -> bool {
        match *action {
            Action::Segment(segment) => self.write_segment(&segment, envelope, frame),
            Action::Datagram { port, length } => {
                self.write_packet(UDP, 0, envelope, frame, |frame| {
                    datagram(frame, port, length);
                });
            }
            Action::Message { kind, code, length } => {
                self.write_packet(ICMP, 0, envelope, frame, |frame| {
                    frame.extend_from_slice(&[kind, code, 0, 0]);
                    fill(frame, length.into());
                });
            }
            Action::Error { kind, code, quoted } => {
                let heard = std::mem::take(&mut self.last_heard);
                self.write_packet(ICMP, 0, envelope, frame, |frame| {
                    frame.extend_from_slice(&[kind, code, 0, 0, 0, 0, 2, 64]);
                    frame.extend_from_slice(&heard[..heard.len().min(quoted.into())]);
                });
                self.last_heard = heard;
            }
            Action::Fragment(fragment) => self.write_fragment(fragment, envelope, frame),
            Action::Arp {
                operation,
                sender,
                target,
            } => {
                let (sender, target) = (sender.address(PEER), target.address(ADDRESS));
                packet::arp(frame, operation, sender, target, envelope.fault);
            }
            Action::Raw { ether_type, bytes } => match ether_type {
                Some(ether_type) => packet::raw(frame, ether_type, bytes),
                None => frame.extend_from_slice(bytes),
            },
            _ => return false,
        }
        true
    }

    /// Writes an answer to the stack's question for `asked`.
    pub fn answer_arp(asked: Ipv4Addr, frame: &mut Vec<u8>) {
        packet::arp(frame, 2, asked, ADDRESS, Default::default());
    }

    fn write_packet(
        &mut self,
        protocol: u8,
        fragment: u16,
        envelope: Envelope,
        frame: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.identification = self.identification.wrapping_add(1);
        let header = Header {
            source: envelope.source.address(PEER),
            destination: envelope.destination.address(ADDRESS),
            protocol,
            fragment: (self.identification, fragment),
        };
        packet::ipv4(frame, header, envelope.fault, write);
    }

    fn write_segment(&mut self, segment: &Segment, envelope: Envelope, frame: &mut Vec<u8>) {
        let flow = &mut self.flows[segment.flow];
        let sequence = match segment.sequence {
            Number::Next(offset) => flow.next.wrapping_add_signed(offset),
            Number::Acknowledged => flow.acknowledged,
            Number::Absolute(number) => number,
        };
        let acknowledgement = match segment.acknowledgement {
            Number::Next(offset) => flow.heard.wrapping_add_signed(offset),
            Number::Acknowledged => flow
                .answered
                .wrapping_add(flow.heard.wrapping_sub(flow.answered) / 2),
            Number::Absolute(number) => number,
        };
        let marks = segment.flags & (SYN | FIN);
        let length = u32::from(segment.length) + marks.count_ones();
        if sequence == flow.next {
            flow.next = flow.next.wrapping_add(length);
        }
        if segment.flags & ACK != 0 {
            flow.answered = acknowledgement;
        }
        let flow = *flow;
        self.write_packet(TCP, 0x4000, envelope, frame, |frame| {
            let start = frame.len();
            frame.extend_from_slice(&flow.peer_port.to_be_bytes());
            frame.extend_from_slice(&flow.stack_port.to_be_bytes());
            frame.extend_from_slice(&sequence.to_be_bytes());
            frame.extend_from_slice(&acknowledgement.to_be_bytes());
            frame.extend_from_slice(&[0, segment.flags]);
            frame.extend_from_slice(&segment.window.to_be_bytes());
            frame.extend_from_slice(&[0; 4]);
            options(frame, segment.options, flow.acknowledged);
            frame[start + 12] = (((frame.len() - start) / 4) << 4) as u8;
            fill(frame, segment.length.into());
        });
    }

    fn write_fragment(&mut self, fragment: Fragment, envelope: Envelope, frame: &mut Vec<u8>) {
        let header = Header {
            source: envelope.source.address(PEER),
            destination: envelope.destination.address(ADDRESS),
            protocol: UDP,
            fragment: (
                fragment.identification.into(),
                fragment.offset | u16::from(fragment.more) << 13,
            ),
        };
        packet::ipv4(frame, header, envelope.fault, |frame| {
            if fragment.offset == 0 {
                // A datagram without a checksum, as long as its length says.
                let length = 1024_u16;
                frame.extend(DATAGRAM_SOURCE.to_be_bytes());
                frame.extend(DATAGRAM_PORT.to_be_bytes());
                frame.extend_from_slice(&length.to_be_bytes());
                frame.extend_from_slice(&[0; 2]);
                fill(frame, usize::from(fragment.length).saturating_sub(8));
            } else {
                fill(frame, fragment.length.into());
            }
        });
    }
}

fn datagram(frame: &mut Vec<u8>, port: u16, length: u16) {
    frame.extend(DATAGRAM_SOURCE.to_be_bytes());
    frame.extend_from_slice(&port.to_be_bytes());
    frame.extend((length + 8).to_be_bytes());
    frame.extend_from_slice(&[0; 2]);
    fill(frame, length.into());
}

/// Adds options, and what fills them up to whole words.
fn options(frame: &mut Vec<u8>, options: Options, acknowledged: u32) {
    match options {
        Options::None => {}
        Options::SegmentSize(size) => {
            frame.extend_from_slice(&[2, 4]);
            frame.extend_from_slice(&size.to_be_bytes());
        }
        Options::Usual => {
            frame.extend_from_slice(&[
                2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
            ]);
        }
        Options::WindowScale(shift) => frame.extend_from_slice(&[3, 3, shift, 0]),
        Options::SelectiveAcknowledgement(offset, length) => {
            let start = acknowledged.wrapping_add(offset.into());
            frame.extend_from_slice(&[1, 1, 5, 10]);
            frame.extend_from_slice(&start.to_be_bytes());
            frame.extend_from_slice(&start.wrapping_add(length.into()).to_be_bytes());
        }
        Options::Odd(kind, length) => frame.extend_from_slice(&[kind, length, 0, 0]),
    }
}

/// Adds `length` bytes of data. What they are makes no difference to a stack.
fn fill(frame: &mut Vec<u8>, length: usize) {
    frame.resize(frame.len() + length, b'x');
}
