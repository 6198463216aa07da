//! A folder to work in, with the tool under test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The tool under test.
pub const ANYKERNEL: &str = env!("CARGO_BIN_EXE_anykernel");

/// A fresh folder and a cache of its own.
pub struct Workshop {
    folder: TempDir,
}

impl Workshop {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("bin")).expect("it is empty");
        for tool in ["cc", "ar", "ranlib"] {
            let name = format!("bin/x86_64-anykernel-{tool}");
            symlink(ANYKERNEL, folder.path().join(name)).expect("it is empty");
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder is ours");
        path
    }

    /// A command that runs in the folder.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(self.folder.path())
            .env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// Runs the tool in the folder.
    pub fn anykernel(&self, arguments: &[&str]) -> Output {
        self.command(ANYKERNEL)
            .args(arguments)
            .output()
            .expect("the tool starts")
    }

    /// Compiles C into `program`, which must succeed.
    pub fn compile(&self, source: &str, program: &str, options: &[&str]) -> PathBuf {
        let source_name = format!("{program}.c");
        self.write(&source_name, source);
        let output = self.anykernel(&[&["cc", &source_name, "-o", program], options].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        self.path(program)
    }
}

/// The text of an output stream.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The one line of an error whose exit status says that the user can put it right.
pub fn user_error(output: &Output) -> String {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}
