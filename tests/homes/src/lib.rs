//! The same promises and the same answers from every home: what tests in `tests/homes` stand on.
//!
//! For tests only: what goes wrong here panics with the reason.

mod director;
mod report;
mod timed_lines;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use test_support::{Feed, Process};

pub use director::{Directed, direct};
pub use report::{Contract, Verdict, read_report};
pub use timed_lines::{TimedLine, timed_lines};

/// How long anything may take that boots a machine. A boot takes a tenth of a second, but a machine
/// that compiles at the same time is slow.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A C program, compiled by our wrapper: it runs on Linux, and `anykernel run` boots it.
pub struct Compiled {
    path: PathBuf,
    _folder: TempDir,
}

impl Compiled {
    /// Compiles the file at `source`, a path within the workspace.
    pub fn new(source: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let source = workspace().join(source);
        let path = folder
            .path()
            .join(source.file_stem().expect("a C file has a name"));
        let mut command = Command::new(test_support::compiler());
        command.args(["-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", "-o"]);
        command.arg(&path).arg(source);
        let outcome = Process::start(command, Feed::Bytes(Vec::new()), LIMIT).finish();
        assert_eq!(outcome.status, 0, "{}", outcome.error_text());
        Self {
            path,
            _folder: folder,
        }
    }

    /// The command that starts it as a Linux process.
    pub fn on_linux(&self) -> Command {
        Command::new(&self.path)
    }

    /// The command that boots it. Options of `run` come next, and the program's arguments behind
    /// `--`.
    pub fn booted(&self) -> Command {
        let mut command = Command::new(test_support::anykernel());
        command.arg("run").arg(&self.path);
        command
    }
}

/// The example `name` of `userspace-harness`, as cargo builds it.
pub fn example(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace());
    cargo.args(["build", "--locked", "--package", "userspace-harness"]);
    cargo.args(["--example", name]);
    let outcome = Process::start(cargo, Feed::Bytes(Vec::new()), 4 * LIMIT).finish();
    assert_eq!(outcome.status, 0, "{}", outcome.error_text());
    test_support::target_folder()
        .join("debug/examples")
        .join(name)
}

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).to_owned()
}
