//! A running program: its kernel, its memory, and the ways in from its code.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hypercall::{Host, ProgramHost, Registers, Stream};
use posix::memory_map::MemoryMap;
use posix::{Errno, Fd, Kernel};

use crate::call::Call;
use crate::process::Process;
use crate::start::{ImageSegment, ProgramImage, RANDOM_LENGTH, Start, StartError};
use crate::strings::Strings;
use crate::table::CallTable;
use crate::user_memory::UserMemory;

/// A Linux program over a POSIX kernel.
///
/// The home runs the program's code; where that enters the kernel, the home calls one of
/// [`system_call`](Program::system_call), [`interrupted`](Program::interrupted) and
/// [`faulted`](Program::faulted), and goes on with the registers as they are then.
pub struct Program<H: Host, P: ProgramHost> {
    pub(crate) kernel: Kernel<H>,
    pub(crate) host: P,
    pub(crate) memory_map: MemoryMap,
    pub(crate) process: Process,
    pub(crate) calls: Box<CallTable<H, P>>,
}

impl<H: Host + 'static, P: ProgramHost + 'static> Program<H, P> {
    /// A program that a loader has placed in `host`'s memory and that can make `calls`; and the
    /// registers to begin with.
    pub fn new(
        mut kernel: Kernel<H>,
        mut host: P,
        calls: Box<CallTable<H, P>>,
        image: ProgramImage<impl IntoIterator<Item = ImageSegment>>,
        arguments: &Strings,
        environment: &Strings,
    ) -> Result<(Self, Registers), StartError> {
        let mut random = [0; RANDOM_LENGTH];
        kernel
            .host()
            .fill_entropy(&mut random)
            .map_err(|_| StartError::NoEntropy)?;
        let mut memory_map = MemoryMap::new(&host);
        for ImageSegment { range, protection } in image.segments {
            memory_map.add_image(range, protection);
        }
        let start = Start {
            entry: image.entry,
            program_headers: image.program_headers,
            program_header_count: image.program_header_count,
            arguments,
            environment,
            random,
        };
        let registers = start.prepare(&mut host, &mut memory_map)?;
        let program = Self {
            kernel,
            host,
            memory_map,
            process: Process::new(arguments.first()),
            calls,
        };
        Ok((program, registers))
    }

    /// Does the call that the program has made: its number is in `rax`, and so is its result
    /// afterwards. Blocks as long as the call does. Does not return if the program ends.
    pub fn system_call(&mut self, registers: &mut Registers) {
        let number = registers.rax;
        let result = self.dispatch(number, &mut Call { registers });
        self.kernel.leave();
        registers.rax = match result {
            Ok(value) => value,
            Err(error) => i64::from(-error.number()).cast_unsigned(),
        };
        let signals = self.kernel.signals();
        if signals.needs_attention() {
            let interrupted = (result == Err(Errno::EINTR)).then_some(number);
            self.deliver_signals(registers, interrupted);
        }
    }

    /// Takes note that an interrupt came while the program's code ran: timers may have expired,
    /// somebody may have asked it to end.
    pub fn interrupted(&mut self, registers: &mut Registers) {
        posix::call(&mut self.kernel, Kernel::progress);
        if self.kernel.signals().needs_attention() {
            self.deliver_signals(registers, None);
        }
    }

    /// The kernel, for whoever set it up.
    pub fn kernel(&mut self) -> &mut Kernel<H> {
        &mut self.kernel
    }

    /// The home's memory for programs.
    pub fn program_host(&mut self) -> &mut P {
        &mut self.host
    }
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    /// The program's memory.
    pub(crate) fn memory(&mut self) -> UserMemory<'_> {
        UserMemory::new(&mut self.host)
    }

    /// The kernel and, beside it, the program's memory.
    pub(crate) fn parts(&mut self) -> (&mut Kernel<H>, UserMemory<'_>) {
        (&mut self.kernel, UserMemory::new(&mut self.host))
    }

    /// The kernel at the time now, for operations that do not wait.
    #[inline(never)] // Most calls have it: copies of it would be a noticeable part of an image.
    pub(crate) fn entered(&mut self) -> &mut Kernel<H> {
        self.kernel.enter();
        &mut self.kernel
    }

    /// Ends the program as a shell would report a signal that ended it.
    pub(crate) fn end_by_signal(&mut self, signal: posix::signal::Signal) -> ! {
        self.end(128 + signal.number())
    }

    /// Ends the program. What it had open is closed, and what it had sent and written reaches its
    /// peers and disks first, as under Linux, where the kernel outlives the process.
    pub(crate) fn end(&mut self, status: u8) -> ! {
        if let Ok(last) = Fd::new(i32::MAX) {
            self.entered().close_range(Fd::STDIN, last);
        }
        self.kernel.leave();
        posix::drain(&mut self.kernel);
        if posix::sync(&mut self.kernel).is_err() {
            self.report(b"anykernel: a disk failed: some of what was written to it is lost\n");
        }
        self.kernel.host().exit(status)
    }

    /// Tells whoever watches the console something about the program. A console that does not
    /// take it has nobody to tell.
    pub(crate) fn report(&mut self, message: &[u8]) {
        let mut rest = message;
        while !rest.is_empty() {
            match self.kernel.host().console_write(Stream::Error, rest) {
                Ok(written) => rest = &rest[written..],
                Err(_) => return,
            }
        }
    }
}

/// A message put together without formatting machinery, which would be the largest part of a
/// small image.
#[derive(Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// Adds `text`.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds `number` in decimal.
    pub(crate) fn decimal(mut self, mut number: u64) -> Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[start..]);
        self
    }

    /// Adds `number` in hexadecimal, with its prefix and without leading zeros.
    pub(crate) fn hexadecimal(mut self, number: u64) -> Self {
        self.0.extend_from_slice(b"0x");
        let digits = (67 - (number | 1).leading_zeros()) / 4;
        for place in (0..digits).rev() {
            let digit = (number >> (4 * place)) as usize % 16;
            self.0.push(b"0123456789abcdef"[digit]);
        }
        self
    }

    /// The message as a line.
    pub(crate) fn line(mut self) -> Vec<u8> {
        self.0.push(b'\n');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_out() {
        let message = Message::default()
            .decimal(0)
            .text(" ")
            .decimal(u64::MAX)
            .text(" ")
            .hexadecimal(0)
            .text(" ")
            .hexadecimal(0x10)
            .text(" ")
            .hexadecimal(u64::MAX)
            .line();
        assert_eq!(
            message,
            b"0 18446744073709551615 0x0 0x10 0xffffffffffffffff\n"
        );
    }
}
