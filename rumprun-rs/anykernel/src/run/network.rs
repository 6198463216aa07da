//! The machine's network: which of QEMU's backends, and the address that the guest is told.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;

use protocol::Ipv4Network;
use thiserror::Error;

use super::forward::Forward;
use super::mac::MacAddress;
use super::options::MachineOptions;

/// The address that QEMU's user network expects of a guest, and its router.
const USER_NETWORK: Ipv4Network = Ipv4Network {
    address: Ipv4Addr::new(10, 0, 2, 15),
    prefix_length: 24,
};

/// What `--net` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backend {
    /// QEMU's own TCP/IP in between; needs no rights.
    User,
    /// A TAP interface of the host that exists and that the user may open.
    Tap(String),
    /// A Unix socket on which somebody listens: another machine, a program, a kernel in a process.
    /// Each frame goes behind its length in four bytes, big-endian.
    Unix(PathBuf),
    /// No network.
    None,
}

/// A network that a machine can be given.
#[derive(Debug)]
pub struct Network {
    /// QEMU's side.
    pub backend: Backend,
    /// Ports that lead to the guest.
    pub forwards: Vec<Forward>,
    /// The guest's address.
    pub address: Ipv4Network,
    /// The guest's default route.
    pub gateway: Option<Ipv4Addr>,
    /// The guest's Ethernet address, unless QEMU's default will do.
    pub mac: Option<MacAddress>,
    /// The wire of [`Backend::Unix`], once [`claim_host`](Network::claim_host) has connected it.
    pub wire: Option<UnixStream>,
}

/// The options do not make a network.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// Options about a network for an image without one.
    #[error("this image has no network, which {0} needs; bake it with --with net")]
    NoNetwork(&'static str),
    /// Ports lead through the user network only.
    #[error("-p works with --net user only; on any other network the guest's own ports are open")]
    ForwardNeedsUser,
    /// Nobody else knows an address.
    #[error("--net {0} needs --ip ADDRESS/LENGTH, the guest's address")]
    NoAddress(String),
    /// There is nobody to connect to.
    #[error("--net unix={}: {source} (somebody must listen there before the machine starts)", path.display())]
    NoPeer {
        /// The socket's path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The interface is not there.
    #[error("{0}: no such interface (`sudo ip tuntap add {0} mode tap user $USER` makes one)")]
    NoInterface(String),
    /// The host's port cannot be had.
    #[error("port {port}: {source} (-p OTHER:{guest_port} takes another port of this machine)")]
    Port {
        /// The host's port.
        port: u16,
        /// The guest's port, for the way out.
        guest_port: u16,
        /// Why not.
        source: io::Error,
    },
}

/// What is not written as the option wants it.
#[derive(Debug, Error)]
#[error("write it as {0}")]
pub struct SyntaxError(pub &'static str);

impl Network {
    /// The network for an image that has TCP/IP or has not.
    pub fn plan(
        options: &MachineOptions,
        image_has_net: bool,
    ) -> Result<Option<Self>, NetworkError> {
        let backend = match &options.net {
            Some(Backend::None) => return without_network(options, "-p"),
            None if !image_has_net => return without_network(options, "-p"),
            Some(_) if !image_has_net => return Err(NetworkError::NoNetwork("--net")),
            Some(backend) => backend.clone(),
            None => Backend::User,
        };
        let network = match &backend {
            Backend::Tap(_) | Backend::Unix(_) => {
                let address = options
                    .ip
                    .ok_or_else(|| NetworkError::NoAddress(backend.to_string()))?;
                // Several machines may share this network, where QEMU would give each of them the
                // same address.
                let derived = MacAddress::derived_from(address.address);
                Self {
                    forwards: Vec::new(),
                    address,
                    gateway: options.gateway,
                    mac: Some(options.mac.unwrap_or(derived)),
                    wire: None,
                    backend,
                }
            }
            Backend::User | Backend::None => Self::user(options),
        };
        if !options.ports.is_empty() && network.backend != Backend::User {
            return Err(NetworkError::ForwardNeedsUser);
        }
        Ok(Some(network))
    }

    /// QEMU's user network, moved to where `--ip` says.
    fn user(options: &MachineOptions) -> Self {
        let address = options.ip.unwrap_or(USER_NETWORK);
        let router = Ipv4Addr::from_bits(first_address(address).to_bits() | 2);
        Self {
            backend: Backend::User,
            forwards: options.ports.clone(),
            address,
            gateway: Some(options.gateway.unwrap_or(router)),
            mac: options.mac,
            wire: None,
        }
    }

    /// Connects to the other end of the wire, and finds out whether the host's interface and ports
    /// can be had: QEMU would tell it in words of its own, or, about the wire, not at all.
    pub fn claim_host(&mut self) -> Result<(), NetworkError> {
        match &self.backend {
            Backend::Tap(name) if !is_interface(name) => {
                return Err(NetworkError::NoInterface(name.clone()));
            }
            Backend::Unix(path) => {
                let wire = UnixStream::connect(path).map_err(|source| NetworkError::NoPeer {
                    path: path.clone(),
                    source,
                })?;
                self.wire = Some(wire);
            }
            _ => {}
        }
        self.forwards.iter().try_for_each(|forward| {
            forward
                .try_host_port()
                .map_err(|source| NetworkError::Port {
                    port: forward.host_port,
                    guest_port: forward.guest_port,
                    source,
                })
        })
    }
}

/// Whether there is an interface of this name. The kernel is asked, as `/sys` may show another
/// network namespace than ours.
fn is_interface(name: &str) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .is_ok_and(|socket| rustix::net::netdevice::name_to_index(&socket, name).is_ok())
}

/// No network, which is an answer unless ports are to lead there.
fn without_network(
    options: &MachineOptions,
    option: &'static str,
) -> Result<Option<Network>, NetworkError> {
    if options.ports.is_empty() {
        Ok(None)
    } else {
        Err(NetworkError::NoNetwork(option))
    }
}

/// The first address of a network.
pub fn first_address(network: Ipv4Network) -> Ipv4Addr {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(network.prefix_length))
        .unwrap_or(0);
    Ipv4Addr::from_bits(network.address.to_bits() & mask)
}

