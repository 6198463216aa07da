//! A port of the host that leads to the guest.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::str::FromStr;

use super::network::SyntaxError;

/// What `-p` says: a port of the host leads to a port of the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward {
    /// TCP or UDP.
    pub transport: Transport,
    /// The host's address; 0.0.0.0 means all.
    pub host_address: Ipv4Addr,
    /// The host's port.
    pub host_port: u16,
    /// The guest's port.
    pub guest_port: u16,
}

/// A protocol that has ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Forward {
    /// Takes the host's port for a moment, to find out whether it can be had.
    pub fn try_host_port(&self) -> io::Result<()> {
        let place = (self.host_address, self.host_port);
        match self.transport {
            Transport::Tcp => TcpListener::bind(place).map(drop),
            Transport::Udp => UdpSocket::bind(place).map(drop),
        }
    }
}

impl FromStr for Forward {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        parse_forward(text).ok_or(SyntaxError(
            "[ADDRESS:]PORT:GUEST_PORT[/udp], as in 8080:80",
        ))
    }
}

fn parse_forward(text: &str) -> Option<Forward> {
    let (ports, transport) = match text.rsplit_once('/') {
        None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Transport::Tcp),
        Some((ports, "udp")) => (ports, Transport::Udp),
        Some(_) => return None,
    };
    let (host, guest_port) = ports.rsplit_once(':')?;
    let (host_address, host_port) = match host.rsplit_once(':') {
        Some((address, port)) => (address.parse().ok()?, port),
        None => (Ipv4Addr::UNSPECIFIED, host),
    };
    let port = |text: &str| text.parse().ok().filter(|&port: &u16| port != 0);
    Some(Forward {
        transport,
        host_address,
        host_port: port(host_port)?,
        guest_port: port(guest_port)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_all_spellings() {
        let tcp: Forward = "8080:80".parse().unwrap();
        assert_eq!("8080:80/tcp".parse::<Forward>().unwrap(), tcp);
        assert_eq!(
            (tcp.host_address, tcp.host_port, tcp.guest_port),
            (Ipv4Addr::UNSPECIFIED, 8080, 80)
        );
        let udp: Forward = "127.0.0.1:53:5353/udp".parse().unwrap();
        assert_eq!(
            (udp.transport, udp.host_address),
            (Transport::Udp, Ipv4Addr::LOCALHOST)
        );
        for text in [
            "80",
            "0:80",
            "80:0",
            "x:80",
            "1:2:3",
            "80:80/sctp",
            "70000:1",
            "",
        ] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }
}
