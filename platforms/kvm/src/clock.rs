//! What time it is: the hypervisor's clock where there is one, else the PIT and a TSC fitted to it.
//!
//! Nobody tells an x86 guest how fast its time-stamp counter (TSC) runs, except a hypervisor that
//! offers a clock of its own. Without one, the time is at first what the 8254 counter (PIT) says,
//! whose rate is fixed; every reading pairs it with the TSC, and the longer the two have been
//! watched together, the better the TSC alone will do. Readings during which the machine was
//! interrupted are dropped, and answers never go back.

use hypercall::Instant;

use crate::cpu;
use crate::paravirtual_clock::ParavirtualClock;
use crate::pit::{self, PIT_HZ};

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Binary digits after the point in a rate.
const SHIFT: u32 = 32;
/// Nanoseconds in a PIT tick, times 2^[`SHIFT`]: what it lacks is one nanosecond in an hour.
const TICK_NS: u128 = (NANOS_PER_SECOND << SHIFT) / PIT_HZ as u128;
/// The TSC serves when it has been watched for so many PIT ticks (2 ms).
const TRUSTED_TICKS: u64 = PIT_HZ / 500;
/// Fits are at most so many ticks apart (1 s).
const LONGEST_FIT_TICKS: u64 = PIT_HZ;
/// A fit that nobody asks for can wait so long (20 ms): the PIT wraps every 55 ms, and each
/// interrupt costs the program something.
const UNASKED_FIT_TICKS: u64 = PIT_HZ / 50;
/// A reading that took longer than so many times the shortest is dropped.
const OUTLIER: u64 = 4;

/// The machine's clock.
pub(crate) struct Clock {
    source: Source,
    last: u64,
}

enum Source {
    Paravirtual(ParavirtualClock),
    Fitted(FittedTsc),
}

impl Clock {
    /// Starts the clock at zero.
    pub(crate) fn start() -> Self {
        let source = match ParavirtualClock::detect() {
            Some(clock) => Source::Paravirtual(clock),
            None => Source::Fitted(FittedTsc::start()),
        };
        Self { source, last: 0 }
    }

    /// The time since the start.
    pub(crate) fn now(&mut self) -> Instant {
        let now = match &mut self.source {
            Source::Paravirtual(clock) => clock.now_ns(),
            Source::Fitted(clock) => clock.now_ns(),
        };
        self.last = self.last.max(now);
        Instant::from_nanos(self.last)
    }

    /// When the clock wants to be read even if nobody asks for the time; it must be within the
    /// PIT's doubt (27 ms at first, growing with the fit). `None`: never.
    pub(crate) fn next_fit_ns(&self) -> Option<u64> {
        match &self.source {
            Source::Paravirtual(_) => None,
            Source::Fitted(clock) => Some(clock.next_fit_in_ns()),
        }
    }
}

/// A TSC whose rate is learned from the PIT.
struct FittedTsc {
    /// The first reading, from which on both are watched.
    base: u64,
    /// The last reading that counted.
    anchor: Reading,
    /// PIT ticks for each TSC tick, times 2^[`SHIFT`]; 0 when not known.
    rate: u64,
    /// Ticks to wait after `anchor` before the next fit.
    fit_after: u64,
    /// The answers until then.
    line: Line,
    /// TSC ticks that the shortest reading took.
    shortest: u64,
}

/// The time as a straight line over the TSC: what nearly every reading of the clock comes down to.
#[derive(Clone, Copy, Default)]
struct Line {
    /// The TSC where it begins.
    start: u64,
    /// The TSC where it ends.
    end: u64,
    /// Nanoseconds where it begins.
    start_ns: u64,
    /// Nanoseconds for each TSC tick, times 2^[`SHIFT`].
    slope: u64,
}

impl Line {
    /// The time at `tsc`, if that is on the line.
    fn at(&self, tsc: u64) -> Option<u64> {
        let passed = tsc.checked_sub(self.start)?;
        let grown = u128::from(passed) * u128::from(self.slope);
        (tsc < self.end).then(|| self.start_ns + (grown >> SHIFT) as u64)
    }
}

/// One look at both clocks.
#[derive(Clone, Copy)]
struct Reading {
    tsc: u64,
    /// PIT ticks since the first reading.
    ticks: u64,
    /// The PIT's own 16 bits.
    counter: u16,
}

impl FittedTsc {
    fn start() -> Self {
        pit::start();
        let (tsc, counter, took) = read_both();
        Self {
            base: tsc,
            anchor: Reading {
                tsc,
                ticks: 0,
                counter,
            },
            rate: 0,
            fit_after: TRUSTED_TICKS,
            line: Line::default(),
            shortest: took,
        }
    }

    fn now_ns(&mut self) -> u64 {
        let now = self.line.at(cpu::time_stamp());
        now.unwrap_or_else(|| self.fit())
    }

