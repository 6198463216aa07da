//! `cargo xtask`: what this workspace builds, tests, shows and measures, as commands.
//!
//! `./x` calls it after it has seen to the system's packages; who has those calls it directly.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod counts;
mod demo;
mod fetch;
mod fuzz;
mod server;
mod step;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, tests, shows and measures Anykernel"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the kernel library, then the anykernel tool with the library inside
    #[command(after_help = "Examples:\n  cargo xtask build\n  \
        target/release/anykernel cc hello.c -o hello\n  \
        target/release/anykernel run hello")]
    Build,
    /// Run all that must hold before a change is merged
    #[command(after_help = "Examples:\n  cargo xtask test\n  ./x --yes test    \
        (as the first, after installing the packages that are missing)")]
    Test,
    /// Build examples/httpd into an image, boot it, fetch a page and serve
    Demo(demo::DemoArguments),
    /// Run a fuzz target (nightly compiler; installs cargo-fuzz if it is missing)
    Fuzz(fuzz::FuzzArguments),
    /// Measure, and say which bars hold
    Bench(bench::BenchArguments),
}

fn main() -> ExitCode {
    match run(&CommandLine::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Build => {
            let tool = build::build(&workspace)?;
            println!("{}", tool.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Test => test::test(&workspace),
        Command::Demo(arguments) => demo::demo(&workspace, arguments),
        Command::Fuzz(arguments) => fuzz::fuzz(&workspace, arguments),
        Command::Bench(arguments) => bench::bench(&workspace, arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
