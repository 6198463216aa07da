//! Puts components and platform together: the one place of this crate that names both.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::num::ParseIntError;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use block::CachedDisk;
use fs::{FsError, RamFs, TarFs, Vfs};
use hypercall::{EntropyUnavailable, FrameDevice, Host};
use net::{Config, Stack};
use platform_linux::{
    FileDisk, FileDiskOptions, LinuxHost, Tap, TapOptions, UnixWire, UnixWireOptions,
};
use posix::{Errno, Kernel};
use thiserror::Error;

/// How much the files in `/tmp` may take.
const TEMPORARY_LIMIT: u64 = 64 << 20;
/// How much the buffers of all connections may take: thousands of busy ones. A process pays for
/// those that are used.
const BUFFER_MEMORY: usize = 64 << 20;

/// How much of a disk is cached, in bytes.
const DISK_CACHE: usize = 16 << 20;

/// A kernel whose home is this process.
pub type ProcessKernel = Kernel<LinuxHost>;

/// What a kernel in this process is to have.
#[derive(Debug)]
pub struct Setup {
    /// The folder that becomes the kernel's root, as it is at the start, read-only; without one
    /// the root is empty. `/tmp` beside it is writable, and in memory.
    pub root: Option<PathBuf>,
    /// Files, of whole blocks of 512 bytes, that are the kernel's disks: `/dev/vda` and so on.
    pub disks: Vec<PathBuf>,
    /// What the network is reached by.
    pub link: Link,
    /// The kernel's own address.
    pub address: Address,
    /// Who carries packets for other networks.
    pub gateway: Option<Ipv4Addr>,
    /// Whether SIGINT and SIGTERM of the process become signals inside.
    pub take_signals: bool,
}

/// What carries the frames of a kernel in this process.
#[derive(Debug)]
pub enum Link {
    /// The TAP interface of this name, made if there is none, which needs root.
    Tap(String),
    /// A connected Unix socket, on which each frame goes behind its length in four bytes,
    /// big-endian: as from `anykernel run --net unix=PATH`, QEMU's `-netdev stream`, or another
    /// kernel in a process. Needs no rights. [`Rendezvous`](crate::Rendezvous) makes one.
    Stream(UnixStream),
}

impl Setup {
    /// Starts the kernel. Its first three descriptors are the process's standard streams.
    pub fn start(self) -> Result<ProcessKernel, StartError> {
        let mut host = LinuxHost::new().map_err(StartError::Host)?;
        if self.take_signals {
            host.take_requests().map_err(StartError::Host)?;
        }
        let vfs = files(self.root.as_deref(), self.disks.len(), host.wall_clock())?;
        let device = self.link.attach(&mut host)?;
        let mut seed = [0; 8];
        host.fill_entropy(&mut seed)?;
        let Address {
            address,
            prefix_length,
        } = self.address;
        let config = Config {
            gateway: self.gateway,
            buffer_memory: BUFFER_MEMORY,
            ..Config::new(address, prefix_length, u64::from_ne_bytes(seed))
        };
        let stack = Stack::new(config, device, host.monotonic());
        let mut kernel = Kernel::new(host, vfs, Some(Box::new(stack)))?;
        for path in self.disks {
            let disk = FileDisk::open(&path, FileDiskOptions::default())
                .map_err(|source| StartError::Disk { path, source })?;
            kernel.host().attach(disk.readiness());
            kernel.attach_disk(Box::new(CachedDisk::new(disk, DISK_CACHE)));
        }
        Ok(kernel)
    }
}

impl Link {
    /// The device, by which `host` is woken.
    fn attach(self, host: &mut LinuxHost) -> Result<Box<dyn FrameDevice + Send>, StartError> {
        match self {
            Self::Tap(name) => {
                let tap = Tap::open(&name, TapOptions::default())
                    .map_err(|source| StartError::Tap { name, source })?;
                host.attach(tap.readiness());
                Ok(Box::new(tap))
            }
            Self::Stream(stream) => {
                let wire = UnixWire::new(stream, UnixWireOptions::default())
                    .map_err(StartError::Stream)?;
                host.attach(wire.readiness());
                Ok(Box::new(wire))
            }
        }
    }
}

