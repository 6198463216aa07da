//! How long SQLite's speed test takes in memory as an image, beside the same program on a Linux
//! guest: by its own clock, so that neither's start counts.
//!
//! Each machine in turn runs it, round after round, so that a busy moment meets all of them. A
//! ratio is taken within a round.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::linux_guest::{self, LinuxGuest, Task};
use super::row::{Bar, Row};
use super::tool::Tool;
use crate::step;
use crate::workspace::Workspace;

/// A database in memory, a tenth as large as the test's usual one.
const ARGUMENTS: [&str; 3] = ["--memdb", "--size", "10"];

/// A way to run the test.
struct Machine {
    name: &'static str,
    /// A QEMU that boots something else than the image, if it does.
    qemu: Option<PathBuf>,
}

/// An image against two ways to start the same kernel.
pub fn measure(workspace: &Workspace, tool: &Tool, rounds: usize) -> Result<Vec<Row>> {
    let built = test_programs::built_source(&test_programs::SQLITE).join("speedtest1");
    let guest = LinuxGuest::prepare(workspace, tool)?;
    eprintln!("Linux is {}", guest.release());
    let program = workspace.target().join("bench/speedtest1");
    fs::copy(&built, &program).with_context(|| built.display().to_string())?;
    let image = tool.bake(&program, None)?;
    let machines = [
        Machine {
            name: "sqlite-as-image",
            qemu: None,
        },
        linux(&guest, "sqlite-on-linux", &program, "")?,
        linux(
            &guest,
            "sqlite-on-linux-unmitigated",
            &program,
            "mitigations=off",
        )?,
    ];
    let mut seconds = [const { Vec::new() }; 3];
    for round in 1..=rounds {
        for (machine, seconds) in machines.iter().zip(&mut seconds) {
            let took = run(tool, &image, machine).context(machine.name)?;
            eprintln!("round {round}: {} {took:.3} s", machine.name);
            seconds.push(took);
        }
    }
    Ok(rows(&seconds))
}

/// `program` on the guest.
fn linux(
    guest: &LinuxGuest,
    name: &'static str,
    program: &Path,
    kernel_words: &str,
) -> Result<Machine> {
    let qemu = guest.qemu(&Task {
        name,
        program,
        root: None,
        arguments: &ARGUMENTS,
        kernel_words,
        address: None,
    })?;
    let qemu = Some(qemu);
    Ok(Machine { name, qemu })
}

/// The seconds that the test took on a machine of its own.
fn run(tool: &Tool, image: &Path, machine: &Machine) -> Result<f64> {
    let mut run = tool.run(image);
    run.args(["--memory", linux_guest::MEMORY]);
    if let Some(qemu) = &machine.qemu {
        run.arg("--qemu").arg(qemu);
    }
    let said = step::output(run.arg("--").args(ARGUMENTS))?;
    total(&String::from_utf8_lossy(&said))
}

fn rows([ours, default, unmitigated]: &[Vec<f64>; 3]) -> Vec<Row> {
    let guests = default.iter().zip(unmitigated);
    let ratios: Vec<f64> = ours
        .iter()
        .zip(guests)
        .map(|(ours, (default, unmitigated))| ours / default.min(*unmitigated))
        .collect();
    let bar = Some(Bar::AtMost(0.9));
    let figure = |name, seconds: &[f64]| Row::of_median(name, "s", None, seconds);
    let rows = [
        Row::of_median("SQLite in memory, beside Linux", "x", bar, &ratios),
        figure("SQLite in memory as an image", ours),
        figure("SQLite in memory on Linux", default),
        figure("SQLite in memory on Linux, mitigations=off", unmitigated),
    ];
    rows.into_iter().flatten().collect()
}

/// The seconds of the line that begins with `TOTAL`.
fn total(said: &str) -> Result<f64> {
    let mut lines = said.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with("TOTAL"));
    let word = line.and_then(|line| line.split_whitespace().next_back());
    let seconds = word.and_then(|word| word.strip_suffix('s')?.parse().ok());
    seconds.context("the test says no total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        let said = " 990 - ANALYZE......    0.026s\n       TOTAL......    0.824s\n";
        assert_eq!(total(said).ok(), Some(0.824));
        assert!(total("TOTAL...... soon").is_err());
    }
}
