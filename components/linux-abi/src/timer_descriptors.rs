//! Timers that are descriptors: `timerfd_create` and its kin.

use core::time::Duration;

use hypercall::{Host, ProgramHost, Protection};
use posix::{Errno, OpenFlags};

use crate::bindings::{
    __kernel_itimerspec, CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
};
use crate::call::{Call, Outcome, SUCCESS, descriptor};
use crate::program::Program;
use crate::time::{Clock, duration_of, timespec_of};

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn timerfd_create(&mut self, call: &mut Call<'_>) -> Outcome {
        let on_wall_clock = match call.unsigned(0) {
            CLOCK_REALTIME => true,
            CLOCK_MONOTONIC | CLOCK_BOOTTIME => false,
            _ => return Err(Errno::EINVAL),
        };
        let flags = OpenFlags::from_bits_retain(call.unsigned(1));
        descriptor(self.kernel.timerfd_create(on_wall_clock, flags))
    }

    pub(crate) fn timerfd_settime(&mut self, call: &mut Call<'_>) -> Outcome {
        let (flags, old) = (call.unsigned(1), call.argument(3));
        let new: __kernel_itimerspec = self.memory().read(call.argument(2))?;
        let (value, interval) = (duration_of(&new.it_value)?, duration_of(&new.it_interval)?);
        // Only the home could set the wall clock, and no timer of the program hears of that.
        if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
            return Err(Errno::EINVAL);
        }
        let fd = call.fd(0)?;
        if old != 0 {
            let length = size_of::<__kernel_itimerspec>();
            self.memory().prepare(old, length, Protection::WRITE)?;
        }
        let kernel = self.entered();
        let clock = match kernel.timerfd_is_on_wall_clock(fd)? {
            true => Clock::Wall,
            false => Clock::Monotonic,
        };
        let deadline = clock.deadline(kernel, value, flags & TFD_TIMER_ABSTIME != 0);
        let before = kernel.timerfd_settime(fd, deadline, interval)?;
        self.memory().write_optional(old, &setting_of(before))?;
        SUCCESS
    }

    pub(crate) fn timerfd_gettime(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let current = self.entered().timerfd_gettime(fd)?;
        self.memory()
            .write(call.argument(1), &setting_of(current))?;
        SUCCESS
    }
}

/// What is left of a timer and its interval, as a program has them.
fn setting_of((left, interval): (Duration, Duration)) -> __kernel_itimerspec {
    __kernel_itimerspec {
        it_interval: timespec_of(interval),
        it_value: timespec_of(left),
    }
}