    /// Reads both clocks, and learns from it unless the reading was disturbed.
    fn fit(&mut self) -> u64 {
        let (tsc, counter, took) = read_both();
        // The shortest may itself have been disturbed: let it grow slowly.
        self.shortest = (self.shortest + self.shortest / 64 + 1).min(took);
        if took > self.shortest.saturating_mul(OUTLIER) && self.rate != 0 {
            return fixed_to_ns(self.estimate(tsc));
        }
        // The PIT counts down and wraps every 55 ms; the estimate tells how often it did.
        let within = u64::from(self.anchor.counter.wrapping_sub(counter));
        let expected = (self.estimate(tsc) >> SHIFT) as u64 - self.anchor.ticks;
        let wraps = (expected + 0x8000).saturating_sub(within) >> 16;
        let ticks = self.anchor.ticks + within + (wraps << 16);
        self.anchor = Reading {
            tsc,
            ticks,
            counter,
        };
        let watched = tsc - self.base;
        if watched > 0 && ticks > 0 {
            self.rate = ((u128::from(ticks) << SHIFT) / u128::from(watched)) as u64;
        }
        self.fit_after = (ticks / 2).clamp(1, LONGEST_FIT_TICKS);
        self.line = self.draw_line();
        fixed_to_ns(ticks.into_fixed())
    }

    /// The line from the anchor to the next fit; none as long as the rate is not to be trusted.
    fn draw_line(&self) -> Line {
        if self.anchor.ticks < TRUSTED_TICKS || self.rate == 0 {
            return Line::default();
        }
        let length = self.fit_after.into_fixed() / u128::from(self.rate);
        Line {
            start: self.anchor.tsc,
            end: self.anchor.tsc.saturating_add(length as u64),
            start_ns: fixed_to_ns(self.anchor.ticks_fixed()),
            slope: ((u128::from(self.rate) * TICK_NS) >> SHIFT) as u64,
        }
    }

    /// PIT ticks at `tsc` by the rate known so far, times 2^[`SHIFT`].
    fn estimate(&self, tsc: u64) -> u128 {
        let passed = tsc.saturating_sub(self.anchor.tsc);
        self.anchor.ticks_fixed() + u128::from(passed) * u128::from(self.rate)
    }

    fn next_fit_in_ns(&self) -> u64 {
        fixed_to_ns(self.fit_after.max(UNASKED_FIT_TICKS).into_fixed())
    }
}

impl Reading {
    fn ticks_fixed(&self) -> u128 {
        self.ticks.into_fixed()
    }
}

/// Ticks as a number with [`SHIFT`] binary digits after the point.
trait IntoFixed {
    fn into_fixed(self) -> u128;
}

impl IntoFixed for u64 {
    fn into_fixed(self) -> u128 {
        u128::from(self) << SHIFT
    }
}

fn fixed_to_ns(ticks: u128) -> u64 {
    ((ticks * TICK_NS) >> (2 * SHIFT)) as u64
}

/// The TSC in the middle of a reading of the PIT, the PIT, and the TSC ticks that it took.
fn read_both() -> (u64, u16, u64) {
    let before = cpu::time_stamp();
    let counter = pit::read();
    let took = cpu::time_stamp() - before;
    (before + took / 2, counter, took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_told_to_a_nanosecond_in_an_hour_and_for_a_century() {
        const SECOND_NS: u64 = 1_000_000_000;
        for seconds in [1, 3600, 100 * 365 * 86_400] {
            let told = fixed_to_ns((seconds * PIT_HZ).into_fixed());
            let most_lacking = 1 + seconds / 3600;
            assert!((seconds * SECOND_NS - told) <= most_lacking, "{seconds}");
        }
        assert_eq!(fixed_to_ns(1_u64.into_fixed()), 838);
    }

    #[test]
    fn the_line_says_what_the_estimate_says_until_the_next_fit() {
        // 2.6 GHz, watched for a minute.
        let rate = ((u128::from(PIT_HZ) << SHIFT) / 2_600_000_000) as u64;
        let mut clock = FittedTsc {
            base: 0,
            anchor: Reading {
                tsc: 60 * 2_600_000_000,
                ticks: 60 * PIT_HZ,
                counter: 0,
            },
            rate,
            fit_after: LONGEST_FIT_TICKS,
            line: Line::default(),
            shortest: 1,
        };
        clock.line = clock.draw_line();
        for passed in [0, 1, 1_000, 1_300_000_000, 2_599_000_000] {
            let tsc = clock.anchor.tsc + passed;
            let estimate = fixed_to_ns(clock.estimate(tsc));
            let told = clock.line.at(tsc).expect("on the line");
            assert!(told.abs_diff(estimate) <= 2, "{told} and {estimate}");
        }
        assert_eq!(clock.line.at(clock.anchor.tsc - 1), None);
        assert_eq!(clock.line.at(clock.anchor.tsc + 2_601_000_000), None);
    }

    #[test]
    fn a_rate_that_is_not_trusted_makes_no_line() {
        let line = Line::default();
        assert_eq!((line.at(0), line.at(u64::MAX)), (None, None));
    }
}
