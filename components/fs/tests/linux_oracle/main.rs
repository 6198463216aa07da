//! Linux as the oracle: the same operations on a `Vfs` over a `RamFs` and on a directory of the
//! host, one after another, with the same answers.

mod linux;
mod operation;
mod ours;

use std::collections::BTreeSet;

use ::fs::{FileKind, FsError};
use proptest::prelude::*;

use self::linux::Linux;
use self::operation::{Operation, operation, prelude};
use self::ours::Ours;

/// Where the operations start: deep enough that no `..` leaves the temporary directory.
const BASE: &str = "0/1/2/3/4/5";

/// What a program sees of an operation's success.
#[derive(PartialEq, Eq, Debug)]
enum Answer {
    Done,
    Bytes(Vec<u8>),
    Names(BTreeSet<Vec<u8>>),
    Status {
        kind: FileKind,
        size: u64,
        links: u32,
        mode: u16,
    },
}

/// Anything that files can be operated on in.
trait Home {
    fn run(&mut self, operation: &Operation) -> Result<Answer, FsError>;
}

/// A status without what the host's file systems differ in, which is directories' sizes and
/// links, and without the bits that a umask may take.
fn status(kind: FileKind, size: u64, links: u32, mode: u16) -> Answer {
    let mode = mode & 0o700;
    match kind {
        FileKind::Directory => Answer::Status {
            kind,
            size: 0,
            links: u32::from(links > 0),
            mode,
        },
        _ => Answer::Status {
            kind,
            size,
            links,
            mode,
        },
    }
}

proptest! {
    #[test]
    fn linux_gives_the_same_answers(
        operations in proptest::collection::vec(operation(), 1..60)
    ) {
        let mut ours = Ours::new();
        let mut linux = Linux::new();
        for (number, operation) in prelude().iter().chain(&operations).enumerate() {
            let expected = linux.run(operation);
            prop_assert_eq!(ours.run(operation), expected, "operation {}", number);
        }
    }
}
