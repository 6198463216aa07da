//! A timer that expires once or again and again (POSIX.1-2017, `setitimer`, `timer_settime`).

use core::time::Duration;

use hypercall::Instant;

/// When it expires next, and how often after that. The default is disarmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IntervalTimer {
    deadline: Option<Instant>,
    interval: Duration,
}

impl IntervalTimer {
    /// Arms the timer for `deadline` and every `interval` after it (zero: once), or disarms it.
    pub fn set(&mut self, deadline: Option<Instant>, interval: Duration) {
        *self = Self { deadline, interval };
    }

    /// When it expires next; `None` while disarmed.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time left (zero when disarmed), and the interval.
    pub fn remaining(&self, now: Instant) -> (Duration, Duration) {
        let left = self.deadline.map_or(Duration::ZERO, |deadline| {
            // An armed timer whose time has come but that nobody has looked at still says that
            // it is armed.
            deadline.saturating_since(now).max(Duration::from_nanos(1))
        });
        (left, self.interval)
    }

    /// How often it has expired up to `now` since it was last asked.
    pub fn expire(&mut self, now: Instant) -> u64 {
        let Some(deadline) = self.deadline.filter(|deadline| *deadline <= now) else {
            return 0;
        };
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let late = now.as_nanos() - deadline.as_nanos();
        let Some(further) = late.checked_div(interval) else {
            self.deadline = None;
            return 1;
        };
        let elapsed = interval.saturating_mul(further.saturating_add(1));
        self.deadline = Some(deadline + Duration::from_nanos(elapsed));
        further.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanoseconds: u64) -> Instant {
        Instant::from_nanos(nanoseconds)
    }

    #[test]
    fn one_shot_expires_once() {
        let mut timer = IntervalTimer::default();
        timer.set(Some(at(10)), Duration::ZERO);
        assert_eq!(timer.expire(at(9)), 0);
        assert_eq!(timer.expire(at(10)), 1);
        assert_eq!(timer.expire(at(20)), 0);
        assert_eq!(timer.deadline(), None);
    }

    #[test]
    fn a_late_look_counts_every_interval_and_keeps_the_beat() {
        let mut timer = IntervalTimer::default();
        timer.set(Some(at(10)), Duration::from_nanos(5));
        assert_eq!(timer.expire(at(21)), 3);
        assert_eq!(timer.deadline(), Some(at(25)));
    }

    #[test]
    fn what_is_left_is_never_zero_while_armed() {
        let mut timer = IntervalTimer::default();
        assert_eq!(timer.remaining(at(0)), (Duration::ZERO, Duration::ZERO));
        timer.set(Some(at(10)), Duration::ZERO);
        assert_eq!(timer.remaining(at(4)).0, Duration::from_nanos(6));
        assert_eq!(timer.remaining(at(10)).0, Duration::from_nanos(1));
    }
}
