//! The start of a program: its first stack laid out (System V x86-64 ABI 3.4.1, "Initial Stack and
//! Register State").

use hypercall::{PAGE_SIZE, ProgramHost, ProgramRange, Protection, Registers};
use posix::Errno;
use posix::memory_map::{MemoryMap, Placement, Purpose};
use thiserror::Error;
use zerocopy::IntoBytes;

use crate::bindings::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_NULL,
    AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM, AT_RANDOM, AT_SECURE, AT_UID, elf64_phdr,
};
use crate::strings::Strings;
use crate::user_memory::UserMemory;

/// The most that the first stack may grow to (Linux' RLIMIT_STACK).
pub const STACK_LIMIT: u64 = 8 << 20;

/// Nothing is mapped in so much below the stack, so that running over its end faults.
const STACK_GUARD: u64 = 16 * PAGE_SIZE as u64;

/// Clock ticks in a second, as `times` counts them.
pub(crate) const CLOCK_TICKS: u64 = 100;

/// The flags at the start: interrupts on, and the bit that is always set.
const INITIAL_FLAGS: u64 = 0x202;

/// Bytes that AT_RANDOM points to.
pub(crate) const RANDOM_LENGTH: usize = 16;

/// What AT_PLATFORM points to, with its NUL.
const PLATFORM: &[u8] = b"x86_64\0";

/// What lies above the name of the file, as on Linux.
const TOP: [u8; 8] = [0; 8];

/// How many entries the auxiliary vector has that are a program's own.
const OWN_VECTOR_LENGTH: usize = 6;

/// The end of the auxiliary vector, which is the same for every program.
const COMMON_VECTOR: [[u64; 2]; 11] = [
    [AT_PAGESZ as u64, PAGE_SIZE as u64],
    [AT_CLKTCK as u64, CLOCK_TICKS],
    [AT_PHENT as u64, size_of::<elf64_phdr>() as u64],
    [AT_BASE as u64, 0],
    [AT_FLAGS as u64, 0],
    [AT_UID as u64, 0],
    [AT_EUID as u64, 0],
    [AT_GID as u64, 0],
    [AT_EGID as u64, 0],
    [AT_SECURE as u64, 0],
    [AT_NULL as u64, 0],
];

/// A program that a loader has placed in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgramImage<S> {
    /// Where it begins to run.
    pub entry: u64,
    /// Where its program headers are, as ELF-64 has them.
    pub program_headers: u64,
    /// How many program headers there are.
    pub program_header_count: u64,
    /// Its segments ([`ImageSegment`]), none of which overlaps another.
    pub segments: S,
}

/// Pages of a program's file, as a loader has placed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageSegment {
    /// Where they are.
    pub range: ProgramRange,
    /// What the program may do there.
    pub protection: Protection,
}

/// Why a program could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// The program lies where its stack is to be.
    #[error("the program lies where its stack is to be")]
    NoPlace,
    /// Arguments and environment take more than a quarter of the stack.
    #[error("the arguments and the environment are too long")]
    TooLong,
    /// No memory for the stack.
    #[error("out of memory for the program's stack")]
    OutOfMemory,
    /// The host has no random bytes.
    #[error("no entropy for the program's start")]
    NoEntropy,
}

/// What a program is told at its start.
pub(crate) struct Start<'a> {
    pub(crate) entry: u64,
    pub(crate) program_headers: u64,
    pub(crate) program_header_count: u64,
    pub(crate) arguments: &'a Strings,
    pub(crate) environment: &'a Strings,
    pub(crate) random: [u8; RANDOM_LENGTH],
}

