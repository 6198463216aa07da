//! `run`: boots an image under QEMU and makes it look like the program that is in it.
//!
//! Standard output and standard error come out raw and apart, standard input goes in as the
//! program asks for it, signals reach it, and its exit status becomes ours.

mod accelerator;
mod boot;
mod child;
mod control;
mod disk;
mod forward;
mod input;
mod mac;
mod memory;
mod network;
mod options;
mod output;
mod process;
mod qemu;
mod session;
mod signals;

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use protocol::{BLOCK, CONSOLE, CommandLine, Terminals};
use tempfile::TempDir;
use thiserror::Error;

use crate::bake::{self, Recipe};
use crate::image_file::ImageFile;
use crate::options::{ConfigurationOption, NAME, Options, ProgramOptions};
use crate::symbols_file::SymbolsFile;
use crate::{Outcome, programs, trace};
use accelerator::Accelerator;
use disk::{Disk, DiskError};
use memory::MemorySize;
use network::Network;
use qemu::{Machine, Slot};

pub use options::MachineOptions;

/// The command line of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    #[command(flatten)]
    program: ProgramOptions,
    #[command(flatten)]
    machine: MachineOptions,
    /// Show QEMU's command line
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    configuration: ConfigurationOption,
    #[command(flatten, next_help_heading = "For a program, which is baked first")]
    recipe: Recipe,
}

/// Why nothing ran, or why what ran ended badly.
#[derive(Debug, Error)]
enum RunError {
    #[error("no program: name one, or write `program = \"FILE\"` into {NAME}")]
    NoProgram,
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: an image already: --root, --with and the like belong to `anykernel bake`", .0.display())]
    BakedAlready(PathBuf),
    #[error(
        "{} is not in PATH (Debian: apt install qemu-system-x86)",
        qemu::PROGRAM
    )]
    NoQemu,
    #[error("-m {given}: the image alone takes {needed}; give it more, as in -m {enough}")]
    TooLittleMemory {
        given: MemorySize,
        needed: MemorySize,
        enough: MemorySize,
    },
    #[error("a temporary folder: {0}")]
    NoFolder(io::Error),
    #[error("what was baked is no image")]
    BakedBadly,
}

/// The `run` command.
pub fn command(arguments: RunArguments) -> Outcome {
    let is_told_to_bake = arguments.recipe != Recipe::default();
    let command_line = Options {
        program: arguments.program,
        recipe: arguments.recipe,
        machine: arguments.machine,
        ..Options::default()
    };
    let mut options = command_line.or(arguments.configuration.read()?);
    options.include_disks();
    let file = options.program.program.as_deref();
    let file = file.ok_or(RunError::NoProgram)?;
    let workshop = TempDir::new().map_err(RunError::NoFolder)?;
    let (path, image) = open_or_bake(file, &options.recipe, is_told_to_bake, workshop.path())?;
    let machine = &options.machine;
    check_memory(machine.memory(), &image)?;
    let program = find_qemu(machine.qemu.as_deref())?;
    check_disks(&machine.disks, &image)?;
    let mut network = Network::plan(machine, drives_network(&image, machine.net.is_some()))?;
    network.iter_mut().try_for_each(Network::claim_host)?;
    let words = words(&options, &image, network.as_ref());
    let machine = Machine {
        image: &path,
        words: words.as_str(),
        memory: machine.memory(),
        accelerator: Accelerator::choose(machine.accel.unwrap_or_default())?,
        network: network.as_ref(),
        has_console: drives_console(&image),
        disks: &machine.disks,
        has_entropy: has_component(&image, "rng"),
    };
    let ended = boot::boot(&program, machine, arguments.verbose)?;
    if !ended.failures.is_empty() {
        let booted = fs::read(&path).unwrap_or_default();
        let symbols = || symbols(file, &options.recipe, &path, workshop.path());
        eprint!("{}", trace::describe(&ended.failures, &booted, symbols));
    }
    Ok(ExitCode::from(ended.status))
}

