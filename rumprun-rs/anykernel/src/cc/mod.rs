//! `cc`: the system's gcc with musl, making static programs that an image can hold and that run
//! on Linux just as well.
//!
//! Every option goes on to gcc, which is told the rest by a specs file of ours: so the wrapper
//! works as `CC=` in an unmodified `./configure --disable-shared && make`.

mod crypt;
mod headers;
pub mod musl;
mod specs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cache::CacheError;
use crate::{Outcome, programs};
use musl::Musl;

/// Why `cc` did not hand over to gcc.
#[derive(Debug, Error)]
enum CompileError {
    #[error("no gcc in PATH (Debian: apt install gcc)")]
    NoCompiler,
    #[error(
        "-shared: an image is one static program and loads no shared libraries; link statically \
         (./configure --disable-shared)"
    )]
    Shared,
    #[error("{0}: images are 64-bit x86; leave the option out")]
    OtherMachine(String),
    #[error(transparent)]
    Musl(#[from] musl::NoMusl),
    #[error(transparent)]
    Crypt(#[from] crypt::CryptError),
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Becomes gcc with `arguments` and our specs.
pub fn compile(arguments: Vec<OsString>) -> Outcome {
    let (compiler, arguments) = command(arguments)?;
    Err(programs::become_program(compiler, arguments).into())
}

/// What to start for `arguments`.
fn command(arguments: Vec<OsString>) -> Result<(PathBuf, Vec<OsString>), CompileError> {
    refuse(&arguments)?;
    let compiler =
        programs::find(&["x86_64-linux-gnu-gcc", "gcc"]).ok_or(CompileError::NoCompiler)?;
    let specs = specs::file(&Musl::find()?, &headers::folder()?)?;
    let mut command = vec![prefixed("-specs=", &specs)];
    if arguments.iter().any(|argument| argument == "-lcrypt") {
        command.push(prefixed("-L", &crypt::folder(&compiler, &specs)?));
    }
    command.extend(arguments);
    Ok((compiler, command))
}

/// Refuses what cannot end in a program for an image.
fn refuse(arguments: &[OsString]) -> Result<(), CompileError> {
    for argument in arguments {
        match argument.to_str() {
            Some("-shared" | "--shared" | "-Wl,-shared") => return Err(CompileError::Shared),
            Some(machine @ ("-m32" | "-mx32" | "-m16")) => {
                return Err(CompileError::OtherMachine(machine.to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// An option with a path attached to it.
fn prefixed(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(argument: &str) -> Option<String> {
        refuse(&["-O2".into(), argument.into()])
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn shared_objects_are_refused_with_the_way_out() {
        assert!(refusal("-shared").unwrap().contains("--disable-shared"));
        assert_eq!(refusal("-shared-libgcc"), None);
    }

    #[test]
    fn other_machines_are_refused_by_name() {
        assert!(refusal("-m32").unwrap().starts_with("-m32: "));
        assert_eq!(refusal("-m64"), None);
    }
}
