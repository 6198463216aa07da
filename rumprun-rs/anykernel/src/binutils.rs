//! `ar` and `ranlib` under our prefix, as configure scripts look for them beside the compiler.

use std::ffi::OsString;

use thiserror::Error;

use crate::{Outcome, programs};

#[derive(Debug, Error)]
#[error("no {0} in PATH (Debian: apt install binutils)")]
struct Missing(&'static str);

/// Becomes the system's archiver; gcc's own knows objects for link-time optimisation.
pub fn ar(arguments: Vec<OsString>) -> Outcome {
    become_first(&["gcc-ar", "ar"], arguments)
}

/// Becomes the system's archive indexer.
pub fn ranlib(arguments: Vec<OsString>) -> Outcome {
    become_first(&["gcc-ranlib", "ranlib"], arguments)
}

fn become_first(names: &[&'static str; 2], arguments: Vec<OsString>) -> Outcome {
    let program = programs::find(names).ok_or(Missing(names[1]))?;
    Err(programs::become_program(program, arguments).into())
}
