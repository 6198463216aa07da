//! How bytes are read as steps: each is of a few bytes, so that one that is changed or moved leaves
//! the others what they are.
//!
//! The low four bits of a step's first byte say what it is; bit 7, that an [`Envelope`] of odd
//! values follows; bit 6, that the stack is not polled yet.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

use super::step::{
    Action, Call, Envelope, Fault, Fragment, Number, Options, Segment, Station, Step,
};

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
