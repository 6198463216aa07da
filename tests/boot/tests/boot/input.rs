//! Standard input: all of it, and its end.

use test_boot::program;
use test_support::{Home, Invocation, assert_same};

/// Copies `input` through a booted program, and demands that it all came through.
fn check(input: &[u8]) {
    let outcome = assert_same(&program("copy_input"), &Invocation::new().input(input));
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
    let invocation = Invocation::new().input("a line\n");
    assert_same(&program("input_events"), &invocation);
}

#[test]
fn each_line_ends_a_wait() {
    let program = program("input_events");
    let outcomes = [Home::Linux, Home::Booted].map(|home| {
        let mut process = program.start(home, &Invocation::new());
        for (round, line) in ["one\n", "two\n", "three\n"].into_iter().enumerate() {
            process.wait_for_output(&format!("round {round}\n"));
            process.feed(line);
        }
        process.finish()
    });
    assert_eq!(outcomes[0], outcomes[1]);
    assert!(outcomes[0].text().ends_with("[three\n]\n"));
}
