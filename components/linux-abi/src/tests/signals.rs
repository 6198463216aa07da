//! Signals as a program sees them: handlers entered and left, calls interrupted and begun anew.

use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hypercall::{HostRequest, PAGE_SIZE, Registers, Stream};
use posix::Errno;
use posix::memory_map::{Area, Purpose};
use zerocopy::IntoBytes as _;

use crate::Exception;
use crate::bindings::{
    __NR_alarm, __NR_close, __NR_getpid, __NR_kill, __NR_mmap, __NR_nanosleep, __NR_pipe,
    __NR_read, __NR_rt_sigaction, __NR_rt_sigpending, __NR_rt_sigprocmask, __NR_rt_sigreturn,
    __NR_rt_sigsuspend, __NR_rt_sigtimedwait, __NR_setitimer, __NR_tgkill, __NR_timer_create,
    __NR_timer_getoverrun, __NR_timer_gettime, __NR_timer_settime, __NR_write, MAP_ANONYMOUS,
    MAP_PRIVATE, PROT_READ, SA_RESTART, SA_RESTORER, SA_SIGINFO, SEGV_ACCERR, SEGV_MAPERR,
    SIG_BLOCK, SIG_SETMASK, TIMER_ABSTIME, sigaction,
};
use crate::testing::machine::{Machine, error, status_of};

extern crate std;

const HANDLER: u64 = 0x5_0000;
const RESTORER: u64 = 0x6_0000;
const CODE: u64 = 0x7_0000;
const USER_SIGNAL: u64 = 10;
const ALARM: u64 = 14;

/// A machine that catches `signal`.
fn catching(signal: u64, flags: u32) -> Machine {
    let mut machine = Machine::new();
    machine.registers.rip = CODE;
    let action = sigaction {
        sa_handler: HANDLER,
        sa_flags: u64::from(flags | SA_RESTORER | SA_SIGINFO),
        sa_restorer: RESTORER,
        sa_mask: 0,
    };
    let action = machine.put(action.as_bytes());
    assert_eq!(
        machine.call(__NR_rt_sigaction, &[signal, action, 0, 8]),
        Ok(0)
    );
    machine
}

/// The handler returns to the restorer, which makes its call.
fn return_from_handler(machine: &mut Machine) {
    assert_eq!(machine.registers.rip, HANDLER);
    let restorer = machine.get_u64(machine.registers.rsp);
    assert_eq!(restorer, RESTORER);
    machine.registers.rsp += 8;
    machine.registers.rax = __NR_rt_sigreturn.into();
    machine.program.system_call(&mut machine.registers);
}

fn pipe(machine: &mut Machine) -> (u64, u64) {
    let pair = machine.room(8);
    assert_eq!(machine.call(__NR_pipe, &[pair]), Ok(0));
    let both = machine.get_u64(pair);
    (both & 0xffff_ffff, both >> 32)
}

#[test]
fn a_handler_runs_at_the_end_of_the_call_and_the_program_goes_on() {
    let mut machine = catching(USER_SIGNAL, 0);
    machine.registers.rbx = 77;
    let stack = machine.registers.rsp;
    assert_eq!(machine.call(__NR_kill, &[1, USER_SIGNAL]), Ok(0));
    assert_eq!(machine.registers.rip, HANDLER);
    assert_eq!(machine.registers.rdi, USER_SIGNAL);
    // siginfo: SI_USER from this process.
    let information = machine.registers.rsi;
    assert_eq!(machine.get_u64(information + 8), 0);
    assert_eq!(machine.get_u64(information + 16), 1);
    machine.registers.rbx = 0;
    return_from_handler(&mut machine);
    assert_eq!(machine.registers.rip, CODE);
    assert_eq!(machine.registers.rsp, stack);
    assert_eq!(machine.registers.rbx, 77);
    assert_eq!(machine.registers.rax, 0);
}

#[test]
fn without_a_handler_the_program_ends_as_a_shell_reports_it() {
    let mut machine = Machine::new();
    assert_eq!(machine.ends_with(__NR_tgkill, &[1, 1, 15]), 143);
    let mut machine = Machine::new();
    assert_eq!(machine.ends_with(__NR_kill, &[0, 9]), 137);
}

