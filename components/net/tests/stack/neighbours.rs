//! ARP, ICMP, fragments and datagrams as packet traces.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::host::{ONE, OTHER, World, config};
use crate::packet;
use crate::peer::{NOBODY, Peer};
use crate::wire::{Device, Faults};
use hypercall::{FrameDevice, SliceSink, SliceSource};
use net::{NetError, Network, Readiness, SocketId, SocketKind, Stack};

fn datagram_socket(host: &mut Stack, port: u16) -> SocketId {
    let socket = host.open(SocketKind::Datagram).unwrap();
    let local = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    host.bind(socket, local).unwrap();
    socket
}

fn send_to(
    host: &mut Stack,
    socket: SocketId,
    data: &[u8],
    peer: (Ipv4Addr, u16),
) -> Result<usize, NetError> {
    let peer = SocketAddrV4::new(peer.0, peer.1);
    host.send(socket, &mut SliceSource::new(data), Some(peer))
}

fn receive(host: &mut Stack, socket: SocketId) -> Result<(Vec<u8>, SocketAddrV4), NetError> {
    let mut buffer = vec![0; 65536];
    let (length, source) = host.receive(socket, &mut SliceSink::new(&mut buffer), false)?;
    buffer.truncate(length);
    Ok((buffer, source))
}

/// The times in milliseconds at which the host asked for `address` within `time`.
fn requests(world: &mut World, device: &mut Device, address: Ipv4Addr, time: u64) -> Vec<u64> {
    let mut times = Vec::new();
    for _ in 0..time / 100 {
        world.settle();
        while let Some(frame) = device.take() {
            if frame[12..14] == [8, 6] && frame[38..42] == address.octets() {
                assert_eq!(frame[..6], [0xFF; 6]);
                times.push(world.now.as_nanos() / 1_000_000);
            }
        }
        world.pass(Duration::from_millis(100));
    }
    times
}

#[test]
fn a_silent_neighbour_is_asked_thrice_and_then_unreachable() {
    let (mut world, mut device) = World::single(config(ONE));
    let socket = world.connect(0, SocketAddrV4::new(NOBODY, 80));
    let times = requests(&mut world, &mut device, NOBODY, 10_000);
    assert_eq!(times, [0, 500, 1500]);
    assert_eq!(world.changed(0), [socket]);
    assert_eq!(
        world.hosts[0].take_error(socket),
        Some(NetError::HostUnreachable)
    );
    assert_eq!(world.next_event(), None, "nothing is left to be done");
}

#[test]
fn dead_neighbours_do_not_delay_a_living_one() {
    let mut peer = Peer::new();
    for last in 100..200 {
        let nobody = Ipv4Addr::new(10, 0, 0, last);
        peer.world.connect(0, SocketAddrV4::new(nobody, 80));
    }
    peer.world.connect(0, SocketAddrV4::new(OTHER, 80));
    assert_eq!(peer.hear(), ["S 0"], "at once");
}

#[test]
fn datagrams_wait_for_their_neighbour() {
    let mut peer = Peer::new();
    let socket = datagram_socket(&mut peer.world.hosts[0], 1000);
    for data in [b"one", b"two"] {
        send_to(&mut peer.world.hosts[0], socket, data, (OTHER, 7)).unwrap();
    }
    let frames = peer.frames();
    let data: Vec<_> = frames.iter().map(|frame| &frame[42..]).collect();
    assert_eq!(data, [b"one", b"two"]);
}

#[test]
fn a_connected_datagram_socket_hears_that_its_peer_is_dead() {
    let (mut world, _device) = World::single(config(ONE));
    let now = world.now;
    let host = &mut world.hosts[0];
    let socket = host.open(SocketKind::Datagram).unwrap();
    host.connect(socket, SocketAddrV4::new(NOBODY, 7), now)
        .unwrap();
    host.send(socket, &mut SliceSource::new(b"?"), None)
        .unwrap();
    world.pass(Duration::from_secs(4));
    let host = &mut world.hosts[0];
    assert!(host.readiness(socket).contains(Readiness::ERROR));
    assert_eq!(receive(host, socket), Err(NetError::HostUnreachable));
    assert_eq!(receive(host, socket), Err(NetError::WouldBlock));
}

#[test]
fn who_asks_for_us_is_answered() {
    let (mut world, mut device) = World::single(config(ONE));
    device.inject(&packet::arp(1, 1, OTHER, ONE));
    world.settle();
    assert_eq!(device.take().unwrap(), packet::arp(0, 2, ONE, OTHER));
    // Others are not, nor is who claims our own address.
    device.inject(&packet::arp(1, 1, OTHER, NOBODY));
    device.inject(&packet::arp(1, 1, ONE, ONE));
    device.inject(&packet::arp(1, 1, Ipv4Addr::new(192, 168, 0, 1), ONE));
    world.settle();
    assert_eq!(device.take(), None);
}

