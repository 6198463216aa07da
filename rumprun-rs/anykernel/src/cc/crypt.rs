//! `-lcrypt`: password hashing, which Debian's musl comes without.
//!
//! The system's static libxcrypt serves: beside what musl has it needs three names of the GNU C
//! library, which a small C file adds. A library in the cache joins the two.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use thiserror::Error;

use super::prefixed;
use crate::cache::{self, CacheError};

/// Why `-lcrypt` cannot be served.
#[derive(Debug, Error)]
pub enum CryptError {
    #[error("-lcrypt: no static libxcrypt is installed (Debian: apt install libcrypt-dev)")]
    NotInstalled,
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Where distributions keep the static library.
const PLACES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/libcrypt.a",
    "/usr/lib64/libcrypt.a",
    "/usr/lib/libcrypt.a",
];

/// The names that libxcrypt misses in musl.
const NAMES_C: &str = include_str!("aids/crypt_names.c");

/// The folder to search for `-lcrypt`. `compiler` is gcc and `specs` our specs file for it.
pub fn folder(compiler: &Path, specs: &Path) -> Result<PathBuf, CryptError> {
    let library = PLACES
        .iter()
        .find(|place| Path::new(place).is_file())
        .ok_or(CryptError::NotInstalled)?;
    let folder = cache::folder("crypt", &(library, NAMES_C), |folder| {
        compile_names(compiler, specs, folder)?;
        fs::write(
            folder.join("libcrypt.a"),
            format!("INPUT({library} libcrypt_names.o)\n"),
        )
    })?;
    Ok(folder)
}

fn compile_names(compiler: &Path, specs: &Path, folder: &Path) -> io::Result<()> {
    let source = folder.join("libcrypt_names.c");
    fs::write(&source, NAMES_C)?;
    let status = Command::new(compiler)
        .arg(prefixed("-specs=", specs))
        .args(["-Os", "-c", "-o"])
        .arg(folder.join("libcrypt_names.o"))
        .arg(&source)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other("gcc could not compile it"))
    }
}
