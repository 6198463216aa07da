//! What whoever runs the machine gets to know of code that failed: its registers and its stack.
//!
//! The images hold no symbols and no way to walk a stack; `run` has both. So a failure is handed
//! over raw ([`protocol::FailureHead`]), where the machine has the port for it.

use core::arch::naked_asm;
use core::ops::Range;

use hypercall::{PAGE_SIZE, Registers};
use protocol::{Failed, FailureHead, REGISTER_COUNT, ports};

use crate::cpu::{port_read, port_write_all};
use crate::kernel_cell::KernelCell;
use crate::{address_space, program};

/// The exit status of a kernel that failed: 128 + SIGABRT, as a shell reports an abort.
pub(crate) const KERNEL_STATUS: u8 = 134;

/// The program's registers at the fault that is being served.
static FAULT: KernelCell<Option<Registers>> = KernelCell::new(None);

/// Remembers that a fault of the program is being served, or that it has been.
pub(crate) fn note_program_fault(registers: Option<&Registers>) {
    FAULT.with(|fault| *fault = registers.copied());
}

/// Hands the program's state over if it ends by a fault.
pub(crate) fn record_program() {
    let Some(registers) = FAULT.with(|fault| *fault) else {
        return;
    };
    let stack = readable_stack(registers.rsp);
    if !begin(Failed::Program, &registers, stack.clone()) {
        return;
    }
    let mut place = stack.start;
    while let (true, Some(bytes)) = (place < stack.end, program::readable(place)) {
        let length = page_end(place) - place;
        // SAFETY: the bytes are the rest of a page of the program, which stands still.
        write(unsafe { core::slice::from_raw_parts(bytes, length as usize) });
        place += length;
    }
}

/// The part of the program's stack that is handed over. Where the stack has overrun, `rsp` itself
/// may point to nothing.
fn readable_stack(rsp: u64) -> Range<u64> {
    let limit = rsp.saturating_add(FailureHead::STACK_LIMIT);
    let mut start = rsp;
    while start < limit && program::readable(start).is_none() {
        start = page_end(start);
    }
    let mut end = start;
    while end < limit && program::readable(end).is_some() {
        end = page_end(end);
    }
    start..end
}

/// Hands the kernel's state over, as an exception found it: `general` are r15 to rdi.
pub(crate) fn record_kernel(general: &[u64; 15], rip: u64, rflags: u64, rsp: u64) {
    let mut registers = [0; REGISTER_COUNT];
    registers[..15].copy_from_slice(general);
    registers[15..].copy_from_slice(&[rip, rflags, rsp]);
    // SAFETY: `Registers` is as many words, any of which it may hold.
    let registers = unsafe { core::mem::transmute::<[u64; REGISTER_COUNT], Registers>(registers) };
    send_kernel(&registers);
}

/// Hands the kernel's state over, as it is where this is called.
#[unsafe(naked)]
pub extern "C" fn record_kernel_here() {
    // The registers that a caller keeps, in the order of `Registers`, are what a trace begins
    // with; the others are lost by now and given as they are.
    naked_asm!(
        "mov rax, [rsp]",
        "lea rcx, [rsp + 8]",
        "push rcx",
        "push 0",
        "push rax",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push rax",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rdi, rsp",
        "sub rsp, 8",
        "call {send}",
        "add rsp, 152",
        "ret",
        send = sym send_kernel,
    )
}

extern "C" fn send_kernel(registers: &Registers) {
    let memory = address_space::kernel_data();
    // Where the stack has overrun, the page below it is closed.
    let start = match registers.rsp {
        rsp if address_space::stack_guard().contains(&rsp) => page_end(rsp),
        rsp => rsp,
    };
    let end = match memory.contains(&start) {
        true => memory.end.min(start + FailureHead::STACK_LIMIT),
        false => start,
    };
    if begin(Failed::Kernel, registers, start..end) {
        // SAFETY: the range lies in the kernel's data, which is mapped beside the page below the
        // stack; nothing runs meanwhile.
        write(unsafe { core::slice::from_raw_parts(start as *const u8, (end - start) as usize) });
    }
}

/// Sends a record's head. `false` when nobody listens.
fn begin(failed: Failed, registers: &Registers, stack: Range<u64>) -> bool {
    if port_read(ports::FAILURE) != ports::DEBUGCON_READBACK {
        return false;
    }
    // SAFETY: `Registers` is as many words, without any between them.
    let registers = unsafe { core::mem::transmute::<Registers, [u64; REGISTER_COUNT]>(*registers) };
    let head = FailureHead {
        failed,
        registers,
        stack_start: stack.start,
        stack_length: stack.end - stack.start,
    };
    write(&head.to_bytes());
    true
}

fn write(bytes: &[u8]) {
    port_write_all(ports::FAILURE, bytes);
}

/// The first address of the page behind the one of `address`.
fn page_end(address: u64) -> u64 {
    (address / PAGE_SIZE as u64 + 1).saturating_mul(PAGE_SIZE as u64)
}