/// The symbols of the image at `image`, which was made of `file`: of an image that the user made,
/// those that lie beside it; else those of the same image baked once more.
fn symbols(
    file: &Path,
    recipe: &Recipe,
    image: &Path,
    workshop: &Path,
) -> Result<SymbolsFile, String> {
    if image == file {
        let path = SymbolsFile::beside(image);
        return SymbolsFile::read(&path).map_err(|error| {
            let path = path.display();
            format!("{path}: {error} (`anykernel bake --symbols {path}` writes it)")
        });
    }
    let path = workshop.join("symbols");
    let mut recipe = recipe.clone();
    recipe.symbols = Some(path.clone());
    let words = bake::default_words(file, &[], &[]);
    bake::bake(file, &recipe, words, &workshop.join("again")).map_err(|error| error.to_string())?;
    SymbolsFile::read(&path).map_err(|error| error.to_string())
}

/// The image to boot, and where it is: the user's, or one made of the user's program.
fn open_or_bake(
    file: &Path,
    recipe: &Recipe,
    is_told_to_bake: bool,
    workshop: &Path,
) -> Result<(PathBuf, ImageFile), Box<dyn std::error::Error>> {
    let open = |path: &Path| {
        ImageFile::open(path).map_err(|source| RunError::Unreadable {
            path: path.to_owned(),
            source,
        })
    };
    if let Some(image) = open(file)? {
        if is_told_to_bake {
            return Err(RunError::BakedAlready(file.to_owned()).into());
        }
        return Ok((file.to_owned(), image));
    }
    let path = workshop.join("image");
    bake::bake(file, recipe, bake::default_words(file, &[], &[]), &path)?;
    let image = open(&path)?.ok_or(RunError::BakedBadly)?;
    Ok((path, image))
}

/// QEMU silently leaves out what does not fit.
fn check_memory(given: MemorySize, image: &ImageFile) -> Result<(), RunError> {
    if image.memory_end <= given.bytes() {
        return Ok(());
    }
    let needed = MemorySize::holding(image.memory_end);
    let enough = MemorySize::holding(image.memory_end.saturating_add(1 << 20));
    Err(RunError::TooLittleMemory {
        given,
        needed,
        enough,
    })
}

/// Whether the image has use for a network: TCP/IP has, and the contract suite tries the device if
/// it is given one, which it `is_given`.
fn drives_network(image: &ImageFile, is_given: bool) -> bool {
    has_component(image, "net") || is_given && has_component(image, "contract")
}

/// Whether the image has use for the disks, and they can be had.
fn check_disks(disks: &[Disk], image: &ImageFile) -> Result<(), DiskError> {
    let has_use = has_component(image, BLOCK) || has_component(image, "contract");
    if !disks.is_empty() && !has_use {
        return Err(DiskError::NoUse);
    }
    if disks.len() > Slot::DISKS {
        return Err(DiskError::TooMany(disks.len(), Slot::DISKS));
    }
    disks.iter().try_for_each(Disk::check)
}

fn has_component(image: &ImageFile, name: &str) -> bool {
    image.settings().components().any(|other| other == name)
}

/// Whether the image's streams go over a virtio console.
fn drives_console(image: &ImageFile) -> bool {
    has_component(image, CONSOLE)
}

fn find_qemu(named: Option<&Path>) -> Result<PathBuf, RunError> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => programs::find(&[qemu::PROGRAM]).ok_or(RunError::NoQemu),
    }
}

/// The kernel command line.
fn words(options: &Options, image: &ImageFile, network: Option<&Network>) -> CommandLine {
    let program = &options.program;
    let mut words = CommandLine::new();
    if !program.args.is_empty() {
        let name = image.settings().arguments().next().unwrap_or_default();
        words.argument(&protocol::decode(name).collect::<Vec<_>>());
    }
    for argument in &program.args {
        words.argument(argument.as_bytes());
    }
    for variable in &program.env {
        words.environment(variable.key(), variable.value());
    }
    words.terminals(Terminals {
        input: io::stdin().is_terminal(),
        output: io::stdout().is_terminal(),
        error: io::stderr().is_terminal(),
    });
    // A clock before 1970 or after 2554 says nothing that a guest could use.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    words.epoch_ns(u64::try_from(now.as_nanos()).unwrap_or(0));
    if drives_console(image) {
        words.device(Slot::CONSOLE.device());
    }
    if let Some(network) = network {
        words.device(Slot::NETWORK.device());
        words.address(network.address);
        network
            .gateway
            .into_iter()
            .for_each(|gateway| words.gateway(gateway));
    }
    for number in 0..options.machine.disks.len() {
        words.device(Slot::disk(number).device());
    }
    if has_component(image, "rng") {
        words.device(Slot::ENTROPY.device());
    }
    words
}
