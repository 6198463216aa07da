//! A whole program on fake homes: tests make its system calls.

extern crate std;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;

use fs::{FileSystem, RamFs, Vfs};
use hypercall::fake::{FakeHost, FakeProgramHost};
use hypercall::{ProgramHost, ProgramRange, Protection, Registers, Stream};
use posix::{Errno, Kernel};

use super::TestMemory as _;
use crate::{ImageSegment, Program, ProgramImage, Strings};

/// A program with its registers, and a page to put arguments in.
pub struct Machine {
    pub program: Program<FakeHost, FakeProgramHost>,
    pub registers: Registers,
    next: u64,
    end: u64,
}

impl Machine {
    /// A program that has just been started.
    pub fn new() -> Self {
        let vfs = Vfs::new(Box::new(RamFs::new(1 << 20, Duration::ZERO)) as Box<dyn FileSystem>);
        let kernel = Kernel::new(FakeHost::new(), vfs, None).expect("a kernel");
        let mut host = FakeProgramHost::new();
        // Below the image, where the program break does not come.
        let pages = 16;
        let arguments = host.place(pages, Protection::READ | Protection::WRITE);
        let image = place_image(&mut host);
        let (program, registers) = Program::new(
            kernel,
            host,
            Program::all_calls(),
            image,
            &strings(b"/bin/test"),
            &strings(b"A=b"),
        )
        .expect("it starts");
        Self {
            program,
            registers,
            next: arguments,
            end: arguments + pages * hypercall::PAGE_SIZE as u64,
        }
    }

    /// The numbers of all calls there are.
    pub fn call_numbers() -> Vec<u32> {
        let calls = Program::<FakeHost, FakeProgramHost>::CALLS.iter();
        calls.map(|(number, _)| *number).collect()
    }

    /// Makes the call `number`.
    pub fn call(&mut self, number: u32, arguments: &[u64]) -> Result<u64, i32> {
        let mut six = [0; 6];
        six[..arguments.len()].copy_from_slice(arguments);
        let registers = &mut self.registers;
        registers.rax = number.into();
        [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ] = six;
        self.program.system_call(&mut self.registers);
        match self.registers.rax.cast_signed() {
            error @ -4095..0 => Err(-error as i32),
            _ => Ok(self.registers.rax),
        }
    }

    /// The status with which the call `number` ends the program.
    pub fn ends_with(&mut self, number: u32, arguments: &[u64]) -> u8 {
        let ended = catch_unwind(AssertUnwindSafe(|| self.call(number, arguments)));
        status_of(ended.expect_err("the program ends"))
    }

    /// Puts `bytes` into the program's memory.
    pub fn put(&mut self, bytes: &[u8]) -> u64 {
        let address = self.next;
        self.next = (address + bytes.len() as u64).next_multiple_of(16);
        assert!(self.next <= self.end, "room for arguments");
        let host = self.program.program_host();
        host.copy_out(bytes, address).expect("mapped");
        address
    }

    /// Room for `length` bytes.
    pub fn room(&mut self, length: usize) -> u64 {
        self.put(&alloc::vec![0; length])
    }

    /// A string with its NUL.
    pub fn string(&mut self, text: &str) -> u64 {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.put(&bytes)
    }

    /// What is in the program's memory.
    pub fn get(&mut self, address: u64, length: usize) -> Vec<u8> {
        self.program.program_host().bytes(address, length)
    }

    /// A number in the program's memory.
    pub fn get_u64(&mut self, address: u64) -> u64 {
        let bytes = self.get(address, 8);
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    /// What was written to `stream`.
    pub fn written(&mut self, stream: Stream) -> Vec<u8> {
        self.program.kernel().host().written(stream).to_vec()
    }
}

/// An error as [`Machine::call`] returns it.
pub fn error(errno: Errno) -> Result<u64, i32> {
    Err(errno.number())
}

/// The status in the panic with which a fake host ends.
pub fn status_of(panic: Box<dyn core::any::Any + Send>) -> u8 {
    let message = panic.downcast::<String>().expect("a message");
    let number = message.rsplit(' ').next().expect("a last word");
    number.parse().expect("a status")
}

fn strings(only: &[u8]) -> Strings {
    let mut strings = Strings::new();
    strings.push(only.iter().copied());
    strings
}

fn place_image(host: &mut FakeProgramHost) -> ProgramImage<[ImageSegment; 1]> {
    let pages = 2;
    let protection = Protection::READ | Protection::WRITE;
    let base = host.place(pages, protection);
    let range = ProgramRange::new(base, pages * hypercall::PAGE_SIZE as u64).expect("pages");
    ProgramImage {
        entry: base,
        program_headers: base + 64,
        program_header_count: 1,
        segments: [ImageSegment { range, protection }],
    }
}
