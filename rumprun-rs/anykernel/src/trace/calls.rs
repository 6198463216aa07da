//! The calls that were going on, from the innermost outwards.

use super::binary::Binary;
use super::call_frames;
use super::registers::{Registers, Stack, number};
use super::stack_depth::{FunctionCode, Place};

/// How many calls are followed. A recursion without end has no more to tell.
pub const MOST_CALLS: usize = 100;

/// A call that was going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// What it was to execute next, as an address of the file.
    pub address: u64,
    /// Whether it waits for a call of its own, which was to return to that address.
    pub is_caller: bool,
}

impl Call {
    /// An address within the instruction that it is at: a call that never returns may be the last
    /// of its function.
    pub fn inside(self) -> u64 {
        self.address - u64::from(self.is_caller)
    }
}

/// Why no more calls are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The first function was reached.
    Outermost,
    /// Nothing says where the caller of the last one is.
    NoWay,
    /// The caller would be at this address, where no code is.
    NoCode(u64),
    /// The stack pointer would not have moved: the stack is damaged.
    NoProgress,
    /// There are more.
    TooMany,
}

/// The calls of `binary`, which lies `bias` above its own addresses, and why there are no more.
pub fn calls(binary: &Binary, bias: u64, start: Registers, stack: Stack) -> (Vec<Call>, End) {
    let mut calls = Vec::new();
    let mut registers = start;
    loop {
        let rip = registers.get(number::RIP).unwrap_or_default();
        let address = rip.wrapping_sub(bias);
        let is_caller = !calls.is_empty();
        let call = Call { address, is_caller };
        let is_code = address > 0 && binary.code_from(call.inside()).is_some();
        if !is_code && is_caller {
            return (calls, End::NoCode(rip));
        }
        calls.push(call);
        if is_outermost(binary, call) {
            return (calls, End::Outermost);
        }
        if calls.len() == MOST_CALLS {
            return (calls, End::TooMany);
        }
        let next = match is_code {
            true => caller(binary, bias, call, &registers, stack),
            false => caller_of_nowhere(&registers, stack),
        };
        let Some(next) = next else {
            return (calls, End::NoWay);
        };
        // A call has at least pushed its return address.
        if next.get(number::RSP) <= registers.get(number::RSP) {
            return (calls, End::NoProgress);
        }
        registers = next;
    }
}

fn is_outermost(binary: &Binary, call: Call) -> bool {
    let entry = binary.function(binary.entry());
    entry.is_some() && entry == binary.function(call.inside())
}

/// The registers of the caller of `call`.
fn caller(
    binary: &Binary,
    bias: u64,
    call: Call,
    registers: &Registers,
    stack: Stack,
) -> Option<Registers> {
    let inside = call.inside();
    let by_frames = {
        // Expressions of call frame information compute with the file's addresses.
        let mut local = *registers;
        local.set(number::RIP, Some(call.address));
        call_frames::caller(binary, inside, &local, stack)
    };
    by_frames.or_else(|| {
        let function = binary.function(inside)?;
        let extent = binary.extent(&function);
        let bytes = binary.code_from(extent.start)?;
        let length = usize::try_from(extent.end - extent.start).unwrap_or(usize::MAX);
        let code = FunctionCode {
            start: extent.start,
            bytes: &bytes[..length.min(bytes.len())],
        };
        let place = match call.is_caller {
            true => Place::InCall(call.address),
            false => Place::Before(call.address),
        };
        let mut local = *registers;
        local.set(
            number::RIP,
            Some(registers.get(number::RIP)?.wrapping_sub(bias)),
        );
        code.caller(place, &local, stack)
    })
}

/// The caller of what is no code: a call through a bad pointer has done no more than push the
/// address of the next instruction.
fn caller_of_nowhere(registers: &Registers, stack: Stack) -> Option<Registers> {
    let rsp = registers.get(number::RSP)?;
    let mut caller = registers.kept_by_calls();
    caller.set(number::RIP, Some(stack.word(rsp)?));
    caller.set(number::RSP, Some(rsp.checked_add(8)?));
    Some(caller)
}
