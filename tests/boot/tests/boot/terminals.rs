//! `isatty` tells the truth about each of `run`'s own streams.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use test_boot::program;
use test_support::{Feed, Home, Invocation, Process, Terminal};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn each_stream_is_told_apart() {
    let program = program("terminals");
    for bits in 0..8 {
        let terminal = Terminal::open();
        let mut command = program.command(Home::Booted, &Invocation::new(), Path::new("/tmp"));
        let end = |bit: u8, other: Stdio| {
            let is_terminal = bits & bit != 0;
            if is_terminal { terminal.stdio() } else { other }
        };
        command.stdin(end(1, Stdio::null()));
        command.stdout(end(2, Stdio::piped()));
        command.stderr(end(4, Stdio::piped()));
        let outcome = Process::start(command, Feed::Given, LIMIT).finish();
        assert_eq!(outcome.status, bits, "{outcome:?}");
    }
}
