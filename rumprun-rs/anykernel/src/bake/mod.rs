//! `bake`: a program, the components that it needs and a folder of files become one bootable
//! image.
//!
//! Linking is choosing: the linker script names the components, and nothing else of the kernel
//! library gets into the image. The program is not linked but carried along as load segments of
//! its own.

mod calls;
mod image;
mod layout;
mod library;
mod link;
mod program;
mod root;
mod script;
mod segments;
mod select;
mod sizes;
mod writer;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use protocol::CommandLine;
use serde::Deserialize;
use tempfile::TempDir;
use thiserror::Error;

use self::calls::{Calls, Reason};
use self::image::ImageError;
use crate::options::{ConfigurationOption, NAME, Options, OutputOption, ProgramOptions, either};
use crate::symbols_file::SymbolsFile;
use crate::variable::Variable;
use crate::{Outcome, whole_file};

/// What an image is made of, as the command line says.
#[derive(Args, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(default)]
pub struct Recipe {
    /// Folder that becomes the image's root, read-only
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Component to take in any case
    #[arg(long, value_name = "NAME")]
    pub with: Vec<String>,
    /// Component to leave out in any case
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// System calls to take: all, or those that the program can make [default: auto]
    #[arg(long, value_enum)]
    pub calls: Option<CallChoice>,
    /// Kernel library to link instead of the one inside this tool
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// Where to write kernel and program with their symbols, for a debugger; `run IMAGE` looks
    /// there if it is IMAGE.symbols
    #[arg(long, value_name = "FILE")]
    pub symbols: Option<PathBuf>,
}

/// Which system calls an image has.
#[derive(ValueEnum, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum CallChoice {
    /// Those that the program can make, as far as its code tells
    #[default]
    Auto,
    /// All that there are
    All,
}

/// The command line of `bake`.
#[derive(Args, Debug)]
pub struct BakeArguments {
    #[command(flatten)]
    program: ProgramOptions,
    #[command(flatten)]
    output: OutputOption,
    #[command(flatten)]
    recipe: Recipe,
    #[command(flatten)]
    configuration: ConfigurationOption,
}

impl Recipe {
    /// These wishes, and those of `file` where nothing is said here.
    pub fn or(self, file: Self) -> Self {
        Self {
            root: self.root.or(file.root),
            with: either(self.with, file.with),
            without: either(self.without, file.without),
            calls: self.calls.or(file.calls),
            library: self.library.or(file.library),
            symbols: self.symbols.or(file.symbols),
        }
    }

    /// The paths among them.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut Option<PathBuf>> {
        [&mut self.root, &mut self.library, &mut self.symbols].into_iter()
    }
}

/// Why there is no image.
#[derive(Debug, Error)]
pub enum BakeError {
    /// Nobody says of what.
    #[error("no program: name one, or write `program = \"FILE\"` into {NAME}")]
    NoProgram,
    /// Nobody says where to.
    #[error("no output: name one by -o, or write `output = \"IMAGE\"` into {NAME}")]
    NoOutput,
    /// The program is not fit for an image.
    #[error(transparent)]
    Program(#[from] program::ProgramError),
    /// The choice of components makes no sense.
    #[error(transparent)]
    Select(#[from] select::SelectError),
    /// There is no kernel library.
    #[error(transparent)]
    Library(#[from] library::LibraryError),
    /// The kernel could not be linked.
    #[error(transparent)]
    Link(#[from] link::LinkError),
    /// The image could not be put together.
    #[error("{}: {error}", program.display())]
    Image {
        /// The program that it is for.
        program: PathBuf,
        /// Why not.
        error: ImageError,
    },
    /// Kernel and program do not fit into a file of symbols.
    #[error("the symbols cannot be put together: {0}")]
    Symbols(object::build::Error),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The `bake` command.
pub fn command(arguments: BakeArguments) -> Outcome {
    let command_line = Options {
        program: arguments.program,
        output: arguments.output,
        recipe: arguments.recipe,
        ..Options::default()
    };
    let mut options = command_line.or(arguments.configuration.read()?);
    options.include_disks();
    let ProgramOptions {
        program, env, args, ..
    } = options.program;
    let program = program.ok_or(BakeError::NoProgram)?;
    let output = options.output.output.ok_or(BakeError::NoOutput)?;
    let words = default_words(&program, &args, &env);
    let calls = bake(&program, &options.recipe, words, &output)?;
    if let Some(reason) = calls.unwanted_reason() {
        let program = program.display();
        eprintln!("anykernel: {program}: the image has every system call: {reason}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The words that an image for `program` has by itself: its name, `arguments`, `environment`.
pub fn default_words(
    program: &Path,
    arguments: &[OsString],
    environment: &[Variable],
) -> CommandLine {
    let mut words = CommandLine::new();
    let name = program.file_name().unwrap_or(program.as_os_str());
    words.argument(name.as_bytes());
    for argument in arguments {
        words.argument(argument.as_bytes());
    }
    for variable in environment {
        words.environment(variable.key(), variable.value());
    }
    words
}

/// Makes an image of `program` at `output`, which appears whole or not at all; returns the system
/// calls that it was made for.
pub fn bake(
    program: &Path,
    recipe: &Recipe,
    mut words: CommandLine,
    output: &Path,
) -> Result<Calls, BakeError> {
    let file = program::read(program)?;
    let parsed = program::parse(program, &file)?;
    let calls = match recipe.calls.unwrap_or_default() {
        CallChoice::Auto => Calls::of(&parsed, &file),
        CallChoice::All => Calls::All {
            reason: Reason::Asked,
        },
    };
    let components = select::components(&select::Wishes {
        with: &recipe.with,
        without: &recipe.without,
        has_root: recipe.root.is_some(),
        calls: &calls,
    })?;
    words.components(&components);
    let library = library::file(recipe.library.as_deref())?;
    let workshop = TempDir::new().map_err(|source| write_error(&std::env::temp_dir(), source))?;
    let kernel = link::kernel(
        &script::linker_script(
            &components,
            &calls.implemented(),
            image::part_count(&parsed),
            recipe.symbols.is_some(),
        ),
        &library,
        workshop.path(),
    )?;
    if let Some(symbols) = &recipe.symbols {
        let content = SymbolsFile::new(&kernel, &file).map_err(BakeError::Symbols)?;
        whole_file::write(symbols, |file| file.write_all(content.bytes()))
            .map_err(|source| write_error(symbols, source))?;
    }
    let root = recipe.root.as_deref();
    let contents = image::Contents {
        kernel: &kernel,
        program: &parsed,
        root,
        words: words.as_str(),
    };
    whole_file::write(output, |file| image::write(&contents, file)).map_err(
        |error| match error {
            ImageError::Write(source) => write_error(output, source),
            error => BakeError::Image {
                program: program.to_owned(),
                error,
            },
        },
    )?;
    Ok(calls)
}

fn write_error(path: &Path, source: io::Error) -> BakeError {
    BakeError::Write {
        path: path.to_owned(),
        source,
    }
}
