//! What lies on a program's stack while a signal handler runs: everything that `rt_sigreturn`
//! needs to go on as if nothing had been (Linux, `arch/x86/include/asm/sigframe.h`).

use hypercall::{ProgramHost, Registers};
use posix::Errno;
use posix::signal::{Action, Origin, SignalInfo, SignalSet};
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout};

use crate::alternate_stack::AlternateStack;
use crate::bindings::{
    SI_KERNEL, SI_TIMER, SI_TKILL, SI_USER, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS, sigaltstack,
    sigcontext_64,
};
use crate::process::PROCESS_ID;
use crate::user_memory::UserMemory;

/// Below its stack pointer a function may use so many bytes (System V x86-64 ABI 3.2.2).
const RED_ZONE: u64 = 128;

/// The size of what `fxsave64` writes, and its alignment on the stack (Linux uses that of XSAVE).
const EXTENDED_STATE_SIZE: u64 = 512;
const EXTENDED_STATE_ALIGNMENT: u64 = 64;

/// Where in that area MXCSR is, and which of its bits may be set: others fault when restored.
const MXCSR: core::ops::Range<usize> = 24..28;
const MXCSR_VALID: u32 = 0xffff;

/// The flags that a program may set as it likes: carry, parity, adjust, zero, sign, trap, direction,
/// overflow, alignment check.
const PROGRAM_FLAGS: u64 = 0x4_0dd5;

/// The flags that are always set for a program: interrupts on, and bit 1.
const FIXED_FLAGS: u64 = 0x202;

/// The flags with which no handler begins: direction, trap, resume.
const HANDLER_FLAGS_CLEAR: u64 = 0x1_0500;

/// The first address that is no program's: half of all addresses, as the processor has them.
const ADDRESS_END: u64 = 1 << 47;

/// `struct rt_sigframe`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct Frame {
    /// What the handler returns to.
    restorer: u64,
    context: Context,
    information: Information,
}

/// `struct ucontext`, as the kernel knows it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct Context {
    flags: u64,
    link: u64,
    stack: sigaltstack,
    machine: sigcontext_64,
    mask: u64,
}

/// `siginfo_t`: what belongs to each code is laid over the same bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct Information {
    signal: i32,
    error: i32,
    code: i32,
    padding: u32,
    fields: [u64; 14],
}

impl Information {
    /// What a handler is told of `info`.
    pub(crate) fn new(info: SignalInfo) -> Self {
        let sender = u64::from(PROCESS_ID.cast_unsigned());
        let (code, first, second) = match info.origin {
            Origin::Kernel => (SI_KERNEL.cast_signed(), 0, 0),
            Origin::Process => (SI_USER.cast_signed(), sender, 0),
            Origin::Thread => (SI_TKILL, sender, 0),
            Origin::Timer { id, value } => (SI_TIMER, u64::from(id.cast_unsigned()), value),
            Origin::Fault { code, address } => (code, address, 0),
        };
        let mut fields = [0; 14];
        fields[0] = first;
        fields[1] = second;
        Self {
            signal: info.signal.number().into(),
            error: 0,
            code,
            padding: 0,
            fields,
        }
    }
}

/// The fault of an instruction, as `sigcontext` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Trap {
    pub(crate) vector: u64,
    pub(crate) error_code: u64,
    pub(crate) address: u64,
}

/// A handler that is to be called.
#[derive(Clone, Copy)]
pub(crate) struct HandlerCall {
    pub(crate) info: SignalInfo,
    pub(crate) action: Action,
    pub(crate) function: u64,
    pub(crate) resume_mask: SignalSet,
    pub(crate) on_alternate_stack: bool,
    pub(crate) trap: Trap,
}

impl HandlerCall {
    /// Writes the frame and makes the program go on in the handler. On error (the stack cannot be
    /// written) registers are as they were.
    pub(crate) fn enter(
        &self,
        host: &mut dyn ProgramHost,
        alternate: AlternateStack,
        registers: &mut Registers,
    ) -> Result<(), Errno> {
        let (frame_at, state_at) = self.place(alternate, registers.rsp).ok_or(Errno::EFAULT)?;
        let mut state = [0; EXTENDED_STATE_SIZE as usize];
        host.extended_state(&mut state, false);
        let context = Context {
            flags: (UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS).into(),
            link: 0,
            stack: alternate.to_program(registers.rsp),
            machine: self.machine_context(registers, state_at),
            mask: self.resume_mask.bits(),
        };
        let frame = Frame {
            restorer: self.action.restorer,
            context,
            information: Information::new(self.info),
        };
        let mut memory = UserMemory::new(host);
        memory.write_bytes(state_at, &state)?;
        memory.write(frame_at, &frame)?;
        let context_at = frame_at + core::mem::offset_of!(Frame, context) as u64;
        let information_at = frame_at + core::mem::offset_of!(Frame, information) as u64;
        registers.rip = self.function;
        registers.rsp = frame_at;
        registers.rdi = self.info.signal.number().into();
        registers.rsi = information_at;
        registers.rdx = context_at;
        registers.rax = 0;
        registers.rflags &= !HANDLER_FLAGS_CLEAR;
        Ok(())
    }

