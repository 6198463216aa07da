//! Timers that send signals (POSIX.1-2017, `timer_create`).

use alloc::vec::Vec;

use hypercall::Instant;

use crate::Errno;
use crate::interval_timer::IntervalTimer;
use crate::signal::{Origin, Signal, SignalInfo};

/// A process has no more timers than this.
const MAXIMUM: usize = 256;

/// What an expired timer sends; nothing if there is no signal (SIGEV_NONE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The signal.
    pub signal: Option<Signal>,
    /// The creator's value; without one the timer's own number.
    pub value: Option<u64>,
}

/// A timer of `timer_create`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalTimer {
    /// When it expires.
    pub timer: IntervalTimer,
    /// What it has missed to send since its last signal was taken.
    pub overrun: i32,
    notification: Notification,
}

/// The timers of a process.
#[derive(Debug, Default)]
pub struct SignalTimers {
    slots: Vec<Option<SignalTimer>>,
}

impl SignalTimers {
    /// A disarmed timer; EAGAIN if there are too many.
    pub fn create(&mut self, notification: Notification) -> Result<i32, Errno> {
        let timer = SignalTimer {
            timer: IntervalTimer::default(),
            overrun: 0,
            notification,
        };
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        if index >= MAXIMUM {
            return Err(Errno::EAGAIN);
        }
        match free {
            Some(index) => self.slots[index] = Some(timer),
            None => {
                self.slots.try_reserve(1).map_err(|_| Errno::EAGAIN)?;
                self.slots.push(Some(timer));
            }
        }
        i32::try_from(index).or(Err(Errno::EAGAIN))
    }

    /// The timer numbered `id`; EINVAL if there is none.
    pub fn get(&mut self, id: i32) -> Result<&mut SignalTimer, Errno> {
        let index = usize::try_from(id).or(Err(Errno::EINVAL))?;
        let slot = self.slots.get_mut(index);
        slot.and_then(Option::as_mut).ok_or(Errno::EINVAL)
    }

    /// Gives a timer up.
    pub fn delete(&mut self, id: i32) -> Result<(), Errno> {
        self.get(id)?;
        self.slots[id.unsigned_abs() as usize] = None;
        Ok(())
    }

    /// When the next one expires.
    pub fn next_deadline(&self) -> Option<Instant> {
        let timers = self.slots.iter().flatten();
        timers.filter_map(|slot| slot.timer.deadline()).min()
    }

    /// What the timers that have expired up to `now` send. `is_pending` says whether the last
    /// signal of a timer has not been taken: then it is an overrun instead.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        is_pending: impl Fn(i32) -> bool,
    ) -> Vec<SignalInfo> {
        let mut sent = Vec::new();
        for (id, slot) in (0..).zip(&mut self.slots) {
            let Some(slot) = slot else {
                continue;
            };
            let expired = slot.timer.expire(now);
            let (Some(signal), true) = (slot.notification.signal, expired > 0) else {
                continue;
            };
            let expired = i32::try_from(expired).unwrap_or(i32::MAX);
            if is_pending(id) {
                slot.overrun = slot.overrun.saturating_add(expired);
                continue;
            }
            slot.overrun = expired - 1;
            let value = slot
                .notification
                .value
                .unwrap_or(u64::from(id.unsigned_abs()));
            let origin = Origin::Timer { id, value };
            sent.push(SignalInfo { signal, origin });
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn every_ten(timers: &mut SignalTimers, value: Option<u64>) -> i32 {
        let signal = Some(Signal::ALARM);
        let id = timers.create(Notification { signal, value }).expect("room");
        let slot = timers.get(id).expect("made");
        let first = Some(Instant::from_nanos(10));
        slot.timer.set(first, Duration::from_nanos(10));
        id
    }

    fn values(sent: &[SignalInfo]) -> Vec<u64> {
        let values = sent.iter().map(|info| match info.origin {
            Origin::Timer { value, .. } => value,
            _ => panic!("{info:?}"),
        });
        values.collect()
    }

    #[test]
    fn what_was_missed_is_counted_not_sent() {
        let mut timers = SignalTimers::default();
        let id = every_ten(&mut timers, Some(77));
        assert_eq!(timers.next_deadline(), Some(Instant::from_nanos(10)));
        let sent = timers.expire(Instant::from_nanos(35), |_| false);
        assert_eq!(values(&sent), [77]);
        assert_eq!(timers.get(id).map(|slot| slot.overrun), Ok(2));
        let sent = timers.expire(Instant::from_nanos(40), |_| true);
        assert!(sent.is_empty());
        assert_eq!(timers.get(id).map(|slot| slot.overrun), Ok(3));
    }

    #[test]
    fn numbers_are_reused_and_stand_for_a_missing_value() {
        let mut timers = SignalTimers::default();
        assert_eq!(every_ten(&mut timers, None), 0);
        assert_eq!(every_ten(&mut timers, None), 1);
        let sent = timers.expire(Instant::from_nanos(10), |_| false);
        assert_eq!(values(&sent), [0, 1]);
        assert_eq!(timers.delete(0), Ok(()));
        assert_eq!(timers.delete(0), Err(Errno::EINVAL));
        assert_eq!(timers.delete(-1), Err(Errno::EINVAL));
        assert_eq!(every_ten(&mut timers, None), 0);
    }
}
