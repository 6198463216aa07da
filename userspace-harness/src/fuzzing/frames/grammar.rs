//! What an input says: steps, each of a few bytes, so that one that is changed or moved leaves the
//! others what they are.
//!
//! The low four bits of a step's first byte say what it is; bit 7, that an [`Envelope`] of odd
//! values follows; bit 6, that the stack is not polled yet.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

/// A step and how it is taken.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What is done.
    pub action: Action<'a>,
    /// What is odd about the packet, if the step sends one.
    pub envelope: Envelope,
    /// The stack does not see it before the next step that does not wait.
    pub held: bool,
}

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Sends a TCP segment.
    Segment(Segment),
    /// Sends a UDP datagram to the port, with this many bytes.
    Datagram { port: u16, length: u16 },
    /// Sends an ICMP message.
    Message { kind: u8, code: u8, length: u8 },
    /// Sends an ICMP error about what the stack sent last, of which it quotes this much.
    Error { kind: u8, code: u8, quoted: u8 },
    /// Sends a fragment of a datagram to the open port.
    Fragment(Fragment),
    /// Sends an ARP packet of this operation.
    Arp {
        operation: u8,
        sender: Station,
        target: Station,
    },
    /// Sends these bytes: as a frame, or within one of this type to the stack.
    Raw {
        ether_type: Option<u16>,
        bytes: &'a [u8],
    },
    /// Sends the last frame again, with the byte at the place changed.
    Again { place: u16, change: u8 },
    /// Lets time pass.
    Pass(Duration),
    /// Has the program call the stack.
    Program(Call),
    /// From now on ARP requests are answered, or not.
    AnswerArp(bool),
}

/// A TCP segment, in terms of the connection that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The connection's number.
    pub flow: usize,
    /// The flags as on the wire, URG, ECE and CWR among them.
    pub flags: u8,
    /// Its sequence number.
    pub sequence: Number,
    /// Its acknowledgement number.
    pub acknowledgement: Number,
    /// Its window as on the wire.
    pub window: u16,
    /// Its options.
    pub options: Options,
    /// How many bytes of data.
    pub length: u16,
}

/// A sequence number, relative to where the connection is.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// The next one, plus this.
    Next(i32),
    /// For a sequence: what the stack has acknowledged. For an acknowledgement: half of what it
    /// has sent and the peer has not acknowledged.
    Acknowledged,
    /// This one.
    Absolute(u32),
}

/// The options of a segment.
#[derive(Clone, Copy, Debug)]
pub enum Options {
    None,
    /// A maximum segment size.
    SegmentSize(u16),
    /// What Linux sends with a SYN: segment size, SACK permitted, timestamps, a window scale.
    Usual,
    /// A window scale.
    WindowScale(u8),
    /// A SACK block from so far beyond what is acknowledged, of this length.
    SelectiveAcknowledgement(u8, u8),
    /// This option kind with this length and nothing in it.
    Odd(u8, u8),
}

/// A fragment of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    /// Which datagram.
    pub identification: u8,
    /// Its place in units of eight bytes.
    pub offset: u16,
    /// Others follow.
    pub more: bool,
    /// How many bytes it has.
    pub length: u16,
}

/// Who an address belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Station {
    /// Whom one would expect.
    #[default]
    Usual,
    /// The stack.
    Stack,
    /// The peer.
    Peer,
    /// A station on the link, of which there are 256.
    Neighbour(u8),
    /// Everybody on the link.
    Broadcast,
    /// The address of these four bytes.
    Any([u8; 4]),
}

/// What is odd about a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope {
    /// Whom it says it is from.
    pub source: Station,
    /// Whom it is for.
    pub destination: Station,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, Default)]
pub enum Fault {
    #[default]
    None,
    /// The IP header's checksum.
    HeaderChecksum,
    /// The checksum of TCP, UDP or ICMP.
    TransportChecksum,
    /// UDP: there is no checksum.
    NoChecksum,
    /// The IP header's length field, in words; the checksum is right.
    HeaderLength(u8),
    /// The packet's length field is wrong by this; the checksum is right.
    TotalLength(i8),
    /// The length field of UDP, or the data offset of TCP.
    TransportLength(u8),
    /// The frame ends early by so many bytes.
    Cut(u8),
    /// The frame goes on for so many bytes.
    Padding(u8),
    /// The frame is for everybody.
    GroupFrame,
}

