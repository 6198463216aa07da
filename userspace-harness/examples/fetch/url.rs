//! What to fetch from where.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use anyhow::{Context, Result};

/// `http://ADDRESS[:PORT]/PATH`. There is nobody to ask for names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// The server.
    pub server: SocketAddrV4,
    /// The path, from its slash on.
    pub path: String,
}

impl FromStr for Url {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).context("a URL here is http://ADDRESS[:PORT]/PATH, with an IPv4 address")
    }
}

fn parse(text: &str) -> Option<Url> {
    let rest = text.strip_prefix("http://")?;
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let server = match server.split_once(':') {
        Some((address, port)) => SocketAddrV4::new(address.parse().ok()?, port.parse().ok()?),
        None => SocketAddrV4::new(server.parse::<Ipv4Addr>().ok()?, 80),
    };
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    let path = if path.is_empty() { "/" } else { path };
    is_plain.then(|| Url {
        server,
        path: path.to_owned(),
    })
}
