//! Finding and becoming other programs.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// A program could not be started.
#[derive(Debug, Error)]
#[error("{}: {source}", program.display())]
pub struct StartError {
    program: PathBuf,
    source: std::io::Error,
}

/// The first of `names` that is in `PATH`.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| is_executable(candidate))
}

/// Whether `path` is a file that somebody may execute.
pub fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Becomes `program`: returns only when that fails.
pub fn become_program(program: PathBuf, arguments: Vec<OsString>) -> StartError {
    let source = Command::new(&program).args(arguments).exec();
    StartError { program, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_that_exists_is_found() {
        let shell = find(&["no-program-has-this-name", "sh"]).expect("a shell is in PATH");
        assert_eq!(shell.file_name().unwrap(), "sh");
        assert_eq!(find(&["no-program-has-this-name"]), None);
    }

    #[test]
    fn a_folder_is_not_executable() {
        assert!(!is_executable(Path::new("/")));
    }
}
