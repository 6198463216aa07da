//! `cargo xtask test`: what must hold before a change is merged, in one run.
//!
//! Every step runs, whatever the ones before it came to. The last line counts the steps and all
//! tests: `N passed, N failed`.

use std::env;
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::counts::Counts;
use crate::step::{self, Step, step};
use crate::workspace::Workspace;

/// Runs all steps.
pub fn test(workspace: &Workspace) -> Result<ExitCode> {
    let mut counts = Counts::default();
    let mut steps = lint(workspace);
    steps.push(step("build", || build::build(workspace).map(drop)));
    steps.push(step("tests", || run_tests(workspace, &mut counts)));
    report(&steps);
    let tests_failed = counts.failed > 0;
    for step in &steps {
        // Failed tests are counted one by one already.
        if !(step.name == "tests" && tests_failed) {
            counts.add(step.succeeded);
        }
    }
    println!("{counts}");
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The steps that look at the source alone.
fn lint(workspace: &Workspace) -> Vec<Step> {
    let mut steps = vec![
        step("format", || {
            step::run(workspace.cargo().args(["fmt", "--all", "--check"]))
        }),
        step("lints", || {
            for selection in selections() {
                step::run(
                    workspace
                        .cargo()
                        .args(["clippy", "--locked"])
                        .args(selection)
                        .args(["--", "--deny", "warnings"]),
                )?;
            }
            Ok(())
        }),
        step("documentation", || {
            for selection in selections() {
                step::run(
                    workspace
                        .cargo()
                        .args(["doc", "--locked", "--no-deps", "--document-private-items"])
                        .args(
                            selection
                                .iter()
                                .filter(|option| **option != "--all-targets"),
                        )
                        .env("RUSTDOCFLAGS", "--deny warnings"),
                )?;
            }
            Ok(())
        }),
    ];
    // The licences are checked by a test too (tests/layering); cargo-deny knows advisories.
    if is_installed("cargo-deny") {
        steps.push(step("dependencies", || {
            step::run(
                workspace
                    .cargo()
                    .args(["deny", "check", "bans", "licenses", "sources"]),
            )
        }));
    }
    steps
}

/// All crates, in two parts: the kernel library has a panic handler of its own, which does not go
/// together with the standard library that the other crates bring.
fn selections() -> [&'static [&'static str]; 2] {
    const LIBRARY: &str = build::LIBRARY_PACKAGE;
    [
        &["--workspace", "--all-targets", "--exclude", LIBRARY],
        &["--package", LIBRARY],
    ]
}

fn is_installed(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Runs every test of the workspace, shows what they print and counts them.
fn run_tests(workspace: &Workspace, counts: &mut Counts) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    let succeeded = pass_on_lines(&mut cargo, |line| counts.add_line(line))?;
    if !succeeded {
        bail!("not all tests passed");
    }
    Ok(())
}

/// Runs `command`, passing on its standard output line by line, and says whether it succeeded.
fn pass_on_lines(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", step::program(command)))?;
    let output = child.stdout.take().context("the pipe was asked for")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        see(&String::from_utf8_lossy(&line));
        let mut out = stdout().lock();
        out.write_all(&line)?;
        out.write_all(b"\n")?;
    }
    Ok(child.wait()?.success())
}

fn report(steps: &[Step]) {
    println!();
    for step in steps {
        let result = if step.succeeded { "ok" } else { "FAILED" };
        println!("{:<16}{:>7}  {result}", step.name, in_seconds(step.took));
    }
}

fn in_seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_seen_and_the_status_told() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two; exit 1"]);
        let succeeded = pass_on_lines(&mut command, |line| lines.push(line.to_owned()));
        assert_eq!(succeeded.ok(), Some(false));
        assert_eq!(lines, ["one", "two"]);
    }
}