    /// Where the frame and the extended state go.
    fn place(&self, alternate: AlternateStack, rsp: u64) -> Option<(u64, u64)> {
        let alternate_top = match self.on_alternate_stack {
            true => alternate.top_for(rsp),
            false => None,
        };
        let top = match alternate_top {
            Some(top) => top,
            None => rsp.checked_sub(RED_ZONE)?,
        };
        let state = top.checked_sub(EXTENDED_STATE_SIZE)?;
        let state = state - state % EXTENDED_STATE_ALIGNMENT;
        let frame = state.checked_sub(size_of::<Frame>() as u64)?;
        // As behind a call instruction: a multiple of 16 and the return address.
        let frame = (frame + 8) / 16 * 16;
        Some((frame.checked_sub(8)?, state))
    }

    fn machine_context(&self, registers: &Registers, state_at: u64) -> sigcontext_64 {
        let mut machine = sigcontext_64::new_zeroed();
        machine.r8 = registers.r8;
        machine.r9 = registers.r9;
        machine.r10 = registers.r10;
        machine.r11 = registers.r11;
        machine.r12 = registers.r12;
        machine.r13 = registers.r13;
        machine.r14 = registers.r14;
        machine.r15 = registers.r15;
        machine.di = registers.rdi;
        machine.si = registers.rsi;
        machine.bp = registers.rbp;
        machine.bx = registers.rbx;
        machine.dx = registers.rdx;
        machine.ax = registers.rax;
        machine.cx = registers.rcx;
        machine.sp = registers.rsp;
        machine.ip = registers.rip;
        machine.flags = registers.rflags;
        machine.err = self.trap.error_code;
        machine.trapno = self.trap.vector;
        machine.cr2 = self.trap.address;
        machine.oldmask = self.resume_mask.bits();
        machine.fpstate = state_at;
        machine
    }
}

/// What `rt_sigreturn` finds.
pub(crate) struct Resumed {
    pub(crate) mask: SignalSet,
    pub(crate) alternate: Option<AlternateStack>,
}

/// Takes back the frame of the handler that has just returned: the program goes on where the
/// signal met it. EFAULT if there is no sound frame.
pub(crate) fn resume(
    host: &mut dyn ProgramHost,
    registers: &mut Registers,
) -> Result<Resumed, Errno> {
    // The handler's return has taken the restorer off.
    let frame_at = registers.rsp.checked_sub(8).ok_or(Errno::EFAULT)?;
    let frame: Frame = UserMemory::new(host).read(frame_at)?;
    let machine = &frame.context.machine;
    if machine.ip >= ADDRESS_END {
        return Err(Errno::EFAULT);
    }
    if machine.fpstate != 0 {
        restore_extended_state(host, machine.fpstate)?;
    }
    *registers = Registers {
        r15: machine.r15,
        r14: machine.r14,
        r13: machine.r13,
        r12: machine.r12,
        rbp: machine.bp,
        rbx: machine.bx,
        r11: machine.r11,
        r10: machine.r10,
        r9: machine.r9,
        r8: machine.r8,
        rax: machine.ax,
        rcx: machine.cx,
        rdx: machine.dx,
        rsi: machine.si,
        rdi: machine.di,
        rip: machine.ip,
        rflags: machine.flags & PROGRAM_FLAGS | FIXED_FLAGS,
        rsp: machine.sp,
    };
    Ok(Resumed {
        mask: SignalSet::from_bits(frame.context.mask),
        alternate: AlternateStack::from_program(&frame.context.stack).ok(),
    })
}

