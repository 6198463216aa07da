//! From a call to its caller where nothing says how: by reading the function's code.
//!
//! C libraries and hand-written code often come without call frame information. What such a
//! function has done to the stack up to some instruction is followed from its first one on: where
//! the stack pointer is, counted from where the caller left it, and which of the registers that a
//! call keeps lie where.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

use super::registers::{KEPT_BY_CALLS, Registers, Stack, number};

/// What is known of a register, in terms of the function's beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// It has the value that this register had.
    Entry(u16),
    /// It points so far from the canonical frame address: from where the stack pointer was before
    /// the call.
    Frame(i64),
    Nothing,
}

/// What a function has done up to some instruction.
#[derive(Clone, Debug)]
struct State {
    registers: [Known; 16],
    /// Which registers' first values lie how far from the canonical frame address.
    saved: BTreeMap<i64, u16>,
}

/// A function's code.
#[derive(Clone, Copy, Debug)]
pub struct FunctionCode<'data> {
    /// The address of its first instruction.
    pub start: u64,
    /// Its code, at least.
    pub bytes: &'data [u8],
}

/// How far a function has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The instruction at this address comes next.
    Before(u64),
    /// The call that returns to this address is being made.
    InCall(u64),
}

impl FunctionCode<'_> {
    /// The registers of the caller of this function, which is at `place` with `registers`. `None`
    /// where its code does not tell.
    pub fn caller(&self, place: Place, registers: &Registers, stack: Stack) -> Option<Registers> {
        let state = self.state_at(place)?;
        let cfa = state.frame_address(registers)?;
        let mut caller = Registers::default();
        for number in KEPT_BY_CALLS {
            let value = match state.place_of(number) {
                _ if state.get(number) == Known::Entry(number) => registers.get(number),
                Some(offset) => stack.word(cfa.checked_add_signed(offset)?),
                None => None,
            };
            caller.set(number, value);
        }
        caller.set(number::RSP, Some(cfa));
        caller.set(number::RIP, Some(stack.word(cfa.checked_sub(8)?)?));
        Some(caller)
    }

    /// What the function has done when it is at `place`: on the first way there that is found, as
    /// compilers keep all ways alike.
    fn state_at(&self, place: Place) -> Option<State> {
        let mut visited = BTreeSet::new();
        let mut ways = VecDeque::from([(self.start, State::at_entry())]);
        let mut last_indirect = None;
        loop {
            while let Some((mut address, mut state)) = ways.pop_front() {
                while let Some(instruction) = self.decode(address)
                    && visited.insert(address)
                {
                    if place.is_at(&instruction) {
                        return Some(state);
                    }
                    state.execute(&instruction);
                    if let Some(target) = jump_target(&instruction) {
                        ways.push_back((target, state.clone()));
                    }
                    if instruction.flow_control() == FlowControl::IndirectBranch {
                        last_indirect = Some(state.clone());
                    }
                    if !goes_on(&instruction) {
                        break;
                    }
                    address = instruction.next_ip();
                }
            }
            // Where jump tables lead is not known; code that nothing else leads to is theirs.
            let missed = self.first_unvisited(&visited)?;
            ways.push_back((missed, last_indirect.clone()?));
        }
    }

    fn decode(&self, address: u64) -> Option<Instruction> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
        (!instruction.is_invalid()).then_some(instruction)
    }

    fn first_unvisited(&self, visited: &BTreeSet<u64>) -> Option<u64> {
        let mut address = self.start;
        while let Some(instruction) = self.decode(address) {
            if !visited.contains(&address) {
                return Some(address);
            }
            address = instruction.next_ip();
        }
        None
    }
}

impl Place {
    fn is_at(self, instruction: &Instruction) -> bool {
        match self {
            Self::Before(address) => instruction.ip() == address,
            Self::InCall(address) => is_call(instruction) && instruction.next_ip() == address,
        }
    }
}

impl State {
    fn at_entry() -> Self {
        let mut registers = std::array::from_fn(|number| Known::Entry(number as u16));
        // The call has pushed the return address.
        registers[usize::from(number::RSP)] = Known::Frame(-8);
        Self {
            registers,
            saved: BTreeMap::new(),
        }
    }

    /// The canonical frame address, by whichever register points into the frame.
    fn frame_address(&self, registers: &Registers) -> Option<u64> {
        let others = (0..16).filter(|&number| number != number::RSP);
        [number::RSP].into_iter().chain(others).find_map(|number| {
            let Known::Frame(offset) = self.get(number) else {
                return None;
            };
            registers.get(number)?.checked_add_signed(-offset)
        })
    }

    /// Where the first value of a register lies.
    fn place_of(&self, number: u16) -> Option<i64> {
        let mut saved = self.saved.iter();
        saved.find_map(|(offset, saved)| (*saved == number).then_some(*offset))
    }

    fn get(&self, number: u16) -> Known {
        self.registers[usize::from(number)]
    }