#[test]
fn packets_for_other_networks_go_to_the_gateway() {
    let mut with_gateway = config(ONE);
    with_gateway.gateway = Some(OTHER);
    let mut peer = Peer::with(with_gateway);
    peer.world
        .connect(0, SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 80));
    let syn = &peer.frames()[0];
    assert_eq!(
        (&syn[..6], &syn[30..34]),
        (&Device::mac(1)[..], &[8; 4][..])
    );
}

#[test]
fn without_a_gateway_other_networks_are_unreachable() {
    let (mut world, _device) = World::single(config(ONE));
    let now = world.now;
    let host = &mut world.hosts[0];
    let socket = host.open(SocketKind::Stream).unwrap();
    let far = SocketAddrV4::new(Ipv4Addr::new(8, 8, 8, 8), 80);
    assert_eq!(
        host.connect(socket, far, now),
        Err(NetError::NetworkUnreachable)
    );
}

#[test]
fn an_echo_is_answered_but_not_to_all() {
    let mut peer = Peer::new();
    let rest = b"\x01\x02\x00\x07payload";
    peer.packet(&packet::icmp(OTHER, ONE, 8, 0, rest));
    let answers = peer.frames();
    assert_eq!(answers.len(), 1);
    let expected = packet::icmp(ONE, OTHER, 0, 0, rest);
    assert_eq!(answers[0][34..], expected[20..]);
    let everybody = Ipv4Addr::new(10, 0, 0, 255);
    peer.packet(&packet::icmp(OTHER, everybody, 8, 0, rest));
    assert_eq!(peer.frames().len(), 0);
}

#[test]
fn a_datagram_to_a_closed_port_is_refused_with_its_quote() {
    let mut peer = Peer::new();
    let sent = packet::udp(peer.own, SocketAddrV4::new(ONE, 9), b"hello");
    peer.packet(&sent);
    let answers = peer.frames();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0][34..36], [3, 3]);
    assert_eq!(answers[0][42..], sent);
}

#[test]
fn errors_are_limited_in_rate() {
    let mut peer = Peer::new();
    let sent = packet::udp(peer.own, SocketAddrV4::new(ONE, 9), b"hello");
    let mut answers = 0;
    for _ in 0..300 {
        peer.packet(&sent);
        answers += peer.frames().len();
    }
    assert_eq!(answers, 100);
    peer.world.pass(Duration::from_secs(1));
    peer.packet(&sent);
    assert_eq!(peer.frames().len(), 1);
}

#[test]
fn a_refused_datagram_is_told_to_the_connected_socket_alone() {
    let mut peer = Peer::new();
    let target = SocketAddrV4::new(OTHER, 7);
    let now = peer.world.now;
    let host = &mut peer.world.hosts[0];
    let connected = host.open(SocketKind::Datagram).unwrap();
    host.connect(connected, target, now).unwrap();
    let free = datagram_socket(host, 1000);
    host.send(connected, &mut SliceSource::new(b"x"), None)
        .unwrap();
    send_to(host, free, b"x", (OTHER, 7)).unwrap();
    for frame in peer.frames() {
        let mut rest = vec![0; 4];
        rest.extend(&frame[14..]);
        peer.packet(&packet::icmp(OTHER, ONE, 3, 3, &rest));
    }
    peer.world.settle();
    let host = &mut peer.world.hosts[0];
    assert_eq!(host.take_error(connected), Some(NetError::Refused));
    assert_eq!(host.take_error(free), None);
}

#[test]
fn a_connected_datagram_socket_hears_only_its_peer() {
    let mut peer = Peer::new();
    let now = peer.world.now;
    let host = &mut peer.world.hosts[0];
    let socket = datagram_socket(host, 1000);
    host.connect(socket, peer.own, now).unwrap();
    let local = SocketAddrV4::new(ONE, 1000);
    let stranger = SocketAddrV4::new(OTHER, 6);
    peer.packet(&packet::udp(stranger, local, b"strange"));
    peer.packet(&packet::udp(peer.own, local, b"known"));
    peer.world.settle();
    let host = &mut peer.world.hosts[0];
    assert_eq!(host.local(socket), Ok(local));
    assert_eq!(receive(host, socket), Ok((b"known".to_vec(), peer.own)));
    assert_eq!(receive(host, socket), Err(NetError::WouldBlock));
}

