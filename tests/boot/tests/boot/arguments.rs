//! Arguments and environment: as they were given, whatever is in them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use test_boot::program;
use test_support::{Invocation, assert_same};

#[test]
fn a_program_without_any_knows_its_name() {
    let outcome = assert_same(&program("arguments"), &Invocation::new());
    assert_eq!(outcome.text(), "argument 0 [arguments]\nthen none\n");
}

#[test]
fn arguments_arrive_whole() {
    let not_text = OsStr::from_bytes(b"\xff\xfe\x01\n\t");
    let invocation = Invocation::new()
        .arguments(&[
            "plain",
            "two words",
            "",
            "100%",
            "%41%",
            "Grüße, 世界",
            "a=b",
            "--",
            "-m",
        ])
        .arguments(&["\"quoted\" 'too'", "$HOME;`x`", ",", "trailing "])
        .argument(not_text);
    let outcome = assert_same(&program("arguments"), &invocation);
    assert!(outcome.stdout.ends_with(b"[\xff\xfe\x01\n\t]\nthen none\n"));
}

#[test]
fn the_environment_is_what_was_given_and_no_more() {
    let invocation = Invocation::new()
        .variable("PLAIN", "value")
        .variable("EMPTY", "")
        .variable("SPACES", " a  b ")
        .variable("SIGNS", "a=b,c%20d;$X")
        .variable("UTF_8", "Grüße, 世界");
    let outcome = assert_same(&program("arguments"), &invocation);
    assert_eq!(outcome.text().matches("variable [").count(), 5);
}
