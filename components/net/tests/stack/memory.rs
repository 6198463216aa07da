//! Whichever allocation fails, nothing is lost but what a network may lose.

use std::net::SocketAddrV4;
use std::time::Duration;

use hypercall::{SliceSink, SliceSource};
use net::{Config, Half, NetError, Network, Readiness, SocketId, SocketKind};

use crate::host::{ONE, OTHER, World, config};
use crate::packet;
use crate::peer::Peer;
use crate::scarce::{self, Plenty};
use crate::wire::Faults;

const SERVER: SocketAddrV4 = SocketAddrV4::new(OTHER, 80);
const CONNECTIONS: usize = 6;
/// More than one buffer holds, and so that it wraps around.
const LENGTH: usize = 5000;

/// Two hosts of which each has memory for four state machines.
fn world() -> World {
    let small = |address| Config {
        receive_buffer: 2048,
        send_buffer: 2048,
        buffer_memory: 1,
        ..config(address)
    };
    World::pair_with(Faults::default(), 1, small(ONE), small(OTHER))
}

/// Does `operation` again while there is no memory for it, or while it must wait.
fn persist<T>(
    world: &mut World,
    mut operation: impl FnMut(&mut World) -> Result<T, NetError>,
) -> T {
    for _ in 0..2000 {
        match operation(world) {
            Ok(result) => return result,
            Err(NetError::OutOfMemory | NetError::WouldBlock) => {
                world.pass(Duration::from_millis(50));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("there is never any memory");
}

fn listen(world: &mut World) -> SocketId {
    let listener = persist(world, |world| world.hosts[1].open(SocketKind::Stream));
    persist(world, |world| world.hosts[1].bind(listener, SERVER));
    persist(world, |world| world.hosts[1].listen(listener, 8));
    listener
}

/// A connection from host `from` to the server, both ends. It is tried again if the server's
/// answer to ARP was dropped once too often.
fn connect(world: &mut World, from: usize, listener: SocketId) -> (SocketId, SocketId) {
    loop {
        let client = persist(world, |world| world.hosts[from].open(SocketKind::Stream));
        persist(world, |world| {
            let now = world.now;
            match world.hosts[from].connect(client, SERVER, now) {
                Err(NetError::InProgress) => Ok(()),
                other => other,
            }
        });
        let accepted = persist(world, |world| match world.hosts[from].take_error(client) {
            Some(NetError::HostUnreachable) => Ok(None),
            Some(error) => Err(error),
            None => world.hosts[1].accept(listener).map(Some),
        });
        match accepted {
            Some(accepted) => return (client, accepted.socket),
            None => world.hosts[from].close(client),
        }
    }
}

/// Sends [`LENGTH`] bytes from the client and receives them at the server, each byte peeked.
fn transfer(world: &mut World, (host, client): (usize, SocketId), server: SocketId) {
    let bytes: [u8; LENGTH] = std::array::from_fn(|at| (at % 251) as u8);
    let (mut sent, mut received) = (0, 0);
    while received < LENGTH {
        if sent < LENGTH {
            sent += persist(world, |world| {
                let mut data = SliceSource::new(&bytes[sent..]);
                world.hosts[host].send(client, &mut data, None)
            });
        }
        let mut buffer = [0; LENGTH];
        for peek in [true, false] {
            let (length, _) = persist(world, |world| {
                let mut sink = SliceSink::new(&mut buffer);
                world.hosts[1].receive(server, &mut sink, peek)
            });
            assert_eq!(buffer[..length], bytes[received..][..length]);
            received += if peek { 0 } else { length };
        }
    }
}

/// A datagram to the server and to nobody; either may be lost.
fn datagrams(world: &mut World) {
    let server = persist(world, |world| world.hosts[1].open(SocketKind::Datagram));
    persist(world, |world| world.hosts[1].bind(server, SERVER));
    let client = persist(world, |world| world.hosts[0].open(SocketKind::Datagram));
    for port in [80, 81] {
        persist(world, |world| {
            let mut data = SliceSource::new(b"hello");
            let peer = SocketAddrV4::new(OTHER, port);
            world.hosts[0].send(client, &mut data, Some(peer))
        });
    }
    world.pass(Duration::from_millis(1));
    let _ = world.hosts[1].receive(server, &mut SliceSink::new(&mut [0; 8]), false);
    world.hosts[0].close(client);
    world.hosts[1].close(server);
}

/// What programs do with a network, all of which must come about.
fn scenario(world: &mut World) {
    let listener = listen(world);
    let pairs: [_; CONNECTIONS] = std::array::from_fn(|number| {
        // The last one stays on its host.
        let from = usize::from(number == CONNECTIONS - 1);
        (from, connect(world, from, listener))
    });
    for (host, (client, server)) in pairs {
        transfer(world, (host, client), server);
    }
    datagrams(world);
    for (host, (client, server)) in pairs {
        persist(world, |world| {
            world.hosts[host].shutdown(client, Half::Send)
        });
        let end = persist(world, |world| {
            world.hosts[1].receive(server, &mut SliceSink::new(&mut [0; 8]), false)
        });
        assert_eq!(end.0, 0);
        world.hosts[1].close(server);
        world.hosts[host].close(client);
    }
    world.hosts[1].close(listener);
    world.pass(Duration::from_secs(100));
}

/// Runs the scenario while the allocations from each number on fail, `burst` of them.
fn whichever_fail(burst: usize) {
    let mut number = 0;
    loop {
        let mut world = world();
        let count = scarce::refusing(number..number + burst, || scenario(&mut world));
        for host in &world.hosts {
            let counters = host.counters();
            assert_eq!(counters.connections, 0, "allocation {number}");
            assert_eq!(counters.buffered_connections, 0, "allocation {number}");
            assert_eq!(counters.time_wait, 0, "allocation {number}");
        }
        if number >= count {
            assert!(number > 100, "only {number} allocations");
            return;
        }
        number += 1;
    }
}

#[test]
fn any_one_allocation_may_fail() {
    whichever_fail(1);
}

#[test]
fn memory_may_be_short_for_a_while() {
    whichever_fail(3);
}

#[test]
fn a_program_waits_for_memory_to_send_from() {
    let mut world = world();
    let listener = listen(&mut world);
    let pairs: [_; CONNECTIONS] = std::array::from_fn(|_| connect(&mut world, 0, listener));
    // The first connection has lent its buffers to the last.
    let (_, server) = pairs[0];
    let send = |world: &mut World| {
        let mut data = SliceSource::new(b"late");
        world.hosts[1].send(server, &mut data, None)
    };
    let refused = scarce::refusing(0..usize::MAX, || {
        assert_eq!(send(&mut world), Err(NetError::WouldBlock));
        let readiness = world.hosts[1].readiness(server);
        assert!(!readiness.contains(Readiness::WRITABLE));
        world.settle();
        assert_eq!(send(&mut world), Err(NetError::WouldBlock));
    });
    assert!(refused > 0);
    while world.hosts[1].changed().is_some() {}
    world.settle();
    let changed: Vec<_> = std::iter::from_fn(|| world.hosts[1].changed()).collect();
    assert!(changed.contains(&server));
    let readiness = world.hosts[1].readiness(server);
    assert!(readiness.contains(Readiness::WRITABLE));
    assert_eq!(send(&mut world), Ok(4));
}

/// Gives the host a ping and a datagram in fragments, twice, for one of them may be dropped.
fn receive(peer: &mut Peer) {
    for _ in 0..2 {
        let plenty = Plenty::new();
        peer.packet(&packet::icmp(OTHER, ONE, 8, 0, &[0; 8]));
        let datagram = packet::udp_payload(peer.own, SocketAddrV4::new(ONE, 53), &[7; 1000]);
        for (index, piece) in datagram.chunks(400).enumerate() {
            let more = if piece.len() == 400 { 1 << 13 } else { 0 };
            peer.packet(&packet::ipv4(
                OTHER,
                ONE,
                17,
                more | (index * 50) as u16,
                piece,
            ));
        }
        drop(plenty);
        peer.world.settle();
    }
}

#[test]
fn packets_that_need_memory_are_dropped_without_it() {
    let mut number = 0;
    loop {
        let mut peer = Peer::new();
        let socket = peer.world.hosts[0].open(SocketKind::Datagram).unwrap();
        let local = SocketAddrV4::new(ONE, 53);
        peer.world.hosts[0].bind(socket, local).unwrap();
        let count = scarce::refusing(number..number + 1, || receive(&mut peer));
        let echoes = peer.hear();
        assert!(
            echoes.contains(&"protocol 1 type 0".into()),
            "{number}: {echoes:?}"
        );
        assert_eq!(peer.world.available(0, socket), 1000, "allocation {number}");
        if number >= count {
            assert!(number > 5, "only {number} allocations");
            return;
        }
        number += 1;
    }
}
