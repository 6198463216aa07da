//! Clocks and sleeps.

use core::time::Duration;

use hypercall::{Host, Instant, ProgramHost, Protection};
use posix::{Errno, Kernel, block_on};

use crate::bindings::{
    __kernel_old_itimerval, __kernel_old_timeval, __kernel_timespec, CLOCK_BOOTTIME,
    CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID, ITIMER_REAL, RUSAGE_CHILDREN,
    RUSAGE_SELF, RUSAGE_THREAD, TIMER_ABSTIME, rusage, timezone, tms,
};
use crate::call::{Call, Outcome, SUCCESS};
use crate::program::Program;
use crate::start::CLOCK_TICKS;
use zerocopy::FromZeros as _;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;

/// What a clock counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Clock {
    /// Time since 1970.
    Wall,
    /// Time since the start. The processor is the program's alone, waiting or not, so this is
    /// also the time that it has used.
    Monotonic,
}

impl Clock {
    /// The clock that a program names.
    pub(crate) fn new(number: u32) -> Result<Self, Errno> {
        match number {
            CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(Self::Wall),
            CLOCK_MONOTONIC
            | CLOCK_MONOTONIC_RAW
            | CLOCK_MONOTONIC_COARSE
            | CLOCK_BOOTTIME
            | CLOCK_PROCESS_CPUTIME_ID
            | CLOCK_THREAD_CPUTIME_ID => Ok(Self::Monotonic),
            _ => Err(Errno::EINVAL),
        }
    }

    /// When a timer on this clock expires that is set to `value`; never if that is zero.
    pub(crate) fn deadline<H: Host>(
        self,
        kernel: &mut Kernel<H>,
        value: Duration,
        is_absolute: bool,
    ) -> Option<Instant> {
        match self {
            _ if value.is_zero() => None,
            Self::Wall if is_absolute => Some(kernel.instant_of_wall_clock(value)),
            Self::Monotonic if is_absolute => Some(Instant::ZERO + value),
            _ => Some(kernel.monotonic() + value),
        }
    }
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn clock_gettime(&mut self, call: &mut Call<'_>) -> Outcome {
        let clock = Clock::new(call.unsigned(0))?;
        let now = timespec_of(self.read_clock(clock));
        self.memory().write(call.argument(1), &now)?;
        SUCCESS
    }

    pub(crate) fn clock_getres(&mut self, call: &mut Call<'_>) -> Outcome {
        Clock::new(call.unsigned(0))?;
        let resolution = timespec_of(Duration::from_nanos(1));
        self.memory()
            .write_optional(call.argument(1), &resolution)?;
        SUCCESS
    }

    /// `clock_settime` and `settimeofday`: the home sets its clock.
    pub(crate) fn clock_settime(&mut self, _: &mut Call<'_>) -> Outcome {
        Err(Errno::EPERM)
    }

    pub(crate) fn gettimeofday(&mut self, call: &mut Call<'_>) -> Outcome {
        let now = timeval_of(self.read_clock(Clock::Wall));
        self.memory().write_optional(call.argument(0), &now)?;
        let zone = timezone {
            tz_minuteswest: 0,
            tz_dsttime: 0,
        };
        self.memory().write_optional(call.argument(1), &zone)?;
        SUCCESS
    }

    pub(crate) fn time(&mut self, call: &mut Call<'_>) -> Outcome {
        let seconds = self.read_clock(Clock::Wall).as_secs();
        self.memory().write_optional(call.argument(0), &seconds)?;
        Ok(seconds)
    }

    pub(crate) fn times(&mut self, call: &mut Call<'_>) -> Outcome {
        let elapsed = self.read_clock(Clock::Monotonic);
        let ticks = elapsed.as_millis() as i64 * CLOCK_TICKS as i64 / 1000;
        let times = tms {
            tms_utime: ticks,
            tms_stime: 0,
            tms_cutime: 0,
            tms_cstime: 0,
        };
        self.memory().write_optional(call.argument(0), &times)?;
        Ok(ticks.cast_unsigned())
    }

    pub(crate) fn getrusage(&mut self, call: &mut Call<'_>) -> Outcome {
        let used = match call.int(0) {
            who if who == RUSAGE_SELF.cast_signed() || who == RUSAGE_THREAD.cast_signed() => {
                self.read_clock(Clock::Monotonic)
            }
            RUSAGE_CHILDREN => Duration::ZERO,
            _ => return Err(Errno::EINVAL),
        };
        let mut usage = rusage::new_zeroed();
        let used = timeval_of(used);
        usage.ru_utime.tv_sec = used.tv_sec;
        usage.ru_utime.tv_usec = used.tv_usec;
        self.memory().write(call.argument(1), &usage)?;
        SUCCESS
    }

    pub(crate) fn nanosleep(&mut self, call: &mut Call<'_>) -> Outcome {
        let request: __kernel_timespec = self.memory().read(call.argument(0))?;
        self.sleep(duration_of(&request)?, call.argument(1))
    }

