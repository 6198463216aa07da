//! Timers that are descriptors (Linux, `timerfd_create`).

use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{Host, Instant, Sink};

use crate::description::{DescriptionId, Object};
use crate::flags::Access;
use crate::interval_timer::IntervalTimer;
use crate::readiness::{Readiness, Step, StepResult};
use crate::slab::{Key, Slab};
use crate::{Errno, Fd, Kernel, OpenFlags};

/// A timer with what has happened since it was last read.
#[derive(Debug)]
pub(crate) struct TimerDescriptor {
    timer: IntervalTimer,
    on_wall_clock: bool,
    expirations: u64,
    description: Option<DescriptionId>,
}

/// All timers that are descriptors.
#[derive(Debug)]
pub(crate) struct Timers {
    table: Slab<TimerDescriptor>,
    /// Those that have a deadline; the others cost nothing.
    armed: Vec<Key<TimerDescriptor>>,
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self {
            table: Slab::new(),
            armed: Vec::new(),
        }
    }

    /// When the next one expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let timers = self.armed.iter().filter_map(|key| self.table.get(*key));
        timers.filter_map(|entry| entry.timer.deadline()).min()
    }

    pub(crate) fn remove(&mut self, key: Key<TimerDescriptor>) {
        self.table.remove(key);
        self.armed.retain(|armed| *armed != key);
    }

    /// Counts what has expired up to `now`, and names the description of one that had not before.
    fn expire(&mut self, now: Instant) -> Option<DescriptionId> {
        for key in &self.armed {
            let Some(entry) = self.table.get_mut(*key) else {
                continue;
            };
            let expired = entry.timer.expire(now);
            if expired > 0 {
                entry.expirations = entry.expirations.saturating_add(expired);
                return entry.description;
            }
        }
        None
    }
}

impl<H: Host> Kernel<H> {
    /// A disarmed timer whose absolute times are the wall clock's or the monotonic one's. Only
    /// CLOSE_ON_EXEC and NONBLOCK may be set.
    pub fn timerfd_create(&mut self, on_wall_clock: bool, flags: OpenFlags) -> Result<Fd, Errno> {
        let flags = flags.only(OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK)?;
        let timer = self.timers.table.insert(TimerDescriptor {
            timer: IntervalTimer::default(),
            on_wall_clock,
            expirations: 0,
            description: None,
        })?;
        let object = Object::Timer(timer);
        let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
        self.open_object(object, Access::all(), flags.status(), close_on_exec)
    }

    /// Arms a timer for `deadline` and every `interval` after it (zero: once), or disarms it.
    /// Returns what was left until then and the interval of before. What expired and was not read
    /// is forgotten.
    pub fn timerfd_settime(
        &mut self,
        fd: Fd,
        deadline: Option<Instant>,
        interval: Duration,
    ) -> Result<(Duration, Duration), Errno> {
        let before = self.timerfd_gettime(fd)?;
        let key = self.timer(fd)?;
        let timers = &mut self.timers;
        timers.armed.retain(|armed| *armed != key);
        timers.armed.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let entry = timers.table.get_mut(key).ok_or(Errno::EBADF)?;
        entry.timer.set(deadline, interval);
        entry.expirations = 0;
        if deadline.is_some() {
            timers.armed.push(key);
        }
        self.progress_timers();
        Ok(before)
    }

    /// What is left until the timer expires (zero when disarmed), and its interval.
    pub fn timerfd_gettime(&self, fd: Fd) -> Result<(Duration, Duration), Errno> {
        let key = self.timer(fd)?;
        let entry = self.timers.table.get(key).ok_or(Errno::EBADF)?;
        Ok(entry.timer.remaining(self.clock.now))
    }

    /// Whether the timer's absolute times are the wall clock's.
    pub fn timerfd_is_on_wall_clock(&self, fd: Fd) -> Result<bool, Errno> {
        let entry = self.timers.table.get(self.timer(fd)?);
        entry.map(|entry| entry.on_wall_clock).ok_or(Errno::EBADF)
    }

    /// The monotonic instant at which the wall clock shows `time`, if nobody sets it; now if that
    /// is past.
    pub fn instant_of_wall_clock(&self, time: Duration) -> Instant {
        self.clock.now + time.saturating_sub(self.clock.wall())
    }

    /// Gives the number of expirations since the last read.
    pub(crate) fn read_timer(
        &mut self,
        id: DescriptionId,
        key: Key<TimerDescriptor>,
        into: &mut dyn Sink,
    ) -> StepResult<usize> {
        if into.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let entry = self.timers.table.get_mut(key).ok_or(Errno::EBADF)?;
        if entry.expirations == 0 {
            return self.wait_for(id, Readiness::IN);
        }
        let expirations = core::mem::take(&mut entry.expirations);
        Ok(Step::Done(into.put(&expirations.to_ne_bytes())))
    }

