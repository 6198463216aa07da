//! The clocks: CLOCK_MONOTONIC and CLOCK_REALTIME, as the standard library reads them.

use std::time::{Duration, Instant as SystemInstant, SystemTime};

use hypercall::Instant;

/// A monotonic clock that starts with the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(SystemInstant);

impl Clock {
    pub fn new() -> Self {
        Self(SystemInstant::now())
    }

    pub fn monotonic(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }
}

/// The time since 1970-01-01 00:00 UTC; zero on a machine that believes in an earlier time.
pub(crate) fn wall_clock() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on() {
        let clock = Clock::new();
        let first = clock.monotonic();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.monotonic().saturating_since(first) >= Duration::from_millis(2));
    }

    #[test]
    fn the_wall_clock_is_in_this_century() {
        assert!(wall_clock() > Duration::from_secs(946_684_800));
    }
}
