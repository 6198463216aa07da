//! The steps that an input consists of.

use std::time::Duration;

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