#[test]
fn whom_there_is_not_gets_no_signal() {
    let mut machine = Machine::new();
    assert_eq!(machine.call(__NR_kill, &[2, 15]), error(Errno::ESRCH));
    assert_eq!(machine.call(__NR_kill, &[1, 65]), error(Errno::EINVAL));
    assert_eq!(machine.call(__NR_kill, &[1, 0]), Ok(0));
    assert_eq!(machine.call(__NR_tgkill, &[1, 2, 15]), error(Errno::ESRCH));
}

#[test]
fn a_blocked_signal_is_pending_until_it_is_let_in() {
    let mut machine = catching(USER_SIGNAL, 0);
    let bit = 1_u64 << (USER_SIGNAL - 1);
    let set = machine.put(&bit.to_le_bytes());
    let how = SIG_BLOCK.into();
    assert_eq!(machine.call(__NR_rt_sigprocmask, &[how, set, 0, 8]), Ok(0));
    assert_eq!(machine.call(__NR_kill, &[1, USER_SIGNAL]), Ok(0));
    assert_eq!(machine.registers.rip, CODE);
    let pending = machine.room(8);
    assert_eq!(machine.call(__NR_rt_sigpending, &[pending, 8]), Ok(0));
    assert_eq!(machine.get_u64(pending), bit);
    let none = machine.room(8);
    let how = SIG_SETMASK.into();
    assert_eq!(machine.call(__NR_rt_sigprocmask, &[how, none, 0, 8]), Ok(0));
    assert_eq!(machine.registers.rip, HANDLER);
}

#[test]
fn an_alarm_interrupts_a_read() {
    let mut machine = catching(ALARM, 0);
    let (reader, _) = pipe(&mut machine);
    assert_eq!(machine.call(__NR_alarm, &[5]), Ok(0));
    let room = machine.room(4);
    let result = machine.call(__NR_read, &[reader, room, 4]);
    // The handler is entered with the result saved for later.
    assert_eq!(result, Ok(0));
    return_from_handler(&mut machine);
    assert_eq!(machine.registers.rip, CODE);
    let result = machine.registers.rax.cast_signed();
    assert_eq!(result, -i64::from(Errno::EINTR.number()));
}

#[test]
fn with_restart_the_read_begins_anew() {
    let mut machine = catching(ALARM, SA_RESTART);
    let (reader, _) = pipe(&mut machine);
    assert_eq!(machine.call(__NR_alarm, &[5]), Ok(0));
    let room = machine.room(4);
    assert_eq!(machine.call(__NR_read, &[reader, room, 4]), Ok(0));
    return_from_handler(&mut machine);
    assert_eq!(machine.registers.rip, CODE - 2);
    assert_eq!(machine.registers.rax, u64::from(__NR_read));
    assert_eq!(machine.registers.rdi, reader);
}

#[test]
fn a_sleep_is_never_begun_anew_and_says_what_is_left() {
    let mut machine = catching(ALARM, SA_RESTART);
    assert_eq!(machine.call(__NR_alarm, &[5]), Ok(0));
    let request = machine.put([8_u64, 0].as_bytes());
    let left = machine.room(16);
    assert_eq!(machine.call(__NR_nanosleep, &[request, left]), Ok(0));
    assert_eq!(machine.get_u64(left), 3);
    return_from_handler(&mut machine);
    assert_eq!(machine.registers.rip, CODE);
}

#[test]
fn sigsuspend_lets_a_signal_in_and_takes_the_mask_back() {
    let mut machine = catching(USER_SIGNAL, 0);
    let bit = 1_u64 << (USER_SIGNAL - 1);
    let set = machine.put(&bit.to_le_bytes());
    let how = SIG_BLOCK.into();
    assert_eq!(machine.call(__NR_rt_sigprocmask, &[how, set, 0, 8]), Ok(0));
    assert_eq!(machine.call(__NR_kill, &[1, USER_SIGNAL]), Ok(0));
    let none = machine.room(8);
    assert_eq!(machine.call(__NR_rt_sigsuspend, &[none, 8]), Ok(0));
    assert_eq!(machine.registers.rip, HANDLER);
    return_from_handler(&mut machine);
    let old = machine.room(8);
    assert_eq!(machine.call(__NR_rt_sigprocmask, &[0, 0, old, 8]), Ok(0));
    assert_eq!(machine.get_u64(old), bit);
}

