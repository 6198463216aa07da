//! A booted machine keeps the contract, and says so case by case.

use std::process::Command;

use protocol::staging::{self, Stage};
use test_homes::{Compiled, LIMIT, direct, read_report};
use test_support::{Feed, Outcome, Process};

use crate::expected::{
    assert_contract, block_device_cases, frame_device_cases, host_cases, program_host_cases,
};
use crate::wire::EchoingWire;

/// What cannot be staged in a machine: one processor that waits runs nothing that could use a
/// waker but interrupt handlers, and each of those ends the wait by itself. Interrupts that end it
/// are tried by the cases on input, on requests and on frames.
const NEVER_STAGED: &[&str] = &["wake-during-the-wait"];

/// What nobody does for an image that is booted by itself.
const STAGED_FROM_OUTSIDE: &[&str] = &[
    "request-oldest-first",
    "request-given-once",
    "request-ends-the-wait",
    "console-write-arrives",
    "console-streams-are-apart",
    "console-read-nothing-yet",
    "console-read-in-order",
    "console-input-ends-the-wait",
    "console-end-after-all-bytes",
    "console-end-is-final",
];

/// What a disk whose power nobody cuts, and which takes everything, does not show.
const NEVER_REFUSED: &[&str] = &[
    "flush-survives-a-power-cut",
    "read-only-refuses-writes",
    "read-only-refuses-discards",
    "discard-not-understood",
];

/// What a disk that is only read does not show.
const NEVER_WRITTEN: &[&str] = &[
    "read-gives-what-was-written",
    "write-spares-the-neighbours",
    "write-reaches-the-last-block",
    "discard-spares-the-neighbours",
    "flush-survives-a-power-cut",
    "write-out-of-range",
    "discard-out-of-range",
    "discard-not-understood",
    "completion-brings-the-request",
];

/// What the case `console-write-arrives` writes.
fn every_byte() -> Vec<u8> {
    (0..=255).cycle().take(5000).collect()
}

/// An image with the suite, and what runs after it.
fn suite(program: &Compiled) -> Command {
    let mut command = program.booted();
    command.args(["--with", "contract"]);
    command
}

/// `output` without what the cases wrote there, which is `written`.
fn report_behind<'a>(output: &'a [u8], written: &[u8]) -> &'a str {
    let report = output.strip_prefix(written);
    let report = report.unwrap_or_else(|| panic!("{}", output.escape_ascii()));
    let report = str::from_utf8(report).expect("a report is text");
    println!("{report}");
    report
}

/// Runs `command`, which asks for nothing, with an input that has ended.
fn run_by_itself(command: Command) -> Outcome {
    Process::start(command, Feed::Bytes(Vec::new()), LIMIT).finish()
}

#[test]
fn a_machine_whose_other_ends_are_staged() {
    assert_holds_when_staged(&[]);
}

#[test]
fn a_machine_without_a_console_device() {
    assert_holds_when_staged(&["--without", "console"]);
}

/// That all that can be staged from outside holds in a machine that `options` describe.
fn assert_holds_when_staged(options: &[&str]) {
    let program = Compiled::new("tests/homes/programs/after.c");
    let mut command = suite(&program);
    command.args(options);
    command.args(["--env", staging::ANNOUNCED]);
    let directed = direct(command);

    // Each stream got one empty line to see that it takes some, standard output then every byte,
    // and standard error a line that must not come out elsewhere.
    let mut written = b"\n".to_vec();
    written.extend(every_byte());
    let (contracts, rest) = read_report(report_behind(&directed.output, &written));
    assert_eq!(directed.error, ["", ""]);
    let [host, program_host] = &contracts[..] else {
        panic!("{contracts:?}");
    };
    assert_contract(host, "host", &host_cases(), NEVER_STAGED);
    assert_contract(program_host, "program host", &program_host_cases(), &[]);
    assert_eq!(rest, "the program ran\n");
    assert_eq!(directed.status, Some(7));
    assert!(directed.done.contains(&Stage::Interrupt));
}

#[test]
fn a_machine_by_itself() {
    let program = Compiled::new("tests/homes/programs/after.c");
    let mut command = suite(&program);
    command.args(["-m", "8M"]);
    let outcome = run_by_itself(command);
    let (contracts, rest) = read_report(report_behind(&outcome.stdout, b"\n"));
    assert_eq!(outcome.error_text(), "\n");
    let [host, program_host] = &contracts[..] else {
        panic!("{contracts:?}");
    };
    let not_tried = [NEVER_STAGED, STAGED_FROM_OUTSIDE].concat();
    assert_contract(host, "host", &host_cases(), &not_tried);
    assert_contract(program_host, "program host", &program_host_cases(), &[]);
    assert_eq!(rest, "the program ran\n");
}

#[test]
fn a_machine_on_a_wire() {
    let program = Compiled::new("tests/homes/programs/after.c");
    let wire = EchoingWire::listen();
    let mut command = suite(&program);
    command.args(["--net", &wire.option(), "--ip", "10.1.1.2/24"]);
    let outcome = run_by_itself(command);
    let (contracts, rest) = read_report(report_behind(&outcome.stdout, b"\n"));
    let [_, _, frame_device] = &contracts[..] else {
        panic!("{contracts:?}");
    };
    assert_contract(frame_device, "frame device", &frame_device_cases(), &[]);
    assert_eq!(rest, "the program ran\n");
    wire.hang_up();
}

#[test]
fn a_machine_with_disks_and_an_entropy_device() {
    let program = Compiled::new("tests/homes/programs/after.c");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (written, read) = (folder.path().join("written"), folder.path().join("read"));
    for disk in [&written, &read] {
        std::fs::write(disk, vec![0x5a; 1 << 20]).expect("there is room for a disk");
    }
    let mut command = suite(&program);
    // The suite's disks are those that nothing else in the image has taken.
    command.args(["--with", "rng", "--without", "block"]);
    command.arg("--disk").arg(&written);
    command
        .arg("--disk")
        .arg(format!("{},readonly", read.display()));
    let outcome = run_by_itself(command);
    let (contracts, rest) = read_report(report_behind(&outcome.stdout, b"\n"));
    assert_eq!(outcome.error_text(), "\n", "no device was left unused");
    let [_, _, first, second] = &contracts[..] else {
        panic!("{contracts:?}");
    };
    let cases = block_device_cases();
    assert_contract(first, "block device", &cases, NEVER_REFUSED);
    assert_contract(second, "block device", &cases, NEVER_WRITTEN);
    assert_eq!(rest, "the program ran\n");
    let bytes = |path| std::fs::read(path).expect("a disk stays a file");
    assert_ne!(bytes(&written), vec![0x5a; 1 << 20]);
    assert_eq!(bytes(&read), vec![0x5a; 1 << 20]);
}