/// The kernel's files.
fn files(root: Option<&Path>, disks: usize, now: Duration) -> Result<Vfs, StartError> {
    let mut vfs = match root {
        Some(folder) => Vfs::new(Box::new(TarFs::new(archive(folder)?)?)),
        None => Vfs::new(Box::new(RamFs::new(0, now))),
    };
    vfs.mount(b"/tmp", Box::new(RamFs::new(TEMPORARY_LIMIT, now)))?;
    vfs.mount(b"/dev", Box::new(fs::devices(now, disks)))?;
    Ok(vfs)
}

/// An address and how much of it names its network: `10.0.0.2/24`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address.
    pub address: Ipv4Addr,
    /// How many leading bits name the network, 32 at most.
    pub prefix_length: u8,
}

/// The text is no address with the length of its network's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not an address like 10.0.0.2/24")]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (address, prefix_length) = text.split_once('/').ok_or(AddressError)?;
        let prefix_length = prefix_length
            .parse()
            .map_err(|_: ParseIntError| AddressError)?;
        if prefix_length > 32 {
            return Err(AddressError);
        }
        let address = address.parse().map_err(|_| AddressError)?;
        Ok(Self {
            address,
            prefix_length,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix_length)
    }
}

/// Why a kernel could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The process lacks descriptors, or another kernel has its signals.
    #[error("the process cannot be a home: {0}")]
    Host(io::Error),
    /// The folder cannot be read.
    #[error("{}: {source}", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A disk cannot be opened.
    #[error("{}: {source}", path.display())]
    Disk {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder's files cannot be mounted.
    #[error("the root cannot be mounted: {0}")]
    Mount(#[from] FsError),
    /// The TAP interface cannot be opened.
    #[error("the TAP interface {name} cannot be opened: {source}")]
    Tap {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The socket cannot be used.
    #[error("the Unix socket cannot be used: {0}")]
    Stream(io::Error),
    /// The process has no random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// The kernel itself could not be made.
    #[error("the kernel cannot start: {0}")]
    Kernel(#[from] Errno),
}

/// The folder as a tar archive.
fn archive(folder: &Path) -> Result<Vec<u8>, StartError> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    let added = builder.append_dir_all(".", folder);
    added
        .and_then(|()| builder.into_inner())
        .map_err(|source| StartError::Root {
            path: folder.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let text = "10.0.0.2/24";
        assert_eq!(
            text.parse::<Address>().expect("an address").to_string(),
            text
        );
        for wrong in ["10.0.0.2", "10.0.0.2/33", "10.0.0/24", "/24", "10.0.0.2/"] {
            assert_eq!(wrong.parse::<Address>(), Err(AddressError), "{wrong}");
        }
    }

    #[test]
    fn the_folder_is_the_root() {
        let folder = tempfile::tempdir().expect("a place for files");
        std::fs::create_dir(folder.path().join("deep")).expect("room");
        std::fs::write(folder.path().join("deep/file"), "content").expect("room");
        std::os::unix::fs::symlink("deep/file", folder.path().join("link")).expect("room");
        let mut vfs = files(Some(folder.path()), 0, Duration::ZERO).expect("readable");
        let place = vfs.resolve(vfs.root(), b"/link", true).expect("followed");
        assert_eq!(vfs.attributes(place).expect("a file").size, 7);
        let temporary = vfs.resolve(vfs.root(), b"/tmp", true).expect("mounted");
        assert!(vfs.is_writable(temporary).expect("a directory"));
        assert!(!vfs.is_writable(place).expect("a file"));
    }
    #[test]
    fn without_a_folder_there_is_room_in_tmp_only() {
        let mut vfs = files(None, 0, Duration::ZERO).expect("nothing to read");
        let temporary = vfs.resolve(vfs.root(), b"/tmp", true).expect("mounted");
        assert!(vfs.is_writable(temporary).expect("a directory"));
    }
}
