//! Serves a folder by HTTP over a TAP interface or to a machine at a Unix socket, through a TCP/IP
//! stack, files and sockets of our own, in an ordinary Linux process.
//!
//! ```text
//! serve --tap tap0 --address 10.0.0.2/24 FOLDER
//! serve --listen wire --address 10.0.0.2/24 FOLDER   # then: anykernel run --net unix=wire ...
//! ```
//!
//! It answers as `examples/httpd` does, byte for byte, which serves the same folder as a
//! unikernel through the same components.

mod connection;
mod http;
mod server;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Parser;
use userspace_harness::{Address, Link, Rendezvous, Setup};

use server::Server;

/// Serves a folder by HTTP over a TAP interface, or to a machine at a Unix socket.
#[derive(Parser)]
struct Arguments {
    /// The folder to serve, as it is at the start.
    folder: PathBuf,
    /// The TAP interface; made if there is none, which needs root.
    #[arg(long, default_value = "tap0")]
    tap: String,
    /// A Unix socket to make instead, and to serve the one machine that connects to it, as
    /// `anykernel run --net unix=PATH` does; needs no root.
    #[arg(long, value_name = "PATH", conflicts_with = "tap")]
    listen: Option<PathBuf>,
    /// The server's own address.
    #[arg(long, default_value = "10.0.0.2/24")]
    address: Address,
    /// Who carries packets for other networks.
    #[arg(long)]
    gateway: Option<Ipv4Addr>,
    /// The port to listen on.
    #[arg(long, default_value_t = 80)]
    port: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let link = match arguments.listen {
        Some(path) => wait_at(path)?,
        None => Link::Tap(arguments.tap),
    };
    let setup = Setup {
        disks: Vec::new(),
        root: Some(arguments.folder),
        link,
        address: arguments.address,
        gateway: arguments.gateway,
        take_signals: true,
    };
    let mut server = Server::new(setup.start()?, arguments.port)?;
    println!(
        "serve: http://{}:{}/",
        arguments.address.address, arguments.port
    );
    let requests = server.run()?;
    println!("serve: {requests} requests served");
    Ok(())
}

/// Waits for a machine at a socket of this name.
fn wait_at(path: PathBuf) -> anyhow::Result<Link> {
    let rendezvous = Rendezvous::listen(path)?;
    println!("serve: waiting at {}", rendezvous.path().display());
    Ok(Link::Stream(rendezvous.accept()?))
}
