//! The start of a program: its image noted, its first stack laid out (System V x86-64 ABI 3.4.1,
//! "Initial Stack and Register State").

use alloc::vec::Vec;

use hypercall::{PAGE_SIZE, ProgramHost, ProgramRange, Protection, Registers};
use posix::Errno;
use posix::memory_map::{MemoryMap, Placement, Purpose};
use thiserror::Error;

use crate::bindings::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_NULL,
    AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM, AT_RANDOM, AT_SECURE, AT_UID, PF_R, PF_W,
    PF_X, PT_LOAD, PT_PHDR, elf64_phdr,
};
use crate::user_memory::UserMemory;

/// The most that the first stack may grow to (Linux' RLIMIT_STACK).
pub const STACK_LIMIT: u64 = 8 << 20;

/// Nothing is mapped in so much below the stack, so that running over its end faults.
const STACK_GUARD: u64 = 16 * PAGE_SIZE as u64;

/// Clock ticks in a second, as `times` counts them.
pub(crate) const CLOCK_TICKS: u64 = 100;

/// The flags at the start: interrupts on, and the bit that is always set.
const INITIAL_FLAGS: u64 = 0x202;

/// How many bytes of a file come before the program headers (ELF-64's file header), in every file
/// that a linker has written.
const FILE_HEADER_SIZE: u64 = 64;

/// What AT_PLATFORM points to.
const PLATFORM: &[u8] = b"x86_64";

/// A program that a loader has placed in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgramImage {
    /// Where it begins to run.
    pub entry: u64,
    /// Where its program headers are.
    pub program_headers: u64,
    /// How many program headers there are.
    pub program_header_count: u16,
    /// The size of each in bytes.
    pub program_header_size: u16,
}

/// Why a program could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// The program headers are not where the image says, or make no sense.
    #[error("the program headers make no sense")]
    BadImage,
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
    pub(crate) image: ProgramImage,
    pub(crate) arguments: &'a [&'a [u8]],
    pub(crate) environment: &'a [&'a [u8]],
    pub(crate) random: [u8; 16],
}

impl Start<'_> {
    /// Notes the image in `map`, makes the stack and returns the registers to begin with.
    pub(crate) fn prepare(
        &self,
        host: &mut dyn ProgramHost,
        map: &mut MemoryMap,
    ) -> Result<Registers, StartError> {
        note_image(host, map, self.image)?;
        let stack = map_stack(host, map)?;
        let content = self.stack_content(stack.end());
        if content.len() as u64 > stack.length() / 4 {
            return Err(StartError::TooLong);
        }
        let rsp = stack.end() - content.len() as u64;
        UserMemory::new(host)
            .write_bytes(rsp, &content)
            .map_err(|_| StartError::OutOfMemory)?;
        Ok(Registers {
            rip: self.image.entry,
            rsp,
            rflags: INITIAL_FLAGS,
            ..Registers::default()
        })
    }

    /// The bytes from the first stack pointer up to `top`: the argument count, the pointers, the
    /// auxiliary vector, then what they point to.
    fn stack_content(&self, top: u64) -> Vec<u8> {
        let mut strings = Strings::below(top, self.strings_length());
        let random = strings.push(&self.random);
        let platform = strings.push(PLATFORM);
        let mut words = Words(Vec::new());
        words.push(self.arguments.len() as u64);
        for list in [self.arguments, self.environment] {
            for string in list {
                words.push(strings.push(string));
            }
            words.push(0);
        }
        // As on Linux the name of the file comes last, below eight zeros.
        let execfn = strings.push(self.file_name());
        strings.bytes.resize(self.strings_length(), 0);
        let pointers = Pointers {
            execfn,
            platform,
            random,
        };
        for (kind, value) in self.auxiliary_vector(&pointers) {
            words.push(kind.into());
            words.push(value);
        }
        words.on_top_of(&strings.bytes)
    }

    fn file_name(&self) -> &[u8] {
        self.arguments.first().copied().unwrap_or_default()
    }

    /// How many bytes everything takes that is pointed to.
    fn strings_length(&self) -> usize {
        let fixed = self.random.len() + 1 + PLATFORM.len() + 1 + size_of::<u64>();
        let mut length = fixed + self.file_name().len() + 1;
        for string in self.arguments.iter().chain(self.environment) {
            length += string.len() + 1;
        }
        length
    }

    fn auxiliary_vector(&self, pointers: &Pointers) -> [(u32, u64); 17] {
        let image = &self.image;
        [
            (AT_PAGESZ, PAGE_SIZE as u64),
            (AT_CLKTCK, CLOCK_TICKS),
            (AT_PHDR, image.program_headers),
            (AT_PHENT, image.program_header_size.into()),
            (AT_PHNUM, image.program_header_count.into()),
            (AT_BASE, 0),
            (AT_FLAGS, 0),
            (AT_ENTRY, image.entry),
            (AT_UID, 0),
            (AT_EUID, 0),
            (AT_GID, 0),
            (AT_EGID, 0),
            (AT_SECURE, 0),
            (AT_RANDOM, pointers.random),
            (AT_EXECFN, pointers.execfn),
            (AT_PLATFORM, pointers.platform),
            (AT_NULL, 0),
        ]
    }
}

