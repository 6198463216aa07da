//! What the fuzz targets take in a second of processor time, AddressSanitizer and the search for
//! new inputs included.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::row::{Bar, Row};
use crate::fuzz::Target;
use crate::workspace::Workspace;

/// How long each target runs, in seconds.
const TIME: u64 = 40;
/// Ticks of the processor times in `/proc/PID/stat` in a second (`proc(5)`; the same on every
/// x86-64 Linux).
const TICKS: f64 = 100.0;

/// What is counted of a target.
struct Measure {
    target: &'static str,
    row: &'static str,
    unit: &'static str,
    bar: f64,
    /// Reads the count so far from a line that the fuzzer writes.
    read: fn(&str) -> Option<u64>,
}

const MEASURES: [Measure; 2] = [
    Measure {
        target: "frames",
        row: "fuzzing: frames into a stack",
        unit: "1/s",
        bar: 100_000.0,
        read: things_taken,
    },
    Measure {
        target: "ring",
        row: "fuzzing: inputs of a virtio ring",
        unit: "1/s",
        bar: 20_000.0,
        read: inputs_run,
    },
];

/// Runs each target for a while.
pub fn measure(workspace: &Workspace) -> Result<Vec<Row>> {
    let targets = Target::all(workspace)?;
    let measured = MEASURES.iter().map(|measure| {
        let target = targets.iter().find(|target| target.name == measure.target);
        let target = target.with_context(|| format!("there is no target {}", measure.target))?;
        let rates = rates(workspace, target, measure.read)?;
        let bar = Some(Bar::AtLeast(measure.bar));
        Row::of_median(measure.row, measure.unit, bar, &rates)
            .with_context(|| format!("{} counted too little", target.name))
    });
    measured.collect()
}

/// How many a second of processor time, from each count that the fuzzer writes to the next.
fn rates(
    workspace: &Workspace,
    target: &Target,
    read: fn(&str) -> Option<u64>,
) -> Result<Vec<f64>> {
    let mut fuzzer = target
        .build(workspace)?
        .command()
        .args([format!("-max_total_time={TIME}"), "-seed=1".into()])
        .stderr(Stdio::piped())
        .spawn()?;
    let output = fuzzer.stderr.take().context("the pipe was asked for")?;
    let mut marks = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        if let Some(count) = read(&String::from_utf8_lossy(&line?)) {
            marks.extend(processor_time(&fuzzer).map(|time| (count, time)));
        }
    }
    let status = fuzzer.wait()?;
    anyhow::ensure!(status.success(), "{} ended with {status}", target.name);
    let rates = marks.windows(2).filter_map(|pair| {
        let ((before, start), (after, end)) = (pair[0], pair[1]);
        (end > start).then(|| (after - before) as f64 / (end - start))
    });
    Ok(rates.collect())
}

/// `taken: 65536`: what the targets themselves count.
fn things_taken(line: &str) -> Option<u64> {
    line.strip_prefix("taken: ")?.parse().ok()
}

/// `#65536 pulse  cov: 1 ...`: how many inputs libFuzzer has run, at each doubling.
fn inputs_run(line: &str) -> Option<u64> {
    let (count, rest) = line.strip_prefix('#')?.split_once('\t')?;
    rest.starts_with("pulse").then(|| count.parse().ok())?
}

/// The processor time that a process has had, in seconds; `None` once it has gone.
fn processor_time(process: &Child) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).ok()?;
    // The name in parentheses may hold anything; the state behind it is field 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_are_read() {
        assert_eq!(things_taken("taken: 65540"), Some(65540));
        assert_eq!(things_taken("took 5"), None);
        let pulse = "#4096\tpulse  cov: 10 ft: 12 corp: 3/9b lim: 4 exec/s: 2048 rss: 40Mb";
        assert_eq!(inputs_run(pulse), Some(4096));
        assert_eq!(inputs_run("#4100\tNEW    cov: 11"), None);
    }

    #[test]
    fn a_running_process_has_a_processor_time() {
        let mut sleeping = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("there is sleep");
        let time = processor_time(&sleeping);
        sleeping.kill().expect("it runs");
        sleeping.wait().expect("it was started here");
        assert!(time.is_some_and(|time| time < 10.0));
        assert_eq!(processor_time(&sleeping), None);
    }
}
