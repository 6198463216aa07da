//! Faults of the program's instructions: a signal to its handler, or its end with a message that
//! says what was wrong and where.

use hypercall::{Host, ProgramHost, Protection, Registers};
use posix::memory_map::Purpose;
use posix::signal::{Delivery, Origin, Signal, SignalInfo};

use crate::bindings::{
    BUS_ADRALN, FPE_FLTINV, FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR, SI_KERNEL, TRAP_BRKPT,
};
use crate::program::{Message, Program};
use crate::signal_frame::Trap;

/// The status of a program that got memory promised which its home then did not have: that of
/// SIGKILL, as where Linux ends one.
const OUT_OF_MEMORY_STATUS: u8 = 128 + Signal::KILL.number();

/// What the processor says of a fault (Intel SDM volume 3, 6.15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    /// Which exception.
    pub vector: u8,
    /// Its error code; 0 where it has none.
    pub error_code: u64,
    /// The address of a page fault (CR2); 0 otherwise.
    pub address: u64,
}

/// Vectors of exceptions.
const DIVIDE: u8 = 0;
const DEBUG: u8 = 1;
const BREAKPOINT: u8 = 3;
const INVALID_OPCODE: u8 = 6;
const STACK: u8 = 12;
const PAGE_FAULT: u8 = 14;
const X87: u8 = 16;
const ALIGNMENT: u8 = 17;
const SIMD: u8 = 19;

/// Bits of a page fault's error code.
const WRITE_FAULT: u64 = 2;
const FETCH_FAULT: u64 = 16;

impl<H: Host, P: ProgramHost> Program<H, P> {
    /// Takes note that an instruction of the program could not be executed: `registers` are those
    /// before it. Goes on in the program's handler, or does not return.
    pub fn faulted(&mut self, registers: &mut Registers, exception: Exception) {
        if exception.vector == PAGE_FAULT && self.was_allowed(exception) {
            self.report_end(registers, exception, "out of memory");
            self.end(OUT_OF_MEMORY_STATUS);
        }
        let info = self.signal_of(registers, exception);
        let delivery = self.kernel.signals().deliver_fault(info);
        if let Delivery::Terminate(signal) = delivery {
            self.report_end(registers, exception, fault_name(exception.vector));
            self.end_by_signal(signal);
        }
        let trap = Trap {
            vector: exception.vector.into(),
            error_code: exception.error_code,
            address: exception.address,
        };
        self.deliver(delivery, registers, trap);
    }

    /// Whether a page fault was at an address that is mapped for such an access: then only memory
    /// was missing.
    fn was_allowed(&self, exception: Exception) -> bool {
        let access = match exception.error_code {
            code if code & FETCH_FAULT != 0 => Protection::EXECUTE,
            code if code & WRITE_FAULT != 0 => Protection::WRITE,
            _ => Protection::READ,
        };
        let area = self.memory_map.area_at(exception.address);
        area.is_some_and(|area| area.protection.contains(access))
    }

    /// Whether the program has something at `address`. What guards the stack counts as nothing:
    /// where it runs out there is no mapping under Linux.
    fn is_mapped(&self, address: u64) -> bool {
        let area = self.memory_map.area_at(address);
        area.is_some_and(|area| area.purpose != Purpose::Stack || !area.protection.is_empty())
    }

    /// The signal that Linux makes of an exception, and its `si_code`.
    fn signal_of(&self, registers: &Registers, exception: Exception) -> SignalInfo {
        let here = registers.rip;
        let (signal, code, address) = match exception.vector {
            DIVIDE => (Signal::ARITHMETIC, FPE_INTDIV, here),
            X87 | SIMD => (Signal::ARITHMETIC, FPE_FLTINV, here),
            DEBUG | BREAKPOINT => (Signal::TRAP, TRAP_BRKPT, here),
            INVALID_OPCODE => (Signal::ILLEGAL_INSTRUCTION, ILL_ILLOPN, here),
            ALIGNMENT => (Signal::BUS, BUS_ADRALN, 0),
            STACK => (Signal::BUS, SI_KERNEL, 0),
            PAGE_FAULT if self.is_mapped(exception.address) => {
                (Signal::SEGMENTATION, SEGV_ACCERR, exception.address)
            }
            PAGE_FAULT => (Signal::SEGMENTATION, SEGV_MAPERR, exception.address),
            _ => (Signal::SEGMENTATION, SI_KERNEL, 0),
        };
        let origin = Origin::Fault {
            code: code.cast_signed(),
            address,
        };
        SignalInfo { signal, origin }
    }

    fn report_end(&mut self, registers: &Registers, exception: Exception, what: &str) {
        let mut message = Message::default()
            .text("anykernel: the program ended: ")
            .text(what)
            .text(" at ")
            .hexadecimal(registers.rip);
        if exception.vector == PAGE_FAULT {
            message = message
                .text(access_name(exception.error_code))
                .hexadecimal(exception.address);
        }
        message = message
            .text(" (error code ")
            .hexadecimal(exception.error_code)
            .text(")");
        for (index, (name, value)) in named(registers).into_iter().enumerate() {
            let separator = match index % 4 {
                0 => "\n ",
                _ => "",
            };
            message = message
                .text(separator)
                .text(" ")
                .text(name)
                .text("=")
                .hexadecimal(value);
        }
        self.report(&message.line());
    }
}

fn fault_name(vector: u8) -> &'static str {
    match vector {
        DIVIDE => "division by zero or overflow",
        DEBUG | BREAKPOINT => "breakpoint",
        INVALID_OPCODE => "invalid instruction",
        STACK => "bad stack address",
        PAGE_FAULT => "bad memory access",
        X87 | SIMD => "floating-point exception",
        ALIGNMENT => "misaligned access",
        _ => "protection fault",
    }
}

fn access_name(error_code: u64) -> &'static str {
    match error_code {
        code if code & FETCH_FAULT != 0 => ", executing ",
        code if code & WRITE_FAULT != 0 => ", writing ",
        _ => ", reading ",
    }
}

fn named(registers: &Registers) -> [(&'static str, u64); 17] {
    [
        ("rax", registers.rax),
        ("rbx", registers.rbx),
        ("rcx", registers.rcx),
        ("rdx", registers.rdx),
        ("rsi", registers.rsi),
        ("rdi", registers.rdi),
        ("rbp", registers.rbp),
        ("rsp", registers.rsp),
        ("r8", registers.r8),
        ("r9", registers.r9),
        ("r10", registers.r10),
        ("r11", registers.r11),
        ("r12", registers.r12),
        ("r13", registers.r13),
        ("r14", registers.r14),
        ("r15", registers.r15),
        ("rflags", registers.rflags),
    ]
}