/// Addresses in the auxiliary vector.
struct Pointers {
    execfn: u64,
    platform: u64,
    random: u64,
}

/// What lies at the top of the stack and is pointed to.
struct Strings {
    start: u64,
    bytes: Vec<u8>,
}

impl Strings {
    /// Room for `length` bytes that end at `top`.
    fn below(top: u64, length: usize) -> Self {
        Self {
            start: top.saturating_sub(length as u64),
            bytes: Vec::new(),
        }
    }

    /// Adds `string` with a NUL, and returns its address.
    fn push(&mut self, string: &[u8]) -> u64 {
        let address = self.start + self.bytes.len() as u64;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        address
    }
}

/// The words below them.
struct Words(Vec<u8>);

impl Words {
    fn push(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    /// The words with `strings` behind them, apart so that the whole is a multiple of 16 bytes, as
    /// the stack pointer must be.
    fn on_top_of(mut self, strings: &[u8]) -> Vec<u8> {
        let length = self.0.len() + strings.len();
        let padding = length.next_multiple_of(16) - length;
        self.0.resize(self.0.len() + padding, 0);
        self.0.extend_from_slice(strings);
        self.0
    }
}

/// Enters what the loader has placed in the memory map.
fn note_image(
    host: &mut dyn ProgramHost,
    map: &mut MemoryMap,
    image: ProgramImage,
) -> Result<(), StartError> {
    if usize::from(image.program_header_size) != size_of::<elf64_phdr>() {
        return Err(StartError::BadImage);
    }
    let headers: Vec<elf64_phdr> = UserMemory::new(host)
        .read_array(
            image.program_headers,
            usize::from(image.program_header_count),
        )
        .map_err(|_| StartError::BadImage)?;
    let bias = load_bias(image, &headers);
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD) {
        let range = segment_range(header, bias).ok_or(StartError::BadImage)?;
        map.add_image(range, segment_protection(header.p_flags));
    }
    Ok(())
}

/// How far above the addresses of its file the program was placed.
fn load_bias(image: ProgramImage, headers: &[elf64_phdr]) -> u64 {
    let own = headers.iter().find(|header| header.p_type == PT_PHDR);
    let linked = own.map(|header| header.p_vaddr).or_else(|| {
        let mut loads = headers.iter().filter(|header| header.p_type == PT_LOAD);
        let first = loads.find(|header| header.p_offset == 0)?;
        Some(first.p_vaddr.wrapping_add(FILE_HEADER_SIZE))
    });
    linked.map_or(0, |linked| image.program_headers.wrapping_sub(linked))
}

/// The whole pages that a segment touches.
fn segment_range(header: &elf64_phdr, bias: u64) -> Option<ProgramRange> {
    let page = PAGE_SIZE as u64;
    let first = header.p_vaddr.wrapping_add(bias);
    let start = first - first % page;
    let end = first
        .checked_add(header.p_memsz)?
        .checked_next_multiple_of(page)?;
    ProgramRange::new(start, end - start)
}

