//! Small C programs, one idea each, that are booted and held against Linux.
//!
//! The programs lie in `programs`; the tests say how each is started and what, beside being the
//! same in both homes, must come of it.

use std::path::Path;

use test_support::Program;

/// The program of `programs/NAME.c`, compiled.
pub fn program(name: &str) -> Program {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    Program::compile(&programs.join(name).with_extension("c"))
}
