//! `cargo xtask bench`: what is promised in numbers, measured. Never a test: a busy machine must
//! not make a change look wrong.

mod block;
mod boot;
mod empty_image;
mod fuzz;
mod http;
mod instructions;
mod linux_guest;
mod memory;
mod namespace;
mod process;
mod programs;
mod row;
mod size;
mod sqlite;
mod tool;
mod wrk;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;
use programs::Programs;
use row::{Row, print_json, print_table};
use tool::Tool;

/// The command line of `bench`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo xtask bench size\n  cargo xtask bench boot --runs 21\n  \
    sudo -E env \"PATH=$PATH\" cargo xtask bench http --json"
)]
pub struct BenchArguments {
    /// What to measure; without it, all that needs no root
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
    /// Requests a second beside a Linux guest's (root, wrk, and the network the first time)
    Http,
    /// SQLite's speed test beside a Linux guest's (the network the first time)
    Sqlite,
    /// Frames and inputs that fuzz targets take in a second (a nightly compiler)
    Fuzz,
    /// Requests a second to a disk beside a Linux guest's (the network the first time)
    Block,
    /// Frames that a driver in a process exchanges with a software device
    Process,
}

/// Measures and prints. The exit status is a failure when a bar does not hold.
pub fn bench(workspace: &Workspace, arguments: &BenchArguments) -> Result<ExitCode> {
    let tool = || Tool::build(workspace);
    let rows = match arguments.kind {
        Some(Kind::Fuzz) => fuzz::measure(workspace)?,
        Some(Kind::Process) => process::measure(workspace)?,
        Some(Kind::Http) => http::measure(workspace, &tool()?)?,
        Some(Kind::Block) => block::measure(workspace, &tool()?)?,
        Some(Kind::Sqlite) => sqlite::measure(workspace, &tool()?, arguments.runs)?,
        kind => measure_images(&Programs::build(workspace, &tool()?)?, kind, arguments.runs)?,
    };
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

/// What there is to say of small images by themselves: all of it, or one kind.
fn measure_images(programs: &Programs, kind: Option<Kind>, runs: usize) -> Result<Vec<Row>> {
    let wanted = |one| kind.is_none_or(|only| only == one);
    let mut rows = Vec::new();
    if wanted(Kind::Size) {
        rows.extend(size::measure(programs)?);
    }
    if wanted(Kind::Memory) {
        rows.extend(memory::measure(programs)?);
    }
    if wanted(Kind::Boot) {
        rows.extend(boot::measure(programs, runs)?);
        rows.extend(instructions::measure(programs)?);
    }
    Ok(rows)
}