#[test]
fn sigwait_takes_a_masked_signal_when_it_comes() {
    let mut machine = Machine::new();
    let set = machine.put(&(1_u64 << (ALARM - 1)).to_le_bytes());
    let how = SIG_BLOCK.into();
    assert_eq!(machine.call(__NR_rt_sigprocmask, &[how, set, 0, 8]), Ok(0));
    assert_eq!(machine.call(__NR_alarm, &[5]), Ok(0));
    let wait = [set, 0, 0, 8];
    assert_eq!(machine.call(__NR_rt_sigtimedwait, &wait), Ok(ALARM));
    let second = machine.put([1_u64, 0].as_bytes());
    let wait = [set, 0, second, 8];
    let late = machine.call(__NR_rt_sigtimedwait, &wait);
    assert_eq!(late, error(Errno::EAGAIN));
}

#[test]
fn a_request_reaches_a_program_that_computes() {
    let mut machine = catching(2, 0);
    machine.program.kernel().host().ask(HostRequest::Interrupt);
    let before = machine.registers;
    machine.program.interrupted(&mut machine.registers);
    assert_eq!(machine.registers.rip, HANDLER);
    return_from_handler(&mut machine);
    assert_eq!(machine.registers.rip, before.rip);
    assert_eq!(machine.registers.rcx, before.rcx);

    machine.program.kernel().host().ask(HostRequest::Terminate);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        machine.program.interrupted(&mut machine.registers);
    }));
    assert_eq!(status_of(ended.expect_err("SIGTERM ends it")), 143);
}

#[test]
fn an_interval_timer_beats_while_the_program_computes() {
    let mut machine = catching(ALARM, 0);
    let every_second = machine.put([1_u64, 0, 1, 0].as_bytes());
    assert_eq!(machine.call(__NR_setitimer, &[0, every_second, 0]), Ok(0));
    for _ in 0..2 {
        let host = machine.program.kernel().host();
        host.advance(Duration::from_secs(1));
        machine.program.interrupted(&mut machine.registers);
        return_from_handler(&mut machine);
    }
    machine.program.interrupted(&mut machine.registers);
    assert_eq!(machine.registers.rip, CODE);
}

#[test]
fn a_timer_sends_its_signal_with_its_value() {
    let mut machine = catching(USER_SIGNAL, 0);
    // struct sigevent: the value, the signal, SIGEV_SIGNAL.
    let event = machine.put([0x1234_u64, USER_SIGNAL, 0].as_bytes());
    let id = machine.room(8);
    assert_eq!(machine.call(__NR_timer_create, &[1, event, id]), Ok(0));
    let at_two_then_every_second = machine.put([1_u64, 0, 2, 0].as_bytes());
    let absolute = TIMER_ABSTIME.into();
    let armed = [0, absolute, at_two_then_every_second, 0];
    assert_eq!(machine.call(__NR_timer_settime, &armed), Ok(0));
    let host = machine.program.kernel().host();
    host.advance(Duration::from_millis(4_500));
    machine.program.interrupted(&mut machine.registers);
    assert_eq!(machine.registers.rip, HANDLER);
    // siginfo: SI_TIMER, the value.
    let information = machine.registers.rsi;
    assert_eq!(machine.get_u64(information + 8) as i32, -2);
    assert_eq!(machine.get_u64(information + 24), 0x1234);
    assert_eq!(machine.call(__NR_timer_getoverrun, &[0]), Ok(2));
    let left = machine.room(32);
    assert_eq!(machine.call(__NR_timer_gettime, &[0, left]), Ok(0));
    assert_eq!(machine.get_u64(left + 24), 500_000_000);
}

#[test]
fn a_pipe_that_nobody_reads_ends_the_writer() {
    let mut machine = Machine::new();
    let (reader, writer) = pipe(&mut machine);
    assert_eq!(machine.call(__NR_close, &[reader]), Ok(0));
    let text = machine.string("x");
    assert_eq!(machine.ends_with(__NR_write, &[writer, text, 1]), 141);
}

