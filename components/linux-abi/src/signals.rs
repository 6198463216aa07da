//! Signal calls, and the delivery of signals to handlers.

use hypercall::{Host, ProgramHost, Protection, Registers};
use posix::signal::{
    Action, ActionFlags, Delivery, Handler, MaskChange, Origin, Signal, SignalInfo, SignalSet,
};
use posix::{Errno, Step, Wait, block_on};

use crate::alternate_stack::AlternateStack;
use crate::bindings::{
    __NR_clock_nanosleep, __NR_epoll_pwait, __NR_epoll_pwait2, __NR_epoll_wait, __NR_nanosleep,
    __NR_pause, __NR_poll, __NR_ppoll, __NR_pselect6, __NR_rt_sigsuspend, __NR_rt_sigtimedwait,
    __NR_select, __kernel_timespec, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, sigaction, sigaltstack,
};
use crate::call::{Call, Outcome, SUCCESS};
use crate::process::PROCESS_ID;
use crate::program::Program;
use crate::signal_frame::{HandlerCall, Information, Trap, resume};
use crate::time::duration_of;

/// The size of Linux' `sigset_t`, which callers name.
const SET_SIZE: u64 = 8;

/// The length of a `syscall` instruction: so far back is the call that begins anew.
const SYSCALL_LENGTH: u64 = 2;

