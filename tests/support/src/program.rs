//! A static program that our wrapper made, and the two homes it is run in.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::difference::difference;
use crate::invocation::with_scratch;
use crate::{Feed, Invocation, Outcome, Process, tool};

/// How long a run may take. Without hardware virtualisation a boot takes a tenth of a second, but
/// a machine that compiles at the same time is slow.
const RUN_LIMIT: Duration = Duration::from_secs(60);
const COMPILE_LIMIT: Duration = Duration::from_secs(60);

/// Where a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// As an ordinary process.
    Linux,
    /// In an image of its own, in a virtual machine.
    Booted,
}

/// A static program.
pub struct Program {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl Program {
    /// The program at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            _folder: None,
        }
    }

    /// Compiles the C file at `source`.
    pub fn compile(source: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let name = source.file_stem().expect("a C file has a name");
        let path = folder.path().join(name);
        let mut command = Command::new(tool::compiler());
        command.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
        command.arg(&path).arg(source);
        let outcome = Process::start(command, Feed::Bytes(Vec::new()), COMPILE_LIMIT).finish();
        assert_eq!(outcome.status, 0, "{}", outcome.error_text());
        Self {
            path,
            _folder: Some(folder),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What starts this program in `home`. On Linux `scratch` stands for
    /// [`SCRATCH`](crate::SCRATCH).
    pub fn command(&self, home: Home, invocation: &Invocation, scratch: &Path) -> Command {
        match home {
            Home::Linux => self.linux_command(invocation, scratch),
            Home::Booted => self.boot_command(invocation),
        }
    }

    /// Runs this program in `home` to its end.
    pub fn run(&self, home: Home, invocation: &Invocation) -> Outcome {
        let scratch = invocation
            .wants_scratch()
            .then(|| tempfile::tempdir().expect("a temporary folder can be made"));
        let scratch_path = scratch.as_ref().map_or(Path::new("/tmp"), TempDir::path);
        let command = self.command(home, invocation, scratch_path);
        let feed = Feed::Bytes(invocation.input.clone());
        Process::start(command, feed, RUN_LIMIT).finish()
    }

    /// Starts this program in `home` with a standard input that stays silent.
    pub fn start(&self, home: Home, invocation: &Invocation) -> Process {
        let command = self.command(home, invocation, Path::new("/tmp"));
        Process::start(command, Feed::Silence, RUN_LIMIT)
    }

    fn linux_command(&self, invocation: &Invocation, scratch: &Path) -> Command {
        let mut command = Command::new(&self.path);
        // An image knows the program by its name alone.
        command.arg0(self.path.file_name().expect("a program has a name"));
        for argument in &invocation.arguments {
            command.arg(with_scratch(argument, scratch));
        }
        command.env_clear();
        for (key, value) in &invocation.variables {
            command.env(key, with_scratch(value, scratch));
        }
        if let Some(root) = &invocation.root {
            command.current_dir(root);
        }
        command
    }

    fn boot_command(&self, invocation: &Invocation) -> Command {
        let scratch = Path::new("/tmp");
        let mut command = Command::new(tool::anykernel());
        command.args(["run", "-m", invocation.memory]);
        if let Some(root) = &invocation.root {
            command.arg("--root").arg(root);
        }
        for component in &invocation.without {
            command.args(["--without", component]);
        }
        for disk in &invocation.disks {
            command.args(["--disk", disk]);
        }
        for (key, value) in &invocation.variables {
            let mut variable = OsString::from(key);
            variable.push("=");
            variable.push(with_scratch(value, scratch));
            command.arg("--env").arg(variable);
        }
        command.arg(&self.path).arg("--");
        for argument in &invocation.arguments {
            command.arg(with_scratch(argument, scratch));
        }
        command
    }
}

/// Runs `program` in both homes. The outcome if there is only one, else how the two differ.
pub fn compare(program: &Program, invocation: &Invocation) -> Result<Outcome, String> {
    compare_but(program, invocation, |_| {})
}

/// As [`compare`], of what `simplify` leaves of the two outcomes: what is another one in each run
/// it takes away.
pub fn compare_but(
    program: &Program,
    invocation: &Invocation,
    simplify: impl Fn(&mut Outcome),
) -> Result<Outcome, String> {
    let [linux, booted] = [Home::Linux, Home::Booted].map(|home| {
        let mut outcome = program.run(home, invocation);
        simplify(&mut outcome);
        outcome
    });
    match difference(&linux, &booted) {
        None => Ok(linux),
        Some(difference) => Err(format!(
            "{} {:?} is not the same booted as on Linux\n{difference}",
            program.path.display(),
            invocation.arguments
        )),
    }
}

/// Runs `program` in both homes, demands one outcome, and returns it.
pub fn assert_same(program: &Program, invocation: &Invocation) -> Outcome {
    compare(program, invocation).unwrap_or_else(|difference| panic!("{difference}"))
}