impl Start<'_> {
    /// Makes the stack and returns the registers to begin with.
    pub(crate) fn prepare(
        &self,
        host: &mut dyn ProgramHost,
        map: &mut MemoryMap,
    ) -> Result<Registers, StartError> {
        let stack = map_stack(host, map)?;
        let strings = [
            &self.random,
            PLATFORM,
            self.arguments.as_bytes(),
            self.environment.as_bytes(),
            self.arguments.first(),
            &TOP,
        ];
        let strings_length = strings.iter().map(|string| string.len()).sum::<usize>() as u64;
        let words_length = (self.word_count() * size_of::<u64>()) as u64;
        if strings_length + words_length > stack.length() / 4 {
            return Err(StartError::TooLong);
        }
        let strings_start = stack.end() - strings_length;
        // The stack pointer must be a multiple of 16.
        let rsp = (strings_start - words_length) & !15;
        let mut memory = Writer {
            memory: UserMemory::new(host),
            next: strings_start,
        };
        for string in strings {
            memory.write(string)?;
        }
        memory.next = rsp;
        self.write_words(&mut memory, strings_start)?;
        Ok(Registers {
            rip: self.entry,
            rsp,
            rflags: INITIAL_FLAGS,
            ..Registers::default()
        })
    }

    /// How many words lie from the stack pointer on.
    fn word_count(&self) -> usize {
        let pointers = self.arguments.count() + 1 + self.environment.count() + 1;
        1 + pointers + 2 * (OWN_VECTOR_LENGTH + COMMON_VECTOR.len())
    }

    /// Writes the words from the stack pointer on: the argument count, pointers to the arguments
    /// and to the environment, the auxiliary vector. What they point to begins at `strings_start`.
    fn write_words(&self, memory: &mut Writer, strings_start: u64) -> Result<(), StartError> {
        let random = strings_start;
        let platform = random + self.random.len() as u64;
        let mut next = platform + PLATFORM.len() as u64;
        memory.write(self.arguments.count().as_bytes())?;
        for list in [self.arguments, self.environment] {
            for string in list.iter() {
                memory.write(next.as_bytes())?;
                next += string.len() as u64;
            }
            memory.write(0_u64.as_bytes())?;
        }
        let own: [[u64; 2]; OWN_VECTOR_LENGTH] = [
            [AT_PHDR.into(), self.program_headers],
            [AT_PHNUM.into(), self.program_header_count],
            [AT_ENTRY.into(), self.entry],
            [AT_RANDOM.into(), random],
            [AT_EXECFN.into(), next],
            [AT_PLATFORM.into(), platform],
        ];
        memory.write(own.as_bytes())?;
        memory.write(COMMON_VECTOR.as_bytes())
    }
}

/// Writes one thing behind the other.
struct Writer<'a> {
    memory: UserMemory<'a>,
    /// Where the next one goes.
    next: u64,
}

impl Writer<'_> {
    #[inline(never)] // Copies of it would be a noticeable part of an image.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StartError> {
        self.memory
            .write_bytes(self.next, bytes)
            .map_err(|_| StartError::OutOfMemory)?;
        self.next += bytes.len() as u64;
        Ok(())
    }
}

