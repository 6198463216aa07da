//! Sleeping: waits for a time or a signal alone.

use core::time::Duration;

use hypercall::{Host, Instant};

use crate::Kernel;
use crate::readiness::{Step, Wait};

impl<H: Host> Kernel<H> {
    /// Waits for `duration` from the beginning of the operation (`nanosleep`).
    pub fn sleep(&self, duration: Duration) -> Step<()> {
        self.sleep_until(self.clock.began + duration)
    }

    /// Waits until `deadline` (`clock_nanosleep` with TIMER_ABSTIME).
    pub fn sleep_until(&self, deadline: Instant) -> Step<()> {
        match self.has_passed(Some(deadline)) {
            true => Step::Done(()),
            false => Step::Wait(Wait::until(Some(deadline))),
        }
    }

    /// Waits for a signal (`pause`, `sigsuspend`).
    pub fn pause(&self) -> Step<()> {
        Step::Wait(Wait::until(None))
    }
}
