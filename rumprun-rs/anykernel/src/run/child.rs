//! Starting QEMU as a child that cannot outlive us.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// Starts `program`. It has no input and no output but the messages on its standard error, and
/// stands in a process group of its own, so that Ctrl-C at the terminal reaches us alone.
#[expect(
    unsafe_code,
    reason = "what runs between fork and exec must not need more than the kernel"
)]
pub fn spawn(program: &Path, arguments: &[OsString]) -> io::Result<Child> {
    let parent = getpid();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    // SAFETY: the closure makes two system calls and touches no memory but its own copy of a
    // number: no lock, no allocation that another thread may have left half done (fork(2),
    // signal-safety(7)).
    unsafe { command.pre_exec(move || die_with(parent)) };
    command.spawn()
}

/// Has the kernel end this process when the thread ends that started it.
fn die_with(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before the kernel knew.
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}
