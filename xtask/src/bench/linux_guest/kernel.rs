//! Debian's cloud kernel, fetched as a package and unpacked, never installed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::step;

/// The package that depends on the newest cloud kernel.
const METAPACKAGE: &str = "linux-image-cloud-amd64";
/// How the packages of kernels are called.
const PACKAGE_PREFIX: &str = "linux-image-";

/// The drivers that the machine's devices need, each behind those that it needs itself.
const MODULES: [&str; 7] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_mmio.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
    "drivers/block/virtio_blk.ko",
];

/// A kernel and its drivers.
#[derive(Debug)]
pub struct Kernel {
    /// Its release, as `uname -r` says it.
    pub release: String,
    /// The kernel as boot loaders take it.
    pub image: PathBuf,
    /// The drivers, in the order in which they can be loaded.
    pub modules: Vec<PathBuf>,
}

impl Kernel {
    /// The kernel in `folder`, fetched if there is none.
    pub fn fetch(folder: &Path) -> Result<Self> {
        let unpacked = folder.join("kernel");
        if !unpacked.exists() {
            download(folder, &unpacked)?;
        }
        Self::find(&unpacked)
    }

    fn find(unpacked: &Path) -> Result<Self> {
        let image = only_entry(&unpacked.join("boot"), "vmlinuz-")?;
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let release = name.trim_start_matches("vmlinuz-").to_owned();
        let folder = unpacked.join("lib/modules").join(&release).join("kernel");
        Ok(Self {
            modules: MODULES.iter().map(|module| folder.join(module)).collect(),
            release,
            image,
        })
    }
}

/// Fetches the package by way of the system's package manager, which verifies it, and unpacks it
/// as `unpacked`.
fn download(folder: &Path, unpacked: &Path) -> Result<()> {
    let fetched = tempfile::tempdir_in(folder)?;
    let mut get = Command::new("apt-get");
    get.args(["-q", "-o", "APT::Sandbox::User=", "download"]);
    get.arg(newest_package()?).current_dir(fetched.path());
    step::output(&mut get)?;
    let package = only_entry(fetched.path(), PACKAGE_PREFIX)?;
    let partial = fetched.path().join("unpacked");
    let mut unpack = Command::new("dpkg-deb");
    step::run(unpack.arg("-x").arg(package).arg(&partial))?;
    fs::rename(&partial, unpacked).with_context(|| unpacked.display().to_string())
}

/// The package of the newest kernel.
fn newest_package() -> Result<String> {
    let mut ask = Command::new("apt-cache");
    let said = step::output(ask.args(["depends", "--important", METAPACKAGE]))?;
    dependency(&String::from_utf8_lossy(&said))
        .with_context(|| format!("{METAPACKAGE} is in no package list (on Debian: apt-get update)"))
}

/// The kernel that `apt-cache depends` says the metapackage stands for.
fn dependency(said: &str) -> Option<String> {
    let named = |line: &str| Some(line.trim().strip_prefix("Depends: ")?.to_owned());
    said.lines()
        .filter_map(named)
        .find(|name| name.starts_with(PACKAGE_PREFIX))
}

/// The one entry of `folder` whose name begins with `prefix`.
fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let begins = |name: &OsStr| name.to_string_lossy().starts_with(prefix);
    paths
        .find(|path| path.file_name().is_some_and(begins))
        .with_context(|| format!("no {prefix}* in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metapackage_names_the_kernel() {
        let said = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(
            dependency(said).as_deref(),
            Some("linux-image-6.1.0-56-cloud-amd64")
        );
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }
}
