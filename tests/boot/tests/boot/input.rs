//! Standard input: all of it, and its end. Once over the virtio console, which an image of a program
//! that reads has by itself, and once over the serial port.

use test_boot::program;
use test_support::{Home, Invocation, assert_same};

/// Copies `input` through a booted program both ways, and demands that it all came through.
fn check(input: &[u8]) {
    check_over(Invocation::new(), input);
    // As much of it as the slower way takes in a second.
    check_over(serial_port(), &input[..input.len().min(100_000)]);
}

/// A machine without a console device.
fn serial_port() -> Invocation {
    Invocation::new().without("console")
}

fn check_over(invocation: Invocation, input: &[u8]) {
    let outcome = assert_same(&program("copy_input"), &invocation.input(input));
    assert_eq!(outcome.stdout, input);
    let length = input.len();
    assert_eq!(
        outcome.error_text(),
        format!("{length} bytes, then 0 and 0\n")
    );
}

#[test]
fn no_input_has_an_end() {
    check(b"");
}

#[test]
fn a_line_without_its_end_arrives() {
    check(b"one\ntwo");
}

#[test]
fn a_mebibyte_of_all_bytes_arrives() {
    let bytes: Vec<u8> = (0..1 << 20)
        .map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    check(&bytes);
}

#[test]
fn its_end_is_an_event() {
    for invocation in [Invocation::new(), serial_port()] {
        assert_same(&program("input_events"), &invocation.input("a line\n"));
    }
}

#[test]
fn each_line_ends_a_wait() {
    let program = program("input_events");
    let homes = [
        (Home::Linux, Invocation::new()),
        (Home::Booted, Invocation::new()),
        (Home::Booted, serial_port()),
    ];
    let outcomes = homes.map(|(home, invocation)| {
        let mut process = program.start(home, &invocation);
        for (round, line) in ["one\n", "two\n", "three\n"].into_iter().enumerate() {
            process.wait_for_output(&format!("round {round}\n"));
            process.feed(line);
        }
        process.finish()
    });
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
    assert!(outcomes[0].text().ends_with("[three\n]\n"));
}
