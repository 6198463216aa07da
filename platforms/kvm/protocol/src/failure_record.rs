//! What a machine hands over when code in it failed: registers and stack, for `run` to trace.
//!
//! A record is a [`FailureHead`] and behind it as many bytes of the stack as the head says. It
//! goes out over the port [`ports::FAILURE`](crate::ports::FAILURE), before the exit status.

/// Whose code failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    /// The program's.
    Program,
    /// The kernel's.
    Kernel,
}

/// How many registers a record has.
pub const REGISTER_COUNT: usize = 18;

/// The head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailureHead {
    /// Whose code it was.
    pub failed: Failed,
    /// r15 to r12, rbp, rbx, r11 to r8, rax, rcx, rdx, rsi, rdi, rip, rflags, rsp: the order of
    /// `hypercall::Registers`.
    pub registers: [u64; REGISTER_COUNT],
    /// The address of the first byte of the stack that follows.
    pub stack_start: u64,
    /// How many bytes follow, at most [`FailureHead::STACK_LIMIT`] and a page.
    pub stack_length: u64,
}

impl FailureHead {
    /// The most of a stack that is handed over, in bytes. Traces of hundreds of calls fit.
    pub const STACK_LIMIT: u64 = 64 << 10;
    /// The length of a head, in bytes.
    pub const LENGTH: usize = 8 * WORDS;

    /// The head as it is sent: little-endian words.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let magic = match self.failed {
            Failed::Program => PROGRAM_MAGIC,
            Failed::Kernel => KERNEL_MAGIC,
        };
        let words = [magic]
            .into_iter()
            .chain(self.registers)
            .chain([self.stack_start, self.stack_length]);
        let mut bytes = [0; Self::LENGTH];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Splits the first record of `bytes` into its head and its stack, and gives what follows.
    /// `None` when no whole record begins there.
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<{ Self::LENGTH }>()?;
        let mut words = head.as_chunks().0.iter().copied().map(u64::from_le_bytes);
        let failed = match words.next()? {
            PROGRAM_MAGIC => Failed::Program,
            KERNEL_MAGIC => Failed::Kernel,
            _ => return None,
        };
        let mut registers = [0; REGISTER_COUNT];
        for (register, word) in registers.iter_mut().zip(&mut words) {
            *register = word;
        }
        let head = Self {
            failed,
            registers,
            stack_start: words.next()?,
            stack_length: words.next()?,
        };
        let (stack, rest) = rest.split_at_checked(usize::try_from(head.stack_length).ok()?)?;
        Some((head, stack, rest))
    }
}

/// Words of a head: the magic, the registers, where the stack begins, its length.
const WORDS: usize = REGISTER_COUNT + 3;
const PROGRAM_MAGIC: u64 = u64::from_le_bytes(*b"AKFAULT1");
const KERNEL_MAGIC: u64 = u64::from_le_bytes(*b"AKPANIC1");

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn head(failed: Failed, stack_length: u64) -> FailureHead {
        FailureHead {
            failed,
            registers: core::array::from_fn(|index| index as u64),
            stack_start: 0x7fff_0000,
            stack_length,
        }
    }

    fn record(failed: Failed, stack: &[u8]) -> Vec<u8> {
        let mut bytes = head(failed, stack.len() as u64).to_bytes().to_vec();
        bytes.extend(stack);
        bytes
    }

    #[test]
    fn one_record_after_the_other() {
        let mut bytes = record(Failed::Program, b"stack");
        bytes.extend(record(Failed::Kernel, b""));
        let (first, stack, rest) = FailureHead::split(&bytes).unwrap();
        assert_eq!((first, stack), (head(Failed::Program, 5), &b"stack"[..]));
        let (second, stack, rest) = FailureHead::split(rest).unwrap();
        assert_eq!((second, stack), (head(Failed::Kernel, 0), &b""[..]));
        assert_eq!(FailureHead::split(rest), None);
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_no_record() {
        let bytes = record(Failed::Kernel, b"stack");
        for length in 0..bytes.len() {
            assert_eq!(FailureHead::split(&bytes[..length]), None, "{length}");
        }
        let mut other = bytes;
        other[7] ^= 1;
        assert_eq!(FailureHead::split(&other), None);
    }
}
