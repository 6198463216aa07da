//! Running a command as a step that is announced and timed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A step that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it is called.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// Runs `work` as the step `name`. An error is shown, and counts as a failure.
pub fn step(name: &'static str, work: impl FnOnce() -> Result<()>) -> Step {
    eprintln!("==> {name}");
    let start = Instant::now();
    let result = work();
    if let Err(error) = &result {
        eprintln!("==> {name} failed: {error:#}");
    }
    Step {
        name,
        took: start.elapsed(),
        succeeded: result.is_ok(),
    }
}

/// Runs `command` to its end; anything but success is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{} does not start", program(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", program(command));
    }
    Ok(())
}

/// Runs `command` to its end and returns what it wrote to standard output.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("{} does not start", program(command)))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}: {}",
            program(command),
            output.status,
            message.trim()
        );
    }
    Ok(output.stdout)
}

/// The program's name, for messages.
pub fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_an_error_with_what_was_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo it broke >&2; exit 3"]);
        let error = output(&mut command).expect_err("the shell fails");
        assert!(error.to_string().contains("it broke"));
        assert!(run(&mut Command::new("false")).is_err());
    }

    #[test]
    fn a_step_that_fails_is_told_from_one_that_does_not() {
        assert!(step("good", || Ok(())).succeeded);
        assert!(!step("bad", || bail!("no")).succeeded);
    }
}
