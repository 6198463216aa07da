//! A booted program's clocks against the host's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use test_homes::{Compiled, TimedLine, timed_lines};

/// How long the clocks are watched.
const SECONDS: u32 = 5;
/// How many lines at each end are looked at for the one that was least late.
const ENDS: usize = 60;
/// How far the rates may differ, in parts per million.
const RATE_TOLERANCE_PPM: f64 = 1000.0;
/// How far the wall clocks may differ.
const WALL_TOLERANCE: Duration = Duration::from_millis(500);
/// A busy machine may take long to start another one, whose clock on the wall is then late: of so
/// many boots the best counts.
const BOOTS: usize = 3;

/// What a booted program said of its clocks, and when.
struct Reading {
    /// Its monotonic clock, in nanoseconds.
    monotonic_ns: f64,
    /// Its wall clock.
    wall: SystemTime,
    line: TimedLine,
}

impl Reading {
    fn new(line: TimedLine) -> Self {
        let (monotonic, wall) = line.text.split_once(' ').expect("two numbers");
        let wall_ns = wall.parse().expect("a number");
        Self {
            monotonic_ns: monotonic.parse().expect("a number"),
            wall: UNIX_EPOCH + Duration::from_nanos(wall_ns),
            line,
        }
    }

    /// How much later the line came than the guest's clock says, up to a constant.
    fn lateness_ns(&self, first: &Self) -> f64 {
        let passed = self.line.at.duration_since(first.line.at);
        passed.as_nanos() as f64 - (self.monotonic_ns - first.monotonic_ns)
    }

    /// How far the guest's wall clock is from ours.
    fn wall_error(&self) -> Duration {
        let late = self.line.wall.duration_since(self.wall);
        late.unwrap_or_else(|early| early.duration())
    }
}

#[test]
fn a_booted_clock_keeps_the_time() {
    let program = Compiled::new("tests/homes/programs/clock.c");
    let mut errors = Vec::new();
    for boot in 0..BOOTS {
        let seconds = if boot == 0 { SECONDS } else { 1 };
        let mut command = program.booted();
        command.args(["--", &seconds.to_string()]);
        // The program ends with a failure when its clock has gone back.
        let lines = timed_lines(command).into_iter();
        let readings: Vec<_> = lines.map(Reading::new).collect();
        if boot == 0 {
            let ppm = rate_error_ppm(&readings);
            println!("{ppm:.1} ppm over {SECONDS} s, {} readings", readings.len());
            assert!(ppm.abs() <= RATE_TOLERANCE_PPM, "{ppm} ppm");
        }
        let error = readings.iter().map(Reading::wall_error).min();
        let error = error.expect("there are readings");
        println!("the wall clocks are {error:?} apart");
        if error <= WALL_TOLERANCE {
            return;
        }
        errors.push(error);
    }
    panic!("the wall clocks are apart by {errors:?}");
}

/// How much slower the guest's clock is than ours. Lines are late by a time that varies; the
/// least late ones at either end are compared.
fn rate_error_ppm(readings: &[Reading]) -> f64 {
    assert!(readings.len() >= 2 * ENDS, "{} readings", readings.len());
    let first = &readings[0];
    let least_late = |part: &[Reading]| {
        let lateness = part.iter().map(|reading| reading.lateness_ns(first));
        lateness.fold(f64::INFINITY, f64::min)
    };
    let (start, end) = (&readings[..ENDS], &readings[readings.len() - ENDS..]);
    let span_ns = end[0].monotonic_ns - start[0].monotonic_ns;
    (least_late(end) - least_late(start)) / span_ns * 1e6
}