fn segment_protection(flags: u32) -> Protection {
    let table = [
        (PF_R, Protection::READ),
        (PF_W, Protection::WRITE),
        (PF_X, Protection::EXECUTE),
    ];
    let given = table.into_iter().filter(|(flag, _)| flags & flag != 0);
    given.fold(Protection::empty(), |all, (_, protection)| all | protection)
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
            Errno::EEXIST => StartError::BadImage,
            _ => StartError::OutOfMemory,
        })
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;
    use crate::testing::{FakeProgramHost, TestMemory as _};

    const PAGE: u64 = PAGE_SIZE as u64;

    /// A program of two segments whose file says that it begins at zero.
    fn image(host: &mut FakeProgramHost) -> ProgramImage {
        let base = host.place(3, Protection::READ);
        let segment = |p_flags, p_offset, p_memsz| elf64_phdr {
            p_type: PT_LOAD,
            p_flags,
            p_offset,
            p_vaddr: p_offset,
            p_paddr: 0,
            p_filesz: 10,
            p_memsz,
            p_align: PAGE,
        };
        let headers = [
            segment(PF_R | PF_X, 0, 100),
            segment(PF_R | PF_W, PAGE + 8, PAGE),
        ];
        host.copy_out(headers.as_bytes(), base + 64)
            .expect("mapped");
        ProgramImage {
            entry: base + 0x40,
            program_headers: base + 64,
            program_header_count: 2,
            program_header_size: 56,
        }
    }

    fn start<'a>(image: ProgramImage, arguments: &'a [&'a [u8]]) -> Start<'a> {
        Start {
            image,
            arguments,
            environment: &[b"HOME=/", b"A=b"],
            random: *b"0123456789abcdef",
        }
    }

    fn string(host: &mut FakeProgramHost, address: u64) -> Vec<u8> {
        UserMemory::new(host)
            .read_string(address, 100)
            .expect("a string")
    }

    #[test]
    fn the_stack_is_laid_out_as_the_abi_says() {
        let mut host = FakeProgramHost::new();
        let image = image(&mut host);
        let mut map = MemoryMap::new(&host);
        let registers = start(image, &[b"/bin/prog", b"", b"-x"])
            .prepare(&mut host, &mut map)
            .expect("it starts");
        assert_eq!(registers.rip, image.entry);
        assert_eq!(registers.rsp % 16, 0);
        let mut words = {
            let bytes = host.bytes(registers.rsp, 8 * 46);
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
        assert_eq!(value(AT_PHDR), image.program_headers);
        assert_eq!(value(AT_PHNUM), 2);
        assert_eq!(host.bytes(value(AT_RANDOM), 16), b"0123456789abcdef");
        assert_eq!(string(&mut host, value(AT_EXECFN)), b"/bin/prog");
        assert_eq!(string(&mut host, value(AT_PLATFORM)), b"x86_64");
    }

    #[test]
    fn the_image_is_in_the_map_and_the_break_beyond_it() {
        let mut host = FakeProgramHost::new();
        let image = image(&mut host);
        let base = image.program_headers - 64;
        let mut map = MemoryMap::new(&host);
        let started = start(image, &[b"x"]).prepare(&mut host, &mut map);
        assert!(started.is_ok());
        let at = |address| map.area_at(address).map(|area| area.protection);
        assert_eq!(at(base), Some(Protection::READ | Protection::EXECUTE));
        // 8 bytes into the second page and as long as a page: two pages.
        assert_eq!(
            at(base + 2 * PAGE),
            Some(Protection::READ | Protection::WRITE)
        );
        assert_eq!(at(base + 3 * PAGE), None);
        assert_eq!(map.set_break(&mut host, 0), base + 3 * PAGE);
    }

    #[test]
    fn running_over_the_stack_faults() {
        let mut host = FakeProgramHost::new();
        let image = image(&mut host);
        let mut map = MemoryMap::new(&host);
        let started = start(image, &[b"x"]).prepare(&mut host, &mut map);
        let rsp = started.expect("it starts").rsp;
        let stack = map.area_at(rsp).expect("mapped").range;
        let below = host.prepare(stack.start() - 1, 1, Protection::READ);
        assert!(below.is_err());
    }

    #[test]
    fn arguments_that_fill_the_stack_are_refused() {
        let mut host = FakeProgramHost::new();
        let image = image(&mut host);
        let mut map = MemoryMap::new(&host);
        let long = alloc::vec![b'x'; 1 << 20];
        let result = start(image, &[&long]).prepare(&mut host, &mut map);
        assert_eq!(result, Err(StartError::TooLong));
    }

    #[test]
    fn headers_that_are_not_there_are_refused() {
        let mut host = FakeProgramHost::new();
        let image = ProgramImage {
            program_headers: 0x1000,
            ..image(&mut host)
        };
        let mut map = MemoryMap::new(&host);
        let result = start(image, &[]).prepare(&mut host, &mut map);
        assert_eq!(result, Err(StartError::BadImage));
    }
}
