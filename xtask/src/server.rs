//! A child process that says when it is ready, and that never outlives us.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::step;

/// How long a child may take to end in good order.
const GRACE: Duration = Duration::from_secs(5);
/// How often we look whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// A running child.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// How long it took from its start to its first line.
    pub ready_after: Duration,
    /// The first line it wrote.
    pub first_line: String,
}

impl Server {
    /// Starts `command` and waits, `patience` at most, for the first line on its standard output.
    pub fn start(command: &mut Command, patience: Duration) -> Result<Self> {
        let name = step::program(command);
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let output = child.stdout.take().context("the pipe was asked for")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self {
            child,
            lines,
            ready_after: Duration::ZERO,
            first_line: String::new(),
        };
        match server.lines.recv_timeout(patience) {
            Ok(line) => server.first_line = line,
            Err(_) => bail!("{name} said nothing within {} s", patience.as_secs()),
        }
        server.ready_after = start.elapsed();
        Ok(server)
    }

    /// Waits for the child to end by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Asks the child to end and returns its last line, if it wrote one more.
    pub fn stop(&mut self) -> Result<Option<String>> {
        self.signal(Signal::TERM);
        self.wait_for_end(|_| {})?;
        Ok(self.lines.iter().last())
    }

    /// Has the child end as somebody does who keeps pressing Ctrl-C, at which `anykernel run` ends
    /// a machine that does not listen.
    pub fn interrupt(&mut self) -> Result<()> {
        self.wait_for_end(|server| server.signal(Signal::INT))
    }

    /// Waits for the end, and does `meanwhile` as long as it has not come.
    fn wait_for_end(&mut self, meanwhile: impl Fn(&Self)) -> Result<()> {
        let deadline = Instant::now() + GRACE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                bail!("a server did not end when it was asked to");
            }
            meanwhile(self);
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended by itself, which is as good.
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let has_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
        if !has_ended && self.stop().is_err() {
            // Neither can fail on a child of ours that has not been waited for.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A port of this machine that nobody uses now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(local(0))?;
    Ok(listener.local_addr()?.port())
}

/// The address of a port of this machine.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Server> {
        let mut command = Command::new("sh");
        Server::start(command.args(["-c", script]), Duration::from_secs(10))
    }

    #[test]
    fn a_child_ends_in_good_order() {
        let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let mut server = shell(script).expect("the shell says a word");
        assert_eq!(server.first_line, "ready");
        assert_eq!(server.stop().ok().flatten().as_deref(), Some("bye"));
    }

    #[test]
    fn a_child_that_minds_the_second_interrupt_only_ends() {
        let script = "trap 'trap \"exit 0\" INT' INT; echo ready; while :; do sleep 0.01; done";
        let mut server = shell(script).expect("the shell says a word");
        assert!(server.interrupt().is_ok());
    }

    #[test]
    fn a_silent_child_is_an_error() {
        assert!(shell("exit 0").is_err());
    }
}
