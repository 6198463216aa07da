//! The processor's descriptor tables: segments, the task state with its stacks, the interrupts.
//!
//! Everything runs in ring 0. A program has a red zone (System V x86-64 ABI, 3.2.2), and so has
//! our own code, so the processor must not push anything on the stack in use: each interrupt comes
//! in on a stack of its own (Intel SDM volume 3, 6.14.5, the interrupt stack table).

use core::arch::asm;
use core::cell::UnsafeCell;

use crate::cpu;
use crate::trap;

/// The segment selectors of the boot code and of the tables here: the same.
pub(crate) const CODE_SELECTOR: u16 = 0x8;
#[cfg(not(test))]
pub(crate) const DATA_SELECTOR: u16 = 0x10;
const TASK_SELECTOR: u16 = 0x18;

/// Descriptors of 64-bit code and of data, the whole address space (SDM figure 5-1).
const CODE_SEGMENT: u64 = 0x00af_9a00_0000_ffff;
const DATA_SEGMENT: u64 = 0x00cf_9200_0000_ffff;

/// Which stack of the task state an entry uses.
const INTERRUPT_STACK: u64 = 1;
const EXCEPTION_STACK: u64 = 2;
const ABORT_STACK: u64 = 3;

/// Interrupts find the program, and move off this stack at once, or the kernel's wait.
const INTERRUPT_STACK_SIZE: usize = 2048;
/// A fault of the kernel, an overrun of its stack among them, is reported from here.
const EXCEPTION_STACK_SIZE: usize = 4096;

/// A bit for each exception that cannot be returned from safely: NMI, double fault, machine check.
const ABORTS: u64 = 1 << 2 | 1 << 8 | 1 << 18;

/// The 64-bit task state segment (SDM figure 8-11).
#[repr(C, packed(4))]
struct TaskState {
    reserved: u32,
    ring_stacks: [u64; 3],
    reserved2: u64,
    interrupt_stacks: [u64; 7],
    reserved3: u64,
    reserved4: u16,
    io_map: u16,
}

#[repr(C, align(16))]
struct Stack<const SIZE: usize>([u8; SIZE]);

/// A 64-bit interrupt gate (SDM figure 6-8).
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate(u64, u64);

/// What the processor reads, and the stacks it uses.
struct Tables {
    segments: [u64; 5],
    task: TaskState,
    gates: [Gate; trap::VECTORS],
    interrupt_stack: Stack<INTERRUPT_STACK_SIZE>,
    exception_stack: Stack<EXCEPTION_STACK_SIZE>,
    abort_stack: Stack<EXCEPTION_STACK_SIZE>,
}

/// Memory that the processor reads and writes by itself once it is loaded. All zeros at first, so
/// that it takes no place in the image.
struct ProcessorOwned(UnsafeCell<Tables>);

// SAFETY: written once by `load`, before interrupts are on; then only the processor uses it.
unsafe impl Sync for ProcessorOwned {}

static TABLES: ProcessorOwned = ProcessorOwned(UnsafeCell::new(Tables {
    segments: [0; 5],
    task: TaskState {
        reserved: 0,
        ring_stacks: [0; 3],
        reserved2: 0,
        interrupt_stacks: [0; 7],
        reserved3: 0,
        reserved4: 0,
        io_map: 0,
    },
    gates: [Gate(0, 0); trap::VECTORS],
    interrupt_stack: Stack([0; INTERRUPT_STACK_SIZE]),
    exception_stack: Stack([0; EXCEPTION_STACK_SIZE]),
    abort_stack: Stack([0; EXCEPTION_STACK_SIZE]),
}));

/// The operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Loads all tables. Called once, at the start, with interrupts off.
pub(crate) fn load() {
    // SAFETY: the first and only use of the static, before anything can interrupt.
    let tables = unsafe { &mut *TABLES.0.get() };
    let top = |stack: *const u8, size: usize| stack as u64 + size as u64;
    let mut stacks = [0; 7];
    stacks[INTERRUPT_STACK as usize - 1] =
        top(tables.interrupt_stack.0.as_ptr(), INTERRUPT_STACK_SIZE);
    stacks[EXCEPTION_STACK as usize - 1] =
        top(tables.exception_stack.0.as_ptr(), EXCEPTION_STACK_SIZE);
    stacks[ABORT_STACK as usize - 1] = top(tables.abort_stack.0.as_ptr(), EXCEPTION_STACK_SIZE);
    tables.task.interrupt_stacks = stacks;

    tables.task.io_map = size_of::<TaskState>() as u16;

    let [low, high] = task_descriptor((&raw const tables.task) as u64);
    tables.segments = [0, CODE_SEGMENT, DATA_SEGMENT, low, high];
    for (vector, gate) in tables.gates.iter_mut().enumerate() {
        let stack = match vector {
            _ if vector >= trap::FIRST_INTERRUPT => INTERRUPT_STACK,
            _ if ABORTS >> vector & 1 != 0 => ABORT_STACK,
            _ => EXCEPTION_STACK,
        };
        *gate = Gate::new(trap::entry_address(vector), stack);
    }

    let segments = TablePointer {
        limit: (size_of_val(&tables.segments) - 1) as u16,
        base: tables.segments.as_ptr() as u64,
    };
    let gates = TablePointer {
        limit: (size_of_val(&tables.gates) - 1) as u16,
        base: tables.gates.as_ptr() as u64,
    };
    // SAFETY: the tables are static and well formed; code and data selectors mean what they meant
    // before, so no segment register needs to be loaded again.
    unsafe {
        asm!("lgdt [{}]", "lidt [{}]", "ltr {:x}", in(reg) &segments, in(reg) &gates,
            in(reg) TASK_SELECTOR, options(nostack));
    }
    start_system_calls();
}

/// Has the `syscall` instruction enter the kernel (SDM volume 3, 5.8.8).
fn start_system_calls() {
    const STAR: u32 = 0xc000_0081;
    const LSTAR: u32 = 0xc000_0082;
    const FMASK: u32 = 0xc000_0084;
    /// Interrupts, direction, trap, alignment check and nested task, on which `iretq` faults, are
    /// off when the kernel begins.
    const CLEARED_FLAGS: u64 = 0x4_4700;
    let selectors = u64::from(CODE_SELECTOR) << 32;
    // SAFETY: the selectors are those in use, and the entry point is ours.
    unsafe {
        cpu::msr_write(STAR, selectors);
        cpu::msr_write(LSTAR, trap::system_call_address());
        cpu::msr_write(FMASK, CLEARED_FLAGS);
    }
}

impl Gate {
    /// An interrupt gate: interrupts are off in its handler.
    const fn new(handler: u64, stack: u64) -> Self {
        const PRESENT_INTERRUPT: u64 = 0x8e00;
        let low = handler & 0xffff
            | (CODE_SELECTOR as u64) << 16
            | stack << 32
            | PRESENT_INTERRUPT << 32
            | (handler >> 16 & 0xffff) << 48;
        Self(low, handler >> 32)
    }
}

/// The two words of a system descriptor for a 64-bit task state (SDM figure 8-4).
fn task_descriptor(base: u64) -> [u64; 2] {
    const PRESENT_TASK: u64 = 0x89;
    let limit = size_of::<TaskState>() as u64 - 1;
    let low = limit | (base & 0x00ff_ffff) << 16 | PRESENT_TASK << 40 | (base >> 24 & 0xff) << 56;
    [low, base >> 32]
}
