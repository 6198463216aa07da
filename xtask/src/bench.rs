//! `cargo xtask bench`: what is promised in numbers, measured. Never a test: a busy machine must
//! not make a change look wrong.

mod boot;
mod empty_image;
mod instructions;
mod memory;
mod programs;
mod row;
mod size;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;
use programs::Programs;
use row::{Row, print_json, print_table};

/// The command line of `bench`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo xtask bench size\n  cargo xtask bench boot --runs 21\n  \
    cargo xtask bench --json"
)]
pub struct BenchArguments {
    /// What to measure; everything without it
    kind: Option<Kind>,
    /// Print the rows as JSON
    #[arg(long)]
    json: bool,
    /// How often each image is started where time is measured
    #[arg(long, default_value_t = 9)]
    runs: usize,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// Time from the start of the machine, and instructions to main
    Boot,
    /// Bytes of images
    Size,
    /// The smallest memory that works
    Memory,
}

/// Measures and prints. The exit status is a failure when a bar does not hold.
pub fn bench(workspace: &Workspace, arguments: &BenchArguments) -> Result<ExitCode> {
    let programs = Programs::build(workspace)?;
    let wanted = |kind| arguments.kind.is_none_or(|only| only == kind);
    let mut rows: Vec<Row> = Vec::new();
    if wanted(Kind::Size) {
        rows.extend(size::measure(&programs)?);
    }
    if wanted(Kind::Memory) {
        rows.extend(memory::measure(&programs)?);
    }
    if wanted(Kind::Boot) {
        rows.extend(boot::measure(&programs, arguments.runs)?);
        rows.extend(instructions::measure(&programs)?);
    }
    if arguments.json {
        print_json(&rows)?;
    } else {
        print_table(&rows);
    }
    let all_hold = rows.iter().all(|row| row.holds);
    Ok(if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