fn restore_extended_state(host: &mut dyn ProgramHost, address: u64) -> Result<(), Errno> {
    let mut state = [0; EXTENDED_STATE_SIZE as usize];
    UserMemory::new(host).read_bytes(address, &mut state)?;
    let mut mxcsr = [0; 4];
    mxcsr.copy_from_slice(&state[MXCSR]);
    let valid = u32::from_le_bytes(mxcsr) & MXCSR_VALID;
    state[MXCSR].copy_from_slice(&valid.to_le_bytes());
    host.extended_state(&mut state, true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use hypercall::Protection;
    use posix::signal::{ActionFlags, Handler, Signal};

    use super::*;
    use crate::testing::{FakeProgramHost, TestMemory as _};

    fn registers(rsp: u64) -> Registers {
        Registers {
            r15: 15,
            r14: 14,
            r13: 13,
            r12: 12,
            rbp: 5,
            rbx: 3,
            r11: 11,
            r10: 10,
            r9: 9,
            r8: 8,
            rax: 1,
            rcx: 2,
            rdx: 4,
            rsi: 6,
            rdi: 7,
            rip: 0x40_1234,
            rflags: 0x246 | 0x400,
            rsp,
        }
    }

    fn handler_call() -> HandlerCall {
        HandlerCall {
            info: SignalInfo {
                signal: Signal::TERMINATE,
                origin: Origin::Process,
            },
            action: Action {
                handler: Handler::Function(0x5000),
                flags: ActionFlags::RESTORER,
                mask: SignalSet::EMPTY,
                restorer: 0x6000,
            },
            function: 0x5000,
            resume_mask: SignalSet::from_bits(0x8800),
            on_alternate_stack: false,
            trap: Trap::default(),
        }
    }

    fn stack(host: &mut FakeProgramHost) -> u64 {
        let start = host.place(4, Protection::READ | Protection::WRITE);
        start + 4 * hypercall::PAGE_SIZE as u64
    }

    #[test]
    fn sizes_are_those_of_linux() {
        assert_eq!(size_of::<Context>(), 304);
        assert_eq!(size_of::<Information>(), 128);
        assert_eq!(size_of::<Frame>(), 440);
    }

    #[test]
    fn everything_comes_back() {
        let mut host = FakeProgramHost::new();
        let top = stack(&mut host);
        let before = registers(top - 100);
        let mut now = before;
        let mut state = [0; 512];
        state[100] = 42;
        host.extended_state(&mut state, true);
        let entered = handler_call().enter(&mut host, AlternateStack::default(), &mut now);
        assert_eq!(entered, Ok(()));
        assert_eq!(now.rip, 0x5000);
        assert_eq!(now.rdi, 15);
        assert_eq!(now.rsp % 16, 8);
        assert!(now.rsp < before.rsp - RED_ZONE);
        assert_eq!(now.rflags & 0x400, 0);
        assert_eq!(host.bytes(now.rsp, 8), 0x6000_u64.to_le_bytes());
        // siginfo: number, code SI_USER, sender.
        assert_eq!(host.bytes(now.rsi, 4), 15_i32.to_le_bytes());
        assert_eq!(host.bytes(now.rsi + 16, 4), PROCESS_ID.to_le_bytes());

        host.extended_state(&mut [0; 512], true);
        now.rsp += 8;
        let resumed = resume(&mut host, &mut now).expect("a sound frame");
        assert_eq!(now, before);
        assert_eq!(resumed.mask.bits(), 0x8800);
        assert_eq!(host.state()[100], 42);
    }

    #[test]
    fn flags_and_mxcsr_that_a_program_may_not_set_are_cleared() {
        let mut host = FakeProgramHost::new();
        let mut now = registers(stack(&mut host));
        now.rflags = u64::MAX;
        host.extended_state(&mut [0xff; 512], true);
        let entered = handler_call().enter(&mut host, AlternateStack::default(), &mut now);
        assert_eq!(entered, Ok(()));
        now.rsp += 8;
        assert!(resume(&mut host, &mut now).is_ok());
        assert_eq!(now.rflags, PROGRAM_FLAGS | FIXED_FLAGS);
        assert_eq!(host.state()[MXCSR], [0xff, 0xff, 0, 0]);
    }

    #[test]
    fn a_handler_may_run_on_the_alternate_stack() {
        let mut host = FakeProgramHost::new();
        let normal = stack(&mut host);
        let top = stack(&mut host);
        let mut given = sigaltstack::new_zeroed();
        given.ss_sp = top - 8192;
        given.ss_size = 8192;
        let alternate = AlternateStack::from_program(&given).expect("large enough");
        let mut call = handler_call();
        call.on_alternate_stack = true;
        let mut now = registers(normal);
        assert_eq!(call.enter(&mut host, alternate, &mut now), Ok(()));
        assert!(alternate.holds(now.rsp));
        // A second signal goes on below the first.
        let first = now.rsp;
        assert_eq!(call.enter(&mut host, alternate, &mut now), Ok(()));
        assert!(now.rsp < first && alternate.holds(now.rsp));
    }

    #[test]
    fn a_stack_that_cannot_be_written_changes_nothing() {
        let mut host = FakeProgramHost::new();
        let before = registers(0x2000);
        let mut now = before;
        let entered = handler_call().enter(&mut host, AlternateStack::default(), &mut now);
        assert_eq!(entered, Err(Errno::EFAULT));
        assert_eq!(now, before);
        now.rsp = 4;
        let entered = handler_call().enter(&mut host, AlternateStack::default(), &mut now);
        assert_eq!(entered, Err(Errno::EFAULT));
    }

    #[test]
    fn a_return_to_no_address_of_a_program_is_refused() {
        let mut host = FakeProgramHost::new();
        let mut now = registers(stack(&mut host));
        now.rip = ADDRESS_END;
        let entered = handler_call().enter(&mut host, AlternateStack::default(), &mut now);
        assert_eq!(entered, Ok(()));
        now.rsp += 8;
        assert!(resume(&mut host, &mut now).is_err());
    }
}