#[test]
fn a_handler_without_stack_ends_the_program() {
    let mut machine = catching(USER_SIGNAL, 0);
    machine.registers.rsp = 0x10;
    assert_eq!(machine.ends_with(__NR_kill, &[1, USER_SIGNAL]), 139);
}

#[test]
fn a_return_without_a_frame_ends_the_program() {
    let mut machine = Machine::new();
    machine.registers.rsp = 0x10;
    assert_eq!(machine.ends_with(__NR_rt_sigreturn, &[]), 139);
}

fn page_fault(address: u64) -> Exception {
    Exception {
        vector: 14,
        error_code: 6,
        address,
    }
}

#[test]
fn a_fault_goes_to_its_handler_with_its_address() {
    let mut machine = catching(11, 0);
    machine
        .program
        .faulted(&mut machine.registers, page_fault(0x123));
    assert_eq!(machine.registers.rip, HANDLER);
    let information = machine.registers.rsi;
    // SEGV_MAPERR.
    assert_eq!(machine.get_u64(information + 8) as u32, 1);
    assert_eq!(machine.get_u64(information + 16), 0x123);
}

/// `si_code` of the fault that a machine with a handler has just had at `address`.
fn code_of_fault_at(machine: &mut Machine, address: u64) -> u32 {
    machine
        .program
        .faulted(&mut machine.registers, page_fault(address));
    machine.get_u64(machine.registers.rsi + 8) as u32
}

#[test]
fn a_fault_says_that_a_mapping_forbids_it() {
    let mut machine = catching(11, 0);
    let flags = u64::from(MAP_PRIVATE | MAP_ANONYMOUS);
    let arguments = [0, PAGE_SIZE as u64, PROT_READ.into(), flags, u64::MAX, 0];
    let page = machine.call(__NR_mmap, &arguments).expect("a page");
    assert_eq!(code_of_fault_at(&mut machine, page), SEGV_ACCERR);
}

#[test]
fn a_fault_below_the_stack_says_that_nothing_is_mapped() {
    let mut machine = catching(11, 0);
    let is_guard = |area: &&Area| area.purpose == Purpose::Stack && area.protection.is_empty();
    let guard = machine.program.memory_map.areas().find(is_guard);
    let start = guard.expect("the stack has a guard").range.start();
    assert_eq!(code_of_fault_at(&mut machine, start), SEGV_MAPERR);
}

#[test]
fn a_fault_without_handler_is_reported() {
    let mut machine = Machine::new();
    machine.registers = Registers {
        rip: 0xabc,
        r15: 0x15,
        ..machine.registers
    };
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let fault = page_fault(0x123);
        machine.program.faulted(&mut machine.registers, fault);
    }));
    assert_eq!(status_of(ended.expect_err("it ends")), 139);
    let message = machine.written(Stream::Error);
    let message = core::str::from_utf8(&message).expect("text");
    let first = "anykernel: the program ended: bad memory access at 0xabc, writing 0x123 \
                 (error code 0x6)\n";
    assert!(message.starts_with(first), "{message}");
    assert!(message.contains(" r15=0x15"), "{message}");
}

#[test]
fn a_fault_where_memory_was_promised_is_out_of_memory() {
    let mut machine = Machine::new();
    let stack = machine.registers.rsp - 64 * PAGE_SIZE as u64;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let fault = page_fault(stack);
        machine.program.faulted(&mut machine.registers, fault);
    }));
    assert_eq!(status_of(ended.expect_err("it ends")), 137);
    let message = machine.written(Stream::Error);
    assert!(message.starts_with(b"anykernel: the program ended: out of memory"));
}

#[test]
fn a_call_without_signals_changes_nothing_but_its_result() {
    let mut machine = Machine::new();
    let before = machine.registers;
    assert_eq!(machine.call(__NR_getpid, &[]), Ok(1));
    let expected = Registers {
        rax: 1,
        rdi: 0,
        rsi: 0,
        rdx: 0,
        r10: 0,
        r8: 0,
        r9: 0,
        ..before
    };
    assert_eq!(machine.registers, expected);
}
