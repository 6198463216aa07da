//! `run`: boots an image under QEMU and makes it look like the program that is in it.
//!
//! Standard output and standard error come out raw and apart, standard input goes in as the
//! program asks for it, signals reach it, and its exit status becomes ours.

mod accelerator;
mod boot;
mod child;
mod control;
mod forward;
mod mac;
mod memory;
mod network;
mod output;
mod process;
mod qemu;
mod session;
mod signals;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use protocol::{CommandLine, Ipv4Network, Terminals};
use tempfile::TempDir;
use thiserror::Error;

use crate::bake::{self, Recipe};
use crate::image_file::ImageFile;
use crate::variable::Variable;
use crate::{Outcome, programs};
use accelerator::{Accelerator, Wish};
use forward::Forward;
use mac::MacAddress;
use memory::MemorySize;
use network::{Backend, Network, NetworkOptions};
use qemu::Machine;

/// The command line of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// Image that `bake` made, or a static program
    file: PathBuf,
    /// Port of this machine that leads to a port of the image
    #[arg(short, long = "publish", value_name = "[ADDRESS:]PORT:PORT[/udp]")]
    publish: Vec<Forward>,
    /// Network: user (QEMU's own, needs no rights), tap=NAME, unix=PATH (a socket on which
    /// somebody listens; each frame goes behind its length in four bytes, big-endian), none
    #[arg(long, value_name = "user|tap=NAME|unix=PATH|none")]
    net: Option<Backend>,
    /// Address of the image, with the length of its network
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = network::parse_address)]
    ip: Option<Ipv4Network>,
    /// Router of the image's default route
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<Ipv4Addr>,
    /// Ethernet address of the image; with a TAP interface, one is derived from --ip
    #[arg(long, value_name = "ADDRESS")]
    mac: Option<MacAddress>,
    /// Memory of the machine
    #[arg(short, long, value_name = "SIZE", default_value = "64M")]
    memory: MemorySize,
    /// What executes the machine's code
    #[arg(long, default_value = "auto")]
    accel: Wish,
    /// Variable of the program's environment (KEY alone takes the value it has here)
    #[arg(long, value_name = "KEY[=VALUE]")]
    env: Vec<Variable>,
    /// Show QEMU's command line
    #[arg(short, long)]
    verbose: bool,
    /// QEMU to start
    #[arg(long, value_name = "FILE")]
    qemu: Option<PathBuf>,
    #[command(flatten, next_help_heading = "For a program, which is baked first")]
    recipe: Recipe,
    /// Arguments of the program
    arguments: Vec<OsString>,
}

/// Why nothing ran, or why what ran ended badly.
#[derive(Debug, Error)]
enum RunError {
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
pub fn command(arguments: &RunArguments) -> Outcome {
    let workshop = TempDir::new().map_err(RunError::NoFolder)?;
    let (path, image) = open_or_bake(arguments, workshop.path())?;
    check_memory(arguments.memory, &image)?;
    let program = find_qemu(arguments.qemu.as_deref())?;
    let options = NetworkOptions {
        backend: arguments.net.as_ref(),
        forwards: &arguments.publish,
        address: arguments.ip,
        gateway: arguments.gateway,
        mac: arguments.mac,
    };
    let mut network = Network::plan(&options, drives_network(&image, arguments.net.is_some()))?;
    network.iter_mut().try_for_each(Network::claim_host)?;
    let words = words(arguments, &image, network.as_ref());
    let machine = Machine {
        image: &path,
        words: words.as_str(),
        memory: arguments.memory,
        accelerator: Accelerator::choose(arguments.accel)?,
        network: network.as_ref(),
    };
    Ok(ExitCode::from(boot::boot(
        &program,
        machine,
        arguments.verbose,
    )?))
}

/// The image to boot, and where it is: the user's, or one made of the user's program.
fn open_or_bake(
    arguments: &RunArguments,
    workshop: &Path,
) -> Result<(PathBuf, ImageFile), Box<dyn std::error::Error>> {
    let open = |path: &Path| {
        ImageFile::open(path).map_err(|source| RunError::Unreadable {
            path: path.to_owned(),
            source,
        })
    };
    let file = &arguments.file;
    if let Some(image) = open(file)? {
        if arguments.recipe != Recipe::default() {
            return Err(RunError::BakedAlready(file.clone()).into());
        }
        return Ok((file.clone(), image));
    }
    let path = workshop.join("image");
    bake::bake(
        file,
        &arguments.recipe,
        bake::default_words(file, &[], &[]),
        &path,
    )?;
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
    image
        .settings()
        .components()
        .any(|name| name == "net" || name == "contract" && is_given)
}

fn find_qemu(named: Option<&Path>) -> Result<PathBuf, RunError> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => programs::find(&[qemu::PROGRAM]).ok_or(RunError::NoQemu),
    }
}

/// The kernel command line.
fn words(arguments: &RunArguments, image: &ImageFile, network: Option<&Network>) -> CommandLine {
    let mut words = CommandLine::new();
    if !arguments.arguments.is_empty() {
        let name = image.settings().arguments().next().unwrap_or_default();
        words.argument(&protocol::decode(name).collect::<Vec<_>>());
    }
    for argument in &arguments.arguments {
        words.argument(argument.as_bytes());
    }
    for variable in &arguments.env {
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
    if let Some(network) = network {
        words.device(qemu::NETWORK_TRANSPORT);
        words.address(network.address);
        network
            .gateway
            .into_iter()
            .for_each(|gateway| words.gateway(gateway));
    }
    words
}
