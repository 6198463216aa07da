//! The program: a process that has just begun, and what its steps do.

use std::net::Ipv4Addr;
use std::time::Duration;

use fs::{RamFs, Vfs};
use hypercall::fake::FakeFrameDevice;
use hypercall::{
    HostRequest, Instant, PAGE_SIZE, ProgramHost, ProgramRange, Protection, Registers,
};
use linux_abi::bindings::{__NR_fstatfs, __NR_futex, __NR_mmap, __NR_mremap, __NR_rt_sigreturn};
use linux_abi::{Exception, ImageSegment, Program, ProgramImage, Strings, is_implemented};
use net::{Config, Stack};
use posix::{Errno, Kernel};

use super::grammar::{SLOT_LENGTH, SLOTS, Step, Value};
use super::home::Home;
use super::memory::Memory;
use super::waiting::may_wait;

const PAGE: u64 = PAGE_SIZE as u64;

/// Where the program's memory begins: what steps can name, then a hole, a page that it may only
/// read, another that it may not use at all, and the file that it is run from.
const START: u64 = 64 << 20;
const READABLE: u64 = START + SLOTS * SLOT_LENGTH + PAGE;
const FORBIDDEN: u64 = READABLE + PAGE;
const IMAGE: u64 = FORBIDDEN + 2 * PAGE;

/// How many bytes the files may have.
const FILES: u64 = 1 << 20;

/// Calls that are ENOSYS for some of what they can be asked: an operation on a futex that does
/// not exist, a descriptor of no file system.
const PARTIAL: [u64; 2] = [__NR_futex as u64, __NR_fstatfs as u64];

/// A program, and the registers with which it would go on.
pub struct Process {
    program: Program<Home, Memory>,
    registers: Registers,
    last_result: u64,
}

impl Process {
    /// A program that has just begun, with a file system, a network that reaches itself alone, and
    /// slots that hold what calls are made of.
    pub fn new() -> Self {
        let mut memory = Memory::new();
        let image = lay_out(&mut memory);
        let vfs = Vfs::new(Box::new(RamFs::new(FILES, Duration::ZERO)));
        let kernel = Kernel::new(Home::new(), vfs, Some(Box::new(stack())));
        let (program, registers) = Program::new(
            kernel.expect("there is memory"),
            memory,
            Program::all_calls(),
            image,
            &strings(b"/bin/program"),
            &strings(b"NAME=value"),
        )
        .expect("the image is good");
        let mut process = Self {
            program,
            registers,
            last_result: 0,
        };
        process.fill_slots();
        process
    }

    /// Takes a step.
    pub fn take(&mut self, step: &Step<'_>) {
        match *step {
            Step::Call { number, arguments } => self.call(number, arguments),
            Step::Put {
                slot,
                offset,
                value,
            } => {
                let bytes = self.word(value).to_le_bytes();
                self.put(slot, u64::from(offset) % (SLOT_LENGTH - 7), &bytes);
            }
            Step::PutBytes { slot, bytes } => self.put(slot, 0, bytes),
            Step::Pass(time) => {
                self.begin(true, false);
                self.program.kernel().host().advance(time);
                self.program.interrupted(&mut self.registers);
            }
            Step::Type(bytes) => self.program.kernel().host().type_input(bytes),
            Step::Ask { terminate } => {
                let request = match terminate {
                    true => HostRequest::Terminate,
                    false => HostRequest::Interrupt,
                };
                self.program.kernel().host().ask(request);
            }
            Step::Fault {
                vector,
                error_code,
                address,
            } => {
                let exception = Exception {
                    vector,
                    error_code: error_code.into(),
                    address: self.word(address),
                };
                self.begin(true, false);
                self.program.faulted(&mut self.registers, exception);
            }
        }
    }

    fn begin(&mut self, watched: bool, may_wait: bool) {
        self.program.program_host().begin(watched);
        self.program.kernel().host().begin(may_wait);
    }

    fn call(&mut self, number: u64, arguments: [Value; 6]) {
        let words = arguments.map(|argument| self.word(argument));
        let changes_mappings = [__NR_mmap, __NR_mremap].map(u64::from).contains(&number);
        self.begin(!changes_mappings, may_wait(number));
        let registers = &mut self.registers;
        registers.rax = number;
        [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ] = words;
        let next = registers.rip;
        self.program.system_call(&mut self.registers);
        // A signal's handler goes on elsewhere, with the result kept in its frame.
        let goes_on = self.registers.rip == next && number != u64::from(__NR_rt_sigreturn);
        if goes_on {
            self.last_result = self.registers.rax;
            self.assert_result_of(number);
        }
    }

    /// # Panics
    ///
    /// If it is no error of Linux, or is ENOSYS though the call exists, or the reverse.
    fn assert_result_of(&self, number: u64) {
        let result = self.registers.rax.cast_signed();
        let missing = result == -i64::from(Errno::ENOSYS.number());
        let exists = u32::try_from(number).is_ok_and(is_implemented);
        if !PARTIAL.contains(&number) {
            assert_eq!(missing, !exists, "call {number}: {result}");
        }
        let is_error = (-4095..0).contains(&result);
        assert!(!is_error || result >= -133, "call {number}: {result}");
    }