/// The first stack at the top of the program's addresses: pages take memory as they are reached.
/// A small home gets a smaller one.
fn map_stack(host: &mut dyn ProgramHost, map: &mut MemoryMap) -> Result<ProgramRange, StartError> {
    let space = host.program_range();
    let eighth = space.length() / 8;
    let length = STACK_LIMIT.min(eighth - eighth % PAGE_SIZE as u64);
    let guard = space
        .end()
        .checked_sub(length + STACK_GUARD)
        .ok_or(StartError::OutOfMemory)?;
    let mut place = |start, length, protection| {
        let placement = Placement::FixedIfFree(start);
        map.map(host, placement, length, protection, Purpose::Stack, false)
    };
    place(guard, STACK_GUARD, Protection::empty())
        .and_then(|_| {
            place(
                guard + STACK_GUARD,
                length,
                Protection::READ | Protection::WRITE,
            )
        })
        .map_err(|error| match error {
            Errno::EEXIST => StartError::NoPlace,
            _ => StartError::OutOfMemory,
        })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::testing::{FakeProgramHost, TestMemory as _};

    fn strings(list: &[&[u8]]) -> Strings {
        let mut strings = Strings::new();
        for string in list {
            strings.push(string.iter().copied());
        }
        strings
    }

    fn start(arguments: &[&[u8]]) -> (FakeProgramHost, MemoryMap, Result<Registers, StartError>) {
        let mut host = FakeProgramHost::new();
        let mut map = MemoryMap::new(&host);
        let start = Start {
            entry: 0x40,
            program_headers: 0x1040,
            program_header_count: 2,
            arguments: &strings(arguments),
            environment: &strings(&[b"HOME=/", b"A=b"]),
            random: *b"0123456789abcdef",
        };
        let started = start.prepare(&mut host, &mut map);
        (host, map, started)
    }

    fn string(host: &mut FakeProgramHost, address: u64) -> Vec<u8> {
        UserMemory::new(host)
            .read_string(address, 100)
            .expect("a string")
    }

    #[test]
    fn the_stack_is_laid_out_as_the_abi_says() {
        let (mut host, _, started) = start(&[b"/bin/prog", b"", b"-x"]);
        let registers = started.expect("it starts");
        assert_eq!(registers.rip, 0x40);
        assert_eq!(registers.rsp % 16, 0);
        let mut words = {
            let bytes = host.bytes(registers.rsp, 8 * 42);
            let words: Vec<u64> = bytes
                .chunks(8)
                .map(|word| u64::from_le_bytes(word.try_into().expect("eight")))
                .collect();
            words.into_iter()
        };
        let mut next = || words.next().expect("more");
        assert_eq!(next(), 3);
        assert_eq!(string(&mut host, next()), b"/bin/prog");
        assert_eq!(string(&mut host, next()), b"");
        assert_eq!(string(&mut host, next()), b"-x");
        assert_eq!(next(), 0);
        assert_eq!(string(&mut host, next()), b"HOME=/");
        assert_eq!(string(&mut host, next()), b"A=b");
        assert_eq!(next(), 0);
        let mut vector = Vec::new();
        loop {
            let entry = (next() as u32, next());
            if entry.0 == AT_NULL {
                break;
            }
            vector.push(entry);
        }
        let value = |kind| {
            let entry = vector.iter().find(|entry| entry.0 == kind);
            entry.expect("in the vector").1
        };
        assert_eq!(value(AT_PHDR), 0x1040);
        assert_eq!(value(AT_PHNUM), 2);
        assert_eq!(value(AT_PHENT), 56);
        assert_eq!(value(AT_PAGESZ), PAGE_SIZE as u64);
        assert_eq!(host.bytes(value(AT_RANDOM), 16), b"0123456789abcdef");
        assert_eq!(string(&mut host, value(AT_EXECFN)), b"/bin/prog");
        assert_eq!(string(&mut host, value(AT_PLATFORM)), b"x86_64");
    }

    #[test]
    fn a_program_without_arguments_has_an_empty_name() {
        let (mut host, map, started) = start(&[]);
        let registers = started.expect("it starts");
        assert_eq!(host.bytes(registers.rsp, 8), [0; 8]);
        let stack = map.area_at(registers.rsp).expect("mapped").range;
        assert_eq!(host.bytes(stack.end() - 9, 9), [0; 9]);
    }

    #[test]
    fn running_over_the_stack_faults() {
        let (mut host, map, started) = start(&[b"x"]);
        let rsp = started.expect("it starts").rsp;
        let stack = map.area_at(rsp).expect("mapped").range;
        let below = host.prepare(stack.start() - 1, 1, Protection::READ);
        assert!(below.is_err());
    }

    #[test]
    fn arguments_that_fill_the_stack_are_refused() {
        let long = alloc::vec![b'x'; 1 << 20];
        let (_, _, started) = start(&[&long]);
        assert_eq!(started, Err(StartError::TooLong));
    }
}
