//! What an input says: steps, each of a few bytes.

use std::time::Duration;

use arbitrary::{Result, Unstructured};

/// A step.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The program makes a call.
    Call {
        /// Its number.
        number: u64,
        /// Its arguments; those that the input does not name are zero.
        arguments: [Value; 6],
    },
    /// The program puts a word into its memory, at this slot and this many bytes into it.
    Put { slot: u8, offset: u8, value: Value },
    /// The program puts bytes into its memory.
    PutBytes { slot: u8, bytes: &'a [u8] },
    /// Time passes outside of calls, and an interrupt comes.
    Pass(Duration),
    /// Somebody types.
    Type(&'a [u8]),
    /// Somebody at the controls asks for an interruption, or for the end.
    Ask { terminate: bool },
    /// An instruction of the program faults.
    Fault {
        vector: u8,
        error_code: u8,
        address: Value,
    },
}

/// A word, as a program may come to have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Value {
    /// Zero.
    #[default]
    Zero,
    /// This number: a descriptor, a small count, an option.
    Number(u64),
    /// The negative of this number.
    Negative(u8),
    /// One bit.
    Bit(u8),
    /// The address of a slot of the program's memory.
    Slot(u8),
    /// So many bytes before the end of what is mapped.
    BeforeTheEnd(u8),
    /// An address that the program may not use so, or not at all.
    Bad(u8),
    /// The stack pointer, plus this.
    Stack(i8),
    /// What the last call returned.
    LastResult,
}

/// How many slots of the program's memory steps can name, and how long each is.
pub const SLOTS: u64 = 64;
pub const SLOT_LENGTH: u64 = 256;

/// Numbers at which something changes.
const EDGES: [u64; 16] = [
    0x1000,
    0x1001,
    0x8000,
    0xFFFF,
    0x1_0000,
    0x10_0000,
    0x1000_0000,
    0x7FFF_F000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x1_0000_0000,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX - 1,
    u64::MAX,
];

const TIMES_MS: [u64; 4] = [1, 100, 10_000, 3_600_000];

impl<'a> Step<'a> {
    /// The next step; `None` at the input's end.
    pub fn next(input: &mut Unstructured<'a>) -> Option<Self> {
        if input.is_empty() {
            return None;
        }
        Self::read(input).ok()
    }

    fn read(input: &mut Unstructured<'a>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        Ok(match kind % 16 {
            0..=8 => Self::read_call(input)?,
            9 | 10 => Self::Put {
                slot: input.arbitrary()?,
                offset: input.arbitrary()?,
                value: Value::read(input)?,
            },
            11 => Self::PutBytes {
                slot: input.arbitrary()?,
                bytes: read_bytes(input)?,
            },
            12 => {
                let choice: u8 = input.arbitrary()?;
                let milliseconds = TIMES_MS[usize::from(choice) % TIMES_MS.len()];
                Self::Pass(Duration::from_millis(milliseconds))
            }
            13 => Self::Type(read_bytes(input)?),
            14 => Self::Ask {
                terminate: input.arbitrary()?,
            },
            _ => Self::Fault {
                vector: input.arbitrary::<u8>()? % 32,
                error_code: input.arbitrary()?,
                address: Value::read(input)?,
            },
        })
    }

    fn read_call(input: &mut Unstructured<'a>) -> Result<Self> {
        let low: u8 = input.arbitrary()?;
        let mixed: u8 = input.arbitrary()?;
        // The low bit of 512 numbers is the top bit of the next byte; of those that are no calls
        // one is enough, and the last is far beyond.
        let number = u32::from(low) | u32::from(mixed & 0x80) << 1;
        let number = match mixed & 0x40 {
            0 => number.into(),
            _ => u64::from(number) << 32,
        };
        let mut arguments = [Value::Zero; 6];
        for argument in arguments.iter_mut().take((mixed & 7).into()) {
            *argument = Value::read(input)?;
        }
        Ok(Self::Call { number, arguments })
    }
}

impl Value {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let kind: u8 = input.arbitrary()?;
        // Most values are small numbers and good addresses, in one byte.
        Ok(match kind {
            0..=63 => Self::Number(kind.into()),
            64..=127 => Self::Slot(kind - 64),
            128..=143 => Self::Number(EDGES[usize::from(kind - 128)]),
            144..=159 => Self::Bad(kind - 144),
            160..=175 => Self::Negative(kind - 159),
            176..=207 => Self::Bit(kind - 176),
            208..=215 => Self::BeforeTheEnd(input.arbitrary()?),
            216..=223 => Self::Stack(input.arbitrary()?),
            224..=231 => Self::LastResult,
            232..=239 => Self::Number(input.arbitrary::<u16>()?.into()),
            240..=247 => Self::Number(input.arbitrary::<u32>()?.into()),
            _ => Self::Number(input.arbitrary()?),
        })
    }
}

fn read_bytes<'a>(input: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let length: u8 = input.arbitrary()?;
    input.bytes(usize::from(length).min(input.len()))
}
