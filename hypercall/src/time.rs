//! A point on a home's monotonic clock.

use core::ops::Add;
use core::time::Duration;

/// Nanoseconds since a start that the home chose (its boot, as a rule).
///
/// Two instants compare only if they come from the same [`Host`](crate::Host).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant `nanoseconds` after the start.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, or zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time, 584 years after the start.
    fn add(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_saturates() {
        assert_eq!(
            Instant::from_nanos(1) + Duration::MAX,
            Instant::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn a_later_start_counts_as_no_time() {
        assert_eq!(
            Instant::ZERO.saturating_since(Instant::from_nanos(5)),
            Duration::ZERO
        );
    }
}
