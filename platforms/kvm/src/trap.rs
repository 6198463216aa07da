//! Ways into the kernel and back: system calls, interrupts, exceptions.
//!
//! Program and kernel share an address space and a privilege level, so entering is a matter of
//! stacks and registers alone:
//! - the kernel may use xmm registers, which a program expects to keep across `syscall` and across
//!   an interrupt, so every entry from the program saves all sixteen (the upper halves of ymm stay
//!   untouched: the kernel has no AVX code; x87 and MXCSR likewise);
//! - nothing may be pushed on the program's stack, which has a red zone below `rsp`. A system call
//!   switches stacks before it pushes; an interrupt comes in on a stack of the task state
//!   ([`tables`](crate::tables)) and its frame is moved to the kernel stack before anything else;
//! - the way back turns interrupts on in the last instruction but one (`sti; jmp`: the processor
//!   takes none between the two) or by `iretq`, so that one never finds the program's stack
//!   pointer with the kernel's code.
//!
//! Interrupts are on in program code and in the kernel's one wait ([`wait`](crate::wait)), nowhere
//! else: an interrupt that finds kernel code has found the wait.

#[cfg(not(test))]
use core::arch::global_asm;

use hypercall::Registers;

use crate::interrupts;
use crate::kernel_cell::KernelCell;
#[cfg(not(test))]
use crate::tables::{CODE_SELECTOR, DATA_SELECTOR};
use crate::{console, cpu, failure, program};

/// How many vectors there are gates for.
pub(crate) const VECTORS: usize = 96;
/// The vectors below are the processor's exceptions.
pub(crate) const FIRST_INTERRUPT: usize = 32;

const GENERAL_PROTECTION: u8 = 13;
const PAGE_FAULT: u64 = 14;
/// The trap flag: the processor stops after each instruction.
const TRAP_FLAG: u64 = 0x100;
/// Where the lower half of the addresses ends, in which programs are.
const LOWER_HALF_END: u64 = 1 << 47;
/// Bytes that sixteen xmm registers take.
const XMM_SIZE: usize = 256;

unsafe extern "C" {
    /// The entry stubs, [`STUB_SIZE`] bytes each.
    static trap_stubs: u8;
    fn trap_system_call();
    fn trap_resume(registers: *const Registers, xmm: *const u8) -> !;
}

const STUB_SIZE: usize = 16;

/// What a program's home does when the program enters the kernel. `linux_abi::Program` answers
/// all of it; wiring joins the two.
pub trait ProgramKernel {
    /// The program executed `syscall`.
    fn system_call(&mut self, registers: &mut Registers);

    /// An interrupt came while the program ran.
    fn interrupted(&mut self, registers: &mut Registers);

    /// The program did what it must not: an exception's vector and error code (Intel SDM volume
    /// 3, chapter 6), and for a page fault the address (0 otherwise).
    fn faulted(&mut self, registers: &mut Registers, vector: u8, error_code: u64, address: u64);
}

/// The kernel that the running program enters.
static KERNEL: KernelCell<Option<&'static mut dyn ProgramKernel>> = KernelCell::new(None);

/// The xmm registers that a program begins with.
static START_XMM: KernelCell<[u8; XMM_SIZE]> = KernelCell::new([0; XMM_SIZE]);

/// Where the entry that is being served saved the program's xmm registers; null before the program
/// runs.
static XMM: KernelCell<*mut u8> = KernelCell::new(core::ptr::null_mut());

/// Lets a program run from `registers` on, and enter `kernel`.
pub fn run_program(kernel: &'static mut dyn ProgramKernel, registers: &Registers) -> ! {
    KERNEL.with(|place| *place = Some(kernel));
    interrupts::arm_clock_fit();
    let mut start = *registers;
    start.rflags = sanitised_flags(start.rflags);
    let xmm = START_XMM.with(|xmm| *xmm);
    // SAFETY: the registers are a program's, to whose code and stack control may go.
    unsafe { trap_resume(&start, xmm.as_ptr()) }
}

/// The xmm registers with which the program goes on.
pub(crate) fn with_saved_xmm<R>(body: impl FnOnce(&mut [u8; XMM_SIZE]) -> R) -> R {
    let area = XMM.with(|place| *place);
    if area.is_null() {
        return START_XMM.with(body);
    }
    // SAFETY: the entry stub's save area of the entry being served, which outlives this call and
    // which only the stub uses otherwise.
    body(unsafe { &mut *area.cast() })
}

/// The address of the entry stub for `vector`.
pub(crate) fn entry_address(vector: usize) -> u64 {
    (&raw const trap_stubs) as u64 + (vector * STUB_SIZE) as u64
}