impl FromStr for Backend {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        match text.split_once('=') {
            None if text == "user" => Ok(Self::User),
            None if text == "none" => Ok(Self::None),
            Some(("tap", name)) if !name.is_empty() => Ok(Self::Tap(name.to_owned())),
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => Err(SyntaxError("user, none, tap=NAME or unix=PATH")),
        }
    }
}

/// As `--net` takes it.
impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::User => formatter.write_str("user"),
            Self::Tap(name) => write!(formatter, "tap={name}"),
            Self::Unix(path) => write!(formatter, "unix={}", path.display()),
            Self::None => formatter.write_str("none"),
        }
    }
}

/// Reads what `--ip` says.
pub fn parse_address(text: &str) -> Result<Ipv4Network, SyntaxError> {
    Ipv4Network::parse(text).ok_or(SyntaxError("ADDRESS/LENGTH, as in 10.0.2.15/24"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn plan(options: &str, image_has_net: bool) -> Result<Option<Network>, NetworkError> {
        let options: MachineOptions = toml::from_str(options).unwrap();
        Network::plan(&options, image_has_net)
    }

    fn network(options: &str) -> Network {
        plan(options, true).unwrap().unwrap()
    }

    #[test]
    fn an_image_with_tcp_gets_the_user_network_unless_said() {
        let network = network("");
        assert_eq!(network.backend, Backend::User);
        assert_eq!(network.gateway, Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert!(plan("", false).unwrap().is_none());
        assert!(plan("net = 'none'", true).unwrap().is_none());
    }

    #[test]
    fn the_user_network_follows_the_address() {
        let network = network("ip = '192.168.7.9/24'");
        assert_eq!(network.gateway, Some(Ipv4Addr::new(192, 168, 7, 2)));
    }

    #[test]
    fn machines_on_one_bridge_have_addresses_of_their_own() {
        let mac = |options: &str| {
            let network = network(&format!("net = 'tap=tap0'\n{options}"));
            network.mac.unwrap().to_string()
        };
        assert_eq!(mac("ip = '10.1.1.2/24'"), "02:00:0a:01:01:02");
        assert_ne!(mac("ip = '10.1.1.2/24'"), mac("ip = '10.1.1.3/24'"));
        let chosen = "52:54:00:00:00:07";
        let options = format!("ip = '10.1.1.2/24'\nmac = '{chosen}'");
        assert_eq!(mac(&options), chosen);
        assert_eq!(
            network("").mac,
            None,
            "on QEMU's own network nobody else is"
        );
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(matches!(
            plan("ports = ['8080:80']", false),
            Err(NetworkError::NoNetwork("-p"))
        ));
        assert!(matches!(
            plan("net = 'tap=tap0'", true),
            Err(NetworkError::NoAddress(_))
        ));
        assert!(matches!(
            plan(
                "net = 'tap=tap0'\nip = '10.1.1.2/24'\nports = ['8080:80']",
                true
            ),
            Err(NetworkError::ForwardNeedsUser)
        ));
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["user", "none", "tap=tap0", "unix=/tmp/a=b,c"] {
            let backend: Backend = text.parse().unwrap();
            assert_eq!(backend.to_string(), text);
        }
        for text in ["", "tap", "tap=", "unix", "unix=", "wire=x", "user=x"] {
            assert!(text.parse::<Backend>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_far_end_that_is_not_there_is_found() {
        let check =
            |backend: &str| network(&format!("net = '{backend}'\nip = '10.1.1.2/24'")).claim_host();
        assert!(check("tap=lo").is_ok());
        assert!(matches!(
            check("tap=no-such"),
            Err(NetworkError::NoInterface(_))
        ));
        for nobody in ["unix=/dev/null", "unix=/no/such/socket"] {
            assert!(matches!(check(nobody), Err(NetworkError::NoPeer { .. })));
        }
    }

    #[test]
    fn a_port_in_use_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut network = network(&format!("ports = ['{port}:80']"));
        let message = network.claim_host().unwrap_err().to_string();
        assert!(message.contains(&port.to_string()), "{message}");
        drop(listener);
        network.claim_host().unwrap();
    }

    #[test]
    fn networks_start_at_their_first_address() {
        let first = |text| first_address(parse_address(text).unwrap()).to_string();
        assert_eq!(first("10.0.2.15/24"), "10.0.2.0");
        assert_eq!(first("10.0.2.15/32"), "10.0.2.15");
        assert_eq!(first("10.0.2.15/0"), "0.0.0.0");
    }
}
