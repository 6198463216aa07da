//! Linking the kernel, with whichever linker the system has.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use thiserror::Error;

use crate::programs;

/// The kernel could not be linked.
#[derive(Debug, Error)]
pub enum LinkError {
    /// Nothing that links.
    #[error("no linker: neither ld.lld nor rust-lld nor ld is in PATH (Debian: apt install lld)")]
    NoLinker,
    /// A file could not be written or a program not started.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or the program.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The linker refused; what it said follows.
    #[error("{} could not link the kernel: {message}", linker.display())]
    Refused {
        /// The linker.
        linker: PathBuf,
        /// The first thing that it said.
        message: String,
    },
}

/// A linker, and what it must be told before its options.
struct Linker {
    program: PathBuf,
    first_arguments: &'static [&'static str],
}

/// Links `library` as `script` says, within `folder`, and returns the linked file's bytes.
pub fn kernel(script: &str, library: &Path, folder: &Path) -> Result<Vec<u8>, LinkError> {
    let linker = Linker::find().ok_or(LinkError::NoLinker)?;
    let script_file = folder.join("image.ld");
    let linked = folder.join("kernel");
    fs::write(&script_file, script).map_err(|error| io_error(&script_file, error))?;
    linker.run(&[
        OsStr::new("-o"),
        linked.as_os_str(),
        OsStr::new("-T"),
        script_file.as_os_str(),
        library.as_os_str(),
    ])?;
    fs::read(&linked).map_err(|error| io_error(&linked, error))
}

impl Linker {
    /// LLD by preference: it drops strings that GNU ld keeps.
    fn find() -> Option<Self> {
        if let Some(program) = programs::find(&["ld.lld"]) {
            return Some(Self {
                program,
                first_arguments: &[],
            });
        }
        if let Some(program) = programs::find(&["rust-lld"]).or_else(rust_lld) {
            return Some(Self {
                program,
                first_arguments: &["-flavor", "gnu"],
            });
        }
        programs::find(&["ld"]).map(|program| Self {
            program,
            first_arguments: &[],
        })
    }

    fn run(&self, arguments: &[&OsStr]) -> Result<(), LinkError> {
        let output = Command::new(&self.program)
            .args(self.first_arguments)
            .args([
                "-m",
                "elf_x86_64",
                "-static",
                "--gc-sections",
                "--build-id=none",
            ])
            .args(["-z", "max-page-size=4096", "-z", "noexecstack"])
            .args(arguments)
            .output()
            .map_err(|error| io_error(&self.program, error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(LinkError::Refused {
            linker: self.program.clone(),
            message: first_error(&said),
        })
    }
}

/// The line that says why, out of all that a linker `said`.
fn first_error(said: &str) -> String {
    let is_error = |line: &&str| line.contains("error") || line.contains("undefined");
    let line = said.lines().find(is_error).or_else(|| said.lines().next());
    line.unwrap_or("it did not say why").to_owned()
}

/// The linker that comes with a Rust toolchain.
fn rust_lld() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .output()
        .ok()?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    let linker = libraries.parent()?.join("bin/rust-lld");
    programs::is_executable(&linker).then_some(linker)
}

fn io_error(path: &Path, source: io::Error) -> LinkError {
    LinkError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_goes_before_warnings() {
        assert_eq!(
            first_error("ld: warning: x\nld: error: y\nld: error: z\n"),
            "ld: error: y"
        );
        assert_eq!(first_error("killed\n"), "killed");
        assert_eq!(first_error(""), "it did not say why");
    }
}
