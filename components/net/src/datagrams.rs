//! What programs do with datagram sockets.

use core::net::SocketAddrV4;

use hypercall::{FrameDevice, Source};

use crate::datagram::Datagram;
use crate::layers::Layers;
use crate::link::Path;
use crate::outlet::Outlet;
use crate::sockets::{NO_ADDRESS, Socket};
use crate::{AddressError, NetError, SocketId, ipv4, ports, udp};

const HEADERS: usize = ipv4::HEADER_LENGTH + udp::HEADER_LENGTH;

/// Gives a socket a local address.
pub(crate) fn bind(
    layers: &mut Layers,
    socket: SocketId,
    local: SocketAddrV4,
) -> Result<(), NetError> {
    if datagram(layers, socket)?.local != NO_ADDRESS {
        return Err(NetError::Unsupported);
    }
    let addressing = &layers.link.addressing;
    if !local.ip().is_unspecified() && !addressing.is_ours(*local.ip()) {
        return Err(AddressError::NotLocal.into());
    }
    let claims = &layers.udp_ports;
    let at = |port| SocketAddrV4::new(*local.ip(), port);
    let local = if local.port() == 0 {
        let mut is_free = |port| claims.is_free(at(port));
        at(ports::ephemeral(&mut layers.random, &mut is_free)?)
    } else if claims.is_free(local) {
        local
    } else {
        return Err(AddressError::InUse.into());
    };
    layers.udp_ports.claim(local, socket.index)?;
    datagram(layers, socket)?.local = local;
    Ok(())
}

/// Sets whom a socket talks to.
pub(crate) fn connect(
    layers: &mut Layers,
    socket: SocketId,
    peer: SocketAddrV4,
) -> Result<(), NetError> {
    if layers.link.addressing.route(*peer.ip()).is_none() || peer.port() == 0 {
        return Err(NetError::NetworkUnreachable);
    }
    if datagram(layers, socket)?.local == NO_ADDRESS {
        bind(layers, socket, NO_ADDRESS)?;
    }
    datagram(layers, socket)?.peer = Some(peer);
    Ok(())
}

/// Sends all of `data` as one datagram.
pub(crate) fn send(
    layers: &mut Layers,
    device: &mut dyn FrameDevice,
    socket: SocketId,
    data: &mut dyn Source,
    peer: Option<SocketAddrV4>,
) -> Result<usize, NetError> {
    let datagram = datagram(layers, socket)?;
    datagram.check_send()?;
    let peer = peer
        .or(datagram.peer)
        .ok_or(NetError::DestinationRequired)?;
    if datagram.local == NO_ADDRESS {
        bind(layers, socket, NO_ADDRESS)?;
    }
    let length = data.remaining();
    if length > layers.link.mtu() - HEADERS {
        return Err(NetError::MessageTooLong);
    }
    let source = source(layers, socket, peer)?;
    let mut write = |packet: &mut [u8]| {
        data.take(&mut packet[HEADERS..]);
        udp::write_headers(packet, source, peer);
    };
    let path = layers.link.path(*peer.ip(), layers.now);
    if path == Path::None || peer.port() == 0 {
        return Err(NetError::NetworkUnreachable);
    }
    // What has been waiting goes first.
    if let Path::Station(mac) = path
        && !layers.link.has_mail()
    {
        let mut station = layers.link.station(device, mac);
        if station.has_room() {
            station.send(HEADERS + length, None, &mut write);
            return Ok(length);
        }
    }
    let mut outbox = layers.link.outbox();
    if !outbox.has_room() {
        if !layers.room_waiters.contains(&socket.index) {
            let lacking = |_| NetError::OutOfMemory;
            layers.room_waiters.try_reserve(1).map_err(lacking)?;
            layers.room_waiters.push(socket.index);
        }
        return Err(NetError::WouldBlock);
    }
    if !outbox.send(HEADERS + length, None, &mut write) {
        return Err(NetError::OutOfMemory);
    }
    Ok(length)
}

/// Tells who waited for room in the outbox that there is some.
pub(crate) fn room_again(layers: &mut Layers) {
    if layers.link.outbox_has_room() {
        for socket in layers.room_waiters.drain(..) {
            layers.changes.note(socket);
        }
    }
}

/// A socket's local address.
pub(crate) fn local(layers: &Layers, datagram: &Datagram) -> SocketAddrV4 {
    match datagram.peer {
        Some(peer) if datagram.local.ip().is_unspecified() => SocketAddrV4::new(
            layers.link.addressing.source_for(*peer.ip()),
            datagram.local.port(),
        ),
        _ => datagram.local,
    }
}

/// The address that a datagram to `peer` comes from.
fn source(
    layers: &mut Layers,
    socket: SocketId,
    peer: SocketAddrV4,
) -> Result<SocketAddrV4, NetError> {
    let bound = datagram(layers, socket)?.local;
    let addressing = &layers.link.addressing;
    let address = if bound.ip().is_unspecified() {
        addressing.source_for(*peer.ip())
    } else {
        *bound.ip()
    };
    // Packets from 127.0.0.0/8 stay on this host (RFC 1122, 3.2.1.3).
    if address.is_loopback() && !addressing.is_ours(*peer.ip()) {
        return Err(NetError::NetworkUnreachable);
    }
    Ok(SocketAddrV4::new(address, bound.port()))
}

fn datagram(layers: &mut Layers, socket: SocketId) -> Result<&mut Datagram, NetError> {
    match layers.sockets.get_mut(socket)? {
        Socket::Datagram(datagram) => Ok(datagram),
        Socket::Stream(_) => Err(NetError::Unsupported),
    }
}
