//! What programs do with stream sockets.

use core::net::SocketAddrV4;

use hypercall::{Sink, Source};

use crate::layers::Layers;
use crate::ports;
use crate::sockets::{NO_ADDRESS, Role, Socket, Stream};
use crate::tcp::segment::Tuple;
use crate::{AddressError, Connection, Half, NetError, Readiness, SocketId, SocketOption};

/// No listener keeps more connections waiting, whatever it asks for.
const MAX_BACKLOG: usize = 4096;

/// Gives a socket a local address.
pub(crate) fn bind(
    layers: &mut Layers,
    socket: SocketId,
    local: SocketAddrV4,
) -> Result<(), NetError> {
    let stream = layers.sockets.stream(socket)?;
    if stream.role != Role::Fresh || stream.local != NO_ADDRESS {
        return Err(NetError::Unsupported);
    }
    if !local.ip().is_unspecified() && !layers.link.addressing.is_ours(*local.ip()) {
        return Err(AddressError::NotLocal.into());
    }
    let (claims, tcp) = (&layers.tcp_ports, &layers.tcp);
    let at = |port| SocketAddrV4::new(*local.ip(), port);
    let local = if local.port() == 0 {
        let mut is_free = |port| claims.is_free(at(port)) && !tcp.uses_port(at(port));
        at(ports::ephemeral(&mut layers.random, &mut is_free)?)
    } else {
        let left_over = !stream.reuse_address && tcp.uses_port(local);
        if left_over || !claims.is_free(local) {
            return Err(AddressError::InUse.into());
        }
        local
    };
    layers.tcp_ports.claim(local, socket.index)?;
    stream.local = local;
    Ok(())
}

/// Makes a socket wait for connections.
pub(crate) fn listen(
    layers: &mut Layers,
    socket: SocketId,
    backlog: usize,
) -> Result<(), NetError> {
    let stream = *layers.sockets.stream(socket)?;
    if matches!(stream.role, Role::Connection(_)) {
        return Err(NetError::Unsupported);
    }
    if stream.local == NO_ADDRESS {
        bind(layers, socket, NO_ADDRESS)?;
    }
    let stream = layers.sockets.stream(socket)?;
    let (local, options) = (stream.local, stream.options);
    let backlog = backlog.clamp(1, MAX_BACKLOG);
    layers.tcp.listen(socket.index, local, backlog, options)?;
    stream.role = Role::Listener;
    Ok(())
}

/// The oldest connection that waits, as a socket of its own.
pub(crate) fn accept(layers: &mut Layers, socket: SocketId) -> Result<Connection, NetError> {
    let stream = *layers.sockets.stream(socket)?;
    if stream.role != Role::Listener {
        return Err(NetError::Unsupported);
    }
    if !layers.tcp.can_accept(socket.index, stream.local) {
        return Err(NetError::WouldBlock);
    }
    let accepted = layers.add_socket(Socket::Stream(Stream {
        role: Role::Fresh,
        local: NO_ADDRESS,
        ..stream
    }))?;
    let index = layers
        .tcp
        .accept(socket.index, stream.local)
        .ok_or(NetError::WouldBlock)?;
    let tuple = layers.tcp.tuple(index).ok_or(NetError::WouldBlock)?;
    layers.tcp.adopt(index, accepted.index);
    layers.sockets.stream(accepted)?.role = Role::Connection(index);
    Ok(Connection {
        socket: accepted,
        peer: tuple.remote,
    })
}

/// Begins a connection.
pub(crate) fn connect(
    layers: &mut Layers,
    socket: SocketId,
    peer: SocketAddrV4,
) -> Result<(), NetError> {
    let stream = *layers.sockets.stream(socket)?;
    match stream.role {
        Role::Fresh => {}
        Role::Listener => return Err(NetError::Unsupported),
        Role::Connection(index) => forget_failed(layers, socket, index)?,
    }
    let peer = if peer.ip().is_unspecified() {
        // The address of a server that listens on all addresses is taken for this host's own.
        SocketAddrV4::new(core::net::Ipv4Addr::LOCALHOST, peer.port())
    } else {
        peer
    };
    let tuple = Tuple {
        local: choose_local(layers, stream, peer)?,
        remote: peer,
    };
    let index = layers.tcp.connect(socket.index, tuple, stream.options)?;
    layers.sockets.stream(socket)?.role = Role::Connection(index);
    Err(NetError::InProgress)
}

/// Makes way for another attempt if the connection in place `index` failed, else says why there
/// can be none.
fn forget_failed(layers: &mut Layers, socket: SocketId, index: u32) -> Result<(), NetError> {
    let (is_opening, was_open) = layers.tcp.progress(index);
    if is_opening {
        return Err(NetError::InProgress);
    }
    if was_open {
        return Err(NetError::AlreadyConnected);
    }
    if let Some(error) = layers.tcp.take_error(index) {
        return Err(error);
    }
    let (tcp, link, mut around) = layers.tcp();
    tcp.close(index, true, link, &mut around);
    layers.sockets.stream(socket)?.role = Role::Fresh;
    Ok(())
}