/// The address that `syscall` enters.
pub(crate) fn system_call_address() -> u64 {
    trap_system_call as *const () as u64
}

/// What a program may choose of its flags, with interrupts on.
fn sanitised_flags(flags: u64) -> u64 {
    /// Carry, parity, adjust, zero, sign, trap, direction, overflow, alignment check, ID.
    const PROGRAMS: u64 = 0x24_0dd5;
    const ALWAYS_ONE: u64 = 2;
    const INTERRUPTS: u64 = 0x200;
    flags & PROGRAMS | ALWAYS_ONE | INTERRUPTS
}

/// Serves a system call. Returns whether all registers must be loaded from `registers`; else the
/// quick way back is enough, which loses `rcx` and `r11` as `syscall` itself does.
#[unsafe(no_mangle)]
extern "C" fn trap_serve_system_call(registers: &mut Registers, xmm: *mut u8) -> bool {
    let (rip, flags, stack) = (registers.rip, registers.rflags, registers.rsp);
    enter(xmm, |kernel| kernel.system_call(registers));
    let moved = registers.rip != rip || registers.rsp != stack || registers.rflags != flags;
    make_returnable(registers, xmm);
    // The quick way loads the flags while it is still in the kernel, which is not to be stepped
    // through.
    moved || registers.rflags & TRAP_FLAG != 0
}

/// Serves an exception or interrupt that found the program.
#[unsafe(no_mangle)]
extern "C" fn trap_serve(registers: &mut Registers, xmm: *mut u8, vector: u64, error_code: u64) {
    if vector >= FIRST_INTERRUPT as u64 {
        interrupts::serve(vector);
        enter(xmm, |kernel| kernel.interrupted(registers));
    } else {
        let address = if vector == PAGE_FAULT {
            cpu::fault_address()
        } else {
            0
        };
        if vector != PAGE_FAULT || !program::page_in(address, error_code) {
            fault(registers, xmm, vector as u8, error_code, address);
        }
    }
    make_returnable(registers, xmm);
}

/// Leaves in `registers` what `iretq` takes. A program may have written any address into a signal
/// frame: to go on at one that is no program's is its fault, not the kernel's.
fn make_returnable(registers: &mut Registers, xmm: *mut u8) {
    while registers.rip >= LOWER_HALF_END {
        fault(registers, xmm, GENERAL_PROTECTION, 0, 0);
    }
    registers.rflags = sanitised_flags(registers.rflags);
}

/// Has the kernel serve a fault of the program, which may end it.
fn fault(registers: &mut Registers, xmm: *mut u8, vector: u8, error_code: u64, address: u64) {
    failure::note_program_fault(Some(registers));
    enter(xmm, |kernel| {
        kernel.faulted(registers, vector, error_code, address)
    });
    failure::note_program_fault(None);
}

/// What the processor and the entry stub pushed when they found the kernel.
#[repr(C)]
struct KernelFrame {
    /// r15 .. rdi, the front of [`Registers`].
    general: [u64; 15],
    vector: u64,
    error_code: u64,
    rip: u64,
    code_segment: u64,
    rflags: u64,
    rsp: u64,
}

/// Serves an exception or interrupt that found the kernel. Interrupts are on in its wait only; an
/// exception there is a bug of ours.
#[unsafe(no_mangle)]
extern "C" fn trap_serve_kernel(frame: &KernelFrame) {
    if frame.vector >= FIRST_INTERRUPT as u64 {
        return interrupts::serve(frame.vector);
    }
    console::emergency_write(b"anykernel: the kernel failed: exception ");
    let named: [(&[u8], u64); 4] = [
        (b"", frame.vector),
        (b", error code ", frame.error_code),
        (b", at ", frame.rip),
        (b", cr2 ", cpu::fault_address()),
    ];
    for (name, value) in named {
        console::emergency_write(name);
        write_hexadecimal(value);
    }
    console::emergency_write(b"\n");
    failure::record_kernel(&frame.general, frame.rip, frame.rflags, frame.rsp);
    console::emergency_exit(failure::KERNEL_STATUS)
}

fn write_hexadecimal(value: u64) {
    for shift in (0..16).rev() {
        let digit = (value >> (4 * shift)) as usize % 16;
        console::emergency_write(&b"0123456789abcdef"[digit..=digit]);
    }
}

fn enter(xmm: *mut u8, body: impl FnOnce(&mut dyn ProgramKernel)) {
    XMM.with(|place| *place = xmm);
    KERNEL.with(|kernel| {
        if let Some(kernel) = kernel {
            body(&mut **kernel);
        }
    });
}

