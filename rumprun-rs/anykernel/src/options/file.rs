//! Reading `anykernel.toml`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::de::DeTable;

use super::{Options, OutputOption, ProgramOptions};
use crate::bake::Recipe;
use crate::run::MachineOptions;

/// What the file is called that is looked for.
pub const NAME: &str = "anykernel.toml";

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The character in it, counted from 1.
        column: usize,
        /// What is wrong, in one line.
        message: String,
    },
}

/// Reads the configuration at `path`. Paths in it count from its folder.
pub fn read(path: &Path) -> Result<Options, ConfigurationError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigurationError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut options = parse(path, &text)?;
    options.place(path.parent().unwrap_or(Path::new("")));
    Ok(options)
}

/// Reads a configuration; `path` is for messages.
///
/// Each part of the options takes its keys from the document, and a key that none takes is wrong.
pub(super) fn parse(path: &Path, text: &str) -> Result<Options, ConfigurationError> {
    let document = Document { path, text };
    document.check_keys()?;
    Ok(Options {
        program: document.part()?,
        output: document.part()?,
        recipe: document.part()?,
        machine: document.part()?,
    })
}

struct Document<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Document<'_> {
    fn part<T: DeserializeOwned>(&self) -> Result<T, ConfigurationError> {
        toml::from_str(self.text).map_err(|error| self.wrong(&error))
    }

    fn check_keys(&self) -> Result<(), ConfigurationError> {
        let table = DeTable::parse(self.text).map_err(|error| self.wrong(&error))?;
        let allowed = keys();
        let is_unknown = |key: &str| !allowed.iter().any(|known| known == key);
        // The first in the file, not in the alphabet.
        let unknown = table
            .get_ref()
            .keys()
            .filter(|key| is_unknown(key.get_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(()),
            Some(key) => {
                let (name, allowed) = (key.get_ref(), allowed.join(", "));
                let message = format!("unknown key {name}; allowed are {allowed}");
                Err(self.wrong_at(key.span().start, &message))
            }
        }
    }

    fn wrong(&self, error: &toml::de::Error) -> ConfigurationError {
        let start = error.span().map_or(0, |span| span.start);
        self.wrong_at(start, error.message())
    }

    /// The error about what stands at byte `offset`.
    fn wrong_at(&self, offset: usize, message: &str) -> ConfigurationError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        ConfigurationError::Wrong {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.lines().collect::<Vec<_>>().join(", "),
        }
    }
}

/// The keys of a configuration: the fields of all parts, which are options as well.
fn keys() -> Vec<String> {
    let mut command = clap::Command::new("");
    for add in [
        ProgramOptions::augment_args,
        OutputOption::augment_args,
        Recipe::augment_args,
        MachineOptions::augment_args,
    ] {
        command = add(command);
    }
    // What stands behind `--` is no option of its own.
    let options = command
        .get_arguments()
        .filter(|option| !option.is_last_set());
    options.map(|option| option.get_id().to_string()).collect()
}

impl Options {
    /// Has all paths count from `folder`.
    fn place(&mut self, folder: &Path) {
        let program = [&mut self.program.program, &mut self.output.output];
        let paths = program.into_iter().chain(self.recipe.paths());
        for path in paths.chain(self.machine.paths()).flatten() {
            *path = folder.join(&*path);
        }
        self.machine.place_devices(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let wrong = parse(Path::new(NAME), text).expect_err("something is wrong");
        wrong.to_string()
    }

    #[test]
    fn what_is_wrong_is_found_where_it_stands() {
        for (text, start) in [
            (
                "memory = '1M'\nmemroy = '2M'\n",
                "2:1: unknown key memroy; allowed are program, env,",
            ),
            ("[net]\nuser = 1\n", "1:1: invalid type: map"),
            ("root = 'ä'; x", "1:11: "),
            (
                "  memory = 64\n",
                "1:12: invalid type: integer `64`, expected a string",
            ),
            (
                "memory = '64X'",
                "1:10: \"64X\": a size is a number with K, M or G",
            ),
            (
                "ports = ['80:80',\n '80']",
                "1:9: \"80\": write it as [ADDRESS:]PORT:GUEST_PORT",
            ),
            (
                "ports = '80:80'",
                "1:9: invalid type: string \"80:80\", expected a sequence",
            ),
            (
                "accel = 'hvf'",
                "1:9: unknown variant `hvf`, expected one of `auto`, `kvm`, `tcg`",
            ),
            (
                "ip = '10.0.0.1'",
                "1:6: \"10.0.0.1\": write it as ADDRESS/LENGTH",
            ),
            (
                "[env]\nA = 1",
                "2:5: invalid type: integer `1`, expected a string",
            ),
            ("[env]\n'A=B' = 'x'", "1:1: "),
            ("root = 'a'\nroot = 'b'", "2:1: duplicate key"),
        ] {
            let message = message(text);
            assert!(
                message.starts_with(&format!("{NAME}:{start}")),
                "{text}: {message}"
            );
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn every_key_is_named_once() {
        let keys = keys();
        let mut distinct = keys.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(keys.len(), distinct.len(), "{keys:?}");
        for key in [
            "program", "output", "root", "memory", "ports", "net", "env", "args",
        ] {
            assert!(keys.iter().any(|other| other == key), "{key}: {keys:?}");
        }
    }

    /// A key that serde did not know would be one that does nothing.
    #[test]
    fn every_key_is_read() {
        for key in keys() {
            let message = message(&format!("{key} = 1"));
            let kinds = ["string", "sequence", "map"];
            assert!(kinds.iter().any(|kind| message.contains(kind)), "{message}");
        }
    }

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/configuration.md");
        for key in keys() {
            assert!(page.contains(&format!("\n| `{key}` | ")), "{key} is not");
        }
    }

    #[test]
    fn paths_count_from_the_file() {
        let folder = tempfile::tempdir().expect("a place for files");
        let path = folder.path().join("other.toml");
        fs::write(&path, "program = 'a'\nroot = '/r'\nnet = 'unix=wire'").expect("room");
        let options = read(&path).expect("it is written well");
        assert_eq!(options.program.program, Some(folder.path().join("a")));
        assert_eq!(options.recipe.root, Some("/r".into()));
        let wire = folder.path().join("wire");
        assert_eq!(
            options.machine.net.map(|net| net.to_string()),
            Some(format!("unix={}", wire.display()))
        );
    }
}
