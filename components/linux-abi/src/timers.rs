//! Timers that send signals: `timer_create` and its kin.

use hypercall::{Host, ProgramHost, Protection};
use posix::Errno;
use posix::interval_timer::IntervalTimer;
use posix::signal::Signal;
use posix::signal_timers::Notification;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::bindings::{
    __kernel_itimerspec, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, TIMER_ABSTIME,
};
use crate::call::{Call, Outcome, SUCCESS, nothing};
use crate::process::PROCESS_ID;
use crate::program::Program;
use crate::time::{Clock, duration_of, timespec_of};

/// The front of `struct sigevent`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct Event {
    value: u64,
    signal: i32,
    notify: u32,
    thread: i32,
    padding: u32,
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn timer_create(&mut self, call: &mut Call<'_>) -> Outcome {
        let clock = Clock::new(call.unsigned(0))?;
        let event: Option<Event> = self.memory().read_optional(call.argument(1))?;
        let notification = match event {
            Some(event) => notification_of(&event)?,
            None => Notification {
                signal: Some(Signal::ALARM),
                value: None,
            },
        };
        let at = call.argument(2);
        self.memory()
            .prepare(at, size_of::<i32>(), Protection::WRITE)?;
        let id = self.kernel.signals().timers().create(notification)?;
        if let Err(error) = self.process.note_timer(id, clock) {
            self.kernel.signals().timers().delete(id)?;
            return Err(error);
        }
        self.memory().write(at, &id)?;
        SUCCESS
    }

    pub(crate) fn timer_settime(&mut self, call: &mut Call<'_>) -> Outcome {
        let id = call.int(0);
        let new: __kernel_itimerspec = self.memory().read(call.argument(2))?;
        let (value, interval) = (duration_of(&new.it_value)?, duration_of(&new.it_interval)?);
        let old = self.timer_value(id)?;
        self.memory().write_optional(call.argument(3), &old)?;
        let clock = self.process.timer_clock(id);
        let kernel = self.entered();
        let is_absolute = call.unsigned(1) & TIMER_ABSTIME != 0;
        let deadline = clock.deadline(kernel, value, is_absolute);
        let slot = kernel.signals().timers().get(id)?;
        slot.overrun = 0;
        slot.timer.set(deadline, interval);
        SUCCESS
    }

    pub(crate) fn timer_gettime(&mut self, call: &mut Call<'_>) -> Outcome {
        let value = self.timer_value(call.int(0))?;
        self.memory().write(call.argument(1), &value)?;
        SUCCESS
    }

    pub(crate) fn timer_getoverrun(&mut self, call: &mut Call<'_>) -> Outcome {
        let slot = self.kernel.signals().timers().get(call.int(0))?;
        Ok(slot.overrun.unsigned_abs().into())
    }

    pub(crate) fn timer_delete(&mut self, call: &mut Call<'_>) -> Outcome {
        nothing(self.kernel.signals().timers().delete(call.int(0)))
    }

    fn timer_value(&mut self, id: i32) -> Result<__kernel_itimerspec, Errno> {
        let now = self.kernel.host().monotonic();
        let timer: IntervalTimer = self.kernel.signals().timers().get(id)?.timer;
        let (left, interval) = timer.remaining(now);
        Ok(__kernel_itimerspec {
            it_interval: timespec_of(interval),
            it_value: timespec_of(left),
        })
    }
}

fn notification_of(event: &Event) -> Result<Notification, Errno> {
    let signal = match event.notify {
        SIGEV_NONE => None,
        SIGEV_THREAD_ID if event.thread != PROCESS_ID => return Err(Errno::EINVAL),
        SIGEV_SIGNAL | SIGEV_THREAD_ID => Some(Signal::new(event.signal).ok_or(Errno::EINVAL)?),
        _ => return Err(Errno::EINVAL),
    };
    Ok(Notification {
        signal,
        value: Some(event.value),
    })
}