#[test]
fn a_broadcast_reaches_who_listens_on_all_addresses() {
    let mut peer = Peer::new();
    let socket = datagram_socket(&mut peer.world.hosts[0], 67);
    let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
    let sent = packet::udp(peer.own, everybody, b"all");
    let mut frame = packet::frame(1, 0x0800, &sent);
    peer.device.inject(&frame);
    frame[..6].fill(0xFF);
    peer.device.inject(&frame);
    peer.world.settle();
    let heard = receive(&mut peer.world.hosts[0], socket);
    assert_eq!(heard, Ok((b"all".to_vec(), peer.own)));
}

#[test]
fn fragments_are_put_together_before_they_are_delivered() {
    let mut peer = Peer::new();
    let socket = datagram_socket(&mut peer.world.hosts[0], 9);
    let data: Vec<u8> = (0..3000_u32).map(|i| i as u8).collect();
    let local = SocketAddrV4::new(ONE, 9);
    let payload = packet::udp_payload(peer.own, local, &data);
    let pieces: Vec<_> = payload.chunks(1480).collect();
    for (index, piece) in pieces.iter().enumerate().rev() {
        let more = if index + 1 < pieces.len() { 0x2000 } else { 0 };
        let fragment = more | (index * 185) as u16;
        peer.packet(&packet::ipv4(OTHER, ONE, 17, fragment, piece));
    }
    peer.world.settle();
    let heard = receive(&mut peer.world.hosts[0], socket);
    assert_eq!(heard, Ok((data, peer.own)));
    assert_eq!(peer.world.next_event(), None);
}

#[test]
fn incomplete_packets_are_forgotten() {
    let mut peer = Peer::new();
    peer.packet(&packet::ipv4(OTHER, ONE, 17, 0x2000, &[0; 8]));
    peer.world.settle();
    assert!(peer.world.hosts[0].next_deadline().is_some());
    peer.world.pass(Duration::from_secs(31));
    assert_eq!(peer.world.hosts[0].next_deadline(), None);
}

#[test]
fn a_datagram_that_does_not_fit_the_link_is_refused() {
    let (mut world, _device) = World::single(config(ONE));
    let host = &mut world.hosts[0];
    let socket = datagram_socket(host, 1000);
    assert_eq!(
        send_to(host, socket, &[0; 1473], (OTHER, 7)),
        Err(NetError::MessageTooLong)
    );
    assert_eq!(send_to(host, socket, &[0; 1472], (OTHER, 7)), Ok(1472));
    let nowhere = host.send(socket, &mut SliceSource::new(b"x"), None);
    assert_eq!(nowhere, Err(NetError::DestinationRequired));
}

#[test]
fn without_room_a_datagram_waits_and_its_sender_is_told() {
    let mut world = World::pair(Faults::default(), 1);
    let sender = datagram_socket(&mut world.hosts[0], 1000);
    let receiver = datagram_socket(&mut world.hosts[1], 7);
    send_to(&mut world.hosts[0], sender, b"first", (OTHER, 7)).unwrap();
    world.until(|world| world.readable(1, receiver));
    world.changed(0);
    world.wire.set_faults(Faults {
        capacity: 0,
        ..Faults::default()
    });
    let mut taken = 1;
    loop {
        let sent = send_to(&mut world.hosts[0], sender, b"more", (OTHER, 7));
        if sent == Err(NetError::WouldBlock) {
            break;
        }
        taken += 1;
        assert!(taken < 1000, "no bound");
    }
    assert!(!world.writable(0, sender));
    world.settle();
    assert_eq!(world.changed(0), []);
    world.wire.set_faults(Faults::default());
    world.settle();
    assert_eq!(world.changed(0), [sender]);
    let mut heard = 0;
    while receive(&mut world.hosts[1], receiver).is_ok() {
        heard += 1;
    }
    assert_eq!(heard, taken);
}

#[test]
fn a_host_talks_to_itself() {
    let (mut world, mut device) = World::single(config(ONE));
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 9, 9, 9), ONE] {
        let listener = world.listen(0, 80, 8);
        let client = world.connect(0, SocketAddrV4::new(address, 80));
        world.settle();
        let server = world.hosts[0].accept(listener).unwrap().socket;
        assert_eq!(world.hosts[0].local(server).unwrap().ip(), &address);
        let data = vec![7; 10_000];
        assert_eq!(world.send(0, client, &data), Ok(10_000));
        let mut heard = Vec::new();
        while heard.len() < data.len() {
            world.pass(Duration::from_millis(20));
            heard.extend(world.receive(0, server).unwrap());
        }
        assert_eq!(heard, data);
        for socket in [client, server, listener] {
            world.hosts[0].close(socket);
        }
        world.pass(Duration::from_secs(20));
        assert_eq!(world.hosts[0].counters().connections, 0);
    }
    assert!(device.received().is_none(), "nothing has left the host");
}
