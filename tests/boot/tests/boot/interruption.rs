//! SIGINT and SIGTERM, sent to `anykernel run`, reach the program.

use std::thread;
use std::time::Duration;

use test_boot::program;
use test_support::{Home, Invocation, Outcome, Program};

const WAYS: [&str; 7] = [
    "compute",
    "read",
    "poll",
    "select",
    "epoll",
    "nanosleep",
    "pause",
];

/// Starts `program`, waits for it to be ready and to be where it waits, sends `signal`.
fn interrupt(program: &Program, home: Home, way: &str, signal: i32) -> Outcome {
    let process = program.start(home, &Invocation::new().argument(way));
    process.wait_for_output("ready\n");
    thread::sleep(Duration::from_millis(50));
    process.signal(signal);
    process.finish()
}

fn check(name: &str, ways: &[&str], signal: i32, status: u8) {
    let program = program(name);
    for way in ways {
        let linux = interrupt(&program, Home::Linux, way, signal);
        let booted = interrupt(&program, Home::Booted, way, signal);
        assert_eq!(booted, linux, "{way}");
        assert_eq!(linux.status, status, "{way}");
    }
}

#[test]
fn a_handler_has_the_last_word_on_sigint() {
    check("handler", &WAYS, libc::SIGINT, 70 + 2);
}

#[test]
fn a_handler_has_the_last_word_on_sigterm() {
    check("handler", &WAYS, libc::SIGTERM, 70 + 15);
}

#[test]
fn without_a_handler_signals_end_the_program() {
    check("default_action", &["compute", "read"], libc::SIGINT, 130);
    check("default_action", &["compute", "read"], libc::SIGTERM, 143);
}

#[test]
fn the_second_sigint_ends_the_machine() {
    let program = program("stubborn");
    let process = program.start(Home::Booted, &Invocation::new());
    process.wait_for_output("ready\n");
    process.signal(libc::SIGINT);
    process.wait_for_output("caught\n");
    process.signal(libc::SIGINT);
    let outcome = process.finish();
    assert_eq!((outcome.text(), outcome.status), ("ready\ncaught\n", 130));
}
