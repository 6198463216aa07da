//! `anykernel`: compiles a C program, bakes it into a bootable image, runs the image.
//!
//! Also found under the name `x86_64-anykernel-cc` (and `-ar`, `-ranlib`), for `CC=` and
//! `./configure`. A mistake of the user gives one line on standard error that names the thing and
//! the way out, and exit status 2.
#![deny(unsafe_code)]

mod bake;
mod binutils;
mod cache;
mod cc;
mod image_file;
mod inspect;
mod options;
mod programs;
mod run;
mod sizes;
mod symbols_file;
mod trace;
mod variable;
mod whole_file;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit status for what the user can put right.
const USER_ERROR: u8 = 2;

#[derive(Parser)]
#[command(version, about = "Unchanged POSIX programs as small bootable images")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile and link C: gcc, with musl, making static programs (takes gcc's options)
    #[command(disable_help_flag = true)]
    Cc {
        /// What gcc takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Make a bootable image of a static program
    Bake(Box<bake::BakeArguments>),
    /// Boot an image under QEMU, or a static program, which is baked first
    Run(Box<run::RunArguments>),
    /// Say what an image consists of
    Inspect(inspect::InspectArguments),
}

fn main() -> ExitCode {
    let result = match borrowed_tool() {
        Some(tool) => tool(std::env::args_os().skip(1).collect()),
        None => match CommandLine::parse().command {
            Command::Cc { arguments } => cc::compile(arguments),
            Command::Bake(arguments) => bake::command(*arguments),
            Command::Run(arguments) => run::command(*arguments),
            Command::Inspect(arguments) => inspect::command(&arguments),
        },
    };
    result.unwrap_or_else(|error| {
        eprintln!("anykernel: {error}");
        ExitCode::from(USER_ERROR)
    })
}

/// What a command ends with: a status, or the line to show.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// The tool that the name stands for under which this program was started, as in
/// `x86_64-anykernel-cc`.
fn borrowed_tool() -> Option<fn(Vec<OsString>) -> Outcome> {
    let name = std::env::args_os().next()?;
    let name = Path::new(&name).file_name().and_then(OsStr::to_str)?;
    let (_, tool) = name.rsplit_once('-')?;
    match tool {
        "cc" | "gcc" => Some(cc::compile),
        "ar" => Some(binutils::ar),
        "ranlib" => Some(binutils::ranlib),
        _ => None,
    }
}