/// What the program does with its sockets.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Accepts a connection.
    Accept,
    /// Receives so many bytes on a socket.
    Receive { socket: u8, length: u16, peek: bool },
    /// Sends so many bytes on a socket.
    Send { socket: u8, length: u16 },
    /// Ends directions of a connection: 0 receiving, 1 sending, 2 both.
    ShutDown { socket: u8, half: u8 },
    /// Closes a socket.
    Close { socket: u8 },
    /// Connects a new socket to the peer's port of this flow.
    Connect { flow: usize },
    /// Sends a datagram to a neighbour.
    SendTo { neighbour: u8, length: u16 },
    /// Sets an option: 0 no delay, 1 keep alive.
    SetOption { socket: u8, option: u8 },
}

/// Times that are passed: within one round trip, a delayed acknowledgement, a retransmission, the
/// life of an ARP entry, a connection's patience.
const TIMES_MS: [u64; 8] = [1, 10, 40, 200, 1_000, 3_000, 61_000, 200_000];
/// Windows and lengths at which something changes.
const WINDOWS: [u16; 8] = [0, 1, 535, 1460, 8192, 32_768, 65_534, 65_535];
const LENGTHS: [u16; 8] = [0, 1, 7, 100, 536, 1000, 1459, 1460];

impl<'a> Step<'a> {
    /// The next step; `None` at the input's end.
    pub fn next(input: &mut Unstructured<'a>) -> Option<Self> {
        if input.is_empty() {
            return None;
        }
        Self::read(input).ok()
    }

    fn read(input: &mut Unstructured<'a>) -> Result<Self> {
        let first: u8 = input.arbitrary()?;
        let envelope = if first & 0x80 != 0 {
            Envelope::read(input)?
        } else {
            Envelope::default()
        };
        Ok(Self {
            action: Action::read(first & 15, input)?,
            envelope,
            held: first & 0x40 != 0,
        })
    }
}

impl<'a> Action<'a> {
    fn read(kind: u8, input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match kind {
            0..=4 => Self::Segment(Segment::read(input)?),
            5 => Self::Datagram {
                port: read_port(input)?,
                length: read_length(input)?,
            },
            6 => Self::Message {
                kind: input.arbitrary()?,
                code: input.arbitrary()?,
                length: input.arbitrary()?,
            },
            7 => Self::Error {
                kind: *choose(input, &[3, 4, 5, 11, 12])?,
                code: input.arbitrary::<u8>()? % 16,
                quoted: input.arbitrary()?,
            },
            8 => Self::Fragment(Fragment::read(input)?),
            9 => Self::Arp {
                operation: input.arbitrary::<u8>()? % 4,
                sender: Station::read(input)?,
                target: Station::read(input)?,
            },
            10 => Self::read_raw(input)?,
            11 => Self::Again {
                place: input.arbitrary()?,
                change: input.arbitrary()?,
            },
            12 => Self::Pass(Duration::from_millis(*choose(input, &TIMES_MS)?)),
            13 | 14 => Self::Program(Call::read(input)?),
            _ => Self::AnswerArp(input.arbitrary::<u8>()? % 2 == 0),
        })
    }

    fn read_raw(input: &mut Unstructured<'a>) -> Result<Self> {
        let ether_type = match input.arbitrary::<u8>()? % 4 {
            0 => None,
            1 => Some(0x0806),
            _ => Some(0x0800),
        };
        let length = usize::from(input.arbitrary::<u8>()?);
        let bytes = input.bytes(length.min(input.len()))?;
        Ok(Self::Raw { ether_type, bytes })
    }
}

impl Segment {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let mixed: u8 = input.arbitrary()?;
        Ok(Self {
            flow: usize::from(mixed & 3),
            flags: input.arbitrary()?,
            sequence: Number::read(mixed >> 2 & 3, input)?,
            acknowledgement: Number::read(mixed >> 4 & 3, input)?,
            window: *choose(input, &WINDOWS)?,
            options: Options::read(mixed >> 6, input)?,
            length: read_length(input)?,
        })
    }
}

impl Number {
    fn read(kind: u8, input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match kind {
            0 => Self::Next(0),
            1 => Self::Acknowledged,
            2 => Self::Next(input.arbitrary::<i16>()?.into()),
            _ => Self::Absolute(input.arbitrary()?),
        })
    }
}

