//! Requests a second of `examples/httpd` as an image, beside the same program on a Linux guest.
//!
//! Each machine in turn is started, warmed up, asked for a while and ended, round after round, so
//! that a busy moment meets all of them. A ratio is taken within a round. Machine and load
//! generator have a processor each, in a network namespace of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::linux_guest::{self, LinuxGuest, Task};
use super::namespace::{Namespace, TAP};
use super::row::{Bar, Row};
use super::tool::Tool;
use super::wrk;
use crate::server::Server;
use crate::step;
use crate::workspace::Workspace;

/// Rounds.
const ROUNDS: usize = 5;
/// How long a machine is asked before its requests count: QEMU translates code when it first runs.
const WARM_UP_SECONDS: u64 = 2;
/// How long its requests count.
const SECONDS: u64 = 6;
/// Connections, which stay open.
const CONNECTIONS: usize = 16;
/// How long a machine may take to come up.
const PATIENCE: Duration = Duration::from_secs(90);

/// The processor of the machine, and that of the load generator.
const MACHINE_CORE: usize = 0;
const LOAD_CORE: usize = 1;

const HOST_ADDRESS: &str = "10.111.0.1/24";
const GUEST_ADDRESS: &str = "10.111.0.2/24";
const URL: &str = "http://10.111.0.2:8080/index.html";

/// An image against two ways to start the same kernel.
pub fn measure(workspace: &Workspace, tool: &Tool) -> Result<Vec<Row>> {
    let stand = Stand::new(workspace, tool)?;
    let mut rates = [const { Vec::new() }; 3];
    for round in 1..=ROUNDS {
        for (machine, rates) in stand.machines.iter().zip(&mut rates) {
            let rate = stand.rate(machine).context(machine.name)?;
            eprintln!("round {round}: {} {rate:.0} requests/s", machine.name);
            rates.push(rate);
        }
    }
    let [ours, default, unmitigated] = rates;
    let ratios: Vec<f64> = ours
        .iter()
        .zip(default.iter().zip(&unmitigated))
        .map(|(ours, (default, unmitigated))| ours / default.max(*unmitigated))
        .collect();
    let figure = |name, rates: &[f64]| Row::of_median(name, "requests/s", None, rates);
    let rows = [
        Row::of_median("httpd, beside Linux", "x", Some(Bar::AtLeast(1.5)), &ratios),
        figure("httpd as an image", &ours),
        figure("httpd on Linux", &default),
        figure("httpd on Linux, mitigations=off", &unmitigated),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// What is measured, and where.
struct Stand<'a> {
    tool: &'a Tool,
    namespace: Namespace,
    image: PathBuf,
    machines: [Machine; 3],
}

/// A way to run the program.
struct Machine {
    name: &'static str,
    /// A QEMU that boots something else than the image, if it does.
    qemu: Option<PathBuf>,
}

impl<'a> Stand<'a> {
    fn new(workspace: &Workspace, tool: &'a Tool) -> Result<Self> {
        let namespace = Namespace::new(HOST_ADDRESS)?;
        let example = workspace.root().join("examples/httpd");
        let pages = example.join("pages");
        let program = workspace.target().join("bench/httpd-with-pages");
        let guest = LinuxGuest::prepare(workspace, tool)?;
        let image = tool.image(&example.join("httpd.c"), &program, Some(&pages))?;
        let on_linux = |name, kernel_words| linux(&guest, name, &program, &pages, kernel_words);
        eprintln!("Linux is {}", guest.release());
        let machines = [
            Machine {
                name: "httpd-as-image",
                qemu: None,
            },
            on_linux("httpd-on-linux", "")?,
            on_linux("httpd-on-linux-unmitigated", "mitigations=off")?,
        ];
        Ok(Self {
            tool,
            namespace,
            image,
            machines,
        })
    }

    /// Requests a second of a machine that is started for that and ended.
    fn rate(&self, machine: &Machine) -> Result<f64> {
        let mut run = self.tool.run(&self.image);
        run.args(["--net", &format!("tap={TAP}"), "--ip", GUEST_ADDRESS]);
        if let Some(qemu) = &machine.qemu {
            run.arg("--qemu").arg(qemu);
            run.args(["--memory", linux_guest::MEMORY]);
        }
        let mut run = self.namespace.command(MACHINE_CORE, &run);
        let mut server = Server::start(&mut run, PATIENCE)?;
        self.load(WARM_UP_SECONDS)?;
        let rate = self.load(SECONDS);
        server.interrupt()?;
        rate
    }

    fn load(&self, seconds: u64) -> Result<f64> {
        let load = wrk::command(URL, CONNECTIONS, seconds);
        let said = step::output(&mut self.namespace.command(LOAD_CORE, &load))
            .context("the load generator (Debian: apt install wrk)")?;
        wrk::requests_per_second(&String::from_utf8_lossy(&said))
    }
}

/// `program` on the guest, which serves `pages`.
fn linux(
    guest: &LinuxGuest,
    name: &'static str,
    program: &Path,
    pages: &Path,
    kernel_words: &str,
) -> Result<Machine> {
    let qemu = guest.qemu(&Task {
        name,
        program,
        root: Some(pages),
        arguments: &["-r", linux_guest::ROOT],
        kernel_words,
        address: Some(GUEST_ADDRESS),
    })?;
    Ok(Machine {
        name,
        qemu: Some(qemu),
    })
}
