//! What a branch that was taken, or was not, says about a register.
//!
//! A compiler that has just compared a register with a constant does not load that constant
//! again: `test rax, rax; je` leads to code where rax is the number of `read`.

use iced_x86::{ConditionCode, Instruction, Mnemonic, OpKind, Register, RflagsBits};

use super::code::{Code, Edge};
use super::effect::writes;

/// The value of `register` behind `edge`, if that is a branch on its being equal to a constant.
/// `is_entered` tells of an address whether flow may come there from elsewhere.
pub fn equal_behind(
    code: &Code,
    edge: &Edge,
    register: Register,
    is_entered: &dyn Fn(u64) -> bool,
) -> Option<u32> {
    let holds = match edge.from.condition_code() {
        ConditionCode::e => !edge.falls,
        ConditionCode::ne => edge.falls,
        _ => false,
    };
    if !holds || !edge.from.is_jcc_short_or_near() {
        return None;
    }
    let mut instruction = edge.from;
    loop {
        if is_entered(instruction.ip()) {
            return None;
        }
        let mut before = code.fallen_from(instruction.ip());
        instruction = match (before.next(), before.next()) {
            (Some(only), None) => only,
            _ => return None,
        };
        if instruction.rflags_modified() & RflagsBits::ZF != 0 {
            return compared(&instruction, register);
        }
        if writes(&instruction, register) {
            return None;
        }
    }
}

/// What `register` is if `instruction` finds its operands equal.
fn compared(instruction: &Instruction, register: Register) -> Option<u32> {
    let first = instruction.op0_register();
    let is_compared = instruction.op0_kind() == OpKind::Register
        && (first.is_gpr32() || first.is_gpr64())
        && first.full_register() == register;
    match instruction.mnemonic() {
        Mnemonic::Test if is_compared => (instruction.op1_register() == first).then_some(0),
        Mnemonic::Cmp if is_compared => Some(instruction.try_immediate(1).ok()? as u32),
        _ => None,
    }
}
