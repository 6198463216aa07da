//! How a program ends: by a status, by a fault of its own.

use test_boot::program;
use test_support::{Invocation, assert_same};

#[test]
fn all_eight_bits_of_a_status_arrive() {
    let program = program("exit_status");
    for status in ["0", "1", "42", "127", "128", "255"] {
        let invocation = Invocation::new().arguments(&["return", status]);
        let outcome = assert_same(&program, &invocation);
        assert_eq!(outcome.status.to_string(), status);
        assert_eq!(outcome.text(), "ending by return\nat exit\n");
    }
}

#[test]
fn exit_flushes_and_its_short_form_does_not() {
    let program = program("exit_status");
    for (way, status) in [
        ("exit", "7"),
        ("_exit", "9"),
        ("exit", "256"),
        ("exit", "-1"),
    ] {
        assert_same(&program, &Invocation::new().arguments(&[way, status]));
    }
}

/// The program's fault, and the signal that it is to end by.
const FAULTS: [(&str, u8); 15] = [
    ("null", 11),
    ("constant", 11),
    ("code", 11),
    ("data", 11),
    ("stack", 11),
    ("protected", 11),
    ("kernel", 11),
    ("noncanonical", 11),
    ("return", 11),
    ("division", 8),
    ("instruction", 4),
    ("breakpoint", 5),
    ("abort", 6),
    ("raise", 9),
    ("pipe", 13),
];

#[test]
fn a_fault_ends_a_program_with_its_signal() {
    let program = program("ended_by");
    let failures: Vec<String> = FAULTS
        .iter()
        .filter_map(|&(fault, signal)| {
            let invocation = Invocation::new().argument(fault);
            let linux = program.run(test_support::Home::Linux, &invocation);
            let booted = program.run(test_support::Home::Booted, &invocation);
            assert_eq!(linux.status, 128 + signal, "{fault}");
            // What the kernel says of it on standard error is its own.
            let is_same = (linux.status, &linux.stdout) == (booted.status, &booted.stdout);
            (!is_same).then(|| format!("{fault}: {booted:?}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