/// SIG_DFL and SIG_IGN as addresses.
const DEFAULT: u64 = 0;
const IGNORE: u64 = 1;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn rt_sigaction(&mut self, call: &mut Call<'_>) -> Outcome {
        check_set_size(call.argument(3))?;
        let signal = Signal::new(call.int(0)).ok_or(Errno::EINVAL)?;
        let new: Option<sigaction> = self.memory().read_optional(call.argument(1))?;
        let old = action_to_program(self.kernel.signals().action(signal));
        self.memory().write_optional(call.argument(2), &old)?;
        if let Some(new) = new {
            let action = action_from_program(&new);
            if !self.kernel.signals().set_action(signal, action) {
                return Err(Errno::EINVAL);
            }
        }
        SUCCESS
    }

    pub(crate) fn rt_sigprocmask(&mut self, call: &mut Call<'_>) -> Outcome {
        check_set_size(call.argument(3))?;
        let new: Option<u64> = self.memory().read_optional(call.argument(1))?;
        let change = match new.map(SignalSet::from_bits) {
            None => None,
            Some(set) => Some(match call.unsigned(0) {
                SIG_BLOCK => MaskChange::Add(set),
                SIG_UNBLOCK => MaskChange::Remove(set),
                SIG_SETMASK => MaskChange::Replace(set),
                _ => return Err(Errno::EINVAL),
            }),
        };
        let old = self.kernel.signals().mask().bits();
        self.memory().write_optional(call.argument(2), &old)?;
        if let Some(change) = change {
            self.kernel.signals().change_mask(change);
        }
        SUCCESS
    }

    pub(crate) fn rt_sigpending(&mut self, call: &mut Call<'_>) -> Outcome {
        check_set_size(call.argument(1))?;
        let signals = self.kernel.signals();
        let held = signals.pending().bits() & signals.mask().bits();
        self.memory().write(call.argument(0), &held)?;
        SUCCESS
    }

    pub(crate) fn rt_sigsuspend(&mut self, call: &mut Call<'_>) -> Outcome {
        check_set_size(call.argument(1))?;
        let mask: u64 = self.memory().read(call.argument(0))?;
        self.begin_temporary_mask(Some(mask));
        self.wait_for_signal()
    }

    pub(crate) fn pause(&mut self, _: &mut Call<'_>) -> Outcome {
        self.wait_for_signal()
    }

    pub(crate) fn rt_sigtimedwait(&mut self, call: &mut Call<'_>) -> Outcome {
        check_set_size(call.argument(3))?;
        let set = SignalSet::from_bits(self.memory().read(call.argument(0))?);
        let information = call.argument(1);
        if information != 0 {
            let length = size_of::<Information>();
            self.memory()
                .prepare(information, length, Protection::WRITE)?;
        }
        let timeout: Option<__kernel_timespec> = self.memory().read_optional(call.argument(2))?;
        let timeout = timeout.as_ref().map(duration_of).transpose()?;
        self.kernel.signals().set_awaited(set);
        let waited = block_on(&mut self.kernel, |kernel| {
            if let Some(info) = kernel.signals().take_of(set) {
                return Ok(Step::Done(info));
            }
            let deadline = kernel.deadline(timeout);
            if deadline.is_some_and(|deadline| deadline <= kernel.monotonic()) {
                return Err(Errno::EAGAIN);
            }
            Ok(Step::Wait(Wait::until(deadline)))
        });
        let signals = self.kernel.signals();
        signals.set_awaited(SignalSet::EMPTY);
        let info = match waited {
            // It may be one of these that ended the wait.
            Err(Errno::EINTR) => signals.take_of(set).ok_or(Errno::EINTR)?,
            waited => waited?,
        };
        self.memory()
            .write_optional(information, &Information::new(info))?;
        Ok(info.signal.number().into())
    }

    pub(crate) fn sigaltstack(&mut self, call: &mut Call<'_>) -> Outcome {
        let rsp = call.registers.rsp;
        let current = self.process.alternate_stack;
        let new: Option<sigaltstack> = self.memory().read_optional(call.argument(0))?;
        let new = match new {
            Some(_) if current.holds(rsp) => return Err(Errno::EPERM),
            Some(new) => AlternateStack::from_program(&new)?,
            None => current,
        };
        self.memory()
            .write_optional(call.argument(1), &current.to_program(rsp))?;
        self.process.alternate_stack = new;
        SUCCESS
    }

    pub(crate) fn kill(&mut self, call: &mut Call<'_>) -> Outcome {
        // To this process, to its group, or to the group of this number.
        if ![PROCESS_ID, 0, -PROCESS_ID].contains(&call.int(0)) {
            return Err(Errno::ESRCH);
        }
        self.send_signal(call.int(1), Origin::Process)
    }

    pub(crate) fn tkill(&mut self, call: &mut Call<'_>) -> Outcome {
        check_thread(call.int(0))?;
        self.send_signal(call.int(1), Origin::Thread)
    }

    pub(crate) fn tgkill(&mut self, call: &mut Call<'_>) -> Outcome {
        check_thread(call.int(0))?;
        check_thread(call.int(1))?;
        self.send_signal(call.int(2), Origin::Thread)
    }

    /// Goes on where the signal met the program: the result is what `rax` held then.
    pub(crate) fn rt_sigreturn(&mut self, call: &mut Call<'_>) -> Outcome {
        match resume(&mut self.host, call.registers) {
            Ok(resumed) => {
                let signals = self.kernel.signals();
                signals.change_mask(MaskChange::Replace(resumed.mask));
                if let Some(alternate) = resumed.alternate {
                    self.process.alternate_stack = alternate;
                }
            }
            Err(_) => self.force_segmentation_fault(call.registers),
        }
        Ok(call.registers.rax)
    }

    /// Puts a mask in force for the duration of the call, if one is given.
    pub(crate) fn begin_temporary_mask(&mut self, mask: Option<u64>) {
        if let Some(mask) = mask {
            let mask = SignalSet::from_bits(mask);
            self.kernel.signals().begin_temporary_mask(mask);
        }
    }

    /// Delivers what is pending at the end of a call. `interrupted` is the number of a call that
    /// ended with EINTR.
    pub(crate) fn deliver_signals(
        &mut self,
        registers: &mut Registers,
        mut interrupted: Option<u64>,
    ) {
        if interrupted.is_none() {
            self.kernel.signals().end_temporary_mask();
        }
        while let Some(delivery) = self.kernel.signals().take_delivery() {
            if let Delivery::Handle { action, .. } = delivery
                && let Some(number) = interrupted.take()
                && action.flags.contains(ActionFlags::RESTART)
                && !NEVER_ANEW.map(u64::from).contains(&number)
            {
                rewind(registers, number);
            }
            self.deliver(delivery, registers, Trap::default());
        }
        // No handler ran, so the program must not see that anything happened.
        if let Some(number) = interrupted {
            rewind(registers, number);
        }
        self.kernel.signals().end_temporary_mask();
    }

    /// Calls a handler or ends the program.
    pub(crate) fn deliver(&mut self, delivery: Delivery, registers: &mut Registers, trap: Trap) {
        let Delivery::Handle {
            info,
            action,
            resume_mask,
        } = delivery
        else {
            let Delivery::Terminate(signal) = delivery else {
                return;
            };
            self.end_by_signal(signal);
        };
        let Handler::Function(function) = action.handler else {
            return;
        };
        let on_alternate_stack = action.flags.contains(ActionFlags::ON_STACK);
        let call = HandlerCall {
            info,
            action,
            function,
            resume_mask,
            on_alternate_stack,
            trap,
        };
        // Without a restorer there is nothing that the handler could return to.
        let complete = action.flags.contains(ActionFlags::RESTORER);
        let alternate = self.process.alternate_stack;
        if !complete || call.enter(&mut self.host, alternate, registers).is_err() {
            return self.force_segmentation_fault_after(info.signal, registers);
        }
        if on_alternate_stack {
            self.process.alternate_stack = alternate.while_used();
        }
    }

    fn force_segmentation_fault(&mut self, registers: &mut Registers) {
        let delivery = self.kernel.signals().deliver_fault(SignalInfo {
            signal: Signal::SEGMENTATION,
            origin: Origin::Kernel,
        });
        self.deliver(delivery, registers, Trap::default());
    }

    /// A handler for `signal` could not be entered: the program gets SIGSEGV, or ends if it was
    /// that already.
    fn force_segmentation_fault_after(&mut self, signal: Signal, registers: &mut Registers) {
        if signal == Signal::SEGMENTATION {
            self.end_by_signal(signal);
        }
        self.force_segmentation_fault(registers);
    }

    fn send_signal(&mut self, number: i32, origin: Origin) -> Outcome {
        // The signal 0 asks whether there is somebody to send to.
        if number == 0 {
            return SUCCESS;
        }
        let signal = Signal::new(number).ok_or(Errno::EINVAL)?;
        let kept = self.kernel.signals().raise(SignalInfo { signal, origin });
        // `kill` succeeds all the same, as under Linux.
        if !kept && origin == Origin::Thread {
            return Err(Errno::EAGAIN);
        }
        SUCCESS
    }

    fn wait_for_signal(&mut self) -> Outcome {
        block_on(&mut self.kernel, |kernel| Ok(kernel.pause())).map(|()| 0)
    }
}

