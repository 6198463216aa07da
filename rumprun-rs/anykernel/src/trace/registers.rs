//! Registers of one call of a trace, and the memory that was handed over with them.

use protocol::{FailureHead, REGISTER_COUNT};

/// Numbers of registers in call frame information (System V x86-64 ABI, figure 3.36).
pub mod number {
    /// The frame pointer, or another register.
    pub const RBP: u16 = 6;
    /// The stack pointer.
    pub const RSP: u16 = 7;
    /// The return address.
    pub const RIP: u16 = 16;
}

/// Registers that a call leaves as they were (the same, 3.2.1): rbx, rbp, r12 to r15.
pub const KEPT_BY_CALLS: [u16; 6] = [3, number::RBP, 12, 13, 14, 15];

const COUNT: usize = 17;

/// The numbers in the order of a record; rflags has none.
const RECORD_ORDER: [Option<u16>; REGISTER_COUNT] = {
    const RFLAGS: Option<u16> = None;
    [
        Some(15),
        Some(14),
        Some(13),
        Some(12),
        Some(number::RBP),
        Some(3),
        Some(11),
        Some(10),
        Some(9),
        Some(8),
        Some(0),
        Some(2),
        Some(1),
        Some(4),
        Some(5),
        Some(number::RIP),
        RFLAGS,
        Some(number::RSP),
    ]
};

/// The general registers and rip, as far as they are known, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Registers([Option<u64>; COUNT]);

impl Registers {
    /// Those of a record.
    pub fn of(head: &FailureHead) -> Self {
        let mut registers = Self::default();
        for (number, value) in RECORD_ORDER.into_iter().zip(head.registers) {
            if let Some(number) = number {
                registers.set(number, Some(value));
            }
        }
        registers
    }

    /// What a register holds, if that is known.
    pub fn get(&self, number: u16) -> Option<u64> {
        *self.0.get(usize::from(number))?
    }

    /// Puts a value into a register, or the knowledge that it is not known.
    pub fn set(&mut self, number: u16, value: Option<u64>) {
        if let Some(place) = self.0.get_mut(usize::from(number)) {
            *place = value;
        }
    }

    /// Those that a call keeps; the others are not known.
    pub fn kept_by_calls(&self) -> Self {
        let mut kept = Self::default();
        for number in KEPT_BY_CALLS {
            kept.set(number, self.get(number));
        }
        kept
    }
}

/// The part of a stack that was handed over.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'data> {
    /// The address of the first byte.
    pub start: u64,
    /// The bytes.
    pub bytes: &'data [u8],
}

impl Stack<'_> {
    /// The word at `address`, if it was handed over.
    pub fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let (word, _) = self.bytes.get(offset..)?.split_first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    /// All words, the innermost first.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        let words = self.bytes.as_chunks().0.iter();
        words.copied().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use protocol::Failed;

    use super::*;

    #[test]
    fn a_record_is_read_by_the_names_of_its_registers() {
        let head = FailureHead {
            failed: Failed::Program,
            registers: core::array::from_fn(|index| 100 + index as u64),
            stack_start: 0,
            stack_length: 0,
        };
        let registers = Registers::of(&head);
        assert_eq!(registers.get(15), Some(100));
        assert_eq!(registers.get(number::RBP), Some(104));
        assert_eq!(registers.get(number::RIP), Some(115));
        assert_eq!(registers.get(number::RSP), Some(117));
        assert_eq!(registers.get(17), None);
        assert_eq!(registers.kept_by_calls().get(number::RBP), Some(104));
        assert_eq!(registers.kept_by_calls().get(0), None);
    }

    #[test]
    fn words_beyond_the_stack_are_not_known() {
        let stack = Stack {
            start: 0x1000,
            bytes: &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0],
        };
        assert_eq!(stack.word(0x1000), Some(1));
        assert_eq!(stack.word(0xfff), None);
        assert_eq!(stack.word(0x1008), None);
        assert_eq!(stack.word(u64::MAX), None);
        assert_eq!(stack.words().collect::<Vec<_>>(), [1]);
    }
}
