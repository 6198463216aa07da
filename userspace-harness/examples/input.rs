//! Says what a fuzz target's input means: `input TARGET FILE`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use userspace_harness::fuzzing;

/// Says what a fuzz target's input means, a step a line
#[derive(Parser)]
struct CommandLine {
    /// The fuzz target
    target: Target,
    /// The input, as `cargo xtask fuzz` reports it
    file: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    Frames,
    Ring,
    Syscalls,
}

fn main() -> Result<()> {
    let CommandLine { target, file } = CommandLine::parse();
    let input = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let text = match target {
        Target::Frames => fuzzing::frames_as_text(&input),
        Target::Ring => fuzzing::ring_as_text(&input),
        Target::Syscalls => fuzzing::syscalls_as_text(&input),
    };
    print!("{text}");
    Ok(())
}
