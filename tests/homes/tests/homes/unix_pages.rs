//! A kernel in a process and a booted one fetch pages from one another over a Unix socket, without
//! any rights.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_homes::{Compiled, LIMIT, example};
use test_support::{Feed, Outcome, Process};

use crate::pages::pages;

/// The address of the kernel in the process, and that of the booted one.
const PROCESS: &str = "10.0.0.1";
const BOOTED: &str = "10.0.0.2";
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// What is fetched: a small page, one larger than any buffer on its way, one of nothing.
const FILES: [&str; 3] = ["style.css", "large.bin", "empty.txt"];

/// The files of [`FILES`], one behind the other.
fn expected(pages: &Path) -> Vec<u8> {
    let files = FILES.map(|name| fs::read(pages.join(name)).expect("it is there"));
    files.concat()
}

/// The example `name`, waiting for a machine at the socket that is also returned.
fn waiting(name: &str, folder: &TempDir, words: impl IntoIterator<Item = String>) -> Process {
    let socket = folder.path().join("a,wire");
    let mut command = Command::new(example(name));
    command.arg("--listen").arg(&socket);
    command.args(["--address", &format!("{PROCESS}/24")]);
    command.args(words);
    let process = Process::start(command, Feed::Silence, 2 * LIMIT);
    let deadline = Instant::now() + LIMIT;
    while !socket.exists() {
        assert!(Instant::now() < deadline, "{name} does not listen");
        std::thread::sleep(POLL_INTERVAL);
    }
    process
}

/// The program booted, at the other end of the wire in `folder`. Arguments come next.
fn booted(program: &Compiled, folder: &TempDir) -> Command {
    let mut command = program.booted();
    let socket = folder.path().join("a,wire");
    command.arg("--net");
    command.arg(format!("unix={}", socket.display()));
    command.args(["--ip", &format!("{BOOTED}/24")]);
    command
}

fn assert_fetched(outcome: &Outcome, pages: &Path) {
    assert_eq!(outcome.status, 0, "{}", outcome.error_text());
    let expected = expected(pages);
    assert!(
        outcome.stdout == expected,
        "{} bytes came, {} were sent",
        outcome.stdout.len(),
        expected.len()
    );
}

#[test]
fn a_machine_fetches_from_a_process() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pages = pages();
    let program = Compiled::new("tests/homes/programs/fetch.c");
    let serve = waiting("serve", &folder, [pages.path().display().to_string()]);
    let mut command = booted(&program, &folder);
    command.args(["--", PROCESS, "80"]);
    command.args(FILES.map(|name| format!("/{name}")));
    let outcome = Process::start(command, Feed::Bytes(Vec::new()), LIMIT).finish();
    assert_fetched(&outcome, pages.path());
    serve.signal(libc::SIGTERM);
    let outcome = serve.finish();
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert!(outcome.text().ends_with("serve: 3 requests served\n"));
}

#[test]
fn a_process_fetches_from_a_machine() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let pages = pages();
    let program = Compiled::new("examples/httpd/httpd.c");
    let urls = FILES.map(|name| format!("http://{BOOTED}:8080/{name}"));
    let fetch = waiting("fetch", &folder, urls);
    let mut command = booted(&program, &folder);
    command.arg("--root").arg(pages.path());
    let httpd = Process::start(command, Feed::Silence, 2 * LIMIT);
    assert_fetched(&fetch.finish(), pages.path());
    httpd.signal(libc::SIGTERM);
    let outcome = httpd.finish();
    assert_eq!(outcome.status, 0, "{outcome:?}");
}
