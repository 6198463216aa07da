//! The kernel library that images are linked from.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cache::{self, CacheError};

/// All components in one static library, as the build put it into this binary.
const EMBEDDED: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// There is no library to link.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// The binary came from a plain `cargo build`.
    #[error(
        "this anykernel was built without the kernel library: build it with `cargo xtask build`, \
         or name a library with --library"
    )]
    NotEmbedded,
    /// The file that the user names is not there.
    #[error("{}: no such file", .0.display())]
    Missing(PathBuf),
    /// The linker cannot be given the embedded one.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// A file with the library: the one that the user names, or the embedded one.
pub fn file(named: Option<&Path>) -> Result<PathBuf, LibraryError> {
    match named {
        Some(path) if path.is_file() => Ok(path.to_owned()),
        Some(path) => Err(LibraryError::Missing(path.to_owned())),
        None => Ok(cache::file(
            "kernel",
            "a",
            EMBEDDED.ok_or(LibraryError::NotEmbedded)?,
        )?),
    }
}