impl Options {
    fn read(kind: u8, input: &mut Unstructured<'_>) -> Result<Self> {
        if kind == 0 {
            return Ok(Self::None);
        }
        if kind == 1 {
            return Ok(Self::Usual);
        }
        Ok(match input.arbitrary::<u8>()? % 4 {
            0 => Self::SegmentSize(input.arbitrary()?),
            1 => Self::WindowScale(input.arbitrary()?),
            2 => Self::SelectiveAcknowledgement(input.arbitrary()?, input.arbitrary()?),
            _ => Self::Odd(input.arbitrary()?, input.arbitrary()?),
        })
    }
}

impl Fragment {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let mixed: u8 = input.arbitrary()?;
        let far = mixed & 0x80 != 0;
        let offset = if far {
            input.arbitrary::<u16>()? & 0x1FFF
        } else {
            u16::from(mixed >> 2 & 15) * 16
        };
        Ok(Self {
            identification: mixed & 3,
            offset,
            more: mixed & 0x40 == 0,
            length: read_length(input)?,
        })
    }
}

impl Station {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match input.arbitrary::<u8>()? % 8 {
            0..=2 => Self::Usual,
            3 => Self::Stack,
            4 => Self::Peer,
            5 => Self::Neighbour(input.arbitrary()?),
            6 => Self::Broadcast,
            _ => Self::Any(input.arbitrary()?),
        })
    }
}

impl Envelope {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let mixed: u8 = input.arbitrary()?;
        let mut envelope = Self::default();
        if mixed & 0x80 != 0 {
            envelope.source = Station::read(input)?;
        }
        if mixed & 0x40 != 0 {
            envelope.destination = Station::read(input)?;
        }
        envelope.fault = Fault::read(mixed & 0x0F, input)?;
        Ok(envelope)
    }
}

impl Fault {
    fn read(kind: u8, input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match kind {
            0 | 1 => Self::None,
            2 => Self::HeaderChecksum,
            3 => Self::TransportChecksum,
            4 => Self::NoChecksum,
            5 => Self::HeaderLength(input.arbitrary()?),
            6 => Self::TotalLength(input.arbitrary()?),
            7 => Self::TransportLength(input.arbitrary()?),
            8 | 9 => Self::Cut(input.arbitrary()?),
            10 | 11 => Self::Padding(input.arbitrary()?),
            _ => Self::GroupFrame,
        })
    }
}

impl Call {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let mixed: u8 = input.arbitrary()?;
        let socket = mixed >> 3;
        let flow = usize::from(socket & 3);
        Ok(match mixed & 7 {
            0 => Self::Accept,
            1 => Self::Receive {
                socket,
                length: read_length(input)?,
                peek: input.arbitrary::<u8>()? % 4 == 0,
            },
            2 => Self::Send {
                socket,
                length: read_length(input)?,
            },
            3 => Self::ShutDown {
                socket,
                half: input.arbitrary::<u8>()? % 3,
            },
            4 => Self::Close { socket },
            5 => Self::Connect { flow },
            6 => Self::SendTo {
                neighbour: input.arbitrary()?,
                length: read_length(input)?,
            },
            _ => Self::SetOption {
                socket,
                option: input.arbitrary::<u8>()? % 2,
            },
        })
    }
}

/// One of `values`, by one byte.
fn choose<'v, T>(input: &mut Unstructured<'_>, values: &'v [T]) -> Result<&'v T> {
    let index: u8 = input.arbitrary()?;
    Ok(&values[usize::from(index) % values.len()])
}

/// A length that a packet may have.
fn read_length(input: &mut Unstructured<'_>) -> Result<u16> {
    let choice: u8 = input.arbitrary()?;
    Ok(match LENGTHS.get(usize::from(choice)) {
        Some(length) => *length,
        None => u16::from(choice) * 5,
    })
}

/// A port: the open one as a rule.
fn read_port(input: &mut Unstructured<'_>) -> Result<u16> {
    Ok(match input.arbitrary::<u8>()? % 4 {
        0 | 1 => super::world::DATAGRAM_PORT,
        2 => super::world::CLOSED_PORT,
        _ => input.arbitrary()?,
    })
}