/// The local end for a connection to `peer`.
fn choose_local(
    layers: &mut Layers,
    stream: Stream,
    peer: SocketAddrV4,
) -> Result<SocketAddrV4, NetError> {
    let addressing = &layers.link.addressing;
    let broadcast = addressing.is_broadcast(*peer.ip());
    if broadcast || peer.port() == 0 || addressing.route(*peer.ip()).is_none() {
        return Err(NetError::NetworkUnreachable);
    }
    let address = if stream.local.ip().is_unspecified() {
        addressing.source_for(*peer.ip())
    } else {
        *stream.local.ip()
    };
    // Packets from 127.0.0.0/8 stay on this host (RFC 1122, 3.2.1.3).
    if address.is_loopback() && !addressing.is_ours(*peer.ip()) {
        return Err(NetError::NetworkUnreachable);
    }
    let at = |port| SocketAddrV4::new(address, port);
    let (claims, tcp) = (&layers.tcp_ports, &layers.tcp);
    let is_free = |port| {
        tcp.is_free(Tuple {
            local: at(port),
            remote: peer,
        })
    };
    if stream.local.port() != 0 {
        let port = stream.local.port();
        if !is_free(port) {
            return Err(AddressError::InUse.into());
        }
        return Ok(at(port));
    }
    let mut unclaimed = |port| claims.is_free(at(port)) && is_free(port) && at(port) != peer;
    Ok(at(ports::ephemeral(&mut layers.random, &mut unclaimed)?))
}

/// Queues bytes to be sent. A stream that was never connected has, as under Linux, no end to send
/// to any more.
pub(crate) fn send(
    layers: &mut Layers,
    socket: SocketId,
    data: &mut dyn Source,
) -> Result<usize, NetError> {
    let index = connection(layers, socket).map_err(|error| match error {
        NetError::NotConnected => NetError::SendClosed,
        other => other,
    })?;
    layers.tcp.send(index, data, layers.now)
}

/// Moves received bytes to the program.
pub(crate) fn receive(
    layers: &mut Layers,
    socket: SocketId,
    into: &mut dyn Sink,
    peek: bool,
) -> Result<(usize, SocketAddrV4), NetError> {
    let index = connection(layers, socket)?;
    let received = layers.tcp.receive(index, into, peek)?;
    let tuple = layers.tcp.tuple(index).ok_or(NetError::NotConnected)?;
    Ok((received, tuple.remote))
}

/// Ends directions of a connection.
pub(crate) fn shutdown(layers: &mut Layers, socket: SocketId, half: Half) -> Result<(), NetError> {
    let index = connection(layers, socket)?;
    let (tcp, _, mut around) = layers.tcp();
    tcp.shutdown(index, half, &mut around)
}

/// Ends what the socket in place `index` was doing.
pub(crate) fn close(layers: &mut Layers, index: u32, stream: Stream) {
    layers.tcp_ports.release(stream.local, index);
    let (tcp, link, mut around) = layers.tcp();
    match stream.role {
        Role::Fresh => {}
        Role::Listener => tcp.unlisten(index, link, &mut around),
        Role::Connection(connection) => tcp.close(connection, false, link, &mut around),
    }
}

/// What can be done with a socket.
pub(crate) fn readiness(layers: &mut Layers, socket: SocketId, stream: Stream) -> Readiness {
    match stream.role {
        Role::Fresh => Readiness::WRITABLE | Readiness::HANG_UP,
        Role::Listener if layers.tcp.can_accept(socket.index, stream.local) => Readiness::READABLE,
        Role::Listener => Readiness::empty(),
        Role::Connection(index) => layers.tcp.readiness(index),
    }
}

/// A socket's local address.
pub(crate) fn local(layers: &Layers, stream: Stream) -> SocketAddrV4 {
    match stream.role {
        Role::Connection(index) => layers
            .tcp
            .tuple(index)
            .map_or(NO_ADDRESS, |tuple| tuple.local),
        Role::Fresh | Role::Listener => stream.local,
    }
}

/// A socket's peer.
pub(crate) fn peer(layers: &Layers, stream: Stream) -> Result<SocketAddrV4, NetError> {
    let Role::Connection(index) = stream.role else {
        return Err(NetError::NotConnected);
    };
    let (_, was_open) = layers.tcp.progress(index);
    let tuple = layers.tcp.tuple(index).filter(|_| was_open);
    Ok(tuple.ok_or(NetError::NotConnected)?.remote)
}

/// Sets an option.
pub(crate) fn set_option(
    layers: &mut Layers,
    socket: SocketId,
    option: SocketOption,
) -> Result<(), NetError> {
    let stream = layers.sockets.stream(socket)?;
    match option {
        SocketOption::NoDelay(on) => stream.options.no_delay = on,
        SocketOption::KeepAlive(on) => stream.options.keep_alive = on,
        SocketOption::ReuseAddress(on) => stream.reuse_address = on,
    }
    let Stream {
        role,
        local,
        options,
        ..
    } = *stream;
    match role {
        Role::Fresh => {}
        Role::Listener => layers
            .tcp
            .set_listener_options(socket.index, local, options),
        Role::Connection(index) => layers.tcp.apply(index, options, layers.now),
    }
    Ok(())
}

/// The place of the connection that a socket holds.
fn connection(layers: &mut Layers, socket: SocketId) -> Result<u32, NetError> {
    match layers.sockets.stream(socket)?.role {
        Role::Connection(index) => Ok(index),
        Role::Fresh | Role::Listener => Err(NetError::NotConnected),
    }
}
