//! What one instruction means for a value that is wanted after it.

use iced_x86::{
    ConditionCode, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// The low half of this 64-bit register.
    Register(Register),
    /// The word that rsp points to.
    StackTop,
}

/// A 32-bit value that is wanted at some point of the program: of a system call's number the
/// kernel looks at no more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Wanted {
    /// Where it is.
    pub place: Place,
    /// Bits that later instructions replace.
    replaced: u32,
    /// What they replace them with.
    bits: u32,
}

/// What a wanted value is before an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// The instruction makes it this.
    Constant(u32),
    /// It is what is wanted there.
    Wanted(Wanted),
    /// It is one or the other.
    Either(Wanted, Wanted),
    /// The instruction makes it something that cannot be told.
    Unknown,
}

impl Wanted {
    /// All of `place`.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            replaced: 0,
            bits: 0,
        }
    }

    fn moved_to(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Where it is there is `value`.
    pub fn is(self, value: u32) -> Before {
        Before::Constant(value & !self.replaced | self.bits)
    }

    /// The same, if an instruction replaces the bits `mask` by those of `value`.
    fn replaced(self, mask: u32, value: u32) -> Before {
        let replaced = self.replaced | mask;
        let bits = self.bits | value & mask & !self.replaced;
        match replaced {
            u32::MAX => Before::Constant(bits),
            _ => Before::Wanted(Self {
                replaced,
                bits,
                ..self
            }),
        }
    }
}

/// What `wanted` is before `instruction`.
pub fn before(instruction: &Instruction, wanted: Wanted) -> Before {
    match wanted.place {
        Place::StackTop => before_stack_top(instruction, wanted),
        Place::Register(register) if writes(instruction, register) => {
            before_write(instruction, wanted)
        }
        Place::Register(_) => Before::Wanted(wanted),
    }
}

/// Whether `register` may be another after `instruction`.
pub fn writes(instruction: &Instruction, register: Register) -> bool {
    // The kernel's answer; the decoder knows only what the instruction itself does.
    let is_answer = matches!(instruction.mnemonic(), Mnemonic::Syscall | Mnemonic::Int);
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers();
    let is_written = used.iter().any(|used| {
        used.register().full_register() == register
            && !matches!(
                used.access(),
                OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            )
    });
    is_written || (is_answer && register == Register::RAX)
}

/// `instruction` writes the register where `wanted` is.
fn before_write(instruction: &Instruction, wanted: Wanted) -> Before {
    let is_register = |operand| instruction.op_kind(operand) == OpKind::Register;
    if !is_register(0) || wanted.place != full(instruction.op0_register()) {
        return exchanged(instruction, wanted);
    }
    let is_same = is_register(1) && instruction.op0_register() == instruction.op1_register();
    match instruction.mnemonic() {
        Mnemonic::Mov => moved(instruction, wanted),
        Mnemonic::Movsxd => from_register(instruction, wanted),
        Mnemonic::Xor | Mnemonic::Sub if is_same && is_wide(instruction.op0_register()) => {
            wanted.is(0)
        }
        Mnemonic::Pop => Before::Wanted(wanted.moved_to(Place::StackTop)),
        Mnemonic::Xchg => exchanged(instruction, wanted),
        _ if is_conditional_move(instruction) => match from_register(instruction, wanted) {
            Before::Wanted(other) => Before::Either(wanted, other),
            _ => Before::Unknown,
        },
        _ => Before::Unknown,
    }
}

/// `instruction` is a `mov` to the register where `wanted` is.
fn moved(instruction: &Instruction, wanted: Wanted) -> Before {
    let destination = instruction.op0_register();
    match (instruction.op1_kind(), destination.size()) {
        (OpKind::Memory, _) => Before::Unknown,
        (OpKind::Register, _) => from_register(instruction, wanted),
        (_, 4 | 8) => wanted.is(instruction.immediate(1) as u32),
        (_, 2) => wanted.replaced(0xffff, instruction.immediate(1) as u32),
        _ if is_low_byte(destination) => wanted.replaced(0xff, instruction.immediate(1) as u32),
        _ => Before::Unknown,
    }
}

/// `instruction` copies its second operand to the register where `wanted` is.
fn from_register(instruction: &Instruction, wanted: Wanted) -> Before {
    let source = instruction.op1_register();
    let is_copy = instruction.op1_kind() == OpKind::Register
        && is_wide(source)
        && is_wide(instruction.op0_register());
    match is_copy {
        true => Before::Wanted(wanted.moved_to(full(source))),
        false => Before::Unknown,
    }
}

/// `instruction` may be an `xchg` of two registers, in one of which `wanted` is.
fn exchanged(instruction: &Instruction, wanted: Wanted) -> Before {
    let is_exchange = instruction.mnemonic() == Mnemonic::Xchg
        && instruction.op0_kind() == OpKind::Register
        && instruction.op1_kind() == OpKind::Register
        && is_wide(instruction.op0_register());
    let (first, second) = (
        full(instruction.op0_register()),
        full(instruction.op1_register()),
    );
    match is_exchange {
        true if wanted.place == first => Before::Wanted(wanted.moved_to(second)),
        true if wanted.place == second => Before::Wanted(wanted.moved_to(first)),
        _ => Before::Unknown,
    }
}

/// Compilers that save bytes load a small constant by `push` and `pop`; no more of the stack is
/// followed.
fn before_stack_top(instruction: &Instruction, wanted: Wanted) -> Before {
    let is_push =
        instruction.mnemonic() == Mnemonic::Push && instruction.stack_pointer_increment() == -8;
    match instruction.op0_kind() {
        OpKind::Register if is_push && instruction.op0_register().is_gpr64() => {
            Before::Wanted(wanted.moved_to(full(instruction.op0_register())))
        }
        OpKind::Memory | OpKind::Register if is_push => Before::Unknown,
        _ if is_push => wanted.is(instruction.immediate(0) as u32),
        _ if writes(instruction, Register::RSP) || writes_memory(instruction) => Before::Unknown,
        _ => Before::Wanted(wanted),
    }
}

fn writes_memory(instruction: &Instruction) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_memory();
    let is_kernel = instruction.mnemonic() == Mnemonic::Syscall;
    is_kernel
        || used.iter().any(|used| {
            !matches!(
                used.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            )
        })
}

fn is_conditional_move(instruction: &Instruction) -> bool {
    instruction.condition_code() != ConditionCode::None && instruction.op_count() == 2
}

fn full(register: Register) -> Place {
    Place::Register(register.full_register())
}

/// A general register of 32 or 64 bits: a write to the former clears the rest (AMD APM volume 1,
/// 3.4.5).
fn is_wide(register: Register) -> bool {
    register.is_gpr32() || register.is_gpr64()
}

fn is_low_byte(register: Register) -> bool {
    let is_high = matches!(
        register,
        Register::AH | Register::BH | Register::CH | Register::DH
    );
    register.is_gpr8() && !is_high
}
