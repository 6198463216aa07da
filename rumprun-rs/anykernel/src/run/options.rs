//! What a machine is made of, as somebody has said.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::Args;
use protocol::Ipv4Network;
use serde::{Deserialize, Deserializer};

use super::accelerator::Wish;
use super::disk::Disk;
use super::forward::Forward;
use super::mac::MacAddress;
use super::memory::MemorySize;
use super::network::{self, Backend, SyntaxError};
use crate::options::{either, text, texts};

/// What a machine is made of. Nothing said means what the texts below call the default.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct MachineOptions {
    /// Port of this machine that leads to a port of the image
    #[arg(short, long = "publish", value_name = "[ADDRESS:]PORT:PORT[/udp]")]
    #[serde(deserialize_with = "texts")]
    pub ports: Vec<Forward>,
    /// Network: user (QEMU's own, needs no rights), tap=NAME, unix=PATH (a socket on which
    /// somebody listens; each frame goes behind its length in four bytes, big-endian), none
    #[arg(long, value_name = "user|tap=NAME|unix=PATH|none")]
    #[serde(deserialize_with = "text")]
    pub net: Option<Backend>,
    /// Address of the image, with the length of its network
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = network::parse_address)]
    #[serde(deserialize_with = "address")]
    pub ip: Option<Ipv4Network>,
    /// Router of the image's default route
    #[arg(long, value_name = "ADDRESS")]
    #[serde(deserialize_with = "text")]
    pub gateway: Option<Ipv4Addr>,
    /// Ethernet address of the image; with a TAP interface, one is derived from --ip
    #[arg(long, value_name = "ADDRESS")]
    #[serde(deserialize_with = "text")]
    pub mac: Option<MacAddress>,
    /// Disk of the image: a file of this machine, or a block device, byte for byte
    #[arg(long = "disk", value_name = "FILE[,readonly]")]
    #[serde(deserialize_with = "texts")]
    pub disks: Vec<Disk>,
    /// Memory of the machine [default: 64M]
    #[arg(short, long, value_name = "SIZE")]
    #[serde(deserialize_with = "text")]
    pub memory: Option<MemorySize>,
    /// What executes the machine's code [default: auto]
    #[arg(long)]
    pub accel: Option<Wish>,
    /// QEMU to start
    #[arg(long, value_name = "FILE")]
    pub qemu: Option<PathBuf>,
}

impl MachineOptions {
    /// These options, and those of `file` where nothing is said here.
    pub fn or(self, file: Self) -> Self {
        Self {
            ports: either(self.ports, file.ports),
            net: self.net.or(file.net),
            ip: self.ip.or(file.ip),
            gateway: self.gateway.or(file.gateway),
            mac: self.mac.or(file.mac),
            disks: either(self.disks, file.disks),
            memory: self.memory.or(file.memory),
            accel: self.accel.or(file.accel),
            qemu: self.qemu.or(file.qemu),
        }
    }

    /// The paths among them. A QEMU without a slash is looked for in PATH.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut Option<PathBuf>> {
        let qemu = &mut self.qemu;
        let has_folder = qemu
            .as_ref()
            .is_some_and(|path| path.components().count() > 1);
        has_folder.then_some(qemu).into_iter()
    }

    /// Has the paths of a wire and of disks count from `folder`.
    pub fn place_devices(&mut self, folder: &Path) {
        for disk in &mut self.disks {
            disk.path = folder.join(&disk.path);
        }
        if let Some(Backend::Unix(path)) = &mut self.net {
            *path = folder.join(&*path);
        }
    }

    /// The memory of the machine.
    pub fn memory(&self) -> MemorySize {
        self.memory.unwrap_or(MemorySize::DEFAULT)
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ipv4Network>, D::Error> {
    struct Address(Ipv4Network);
    impl std::str::FromStr for Address {
        type Err = SyntaxError;

        fn from_str(text: &str) -> Result<Self, SyntaxError> {
            network::parse_address(text).map(Self)
        }
    }
    let address: Option<Address> = text(deserializer)?;
    Ok(address.map(|Address(address)| address))
}
