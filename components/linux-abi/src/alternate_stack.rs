//! The stack that a program has set aside for signal handlers (POSIX.1-2017, `sigaltstack`).

use posix::Errno;
use zerocopy::FromZeros as _;

use crate::bindings::{SS_AUTODISARM, SS_DISABLE, SS_ONSTACK, sigaltstack};

/// The smallest that Linux takes on x86-64 (MINSIGSTKSZ).
const MINIMUM_SIZE: u64 = 2048;

/// The alternate stack; none has no size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct AlternateStack {
    start: u64,
    size: u64,
    /// It is taken away while a handler runs on it (SS_AUTODISARM).
    disarms: bool,
}

impl AlternateStack {
    /// What the program asks for.
    pub(crate) fn from_program(stack: &sigaltstack) -> Result<Self, Errno> {
        let flags = stack.ss_flags.cast_unsigned();
        match flags & !SS_AUTODISARM {
            SS_DISABLE => Ok(Self::default()),
            0 | SS_ONSTACK if stack.ss_size < MINIMUM_SIZE => Err(Errno::ENOMEM),
            0 | SS_ONSTACK => Ok(Self {
                start: stack.ss_sp,
                size: stack.ss_size,
                disarms: flags & SS_AUTODISARM != 0,
            }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// What the program is told while its stack pointer is `rsp`.
    pub(crate) fn to_program(self, rsp: u64) -> sigaltstack {
        let mut flags = match () {
            () if self.size == 0 => SS_DISABLE,
            () if self.holds(rsp) => SS_ONSTACK,
            () => 0,
        };
        if self.disarms {
            flags |= SS_AUTODISARM;
        }
        let mut stack = sigaltstack::new_zeroed();
        stack.ss_sp = self.start;
        stack.ss_flags = flags.cast_signed();
        stack.ss_size = self.size;
        stack
    }

    /// Whether the program runs on it.
    pub(crate) fn holds(self, rsp: u64) -> bool {
        // The top itself counts, its lowest address does not: a stack is full when it is there.
        !self.disarms && rsp > self.start && rsp - self.start <= self.size
    }

    /// Where a handler's stack begins if it is to run here: `None` if there is no such stack or
    /// the program is on it already.
    pub(crate) fn top_for(self, rsp: u64) -> Option<u64> {
        if self.size == 0 || self.holds(rsp) {
            return None;
        }
        self.start.checked_add(self.size)
    }

    /// What is left of it once a handler runs on it.
    pub(crate) fn while_used(self) -> Self {
        match self.disarms {
            true => Self::default(),
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(flags: u32, size: u64) -> sigaltstack {
        let mut stack = sigaltstack::new_zeroed();
        stack.ss_sp = 0x1000;
        stack.ss_flags = flags.cast_signed();
        stack.ss_size = size;
        stack
    }

    #[test]
    fn a_stack_is_used_until_the_program_is_on_it() {
        let stack = AlternateStack::from_program(&asked(0, 0x2000)).expect("large enough");
        assert_eq!(stack.top_for(0x9_0000), Some(0x3000));
        assert_eq!(stack.top_for(0x3000), None);
        assert_eq!(stack.top_for(0x1001), None);
        assert_eq!(stack.top_for(0x1000), Some(0x3000));
        assert_eq!(stack.to_program(0x2000).ss_flags, SS_ONSTACK.cast_signed());
        assert_eq!(stack.to_program(0x4000).ss_flags, 0);
    }

    #[test]
    fn what_linux_refuses_is_refused() {
        let make = |flags, size| AlternateStack::from_program(&asked(flags, size));
        assert_eq!(make(0, 2047), Err(Errno::ENOMEM));
        assert_eq!(make(4, 8192), Err(Errno::EINVAL));
        assert_eq!(make(SS_DISABLE, 0), Ok(AlternateStack::default()));
    }

    #[test]
    fn a_stack_that_disarms_is_gone_while_used() {
        let stack = AlternateStack::from_program(&asked(SS_AUTODISARM, 8192)).expect("fine");
        assert_eq!(stack.while_used(), AlternateStack::default());
        assert_eq!(stack.top_for(0x1800), Some(0x3000));
    }
}
