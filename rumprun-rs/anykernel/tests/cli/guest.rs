//! The guest that stands in for the kernel, as a library for `--library`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::workshop::{Workshop, text};

/// Builds `tests/cli/guest/guest.c` into a library in `workshop`.
///
/// The guest never leaves the mode in which it is entered, so gcc makes 32-bit code, and the
/// assembler an object for the linker of 64-bit images.
pub fn library(workshop: &Workshop) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/guest/guest.c");
    run(workshop
        .command("gcc")
        .args([
            "-m32",
            "-ffreestanding",
            "-fno-pic",
            "-fno-pie",
            "-Os",
            "-fno-stack-protector",
        ])
        .args([
            "-fno-asynchronous-unwind-tables",
            "-ffunction-sections",
            "-fdata-sections",
        ])
        .args([
            "-mgeneral-regs-only",
            "-Wall",
            "-S",
            source,
            "-o",
            "guest.s",
        ]));
    run(workshop
        .command("as")
        .args(["--64", "guest.s", "-o", "guest.o"]));
    fs::write(workshop.path("calls.s"), calls()).expect("the workshop can be written");
    run(workshop
        .command("as")
        .args(["--64", "calls.s", "-o", "calls.o"]));
    run(workshop
        .command("ar")
        .args(["rcs", "libguest.a", "guest.o", "calls.o"]));
    workshop.path("libguest.a")
}

/// A function for every system call that an image may name. Nobody calls them.
fn calls() -> String {
    let implemented = (0..linux_abi::TABLE_LENGTH as u32)
        .filter(|&number| linux_abi::is_implemented(number))
        .filter_map(|number| linux_abi::call_name(number.into()));
    implemented
        .map(|name| {
            format!(".section .text.call_{name}, \"ax\"\n.globl call_{name}\ncall_{name}: ud2\n")
        })
        .collect()
}

fn run(command: &mut Command) {
    let output = command.output().expect("gcc and binutils are installed");
    assert!(output.status.success(), "{}", text(&output.stderr));
}
