//! The language of the target's inputs: a way to start, and steps of both sides, 8 bytes each.
//!
//! ```text
//! start: | class | features | fault | maximum of queue 0 | of queue 1 | 3 unused |
//! step:  | kind  | queue    | small: 2 bytes, little-endian | large: 4 bytes, little-endian |
//! ```

/// Bytes of a start, and of a step.
const LENGTH: usize = 8;
/// The most steps that are taken from one input: what matters about rings shows within these.
const STEPS_MAX: usize = 64;

/// How the device is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Start {
    /// A disk; else a network device.
    pub is_disk: bool,
    pub event_index: bool,
    pub fault: Option<StartFault>,
    /// What the device gives as its queues' largest sizes.
    pub maxima: [Maximum; 2],
}

/// What a device does wrong before it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartFault {
    FeaturesOkRefused,
    ConfigurationChanging,
    CapacityZero,
    CapacityHuge,
}

/// What a device gives as a queue's largest size. 0 to 4 stand for values by themselves, others
/// for a power of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Maximum(pub u8);

impl Maximum {
    pub fn value(self) -> u32 {
        match self.0 {
            0 => 256,
            1 => 0,
            2 => 100,
            3 => 1 << 16,
            4 => 0x1_0008,
            other => 1 << (other % 9),
        }
    }
}

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The driver is asked for what has come: so many frames, or answers to requests.
    Take { count: u16 },
    /// The driver's caller gives a frame back that it has read.
    Release,
    /// The driver is given something: frames to send, or requests, of about so many bytes.
    Give { count: u16, length: u32 },
    /// The driver is asked for the link's state, or told that so many seconds have passed.
    Look { seconds: u16 },
    /// The device does what it should do: brings frames of about so many bytes (queue 0) or takes
    /// those that were sent, or does what a disk was asked for.
    Serve { queue: u8, count: u16, length: u32 },
    /// The device does one request, with this status and this length.
    Answer { status: u16, length: u32 },
    /// The device publishes a completion.
    Publish { queue: u8, length: u16, id: u32 },
    /// The device moves `used.idx` from what is right.
    MoveIndex { queue: u8, distance: u16 },
    /// The device overwrites four bytes anywhere in the queues' memory.
    Overwrite { offset: u16, value: u32 },
    /// The device interrupts for nothing, or because it needs a reset.
    Interrupt { needs_reset: bool },
}

impl Start {
    fn decode(bytes: [u8; LENGTH]) -> Self {
        Self {
            is_disk: bytes[0] & 1 != 0,
            event_index: bytes[1] & 1 != 0,
            fault: match bytes[2] {
                1 => Some(StartFault::FeaturesOkRefused),
                2 => Some(StartFault::ConfigurationChanging),
                3 => Some(StartFault::CapacityZero),
                4 => Some(StartFault::CapacityHuge),
                _ => None,
            },
            maxima: [Maximum(bytes[3]), Maximum(bytes[4])],
        }
    }
}

impl Step {
    fn decode([kind, queue, rest @ ..]: [u8; LENGTH]) -> Self {
        let [small_low, small_high, large @ ..] = rest;
        let small = u16::from_le_bytes([small_low, small_high]);
        let large = u32::from_le_bytes(large);
        let queue = queue & 1;
        match kind % 10 {
            0 => Self::Take { count: small },
            1 => Self::Release,
            2 => Self::Give {
                count: small,
                length: large,
            },
            3 => Self::Look { seconds: small },
            4 => Self::Serve {
                queue,
                count: small,
                length: large,
            },
            5 => Self::Answer {
                status: small,
                length: large,
            },
            6 => Self::Publish {
                queue,
                length: small,
                id: large,
            },
            7 => Self::MoveIndex {
                queue,
                distance: small,
            },
            8 => Self::Overwrite {
                offset: small,
                value: large,
            },
            _ => Self::Interrupt {
                needs_reset: large & 1 != 0,
            },
        }
    }
}

/// What an input says. Bytes behind the last whole step say nothing.
pub fn decode(input: &[u8]) -> (Start, impl Iterator<Item = Step>) {
    let (chunks, _) = input.as_chunks();
    let mut chunks = chunks.iter().copied();
    let start = chunks.next().map_or_else(Start::default, Start::decode);
    (start, chunks.take(STEPS_MAX).map(Step::decode))
}

/// The input that says this.
#[cfg(test)]
pub fn encode(start: Start, steps: &[Step]) -> Vec<u8> {
    let fault = match start.fault {
        None => 0,
        Some(StartFault::FeaturesOkRefused) => 1,
        Some(StartFault::ConfigurationChanging) => 2,
        Some(StartFault::CapacityZero) => 3,
        Some(StartFault::CapacityHuge) => 4,
    };
    let [first, second] = start.maxima.map(|maximum| maximum.0);
    let flags = [start.is_disk.into(), start.event_index.into(), fault];
    let mut bytes = [&flags[..], &[first, second, 0, 0, 0]].concat();
    for step in steps {
        let (kind, queue, small, large) = match *step {
            Step::Take { count } => (0, 0, count, 0),
            Step::Release => (1, 0, 0, 0),
            Step::Give { count, length } => (2, 0, count, length),
            Step::Look { seconds } => (3, 0, seconds, 0),
            Step::Serve {
                queue,
                count,
                length,
            } => (4, queue, count, length),
            Step::Answer { status, length } => (5, 0, status, length),
            Step::Publish { queue, length, id } => (6, queue, length, id),
            Step::MoveIndex { queue, distance } => (7, queue, distance, 0),
            Step::Overwrite { offset, value } => (8, 0, offset, value),
            Step::Interrupt { needs_reset } => (9, 0, 0, needs_reset.into()),
        };
        bytes.extend([kind, queue]);
        bytes.extend(u16::to_le_bytes(small));
        bytes.extend(u32::to_le_bytes(large));
    }
    bytes
}
