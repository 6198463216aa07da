//! Socket options: those that do what they say (POSIX.1-2017, 2.10.16). Every other is
//! ENOPROTOOPT.

use core::time::Duration;

use hypercall::Host;
use net::{SocketKind, SocketOption};

use crate::description::Object;
use crate::{Errno, Fd, Kernel};

/// The option's level for sockets in general (SOL_SOCKET on Linux).
const SOL_SOCKET: i32 = 1;
/// The option's level for TCP (IPPROTO_TCP).
const IPPROTO_TCP: i32 = 6;
/// The address families and protocols as Linux numbers them.
const AF_UNIX: i32 = 1;
const AF_INET: i32 = 2;
const IPPROTO_UDP: i32 = 17;
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;

/// An option that is understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OptionName {
    /// SO_REUSEADDR.
    ReuseAddress,
    /// SO_TYPE, to be read.
    Type,
    /// SO_ERROR, to be read; reading clears it.
    Error,
    /// SO_KEEPALIVE.
    KeepAlive,
    /// SO_LINGER. A connection is always closed in the background, so it can only be off.
    Linger,
    /// SO_RCVTIMEO.
    ReceiveTimeout,
    /// SO_SNDTIMEO.
    SendTimeout,
    /// SO_ACCEPTCONN, to be read.
    Listening,
    /// SO_PROTOCOL, to be read.
    Protocol,
    /// SO_DOMAIN, to be read.
    Domain,
    /// TCP_NODELAY.
    NoDelay,
}

/// An option's value, of the C type that goes with its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OptionValue {
    /// An `int`.
    Number(i32),
    /// A `struct timeval`; zero is no timeout.
    Time(Duration),
    /// A `struct linger`: whether it is on, and seconds.
    Linger(bool, i32),
}

impl OptionName {
    /// The option numbered so on Linux.
    pub const fn new(level: i32, number: i32) -> Result<Self, Errno> {
        Ok(match (level, number) {
            (SOL_SOCKET, 2) => Self::ReuseAddress,
            (SOL_SOCKET, 3) => Self::Type,
            (SOL_SOCKET, 4) => Self::Error,
            (SOL_SOCKET, 9) => Self::KeepAlive,
            (SOL_SOCKET, 13) => Self::Linger,
            (SOL_SOCKET, 20) => Self::ReceiveTimeout,
            (SOL_SOCKET, 21) => Self::SendTimeout,
            (SOL_SOCKET, 30) => Self::Listening,
            (SOL_SOCKET, 38) => Self::Protocol,
            (SOL_SOCKET, 39) => Self::Domain,
            (IPPROTO_TCP, 1) => Self::NoDelay,
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }
}

impl<H: Host> Kernel<H> {
    /// Sets an option. A value of another type than the option's is EINVAL.
    pub fn setsockopt(
        &mut self,
        fd: Fd,
        name: OptionName,
        value: OptionValue,
    ) -> Result<(), Errno> {
        if let Object::LocalSocket { .. } = self.description(fd)?.1.object {
            return Err(Errno::ENOPROTOOPT);
        }
        let (network, socket) = self.network_socket(fd)?;
        match (name, value) {
            (OptionName::ReuseAddress, OptionValue::Number(number)) => {
                let on = number != 0;
                network.set_option(socket.id, SocketOption::ReuseAddress(on))?;
                socket.reuse_address = on;
            }
            (OptionName::KeepAlive, OptionValue::Number(number)) => {
                let on = number != 0;
                network.set_option(socket.id, SocketOption::KeepAlive(on))?;
                socket.keep_alive = on;
            }
            (OptionName::NoDelay, OptionValue::Number(number)) => {
                if socket.kind != SocketKind::Stream {
                    return Err(Errno::ENOPROTOOPT);
                }
                let on = number != 0;
                network.set_option(socket.id, SocketOption::NoDelay(on))?;
                socket.no_delay = on;
            }
            (OptionName::Linger, OptionValue::Linger(false, _)) => {}
            (OptionName::ReceiveTimeout, OptionValue::Time(time)) => {
                socket.receive_timeout = Some(time).filter(|time| !time.is_zero());
            }
            (OptionName::SendTimeout, OptionValue::Time(time)) => {
                socket.send_timeout = Some(time).filter(|time| !time.is_zero());
            }
            (
                OptionName::Linger
                | OptionName::Type
                | OptionName::Error
                | OptionName::Listening
                | OptionName::Protocol
                | OptionName::Domain,
                _,
            ) => return Err(Errno::ENOPROTOOPT),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// An option's value.
    pub fn getsockopt(&mut self, fd: Fd, name: OptionName) -> Result<OptionValue, Errno> {
        if let Object::LocalSocket { .. } = self.description(fd)?.1.object {
            return local_option(name);
        }
        let (network, socket) = self.network_socket(fd)?;
        let is_stream = socket.kind == SocketKind::Stream;
        let number = match name {
            OptionName::ReuseAddress => i32::from(socket.reuse_address),
            OptionName::KeepAlive => i32::from(socket.keep_alive),
            OptionName::NoDelay if is_stream => i32::from(socket.no_delay),
            OptionName::NoDelay => return Err(Errno::ENOPROTOOPT),
            OptionName::Listening => i32::from(socket.listening),
            OptionName::Type if is_stream => SOCK_STREAM,
            OptionName::Type => SOCK_DGRAM,
            OptionName::Domain => AF_INET,
            OptionName::Protocol if is_stream => IPPROTO_TCP,
            OptionName::Protocol => IPPROTO_UDP,
            OptionName::Error => {
                let error = network.take_error(socket.id);
                socket.connecting &= error.is_none();
                error.map_or(0, |error| Errno::from(error).number())
            }
            OptionName::Linger => return Ok(OptionValue::Linger(false, 0)),
            OptionName::ReceiveTimeout => return Ok(time(socket.receive_timeout)),
            OptionName::SendTimeout => return Ok(time(socket.send_timeout)),
        };
        Ok(OptionValue::Number(number))
    }
}

fn time(timeout: Option<Duration>) -> OptionValue {
    OptionValue::Time(timeout.unwrap_or_default())
}

/// What is known of every local socket.
fn local_option(name: OptionName) -> Result<OptionValue, Errno> {
    Ok(OptionValue::Number(match name {
        OptionName::Type => SOCK_STREAM,
        OptionName::Domain => AF_UNIX,
        OptionName::Error | OptionName::Listening | OptionName::Protocol => 0,
        _ => return Err(Errno::ENOPROTOOPT),
    }))
}