    fn set(&mut self, number: u16, known: Known) {
        self.registers[usize::from(number)] = known;
    }

    /// Takes note of what `instruction` does.
    fn execute(&mut self, instruction: &Instruction) {
        let destination = match instruction.op0_kind() {
            OpKind::Register => whole(instruction.op0_register()),
            _ => None,
        };
        match (instruction.mnemonic(), destination) {
            (Mnemonic::Push, _) => {
                self.move_stack(-8);
                self.store(self.slot(number::RSP, 0), self.source(instruction, 0));
            }
            (Mnemonic::Pop, Some(register)) => {
                let value = self.load(self.slot(number::RSP, 0));
                self.move_stack(8);
                self.set(register, value);
            }
            (Mnemonic::Leave, _) => {
                self.set(number::RSP, self.get(number::RBP));
                let value = self.load(self.slot(number::RSP, 0));
                self.move_stack(8);
                self.set(number::RBP, value);
            }
            (Mnemonic::Mov, Some(register)) => self.set(register, self.source(instruction, 1)),
            (Mnemonic::Mov, None) if instruction.op0_kind() == OpKind::Memory => {
                self.store(self.memory_slot(instruction), self.source(instruction, 1));
            }
            (Mnemonic::Lea, Some(register)) => {
                let slot = self.memory_slot(instruction);
                self.set(register, slot.map_or(Known::Nothing, Known::Frame));
            }
            (Mnemonic::Add | Mnemonic::Sub, Some(register)) => {
                let sign = match instruction.mnemonic() {
                    Mnemonic::Add => 1,
                    _ => -1,
                };
                let known = constant(instruction)
                    .and_then(|value| self.slot(register, value.checked_mul(sign)?));
                self.set(register, known.map_or(Known::Nothing, Known::Frame));
            }
            _ if is_call(instruction) => {
                for number in (0..16).filter(|number| *number != number::RSP) {
                    if !KEPT_BY_CALLS.contains(&number) {
                        self.set(number, Known::Nothing);
                    }
                }
            }
            _ => self.forget_written(instruction),
        }
    }

    /// Forgets the registers that `instruction` writes; the stack pointer is followed where the
    /// instruction itself says how far it moves.
    fn forget_written(&mut self, instruction: &Instruction) {
        let increment = i64::from(instruction.stack_pointer_increment());
        let mut factory = InstructionInfoFactory::new();
        for used in factory.info(instruction).used_registers() {
            let is_read = matches!(
                used.access(),
                OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
            );
            let Some(number) = dwarf_number(used.register().full_register()) else {
                continue;
            };
            if !is_read && (number != number::RSP || increment == 0) {
                self.set(number, Known::Nothing);
            }
        }
        self.move_stack(increment);
    }

    /// What operand `index`, a whole register or a word of the frame, holds.
    fn source(&self, instruction: &Instruction, index: u32) -> Known {
        match instruction.op_kind(index) {
            OpKind::Register => {
                whole(instruction.op_register(index)).map_or(Known::Nothing, |n| self.get(n))
            }
            OpKind::Memory => self.load(self.memory_slot(instruction)),
            _ => Known::Nothing,
        }
    }

    /// How far `offset` from `register` is from the canonical frame address.
    fn slot(&self, register: u16, offset: i64) -> Option<i64> {
        match self.get(register) {
            Known::Frame(start) => start.checked_add(offset),
            _ => None,
        }
    }

    /// The same of a memory operand.
    fn memory_slot(&self, instruction: &Instruction) -> Option<i64> {
        let base = dwarf_number(instruction.memory_base())?;
        let is_plain = instruction.memory_index() == Register::None;
        let offset = instruction.memory_displacement64().cast_signed();
        is_plain.then(|| self.slot(base, offset))?
    }

    fn load(&self, slot: Option<i64>) -> Known {
        let saved = slot.and_then(|slot| self.saved.get(&slot));
        saved.map_or(Known::Nothing, |number| Known::Entry(*number))
    }

    fn store(&mut self, slot: Option<i64>, value: Known) {
        match (slot, value) {
            (Some(slot), Known::Entry(number)) => drop(self.saved.insert(slot, number)),
            (Some(slot), _) => drop(self.saved.remove(&slot)),
            // Somewhere else: compilers do not overwrite what they have saved.
            (None, _) => {}
        }
    }

    fn move_stack(&mut self, distance: i64) {
        let known = self.slot(number::RSP, distance);
        self.set(number::RSP, known.map_or(Known::Nothing, Known::Frame));
    }
}

/// The number of a whole general register.
fn whole(register: Register) -> Option<u16> {
    register.is_gpr64().then(|| dwarf_number(register))?
}