    pub(crate) fn adopt_timer(&mut self, key: Key<TimerDescriptor>, id: DescriptionId) {
        if let Some(entry) = self.timers.table.get_mut(key) {
            entry.description = Some(id);
        }
    }

    pub(crate) fn timer_readiness(&self, key: Key<TimerDescriptor>) -> Readiness {
        match self.timers.table.get(key) {
            Some(entry) if entry.expirations > 0 => Readiness::IN,
            _ => Readiness::empty(),
        }
    }

    /// Lets expire whatever the time has come for.
    pub(crate) fn progress_timers(&mut self) {
        while let Some(id) = self.timers.expire(self.clock.now) {
            self.notify(id, Readiness::IN);
        }
    }

    fn timer(&self, fd: Fd) -> Result<Key<TimerDescriptor>, Errno> {
        match self.description(fd)?.1.object {
            Object::Timer(timer) => Ok(timer),
            _ => Err(Errno::EINVAL),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::edge::block_on;
    use crate::fake_host::{self, FakeHost, try_read};
    use crate::{EpollChange, EpollEvent, WatchMode};

    const SECOND: Duration = Duration::from_secs(1);

    fn kernel() -> (Kernel<FakeHost>, Fd) {
        let mut kernel = fake_host::kernel();
        let timer = kernel.timerfd_create(false, OpenFlags::empty()).unwrap();
        (kernel, timer)
    }

    /// Waits for the timer and returns its count of expirations.
    fn expirations(kernel: &mut Kernel<FakeHost>, timer: Fd) -> u64 {
        let mut count = [0; 8];
        let mut sink = hypercall::SliceSink::new(&mut count);
        let read = block_on(kernel, |kernel| kernel.read(timer, &mut sink));
        assert_eq!(read, Ok(8));
        u64::from_ne_bytes(count)
    }

    #[test]
    fn a_read_waits_for_the_next_expiration() {
        let (mut kernel, timer) = kernel();
        let first = Instant::ZERO + 2 * SECOND;
        let before = kernel.timerfd_settime(timer, Some(first), SECOND);
        assert_eq!(before, Ok((Duration::ZERO, Duration::ZERO)));
        assert_eq!(kernel.timerfd_gettime(timer), Ok((2 * SECOND, SECOND)));
        assert_eq!(expirations(&mut kernel, timer), 1);
        assert_eq!(kernel.elapsed(), 2 * SECOND);
        block_on(&mut kernel, |kernel| Ok(kernel.sleep(5 * SECOND / 2))).unwrap();
        assert_eq!(expirations(&mut kernel, timer), 2);
        assert_eq!(kernel.elapsed(), 9 * SECOND / 2);
    }

    #[test]
    fn an_epoll_hears_of_it() {
        let (mut kernel, timer) = kernel();
        let epoll = kernel.epoll_create1(false).unwrap();
        let event = EpollEvent {
            ready: Readiness::READABLE,
            mode: WatchMode::EDGE,
            data: 3,
        };
        kernel
            .epoll_ctl(epoll, EpollChange::Add(event), timer)
            .unwrap();
        let due = Instant::ZERO + SECOND;
        kernel
            .timerfd_settime(timer, Some(due), Duration::ZERO)
            .unwrap();
        let mut events = Vec::new();
        let found = block_on(&mut kernel, |kernel| {
            kernel.epoll_wait(epoll, 4, None, &mut events)
        });
        assert_eq!(found, Ok(1));
        assert_eq!(kernel.elapsed(), SECOND);
    }

    #[test]
    fn a_disarmed_timer_is_silent_and_forgets() {
        let (mut kernel, timer) = kernel();
        let past = Some(Instant::ZERO);
        kernel.timerfd_settime(timer, past, SECOND).unwrap();
        kernel.timerfd_settime(timer, None, Duration::ZERO).unwrap();
        assert_eq!(try_read(&mut kernel, timer, 8), Ok(None));
        assert_eq!(kernel.next_deadline(), None);
    }

    #[test]
    fn a_time_of_the_wall_clock_is_found_on_the_other() {
        let (mut kernel, _) = kernel();
        kernel.enter();
        let later = kernel.wall_clock() + SECOND;
        assert_eq!(kernel.instant_of_wall_clock(later), Instant::ZERO + SECOND);
        let past = Duration::ZERO;
        assert_eq!(kernel.instant_of_wall_clock(past), Instant::ZERO);
    }
}
