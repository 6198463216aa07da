//! Fetches pages by HTTP from a machine at a Unix socket, through a TCP/IP stack and sockets of our
//! own, in an ordinary Linux process, and writes them to standard output.
//!
//! ```text
//! fetch --listen wire --address 10.0.0.1/24 http://10.0.0.2:8080/ > page
//! anykernel run httpd --root pages --net unix=wire --ip 10.0.0.2/24    # in another terminal
//! ```

mod client;
mod url;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use userspace_harness::{Address, Link, Rendezvous, Setup};

use client::Client;
use url::Url;

/// Fetches pages by HTTP from a machine at a Unix socket.
#[derive(Parser)]
struct Arguments {
    /// Unix socket to make, to which the machine connects, as `anykernel run --net unix=PATH`
    /// does.
    #[arg(long, value_name = "PATH")]
    listen: PathBuf,
    /// Our own address.
    #[arg(long, default_value = "10.0.0.1/24")]
    address: Address,
    /// How many seconds the machine may take until it answers.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    patience: u64,
    /// What to fetch.
    #[arg(required = true)]
    urls: Vec<Url>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let rendezvous = Rendezvous::listen(arguments.listen)?;
    eprintln!("fetch: waiting at {}", rendezvous.path().display());
    let setup = Setup {
        disks: Vec::new(),
        root: None,
        link: Link::Stream(rendezvous.accept()?),
        address: arguments.address,
        gateway: None,
        take_signals: false,
    };
    let patience = Duration::from_secs(arguments.patience);
    let mut client = Client::new(setup.start()?, patience);
    for url in &arguments.urls {
        let page = client.fetch(url)?;
        std::io::stdout().write_all(&page)?;
    }
    Ok(())
}