    /// What `value` is to the program now.
    fn word(&self, value: Value) -> u64 {
        match value {
            Value::Zero => 0,
            Value::Number(number) => number,
            Value::Negative(number) => u64::from(number).wrapping_neg(),
            Value::Bit(bit) => 1 << (bit % 64),
            Value::Slot(slot) => slot_address(slot),
            Value::BeforeTheEnd(bytes) => START + SLOTS * SLOT_LENGTH - u64::from(bytes),
            Value::Bad(which) => bad_address(which),
            Value::Stack(offset) => self.registers.rsp.wrapping_add_signed(offset.into()),
            Value::LastResult => self.last_result,
        }
    }

    /// Puts `bytes` into a slot, as far as they fit and the program can still write there.
    fn put(&mut self, slot: u8, offset: u64, bytes: &[u8]) {
        let room = (SLOT_LENGTH - offset) as usize;
        let bytes = &bytes[..bytes.len().min(room)];
        let memory = self.program.program_host().unwatched();
        let address = slot_address(slot) + offset;
        if memory
            .prepare(address, bytes.len(), Protection::WRITE)
            .is_ok()
        {
            let copied = memory.copy_out(bytes, address);
            copied.expect("it has been prepared");
        }
    }

    /// What calls are made of: paths, lists of buffers, addresses, times, sets of signals.
    fn fill_slots(&mut self) {
        const PATHS: [&[u8]; 12] = [
            b"/\0",
            b"/f\0",
            b"/g\0",
            b"/d\0",
            b"/d/f\0",
            b"/d/../f\0",
            b"link\0",
            b"/link/x\0",
            b".\0",
            b"..\0",
            b"\0",
            b"/d/d\0",
        ];
        for (slot, path) in PATHS.iter().enumerate() {
            self.put(slot as u8, 0, path);
        }
        // A list of buffers: one in a slot, an empty one, one that ends with the memory.
        let end = START + SLOTS * SLOT_LENGTH;
        self.put_words(16, &[slot_address(40), 100, 0, 0, end - 50, 50]);
        // AF_INET, port 80, 127.0.0.1; the length of an address.
        self.put_words(17, &[0x0100_007F_5000_0002, 0]);
        self.put_words(18, &[16]);
        // A time: two milliseconds; an interval timer with it; an absolute time.
        self.put_words(19, &[0, 2_000_000, 0, 2_000_000]);
        self.put_words(20, &[100, 0, 100, 0]);
        // A handler: its address, SA_SIGINFO and SA_RESTORER, a restorer, no mask.
        self.put_words(21, &[IMAGE + 0x100, 0x0400_0004, IMAGE + 0x200, 0]);
        // A message: an address, a list of one buffer, no control.
        self.put_words(22, &[slot_address(17), 16, slot_address(16), 1, 0, 0, 0]);
        // Descriptors to poll, all with POLLIN and POLLOUT; events of epoll.
        self.put_words(23, &[0x0005_0000_0003, 0x0005_0000_0004, 0x0005_0000_0000]);
        self.put_words(24, &[0x8000_0005, 7]);
        // A stack for signals.
        self.put_words(25, &[slot_address(48), 0, 4096]);
        self.put_words(26, &[u64::MAX, u64::MAX]);
    }

    fn put_words(&mut self, slot: u8, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(slot, 0, &bytes);
    }
}

fn slot_address(slot: u8) -> u64 {
    START + u64::from(slot) % SLOTS * SLOT_LENGTH
}

/// Addresses that are bad for something.
fn bad_address(which: u8) -> u64 {
    match which {
        0 => 1,
        1 => 0x10,
        2 => START + SLOTS * SLOT_LENGTH,
        3 => READABLE,
        4 => FORBIDDEN,
        5 => FORBIDDEN - 4,
        6 => IMAGE,
        7 => START - 8,
        8 => 0x7FFF_FFFF_F000,
        9 => 0x8000_0000_0000,
        10 => 0xFFFF_8000_0000_0000,
        11 => u64::MAX - 7,
        12 => u64::MAX - 4095,
        13 => START + 1,
        14 => (1 << 30) - 16,
        _ => (1 << 30) - (8 << 20),
    }
}

/// A list of one string.
fn strings(only: &[u8]) -> Strings {
    let mut strings = Strings::new();
    strings.push(only.iter().copied());
    strings
}

/// Maps what the program is to have before its kernel comes, and says where its image is.
fn lay_out(memory: &mut Memory) -> ProgramImage<[ImageSegment; 1]> {
    let mut map = |start, length, protection| {
        let range = ProgramRange::new(start, length).expect("whole pages");
        memory.map(range, protection).expect("it is free");
        ImageSegment { range, protection }
    };
    let data = Protection::READ | Protection::WRITE;
    map(START, SLOTS * SLOT_LENGTH, data);
    map(READABLE, PAGE, Protection::READ);
    map(FORBIDDEN, PAGE, Protection::empty());
    ProgramImage {
        entry: IMAGE,
        program_headers: IMAGE + 64,
        program_header_count: 1,
        segments: [map(IMAGE, 2 * PAGE, data)],
    }
}

/// A stack whose wire leads nowhere: the program's sockets reach one another.
fn stack() -> Stack {
    let (device, _) = FakeFrameDevice::pair();
    let config = Config {
        buffer_memory: 256 << 10,
        ..Config::new(Ipv4Addr::new(10, 0, 0, 1), 24, 1)
    };
    Stack::new(config, Box::new(device), Instant::ZERO)
}