#[cfg(not(test))]
global_asm!(
    r#"
    // The general registers in the order of `hypercall::Registers`, from its last field but three.
    .macro push_registers
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    .endm

    .macro pop_registers
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    .endm

    .macro save_xmm base
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups [\base + 16 * \n], xmm\n
    .endr
    .endm

    .macro load_xmm base
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups xmm\n, [\base + 16 * \n]
    .endr
    .endm

    .section .bss.trap, "aw", @nobits
    .balign 8
trap_program_stack:
    .skip 8

    .section .text.trap, "ax"

    // rcx is the program's rip and r11 its flags; interrupts are off, the stack is the program's.
    .globl trap_system_call
trap_system_call:
    mov [rip + trap_program_stack], rsp
    lea rsp, [rip + kernel_stack_top]
    push qword ptr [rip + trap_program_stack]
    push r11
    push rcx
    push_registers
    sub rsp, {xmm_size}
    save_xmm rsp
    lea rdi, [rsp + {xmm_size}]
    mov rsi, rsp
    call trap_serve_system_call
    test al, al
    jnz 2f
    load_xmm rsp
    add rsp, {xmm_size}
    pop_registers
    pop rcx
    // The flags with interrupts still off; `sti` takes effect after the jump.
    and dword ptr [rsp], ~0x200
    popfq
    pop rsp
    sti
    jmp rcx
2:  lea rdi, [rsp + {xmm_size}]
    mov rsi, rsp

    // rdi: all registers; rsi: the xmm registers. The frame for `iretq` goes on the kernel stack,
    // below where both may lie.
    .globl trap_resume
trap_resume:
    load_xmm rsi
    lea rax, [rsp - {registers_size}]
    and rax, -16
    mov rsp, rax
    push {data_selector}
    push qword ptr [rdi + 136]          // rsp
    push qword ptr [rdi + 128]          // rflags
    push {code_selector}
    push qword ptr [rdi + 120]          // rip
    mov r15, [rdi]
    mov r14, [rdi + 8]
    mov r13, [rdi + 16]
    mov r12, [rdi + 24]
    mov rbp, [rdi + 32]
    mov rbx, [rdi + 40]
    mov r11, [rdi + 48]
    mov r10, [rdi + 56]
    mov r9, [rdi + 64]
    mov r8, [rdi + 72]
    mov rax, [rdi + 80]
    mov rcx, [rdi + 88]
    mov rdx, [rdi + 96]
    mov rsi, [rdi + 104]
    mov rdi, [rdi + 112]
    iretq

    // On a stack of the task state: r15 .. rdi, vector, error code, rip, cs, rflags, rsp, ss.
trap_common:
    cld
    push_registers
    mov rax, [rsp + 136]                // rip
    lea rcx, [rip + kernel_text_start]
    lea rdx, [rip + kernel_text_end]
    cmp rax, rcx
    jb 3f
    cmp rax, rdx
    jae 3f
    // The kernel: its wait expects every register that a call may change to be lost.
    mov rdi, rsp
    mov rbp, rsp
    and rsp, -16
    call trap_serve_kernel
    mov rsp, rbp
    pop_registers
    add rsp, 16
    iretq
    // The program: move the frame to the kernel stack.
3:  mov rsi, rsp
    lea rsp, [rip + kernel_stack_top]
    push qword ptr [rsi + 160]          // rsp
    push qword ptr [rsi + 152]          // rflags
    push rax
    mov ecx, 15
4:  push qword ptr [rsi + 8 * rcx - 8]
    dec ecx
    jnz 4b
    mov rdx, [rsi + 120]                // vector
    mov rcx, [rsi + 128]                // error code
    sub rsp, {xmm_size}
    save_xmm rsp
    lea rdi, [rsp + {xmm_size}]
    mov rsi, rsp
    call trap_serve
    lea rdi, [rsp + {xmm_size}]
    mov rsi, rsp
    jmp trap_resume

    // One stub a vector. The processor pushes an error code for some exceptions.
    .balign {stub_size}
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept {vectors}
    .balign {stub_size}
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    push 0
    .endif
    push vector
    jmp trap_common
    .set vector, vector + 1
    .endr
    .text
    "#,
    xmm_size = const XMM_SIZE,
    registers_size = const size_of::<Registers>() + XMM_SIZE,
    data_selector = const DATA_SELECTOR,
    code_selector = const CODE_SELECTOR,
    stub_size = const STUB_SIZE,
    vectors = const VECTORS,
);
