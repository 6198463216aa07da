//! How a program is to be started, in words that hold in every home.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Stands in arguments and variables for a folder that is empty and can be written: a fresh one
/// on Linux, `/tmp` in an image.
pub const SCRATCH: &str = "@SCRATCH@";

/// A program's arguments, environment and files, and the machine it is booted on.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) input: Vec<u8>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) memory: &'static str,
    pub(crate) without: Vec<&'static str>,
    pub(crate) disks: Vec<String>,
}

impl Default for Invocation {
    fn default() -> Self {
        Self::new()
    }
}

impl Invocation {
    /// No arguments, variables or input; 64 MiB of memory.
    pub fn new() -> Self {
        Self {
            arguments: Vec::new(),
            variables: Vec::new(),
            input: Vec::new(),
            root: None,
            memory: "64M",
            without: Vec::new(),
            disks: Vec::new(),
        }
    }

    /// Adds an argument.
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    pub fn arguments(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, Self::argument)
    }

    /// Sets a variable of the environment, which is otherwise empty.
    pub fn variable(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (key, value) = (key.as_ref().to_owned(), value.as_ref().to_owned());
        self.variables.push((key, value));
        self
    }

    /// Sets what standard input gives before it ends.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Makes `folder` the image's root, and on Linux the working directory.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.root = Some(folder.into());
        self
    }

    /// Sets the machine's memory, as the option `-m` takes it.
    pub fn memory(mut self, memory: &'static str) -> Self {
        self.memory = memory;
        self
    }

    /// Leaves a component out of the image.
    pub fn without(mut self, component: &'static str) -> Self {
        self.without.push(component);
        self
    }

    /// Adds a disk to the machine, as the option `--disk` takes it.
    pub fn disk(mut self, disk: impl Into<String>) -> Self {
        self.disks.push(disk.into());
        self
    }

    /// Whether anything names [`SCRATCH`].
    pub(crate) fn wants_scratch(&self) -> bool {
        let values = self.variables.iter().map(|(_, value)| value);
        let mut words = self.arguments.iter().chain(values);
        words.any(|word| find(word.as_bytes(), SCRATCH.as_bytes()).is_some())
    }
}

/// `word` with `folder` for [`SCRATCH`].
pub(crate) fn with_scratch(word: &OsStr, folder: &Path) -> OsString {
    let word = word.as_bytes();
    let Some(start) = find(word, SCRATCH.as_bytes()) else {
        return OsStr::from_bytes(word).to_owned();
    };
    let end = start + SCRATCH.len();
    OsString::from_vec([&word[..start], folder.as_os_str().as_bytes(), &word[end..]].concat())
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scratch_folder_is_named_once_where_it_stands() {
        let folder = Path::new("/tmp");
        let word = with_scratch(OsStr::new("of=@SCRATCH@/x"), folder);
        assert_eq!(word, "of=/tmp/x");
        assert_eq!(with_scratch(OsStr::new("x"), folder), "x");
    }

    #[test]
    fn only_those_that_name_it_want_it() {
        let plain = Invocation::new().argument("x").variable("KEY", "value");
        assert!(!plain.wants_scratch());
        assert!(plain.clone().argument(SCRATCH).wants_scratch());
        assert!(plain.variable("TMPDIR", SCRATCH).wants_scratch());
    }
}