/// Calls that an interruption always ends (signal(7), "Interruption of system calls"); all others
/// begin anew behind a handler with SA_RESTART.
const NEVER_ANEW: [u32; 12] = [
    __NR_poll,
    __NR_ppoll,
    __NR_select,
    __NR_pselect6,
    __NR_epoll_wait,
    __NR_epoll_pwait,
    __NR_epoll_pwait2,
    __NR_nanosleep,
    __NR_clock_nanosleep,
    __NR_rt_sigsuspend,
    __NR_rt_sigtimedwait,
    __NR_pause,
];

fn rewind(registers: &mut Registers, number: u64) {
    registers.rip = registers.rip.wrapping_sub(SYSCALL_LENGTH);
    registers.rax = number;
}

fn check_set_size(size: u64) -> Result<(), Errno> {
    match size {
        SET_SIZE => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

fn check_thread(number: i32) -> Result<(), Errno> {
    match number {
        PROCESS_ID => Ok(()),
        ..=0 => Err(Errno::EINVAL),
        _ => Err(Errno::ESRCH),
    }
}

fn action_from_program(action: &sigaction) -> Action {
    Action {
        handler: match action.sa_handler {
            DEFAULT => Handler::Default,
            IGNORE => Handler::Ignore,
            function => Handler::Function(function),
        },
        // Flags without a meaning are dropped, as Linux does, so that programs can see it.
        flags: ActionFlags::from_bits_truncate(action.sa_flags),
        mask: SignalSet::from_bits(action.sa_mask),
        restorer: action.sa_restorer,
    }
}

fn action_to_program(action: Action) -> sigaction {
    sigaction {
        sa_handler: match action.handler {
            Handler::Default => DEFAULT,
            Handler::Ignore => IGNORE,
            Handler::Function(function) => function,
        },
        sa_flags: action.flags.bits(),
        sa_restorer: action.restorer,
        sa_mask: action.mask.bits(),
    }
}