fn dwarf_number(register: Register) -> Option<u16> {
    /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, as instructions number them.
    const FIRST: [u16; 8] = [0, 2, 1, 3, number::RSP, number::RBP, 4, 5];
    if !register.is_gpr64() {
        return None;
    }
    let index = register.number();
    Some(*FIRST.get(index).unwrap_or(&(index as u16)))
}

/// The second operand, if it is a constant.
fn constant(instruction: &Instruction) -> Option<i64> {
    let is_constant = matches!(
        instruction.op1_kind(),
        OpKind::Immediate8to64 | OpKind::Immediate32to64
    );
    is_constant.then(|| instruction.immediate(1).cast_signed())
}

/// Whether `instruction` is a call within the program. To the decoder `syscall` is a call too.
pub fn is_call(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::Call | FlowControl::IndirectCall
    ) && instruction.mnemonic() == Mnemonic::Call
}

fn jump_target(instruction: &Instruction) -> Option<u64> {
    matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
    )
    .then(|| instruction.near_branch_target())
}

fn goes_on(instruction: &Instruction) -> bool {
    !matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RBX: u16 = 3;
    const STACK_START: u64 = 0x7000;

    /// A stack whose words are their own indices from 1 on.
    fn stack_bytes() -> Vec<u8> {
        (1..=32_u64).flat_map(u64::to_le_bytes).collect()
    }

    /// rip, rsp in words from the stack's start, rbx and rbp of the caller of code at `place`,
    /// whose stack pointer is the stack's start.
    fn caller(
        bytes: &[u8],
        place: Place,
        rbp: u64,
    ) -> Option<(u64, u64, Option<u64>, Option<u64>)> {
        let code = FunctionCode {
            start: 0x1000,
            bytes,
        };
        let mut registers = Registers::default();
        registers.set(number::RSP, Some(STACK_START));
        registers.set(number::RBP, Some(rbp));
        registers.set(RBX, Some(700));
        let stack = stack_bytes();
        let stack = Stack {
            start: STACK_START,
            bytes: &stack,
        };
        let caller = code.caller(place, &registers, stack)?;
        Some((
            caller.get(number::RIP)?,
            (caller.get(number::RSP)? - STACK_START) / 8,
            caller.get(RBX),
            caller.get(number::RBP),
        ))
    }

    #[test]
    fn pushes_and_spills_are_followed_to_each_instruction() {
        // push rbx; sub rsp, 0x20; mov [rsp+8], rbp; call +0; mov rbp, [rsp+8]; add rsp, 0x20;
        // pop rbx; ret
        let code = [
            0x53, 0x48, 0x83, 0xec, 0x20, 0x48, 0x89, 0x6c, 0x24, 0x08, 0xe8, 0, 0, 0, 0, 0x48,
            0x8b, 0x6c, 0x24, 0x08, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3,
        ];
        let before = |address| caller(&code, Place::Before(address), 0);
        assert_eq!(before(0x1000), Some((1, 1, Some(700), Some(0))));
        assert_eq!(before(0x1001), Some((2, 2, Some(700), Some(0))));
        assert_eq!(before(0x1005), Some((6, 6, Some(700), Some(0))));
        let in_call = caller(&code, Place::InCall(0x100f), 0);
        assert_eq!(in_call, Some((6, 6, Some(700), Some(0))));
        assert_eq!(before(0x1018), Some((2, 2, Some(700), Some(0))));
        assert_eq!(before(0x1019), Some((1, 1, Some(700), Some(0))));
        assert_eq!(before(0x1002), None, "inside an instruction");
    }

    #[test]
    fn a_register_that_was_changed_comes_from_where_it_was_saved() {
        // push rbx; mov ebx, 5; nop
        let code = [0x53, 0xbb, 5, 0, 0, 0, 0x90];
        let expected = Some((2, 2, Some(1), Some(0)));
        assert_eq!(caller(&code, Place::Before(0x1006), 0), expected);
    }

    #[test]
    fn a_frame_pointer_finds_the_frame_of_a_stack_that_moved_by_an_unknown_distance() {
        // push rbp; mov rbp, rsp; sub rsp, rax; nop
        let code = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0x90];
        let rbp = STACK_START + 4 * 8;
        let expected = Some((6, 6, Some(700), Some(5)));
        assert_eq!(caller(&code, Place::Before(0x1007), rbp), expected);
    }

    #[test]
    fn code_behind_a_jump_table_has_the_stack_of_the_jump() {
        // push rbx; jmp rax; ud2; nop
        let code = [0x53, 0xff, 0xe0, 0x0f, 0x0b, 0x90];
        let expected = Some((2, 2, Some(700), Some(0)));
        assert_eq!(caller(&code, Place::Before(0x1005), 0), expected);
    }

    #[test]
    fn a_stack_pointer_from_elsewhere_tells_nothing() {
        // mov rsp, rax; nop
        let code = [0x48, 0x89, 0xc4, 0x90];
        assert_eq!(caller(&code, Place::Before(0x1003), 0), None);
    }
}
