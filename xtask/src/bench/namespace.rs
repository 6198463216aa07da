//! A network of our own: a namespace with a TAP interface, so that nothing of this machine's is
//! touched, and that is gone when we are.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;

/// The interface.
pub const TAP: &str = "tap0";

/// Makes the interface, says that it is there, and keeps the namespace until its input ends,
/// which it does at our end, whatever that is.
const HOLDER: &str = "ip link set lo up && ip tuntap add tap0 mode tap && \
    ip address add \"$0\" dev tap0 && ip link set tap0 up && echo ready && exec cat";

/// The namespace.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    file: PathBuf,
}

impl Namespace {
    /// A namespace in which [`TAP`] has `address`, written with the length of its network. Needs
    /// root.
    pub fn new(address: &str) -> Result<Self> {
        ensure!(
            geteuid().is_root(),
            "a network namespace with a TAP interface needs root \
             (sudo -E env \"PATH=$PATH\" cargo xtask bench http)"
        );
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", HOLDER, address]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().context("unshare does not start")?;
        let file = PathBuf::from(format!("/proc/{}/ns/net", holder.id()));
        let output = holder.stdout.take().context("the pipe was asked for")?;
        let namespace = Self { holder, file };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line == "ready\n", "the network namespace cannot be made");
        Ok(namespace)
    }

    /// `program` in the namespace, on processor `core` alone.
    pub fn command(&self, core: usize, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.file.display()));
        command.args(["taskset", "--cpu-list", &core.to_string()]);
        command.arg(program.get_program()).args(program.get_args());
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It is ours and has not been waited for, so neither fails.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
