//! How fast the network driver is in a process, against a software device in the same memory.

use std::process::Command;

use anyhow::{Context, Result};

use super::row::{Bar, Row};
use crate::step;
use crate::workspace::Workspace;

/// What measures: an example of the crate that has the devices.
const EXAMPLE: &str = "net_speed";
/// Frames a second each way.
const BAR: f64 = 5_000_000.0;

/// Builds the example and runs it. It prints a line for each of its runs.
pub fn measure(workspace: &Workspace) -> Result<Vec<Row>> {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--profile", "bench"]);
    build.args(["-p", "userspace-harness", "--example", EXAMPLE]);
    step::run(build.current_dir(workspace.root()))?;
    let program = workspace.target().join("release/examples").join(EXAMPLE);
    let output = String::from_utf8(step::output(&mut Command::new(program))?)?;
    let rates = output
        .lines()
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    let name = "virtio-net in a process: 64-byte frames each way";
    let row = Row::of_median(name, "1/s", Some(Bar::AtLeast(BAR)), &rates);
    Ok(vec![row.context("nothing was measured")?])
}
