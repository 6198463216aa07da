//! Programs on libraries other than musl: what makes system calls as Linux defines them, runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use test_support::{Feed, Invocation, Process, Program, SCRATCH, assert_same};

const COMPILE_LIMIT: Duration = Duration::from_secs(60);

/// Runs `compiler` with `options` on a program of ours, and compares what it makes in both homes.
fn check(compiler: &str, options: &[&str], source: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path: PathBuf = folder.path().join("program");
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut command = Command::new(compiler);
    command.args(options).arg("-o").arg(&path);
    command.arg(programs.join(source));
    let compiled = Process::start(command, Feed::Bytes(Vec::new()), COMPILE_LIMIT).finish();
    assert_eq!(compiled.status, 0, "{compiled:?}");
    let invocation = Invocation::new()
        .argument("an argument")
        .variable("TMPDIR", SCRATCH);
    let outcome = assert_same(&Program::at(path), &invocation);
    assert_eq!((outcome.status, outcome.error_text()), (0, ""));
    assert!(!outcome.stdout.is_empty());
}

#[test]
fn glibc_at_an_address_of_its_own() {
    check("gcc", &["-O2", "-static"], "files.c");
}

#[test]
fn glibc_at_any_address() {
    check("gcc", &["-O2", "-static-pie"], "directories.c");
    check("gcc", &["-O2", "-static-pie"], "signals.c");
}

#[test]
fn the_standard_library_of_rust() {
    let options = ["--edition=2024", "-O", "-Ctarget-feature=+crt-static"];
    check("rustc", &options, "standard_library.rs");
}
