//! What is under way to the peer, and when it ought to have been acknowledged.
//!
//! smoltcp tells a loss by three duplicate acknowledgements (RFC 5681, 3.2) or by its timer, of a
//! second at least (RFC 6298, 2.4). The last segments of a flight have too few behind them for the
//! first, and where windows are small most segments are among the last. So a flight that is not
//! acknowledged in two round trips is probed (RFC 8985, 7): its first segment goes out again.

use core::time::Duration;

use hypercall::Instant;

use crate::tcp::segment::is_before;

/// What a round trip takes beyond what was measured: clocks and schedulers are coarse.
const GRANULARITY: Duration = Duration::from_millis(10);
/// How long a peer may keep back the acknowledgement of a single segment (RFC 8985, 7.2:
/// WCDelAckT).
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(200);
/// A probe that was not answered is followed by another not sooner than this, twice as late each
/// time, until smoltcp's own timer takes over.
const REPEATED_MIN: Duration = Duration::from_millis(200);
/// No probe waits longer: smoltcp's own timer does not either (RFC 6298, 2.5).
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// The bytes sent and not acknowledged, as far as their time goes.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Flight {
    /// The sequence number after all that was sent.
    end: Option<u32>,
    /// The number whose acknowledgement ends a measurement, and when that began.
    timed: Option<(u32, Instant)>,
    /// Smoothed round trip time, and how much it varies (RFC 6298, 2).
    round_trip: Option<(Duration, Duration)>,
    /// When a probe is due.
    probe_at: Option<Instant>,
    /// How many have been sent since the last acknowledgement.
    probes: u32,
}

impl Flight {
    /// Notes that everything before `end` has been sent by `now`, of which `outstanding` bytes are
    /// not acknowledged; in a machine that has sent something `again`, nothing can be measured
    /// (RFC 6298, 3).
    pub(super) fn sent(&mut self, end: u32, outstanding: Outstanding, again: bool, now: Instant) {
        let is_more = self.end.is_none_or(|before| is_before(before, end));
        if again {
            self.timed = None;
        } else if is_more && self.timed.is_none() {
            self.timed = Some((end, now));
        }
        self.end = Some(end);
        if again || is_more {
            self.arm(outstanding, now);
        }
    }

    /// Notes that the peer has acknowledged everything before `number`, so that `outstanding` is
    /// left.
    pub(super) fn acknowledged(&mut self, number: u32, outstanding: Outstanding, now: Instant) {
        if let Some((_, start)) = self.timed.take_if(|(end, _)| !is_before(number, *end)) {
            self.measured(now.saturating_since(start));
        }
        self.probes = 0;
        self.arm(outstanding, now);
    }

    /// Whether a probe is due. It counts as sent from then on.
    pub(super) fn take_probe(&mut self, outstanding: Outstanding, now: Instant) -> bool {
        let is_due = self.probe_at.is_some_and(|at| at <= now);
        if is_due {
            self.probes += 1;
            self.timed = None;
            self.arm(outstanding, now);
        }
        is_due && outstanding != Outstanding::Nothing
    }

    /// When a probe is due.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    fn arm(&mut self, outstanding: Outstanding, now: Instant) {
        let delay = match outstanding {
            Outstanding::Nothing => None,
            Outstanding::One => self.patience().map(|it| it + ACKNOWLEDGEMENT_DELAY),
            Outstanding::Several => self.patience(),
        };
        self.probe_at = delay.map(|delay| now + delay);
    }

    /// How long a probe waits; `None` as long as nothing was measured.
    fn patience(&self) -> Option<Duration> {
        let (smoothed, variation) = self.round_trip?;
        let first = (smoothed * 2).max(smoothed + variation * 4) + GRANULARITY;
        Some(match self.probes {
            0 => first,
            probes => first.max(REPEATED_MIN) * (1 << probes.min(8)),
        })
        .map(|patience| patience.min(INTERVAL_MAX))
    }

    fn measured(&mut self, time: Duration) {
        self.round_trip = Some(match self.round_trip {
            None => (time, time / 2),
            Some((smoothed, variation)) => (
                (smoothed * 7 + time) / 8,
                (variation * 3 + smoothed.abs_diff(time)) / 4,
            ),
        });
    }
}

/// How much is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outstanding {
    /// Nothing that a probe could bring.
    Nothing,
    /// No more than a segment, whose acknowledgement the peer may delay.
    One,
    /// More.
    Several,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(milliseconds * 1_000_000)
    }

    /// A flight on a path whose round trips take 20 ms.
    fn measured() -> Flight {
        let mut flight = Flight::default();
        flight.sent(100, Outstanding::One, false, at(0));
        assert_eq!(flight.probe_at(), None, "nothing is known yet");
        flight.acknowledged(100, Outstanding::Nothing, at(20));
        assert_eq!(flight.probe_at(), None, "nothing is under way");
        assert_eq!(flight.round_trip, Some((20 * MS, 10 * MS)));
        flight
    }

    #[test]
    fn a_probe_comes_when_an_answer_should_have() {
        let mut flight = measured();
        flight.sent(5000, Outstanding::Several, false, at(100));
        assert_eq!(flight.probe_at(), Some(at(170)));
        let mut single = measured();
        single.sent(200, Outstanding::One, false, at(100));
        assert_eq!(
            single.probe_at(),
            Some(at(370)),
            "its answer may be delayed"
        );
    }

    #[test]
    fn probes_become_rarer() {
        let mut flight = measured();
        flight.sent(5000, Outstanding::Several, false, at(100));
        assert!(!flight.take_probe(Outstanding::Several, at(169)));
        assert!(flight.take_probe(Outstanding::Several, at(170)));
        assert_eq!(flight.probe_at(), Some(at(570)));
        assert!(flight.take_probe(Outstanding::Several, at(570)));
        assert_eq!(flight.probe_at(), Some(at(1370)));
        flight.acknowledged(3000, Outstanding::Several, at(1400));
        assert_eq!(flight.probe_at(), Some(at(1470)), "an answer ends that");
    }

    #[test]
    fn what_was_sent_twice_measures_nothing() {
        let mut flight = measured();
        flight.sent(5000, Outstanding::Several, false, at(100));
        flight.sent(5000, Outstanding::Several, true, at(1000));
        flight.acknowledged(5000, Outstanding::Nothing, at(1001));
        assert_eq!(flight.round_trip, Some((20 * MS, 10 * MS)));
    }
}
