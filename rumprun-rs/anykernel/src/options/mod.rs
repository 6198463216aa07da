//! What `bake` and `run` are told: on the command line, in `anykernel.toml`, or in both.
//!
//! Both say the same things, so both are read into one structure, [`Options`]: the command line by
//! clap, the file by serde. They meet in [`Options::or`], and nothing behind it knows which of the
//! two said what. A key of the file is called as the field here is, and every key is an option.

mod file;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use protocol::BLOCK;
use serde::Deserialize;

use crate::bake::Recipe;
use crate::run::MachineOptions;
use crate::variable::Variable;

pub use file::{ConfigurationError, NAME};
pub use value::{text, texts};

/// All that an image and its machine are made of, as far as somebody has said.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program.
    pub program: ProgramOptions,
    /// Where the image goes.
    pub output: OutputOption,
    /// What goes into the image beside the program.
    pub recipe: Recipe,
    /// What the image runs on.
    pub machine: MachineOptions,
}

/// Which program, and what it is given.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct ProgramOptions {
    /// Static program, as `anykernel cc` makes; `run` takes an image too
    pub program: Option<PathBuf>,
    /// Variable of the program's environment (KEY alone takes the value it has here)
    #[arg(long, value_name = "KEY[=VALUE]")]
    #[serde(deserialize_with = "value::variables")]
    pub env: Vec<Variable>,
    /// Arguments of the program
    #[serde(deserialize_with = "texts")]
    pub args: Vec<OsString>,
    /// More of them, which may look like options
    #[arg(last = true, value_name = "ARGS")]
    #[serde(skip)]
    pub more_args: Vec<OsString>,
}

/// Where an image goes.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct OutputOption {
    /// Image to write
    #[arg(short, long, value_name = "IMAGE")]
    pub output: Option<PathBuf>,
}

/// Which configuration file, if not the one of this folder.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigurationOption {
    /// Configuration to read instead of anykernel.toml in this folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigurationOption {
    /// What the configuration file says: the one named, or the folder's own, or nothing.
    pub fn read(&self) -> Result<Options, ConfigurationError> {
        match &self.config {
            Some(path) => file::read(path),
            None if Path::new(NAME).exists() => file::read(Path::new(NAME)),
            None => Ok(Options::default()),
        }
    }
}

impl Options {
    /// These options, and those of `file` where nothing is said here.
    pub fn or(self, file: Self) -> Self {
        let same_program = self.program.is_of(&file);
        let file_program = ProgramOptions {
            // Another program has arguments of its own.
            args: if same_program {
                file.program.args
            } else {
                Vec::new()
            },
            ..file.program
        };
        let file_output = file.output.output.filter(|_| same_program);
        Self {
            program: self.program.or(file_program),
            output: OutputOption {
                output: self.output.output.or(file_output),
            },
            recipe: self.recipe.or(file.recipe),
            machine: self.machine.or(file.machine),
        }
    }
}

impl Options {
    /// Has an image that is to have disks be made with what serves them.
    pub fn include_disks(&mut self) {
        if !self.machine.disks.is_empty() {
            self.recipe.with.push(BLOCK.to_owned());
        }
    }
}

impl ProgramOptions {
    fn or(self, file: Self) -> Self {
        let is_set = |variable: &Variable| self.env.iter().any(|ours| ours.key() == variable.key());
        let others = file.env.into_iter().filter(|variable| !is_set(variable));
        let env = others.collect::<Vec<_>>();
        Self {
            program: self.program.or(file.program),
            env: [env, self.env].concat(),
            args: either([self.args, self.more_args].concat(), file.args),
            more_args: Vec::new(),
        }
    }

    /// Whether this is about the program, or the image, that `file` is about.
    fn is_of(&self, file: &Options) -> bool {
        let (program, output) = (&file.program.program, &file.output.output);
        let either_is_silent = self.program.is_none() || program.is_none();
        either_is_silent || [program, output].contains(&&self.program)
    }
}

/// What the command line says, as a whole, or else what the file says.
pub fn either<T>(command_line: Vec<T>, file: Vec<T>) -> Vec<T> {
    if command_line.is_empty() {
        file
    } else {
        command_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Options {
        file::parse(Path::new(NAME), text).expect("it is written well")
    }

    #[test]
    fn the_command_line_comes_first() {
        let file = options(
            "program = 'a'\nargs = ['x']\nroot = 'r'\nmemory = '1M'\nwith = ['net', 'devfs']\n\
             [env]\nA = '1'\nB = '2'",
        );
        let line = options("memory = '2M'\nwith = ['procfs']\nargs = ['y', 'z']\n[env]\nA = '3'");
        let both = line.or(file);
        assert_eq!(both.program.program, Some("a".into()));
        assert_eq!(both.program.args, ["y", "z"]);
        assert_eq!(both.recipe.root, Some("r".into()));
        assert_eq!(both.recipe.with, ["procfs"]);
        assert_eq!(both.machine.memory, "2M".parse().ok());
        let variables: Vec<_> = both
            .program
            .env
            .iter()
            .map(|v| (v.key(), v.value()))
            .collect();
        assert_eq!(variables, [(&b"B"[..], &b"2"[..]), (b"A", b"3")]);
    }

    #[test]
    fn another_program_has_arguments_and_an_image_of_its_own() {
        let file = "program = 'a'\noutput = 'a.img'\nargs = ['x']\nmemory = '1M'";
        let with = |program: &str| options(&format!("program = '{program}'")).or(options(file));
        for same in ["a", "a.img"] {
            assert_eq!(with(same).program.args, ["x"]);
        }
        let other = with("b");
        assert!(other.program.args.is_empty() && other.output.output.is_none());
        assert_eq!(other.machine.memory, "1M".parse().ok());
    }
}
