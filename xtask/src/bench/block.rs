//! Requests a second to a disk from a C program in an image, beside the same program on a Linux
//! guest: both past every cache of the system's (`O_DIRECT`), on the same raw disk.
//!
//! The two machines run in turn, round after round, so that a busy moment meets both. A ratio is
//! taken within a round.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::linux_guest::{self, LinuxGuest, Task};
use super::row::{Bar, Row};
use super::tool::Tool;
use crate::step;
use crate::workspace::Workspace;

/// Rounds.
const ROUNDS: usize = 5;
/// Bytes of the disk.
const DISK_LENGTH: usize = 64 << 20;
/// What is promised of each kind of request.
const BAR: Bar = Bar::AtLeast(1.2);

/// The kinds of requests, as `disk_rates.c` names them: what stands before its figure, and the
/// names of three rows.
const KINDS: [[&str; 4]; 4] = [
    [
        "random reads: ",
        "4 KiB random reads, beside Linux",
        "4 KiB random reads in an image",
        "4 KiB random reads on Linux",
    ],
    [
        "random writes: ",
        "4 KiB random writes, beside Linux",
        "4 KiB random writes in an image",
        "4 KiB random writes on Linux",
    ],
    [
        "sequential reads: ",
        "1 MiB sequential reads, beside Linux",
        "1 MiB sequential reads in an image",
        "1 MiB sequential reads on Linux",
    ],
    [
        "sequential writes: ",
        "1 MiB sequential writes, beside Linux",
        "1 MiB sequential writes in an image",
        "1 MiB sequential writes on Linux",
    ],
];

/// Requests a second of each kind.
type Rates = [f64; KINDS.len()];

/// An image against the guest.
pub fn measure(workspace: &Workspace, tool: &Tool) -> Result<Vec<Row>> {
    let stand = Stand::new(workspace, tool)?;
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let ours = stand.image().context("the image")?;
        let linux = stand.linux().context("the Linux guest")?;
        eprintln!("round {round}: image {ours:.0?}, Linux {linux:.0?} requests/s");
        rounds.push((ours, linux));
    }
    let rows = KINDS.iter().enumerate().flat_map(|(kind, names)| {
        let of = |rate: fn(&Rates, &Rates, usize) -> f64| -> Vec<f64> {
            rounds
                .iter()
                .map(|(ours, linux)| rate(ours, linux, kind))
                .collect()
        };
        let ratios = of(|ours, linux, kind| ours[kind] / linux[kind]);
        let [_, beside, in_image, on_linux] = *names;
        [
            Row::of_median(beside, "x", Some(BAR), &ratios),
            Row::of_median(
                in_image,
                "requests/s",
                None,
                &of(|ours, _, kind| ours[kind]),
            ),
            Row::of_median(
                on_linux,
                "requests/s",
                None,
                &of(|_, linux, kind| linux[kind]),
            ),
        ]
    });
    Ok(rows.flatten().collect())
}

/// What is measured, and on what.
struct Stand<'a> {
    tool: &'a Tool,
    program: PathBuf,
    disk: PathBuf,
    /// QEMU with the guest instead of an image.
    linux: PathBuf,
}

impl<'a> Stand<'a> {
    fn new(workspace: &Workspace, tool: &'a Tool) -> Result<Self> {
        let folder = workspace.target().join("bench");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let program = folder.join("disk_rates");
        let source = workspace.root().join("xtask/programs/disk_rates.c");
        step::run(tool.compiler().arg(source).arg("-o").arg(&program))?;
        let disk = folder.join("disk");
        // Bytes that are there, and not a hole: a hole is read without a look at the disk.
        fs::write(&disk, vec![1; DISK_LENGTH]).with_context(|| disk.display().to_string())?;
        let guest = LinuxGuest::prepare(workspace, tool)?;
        eprintln!("Linux is {}", guest.release());
        let linux = guest.qemu(&Task {
            name: "disk_rates-on-linux",
            program: &program,
            root: None,
            arguments: &["/dev/vda"],
            kernel_words: "",
            address: None,
        })?;
        Ok(Self {
            tool,
            program,
            disk,
            linux,
        })
    }

    fn image(&self) -> Result<Rates> {
        self.rates(&mut self.run(&self.program))
    }

    fn linux(&self) -> Result<Rates> {
        let mut run = self.run(&self.program);
        run.arg("--qemu").arg(&self.linux);
        self.rates(run.args(["--memory", linux_guest::MEMORY]))
    }

    fn run(&self, image: &Path) -> Command {
        let mut run = self.tool.run(image);
        run.arg("--disk").arg(&self.disk);
        run
    }

    fn rates(&self, run: &mut Command) -> Result<Rates> {
        let said = step::output(run.args(["--", "/dev/vda"]))?;
        parse(&String::from_utf8_lossy(&said))
    }
}

/// What `disk_rates.c` has printed.
fn parse(said: &str) -> Result<Rates> {
    let mut rates = Rates::default();
    for (rate, [prefix, ..]) in rates.iter_mut().zip(KINDS) {
        let Some(figure) = said.lines().find_map(|line| line.strip_prefix(prefix)) else {
            bail!("no line `{prefix}` in what disk_rates has printed: {said}");
        };
        *rate = figure.parse().with_context(|| figure.to_owned())?;
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_figure() {
        let said = "random reads: 9000\nrandom writes: 8000\nsequential reads: 700\n\
                    sequential writes: 600\n";
        assert_eq!(parse(said).unwrap(), [9000.0, 8000.0, 700.0, 600.0]);
        assert!(parse("random reads: 1\n").is_err());
    }
}
