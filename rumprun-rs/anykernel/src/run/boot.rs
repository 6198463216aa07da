//! From a machine's description to our exit status.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::control::Control;
use super::input::Feed;
use super::output::Copier;
use super::process::Process;
use super::qemu::{self, Machine};
use super::session::{End, Session};
use super::signals::Signals;

/// The shell's status for a program that Ctrl-C ended: 128 and the number of the signal.
const INTERRUPTED: u8 = 128 + 2;
/// The same for a program that wrote where nobody reads (SIGPIPE).
const READER_GONE: u8 = 128 + 13;

/// What was started did not run to an end of its own.
#[derive(Debug, Error)]
pub enum BootError {
    /// There is no such QEMU.
    #[error("{}: {source} (--qemu names QEMU for x86-64)", program.display())]
    QemuDoesNotStart {
        /// What was started.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// QEMU does not take its orders; this is what it says.
    #[error("the machine did not run: {0}")]
    QemuRefused(String),
    /// The machine was reset or halted from inside.
    #[error("the machine ended without an exit status: its kernel failed")]
    NoStatus,
    /// We could not do our part.
    #[error("serving the machine: {0}")]
    Service(#[from] io::Error),
}

/// How a machine ended.
#[derive(Debug)]
pub struct Ended {
    /// Our exit status.
    pub status: u8,
    /// What was handed over of code that failed (`protocol::FailureHead`); mostly nothing.
    pub failures: Vec<u8>,
}

/// Runs `machine` to its end, if need be on the next best accelerator.
pub fn boot(program: &Path, mut machine: Machine, verbose: bool) -> Result<Ended, BootError> {
    let mut signals = Signals::catch()?;
    let feed = match machine.has_console {
        true => Some(Feed::start(duplicate(io::stdin())?)?),
        false => None,
    };
    loop {
        let Attempt {
            end,
            messages,
            failures,
        } = attempt(program, &machine, feed.as_ref(), verbose, &mut signals)?;
        let status = match end {
            End::Status(status) => status,
            End::Interrupted => INTERRUPTED,
            End::ReaderGone => READER_GONE,
            End::Stopped => match machine.accelerator.after_failure(&messages) {
                Some(accelerator) => {
                    machine.accelerator = accelerator;
                    continue;
                }
                None => return Err(stopped(&messages)),
            },
        };
        return Ok(Ended { status, failures });
    }
}

/// What came of one start.
struct Attempt {
    end: End,
    /// What QEMU said.
    messages: String,
    failures: Vec<u8>,
}

/// Runs `machine` once. The guest's output has been copied to its end when this returns.
fn attempt(
    program: &Path,
    machine: &Machine,
    feed: Option<&Feed>,
    verbose: bool,
    signals: &mut Signals,
) -> Result<Attempt, BootError> {
    let mut process =
        Process::start(program, machine, feed.map(Feed::end), verbose).map_err(|source| {
            BootError::QemuDoesNotStart {
                program: program.to_owned(),
                source,
            }
        })?;
    let (reader_gone, gone) = io::pipe()?;
    let output = Copier::start(process.output, duplicate(io::stdout())?, gone.try_clone()?);
    let error = Copier::start(process.error, duplicate(io::stderr())?, gone.try_clone()?);
    let session = Session {
        status: &mut process.status,
        control: Control::new(process.control)?,
        input: &mut duplicate(io::stdin())?,
        signals: &mut *signals,
        reader_gone: &reader_gone,
        interrupts: 0,
    };
    let end = session.run()?;
    if end != End::Stopped {
        signals.release();
        process.qemu.kill()?;
    }
    let messages = process.qemu.wait()?;
    output.finish();
    error.finish();
    Ok(Attempt {
        end,
        messages,
        failures: process.failure.finish(),
    })
}

/// The same stream, without a buffer of ours.
fn duplicate(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// What to tell about a machine that gave no status: QEMU's reason, or that it gave none.
fn stopped(messages: &str) -> BootError {
    let prefix = format!("{}: ", qemu::PROGRAM);
    let mut lines = messages
        .lines()
        .map(|line| line.strip_prefix(&prefix).unwrap_or(line));
    match lines.rfind(|line| !line.trim().is_empty()) {
        Some(line) => BootError::QemuRefused(line.to_owned()),
        None => BootError::NoStatus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thing_that_qemu_says_is_the_reason() {
        let said = "qemu-system-x86_64: warning: x\nqemu-system-x86_64: no memory\n\n";
        assert_eq!(
            stopped(said).to_string(),
            "the machine did not run: no memory"
        );
        assert!(matches!(stopped(" \n"), BootError::NoStatus));
    }
}
