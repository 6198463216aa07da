//! `cargo xtask fuzz`: the fuzz targets of `userspace-harness/fuzz`, under a nightly compiler with
//! AddressSanitizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::error::ErrorKind;

use crate::step;
use crate::workspace::Workspace;

/// The folder of the targets' workspace.
const FOLDER: &str = "userspace-harness/fuzz";
/// What the targets are compiled for; a sanitizer's flags must not reach build scripts.
const MACHINE: &str = "x86_64-unknown-linux-gnu";
/// The longest input in bytes: some hundred steps.
const LONGEST_INPUT: &str = "4096";

/// The command line of `fuzz`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo xtask fuzz --list\n  cargo xtask fuzz frames --time 600\n\n\
    Inputs that find something new are kept in target/fuzz/corpus. One that fails is reported with \
    its path and with how to run it again."
)]
pub struct FuzzArguments {
    /// The target
    #[arg(required_unless_present = "list")]
    target: Option<String>,
    /// How long, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    time: u64,
    /// Say which targets there are
    #[arg(long)]
    list: bool,
}

/// Fuzzes one target. The exit status is a failure when an input fails.
pub fn fuzz(workspace: &Workspace, arguments: &FuzzArguments) -> Result<ExitCode> {
    let targets = Target::all(workspace)?;
    let Some(name) = arguments.target.as_ref().filter(|_| !arguments.list) else {
        for target in targets {
            println!("{:<12}{}", target.name, target.about);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(target) = targets.iter().find(|target| target.name == *name) else {
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        let names = names.join(", ");
        let message = format!("no fuzz target is called {name}; there are {names}\n");
        clap::Error::raw(ErrorKind::InvalidValue, message).exit();
    };
    let built = target.build(workspace)?;
    let status = built
        .command()
        .arg(format!("-max_total_time={}", arguments.time))
        .status()
        .with_context(|| format!("{name} does not start"))?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    built.report(workspace)?;
    Ok(ExitCode::FAILURE)
}

/// A fuzz target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What its file says first.
    about: String,
}

impl Target {
    /// The targets there are, by name.
    pub fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        let folder = workspace.root().join(FOLDER).join("fuzz_targets");
        let mut targets = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            let first = text.lines().next().unwrap_or_default();
            targets.push(Self {
                name: path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into(),
                about: first.trim_start_matches("//!").trim().into(),
            });
        }
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(targets)
    }

    /// Builds it.
    pub fn build(&self, workspace: &Workspace) -> Result<Built> {
        install_cargo_fuzz()?;
        let target_folder = workspace.target().join("fuzz");
        // Inputs are lists of steps: there are no magic numbers that comparisons would tell of,
        // and telling takes more time than the tests.
        step::run(
            nightly_cargo()
                .current_dir(workspace.root().join(FOLDER))
                .args(["fuzz", "build", "--no-trace-compares", "--target-dir"])
                .arg(&target_folder)
                .arg(&self.name),
        )?;
        let built = Built {
            program: target_folder.join(MACHINE).join("release").join(&self.name),
            corpus: target_folder.join("corpus").join(&self.name),
            kept_corpus: workspace
                .root()
                .join(FOLDER)
                .join("corpus")
                .join(&self.name),
            findings: target_folder.join("findings").join(&self.name),
        };
        fs::create_dir_all(&built.corpus)?;
        fs::create_dir_all(&built.findings)?;
        Ok(built)
    }
}

/// A target's program and folders.
#[derive(Debug)]
pub struct Built {
    program: PathBuf,
    /// Inputs found on this machine.
    corpus: PathBuf,
    /// Those of the repository.
    kept_corpus: PathBuf,
    /// Inputs that failed.
    findings: PathBuf,
}

impl Built {
    /// The fuzzer, which begins with both corpora.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Safe Rust has no use of a stack's memory after return, and a short quarantine keeps
        // freed memory in the processor's caches: either takes as much time as all the rest.
        command
            .env(
                "ASAN_OPTIONS",
                "quarantine_size_mb=4:detect_stack_use_after_return=0",
            )
            .arg(format!("-artifact_prefix={}/", self.findings.display()))
            .arg(format!("-max_len={LONGEST_INPUT}"))
            // Weighing inputs by how rare what they do is would take a third of the time.
            .args(["-entropic=0", "-timeout=20", "-print_final_stats=1"])
            .arg(&self.corpus)
            .arg(&self.kept_corpus);
        command
    }

    /// Says which input failed and what can be done with it.
    fn report(&self, workspace: &Workspace) -> Result<()> {
        let Some(input) = newest(&self.findings)? else {
            bail!("the fuzzer failed without an input");
        };
        let path = input.strip_prefix(workspace.root()).unwrap_or(&input);
        let path = path.display();
        let target = self.program.file_name().unwrap_or_default().display();
        eprintln!("\nThis input fails: {path}");
        eprintln!("Run it again:\n  {} {path}", self.program.display());
        eprintln!(
            "Read what it says:\n  cargo run -p userspace-harness --example input {target} {path}"
        );
        eprintln!(
            "Once it is mended, give it a name in {FOLDER}/corpus/{target}: the tests replay it."
        );
        Ok(())
    }
}

/// The file in `folder` that was changed last.
fn newest(folder: &Path) -> Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        newest = newest.max(Some((entry.metadata()?.modified()?, entry.path())));
    }
    Ok(newest.map(|(_, path)| path))
}

/// Cargo of the nightly toolchain.
fn nightly_cargo() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    command
}

/// Installs cargo-fuzz if it is missing.
fn install_cargo_fuzz() -> Result<()> {
    let has = |arguments: &[&str]| {
        let mut command = nightly_cargo();
        command.args(arguments);
        let output = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        output.is_ok_and(|status| status.success())
    };
    if !has(&["--version"]) {
        bail!("fuzzing needs a nightly compiler: rustup toolchain install nightly");
    }
    if !has(&["fuzz", "--version"]) {
        eprintln!("cargo-fuzz is missing; installing it: cargo install cargo-fuzz --locked");
        step::run(nightly_cargo().args(["install", "cargo-fuzz", "--locked"]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_says_what_it_is_about_and_has_a_corpus() {
        let workspace = Workspace::find().expect("there is one");
        let targets = Target::all(&workspace).expect("there are some");
        assert!(!targets.is_empty());
        for Target { name, about } in targets {
            assert!(about.ends_with('.'), "{name}: {about}");
            let corpus = workspace.root().join(FOLDER).join("corpus").join(&name);
            assert!(corpus.is_dir(), "{}", corpus.display());
        }
    }

    #[test]
    fn the_newest_finding_is_the_one_reported() {
        let folder = tempfile::tempdir().expect("a place for files");
        assert_eq!(newest(folder.path()).expect("readable"), None);
        let path = folder.path().join("crash");
        fs::write(&path, "").expect("room");
        assert_eq!(newest(folder.path()).expect("readable"), Some(path));
    }
}
