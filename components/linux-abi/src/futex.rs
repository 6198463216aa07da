//! `futex` for a program with one thread: nobody else can ever wake it or wait for it.

use hypercall::{Host, Instant, ProgramHost};
use posix::{Errno, block_on};

use crate::bindings::{
    FUTEX_CLOCK_REALTIME, FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
};
use crate::call::{Call, Outcome, SUCCESS};
use crate::program::Program;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn futex(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, operation) = (call.argument(0), call.unsigned(1));
        if !address.is_multiple_of(size_of::<u32>() as u64) {
            return Err(Errno::EINVAL);
        }
        let wall = operation & FUTEX_CLOCK_REALTIME != 0;
        let operation = operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
        let sets_mask = matches!(operation, FUTEX_WAIT_BITSET | FUTEX_WAKE_BITSET);
        if sets_mask && call.unsigned(5) == 0 {
            return Err(Errno::EINVAL);
        }
        match operation {
            FUTEX_WAKE | FUTEX_WAKE_BITSET => {
                let _: u32 = self.memory().read(address)?;
                SUCCESS
            }
            FUTEX_WAIT => self.futex_wait(call, false, wall),
            FUTEX_WAIT_BITSET => self.futex_wait(call, true, wall),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Waits for the timeout or a signal while the value is as expected.
    fn futex_wait(&mut self, call: &Call<'_>, absolute: bool, wall: bool) -> Outcome {
        let timeout = self.read_timeout(call.argument(3))?;
        let value: u32 = self.memory().read(call.argument(0))?;
        if value != call.unsigned(2) {
            return Err(Errno::EAGAIN);
        }
        block_on(&mut self.kernel, |kernel| {
            Ok(match timeout {
                None => kernel.pause(),
                Some(time) if !absolute => kernel.sleep(time),
                Some(time) if wall => kernel.sleep_until(kernel.instant_of_wall_clock(time)),
                Some(time) => kernel.sleep_until(Instant::ZERO + time),
            })
        })?;
        Err(Errno::ETIMEDOUT)
    }
}