    pub(crate) fn clock_nanosleep(&mut self, call: &mut Call<'_>) -> Outcome {
        let clock = Clock::new(call.unsigned(0))?;
        let request: __kernel_timespec = self.memory().read(call.argument(2))?;
        let time = duration_of(&request)?;
        if call.unsigned(1) & TIMER_ABSTIME == 0 {
            return self.sleep(time, call.argument(3));
        }
        block_on(&mut self.kernel, |kernel| {
            Ok(match clock {
                Clock::Wall => kernel.sleep_until(kernel.instant_of_wall_clock(time)),
                Clock::Monotonic => kernel.sleep_until(Instant::ZERO + time),
            })
        })?;
        SUCCESS
    }

    pub(crate) fn getitimer(&mut self, call: &mut Call<'_>) -> Outcome {
        check_interval_timer(call.unsigned(0))?;
        let now = self.kernel.host().monotonic();
        let current = self.alarm_value(now);
        self.memory().write(call.argument(1), &current)?;
        SUCCESS
    }

    pub(crate) fn setitimer(&mut self, call: &mut Call<'_>) -> Outcome {
        check_interval_timer(call.unsigned(0))?;
        let new: __kernel_old_itimerval = self.memory().read(call.argument(1))?;
        let value = duration_of_timeval(&new.it_value)?;
        let interval = duration_of_timeval(&new.it_interval)?;
        let now = self.kernel.host().monotonic();
        let old = self.alarm_value(now);
        self.memory().write_optional(call.argument(2), &old)?;
        let deadline = (!value.is_zero()).then(|| now + value);
        self.kernel.signals().alarm().set(deadline, interval);
        SUCCESS
    }

    pub(crate) fn alarm(&mut self, call: &mut Call<'_>) -> Outcome {
        let now = self.kernel.host().monotonic();
        let alarm = self.kernel.signals().alarm();
        let (left, _) = alarm.remaining(now);
        let value = Duration::from_secs(call.unsigned(0).into());
        let deadline = (!value.is_zero()).then(|| now + value);
        alarm.set(deadline, Duration::ZERO);
        // An alarm that is still to come never has zero seconds left.
        Ok(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    fn read_clock(&mut self, clock: Clock) -> Duration {
        let host = self.kernel.host();
        match clock {
            Clock::Wall => host.wall_clock(),
            Clock::Monotonic => Duration::from_nanos(host.monotonic().as_nanos()),
        }
    }

    /// Sleeps; what a signal leaves of the time is written to `remaining` if that is an address.
    fn sleep(&mut self, time: Duration, remaining: u64) -> Outcome {
        if remaining != 0 {
            let length = size_of::<__kernel_timespec>();
            self.memory()
                .prepare(remaining, length, Protection::WRITE)?;
        }
        let start = self.kernel.host().monotonic();
        let result = block_on(&mut self.kernel, |kernel| Ok(kernel.sleep(time)));
        if result.is_err() {
            let slept = self.kernel.monotonic().saturating_since(start);
            let left = timespec_of(time.saturating_sub(slept));
            self.memory().write_optional(remaining, &left)?;
        }
        result.map(|()| 0)
    }

    fn alarm_value(&mut self, now: Instant) -> __kernel_old_itimerval {
        let (left, interval) = self.kernel.signals().alarm().remaining(now);
        __kernel_old_itimerval {
            it_interval: timeval_of(interval),
            it_value: timeval_of(left),
        }
    }
}

/// ITIMER_REAL is the one there is.
fn check_interval_timer(which: u32) -> Result<(), Errno> {
    match which {
        ITIMER_REAL => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// A time of a program; EINVAL if it is negative or its nanoseconds make a second.
pub(crate) fn duration_of(time: &__kernel_timespec) -> Result<Duration, Errno> {
    let seconds = u64::try_from(time.tv_sec).or(Err(Errno::EINVAL))?;
    match time.tv_nsec {
        0..NANOSECONDS_PER_SECOND => Ok(Duration::new(seconds, time.tv_nsec as u32)),
        _ => Err(Errno::EINVAL),
    }
}

/// The same of a `struct timeval`.
pub(crate) fn duration_of_timeval(time: &__kernel_old_timeval) -> Result<Duration, Errno> {
    let seconds = u64::try_from(time.tv_sec).or(Err(Errno::EINVAL))?;
    match time.tv_usec {
        0..MICROSECONDS_PER_SECOND => Ok(Duration::new(seconds, time.tv_usec as u32 * 1000)),
        _ => Err(Errno::EINVAL),
    }
}

/// A time as a program has it.
pub(crate) fn timespec_of(time: Duration) -> __kernel_timespec {
    __kernel_timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

fn timeval_of(time: Duration) -> __kernel_old_timeval {
    __kernel_old_timeval {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_usec: time.subsec_micros().into(),
    }
}
