//! Transfers over bad wires arrive whole, and leave nothing behind.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::host::{ONE, OTHER, World, config};
use crate::wire::{Device, Faults, Wire};
use hypercall::{Instant, Offloads};
use net::{Half, NetError, Network, SocketId, Stack};
use proptest::prelude::*;

fn config_of(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// The byte at `position` of the stream that `seed` names.
fn byte(seed: u64, position: usize) -> u8 {
    let mixed = (seed ^ position as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 56) as u8
}

/// One direction of a transfer.
struct Flow {
    from: (usize, SocketId),
    to: (usize, SocketId),
    seed: u64,
    length: usize,
    sent: usize,
    received: usize,
    ended: bool,
}

impl Flow {
    fn step(&mut self, world: &mut World) {
        if self.sent < self.length {
            let end = self.length.min(self.sent + 5000);
            let bytes: Vec<u8> = (self.sent..end).map(|i| byte(self.seed, i)).collect();
            match world.send(self.from.0, self.from.1, &bytes) {
                Ok(count) => self.sent += count,
                Err(error) => assert_eq!(error, NetError::WouldBlock),
            }
            if self.sent == self.length {
                let (host, socket) = self.from;
                world.hosts[host].shutdown(socket, Half::Send).unwrap();
            }
        }
        while !self.ended {
            match world.receive(self.to.0, self.to.1) {
                Ok(bytes) if bytes.is_empty() => self.ended = true,
                Ok(bytes) => {
                    for got in bytes {
                        assert_eq!(got, byte(self.seed, self.received), "at {}", self.received);
                        self.received += 1;
                    }
                }
                Err(error) => {
                    assert_eq!(error, NetError::WouldBlock);
                    return;
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.ended && self.sent == self.length
    }
}

fn transfer(world: &mut World, lengths: (usize, usize), seed: u64) {
    let (client, server) = world.connected(80);
    let flow = |from, to, seed, length| Flow {
        from,
        to,
        seed,
        length: std::cmp::max(length, 1),
        sent: 0,
        received: 0,
        ended: false,
    };
    let mut up = flow((0, client), (1, server), seed, lengths.0);
    let mut down = flow((1, server), (0, client), !seed, lengths.1);
    world.until(|world| {
        up.step(world);
        down.step(world);
        up.is_done() && down.is_done()
    });
    assert_eq!((up.received, down.received), (up.length, down.length));
    world.hosts[0].close(client);
    world.hosts[1].close(server);
    world.pass(Duration::from_secs(300));
    for host in &world.hosts {
        let counters = host.counters();
        assert_eq!((counters.connections, counters.time_wait), (0, 0));
        assert_eq!(host.next_deadline(), None, "nothing is left to be done");
    }
}

/// Lets the hosts find each other while the wire is still good: who loses three questions in a
/// row is rightly taken for dead.
fn acquaint(world: &mut World) {
    let (client, server) = world.connected(9);
    world.hosts[0].close(client);
    world.hosts[1].close(server);
    world.pass(Duration::from_secs(1));
}

proptest! {
    #![proptest_config(config_of(48))]

    #[test]
    fn a_transfer_over_a_bad_wire_arrives_whole(
        lost in 0_u64..12,
        doubled in 0_u64..10,
        late in 0_u64..20,
        delay in 0_u64..30_000,
        capacity in 1_usize..64,
        up in 0_usize..60_000,
        down in 0_usize..60_000,
        seed in any::<u64>(),
    ) {
        let faults = Faults {
            lost,
            doubled,
            late,
            delay: Duration::from_micros(delay),
            capacity,
        };
        let mut world = World::pair(Faults::default(), seed);
        acquaint(&mut world);
        world.wire.set_faults(faults);
        transfer(&mut world, (up, down), seed);
    }
}

/// The third duplicate acknowledgement comes while the device has no room.
#[test]
fn a_fast_retransmission_waits_for_room() {
    let faults = Faults {
        lost: 6,
        late: 8,
        delay: Duration::from_micros(19_950),
        capacity: 2,
        ..Faults::default()
    };
    let seed = 16_714_629_492_823_682_529;
    let mut world = World::pair(Faults::default(), seed);
    acquaint(&mut world);
    world.wire.set_faults(faults);
    transfer(&mut world, (14_317, 18_433), seed);
}

/// A thousand connections share the memory of four, over a wire that loses and reorders.
#[test]
fn idle_connections_lend_their_memory() {
    let small = |address| {
        let mut config = config(address);
        config.buffer_memory = 4 * (config.receive_buffer + config.send_buffer);
        config
    };
    let mut world = World::pair_with(Faults::default(), 7, small(ONE), small(OTHER));
    let listener = world.listen(1, 80, 2000);
    let mut ends = Vec::new();
    for _ in 0..1000 {
        let client = world.connect(0, SocketAddrV4::new(OTHER, 80));
        world.until(|world| world.readable(1, listener));
        let server = world.hosts[1].accept(listener).unwrap().socket;
        world.until(|world| world.writable(0, client));
        ends.push((client, server));
    }
    let counters = world.hosts[0].counters();
    assert_eq!(
        (counters.connections, counters.buffered_connections),
        (1000, 4)
    );
    world.wire.set_faults(Faults {
        lost: 5,
        late: 10,
        delay: Duration::from_millis(2),
        ..Faults::default()
    });
    for round in 0_u32..3 {
        for (index, (client, server)) in ends.iter().enumerate() {
            let request = format!("request {round} of {index}").repeat(100 * round as usize + 1);
            assert_eq!(
                world.send(0, *client, request.as_bytes()),
                Ok(request.len())
            );
            world.until(|world| world.available(1, *server) == request.len());
            let heard = world.receive(1, *server).unwrap();
            assert_eq!(heard, request.as_bytes());
            assert_eq!(world.send(1, *server, b"answer"), Ok(6));
            world.until(|world| world.available(0, *client) == 6);
            assert_eq!(world.receive(0, *client).unwrap(), b"answer");
        }
    }
    for (client, server) in ends {
        world.hosts[0].close(client);
        world.until(|world| world.readable(1, server));
        assert_eq!(world.receive(1, server), Ok(vec![]));
        world.hosts[1].close(server);
    }
    world.hosts[1].close(listener);
    world.pass(Duration::from_secs(300));
    for host in &world.hosts {
        assert_eq!(
            (host.counters().connections, host.counters().time_wait),
            (0, 0)
        );
    }
}

/// Both sides time out together and acknowledge with numbers that the other takes for old.
#[test]
fn losses_on_both_sides_at_once_are_overcome() {
    let faults = Faults {
        lost: 10,
        doubled: 8,
        late: 13,
        delay: Duration::from_micros(4703),
        capacity: 6,
    };
    let seed = 15_828_878_959_268_778_451;
    let mut world = World::pair(faults, seed);
    transfer(&mut world, (57_913, 40_069), seed);
}

#[test]
fn a_device_completes_checksums() {
    let (wire, left, right) = Wire::new(Faults::default(), 3);
    let left = left.with_offloads(Offloads::TRANSMIT_CHECKSUM);
    let hosts = vec![
        Stack::new(config(ONE), Box::new(left), Instant::ZERO),
        Stack::new(config(OTHER), Box::new(right), Instant::ZERO),
    ];
    let mut world = World {
        wire,
        hosts,
        now: Instant::ZERO,
    };
    transfer(&mut world, (50_000, 50_000), 3);
    assert_eq!(world.hosts[1].counters().malformed, 0);
}

#[test]
fn a_device_cuts_segments() {
    let (wire, left, right) = Wire::new(Faults::default(), 3);
    let left = left.with_offloads(Offloads::TRANSMIT_CHECKSUM | Offloads::TRANSMIT_TCP4);
    let hosts = vec![
        Stack::new(config(ONE), Box::new(left), Instant::ZERO),
        Stack::new(config(OTHER), Box::new(right), Instant::ZERO),
    ];
    let mut world = World {
        wire,
        hosts,
        now: Instant::ZERO,
    };
    transfer(&mut world, (150_000, 50_000), 3);
    assert_eq!(world.hosts[1].counters().malformed, 0);
    assert!(world.wire.frames_cut() > 10);
}

#[test]
fn small_buffers_carry_large_transfers() {
    let mut small = config(ONE);
    (small.receive_buffer, small.send_buffer) = (1024, 1024);
    let mut world = World::pair_with(Faults::default(), 5, small, config(OTHER));
    transfer(&mut world, (100_000, 100_000), 5);
}

#[test]
fn idle_connections_cost_nothing() {
    /// How many polls one exchange takes beside `idle` connections.
    fn polls(idle: usize) -> u64 {
        let mut world = World::pair(Faults::default(), 9);
        let listener = world.listen(1, 80, 2000);
        let peer = SocketAddrV4::new(OTHER, 80);
        for _ in 0..=idle {
            world.connect(0, peer);
            world.settle();
        }
        let sockets: Vec<_> = (0..=idle)
            .map(|_| world.hosts[1].accept(listener).unwrap().socket)
            .collect();
        world.pass(Duration::from_secs(10));
        assert_eq!(world.next_event(), None);
        let before: u64 = world.hosts.iter().map(|host| host.counters().polls).sum();
        for _ in 0..10 {
            assert_eq!(world.send(1, sockets[idle], b"tick"), Ok(4));
            world.pass(Duration::from_secs(1));
        }
        let after: u64 = world.hosts.iter().map(|host| host.counters().polls).sum();
        after - before
    }
    assert_eq!(polls(0), polls(1000));
}

#[test]
fn each_change_is_named_once() {
    let mut world = World::pair(Faults::default(), 2);
    let (client, server) = world.connected(7);
    world.settle();
    world.changed(1);
    world.send(0, client, b"one").unwrap();
    world.settle();
    assert_eq!(world.changed(1), [server]);
    assert_eq!(world.changed(1), []);
    // The first must be acknowledged before a second small segment may go (RFC 896).
    world.pass(Duration::from_millis(50));
    world.send(0, client, b"two").unwrap();
    world.settle();
    assert_eq!(world.changed(1), [server], "more bytes are news");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.changed(1), [], "acknowledgements are not");
}

#[test]
fn a_full_buffer_is_writable_again_when_the_peer_has_read() {
    let mut world = World::pair(Faults::default(), 2);
    let (client, server) = world.connected(7);
    let chunk = [1; 4096];
    loop {
        match world.send(0, client, &chunk) {
            Ok(_) => world.pass(Duration::from_millis(50)),
            Err(error) => {
                assert_eq!(error, NetError::WouldBlock);
                break;
            }
        }
    }
    assert!(!world.writable(0, client));
    world.changed(0);
    // The window stays shut for minutes, and the connection lives.
    world.pass(Duration::from_secs(600));
    assert_eq!(world.changed(0), []);
    world.receive(1, server).unwrap();
    world.pass(Duration::from_secs(120));
    assert_eq!(world.changed(0), [client]);
    assert!(world.writable(0, client));
}

/// The frames of a small conversation, both ways.
fn conversation() -> Vec<Vec<u8>> {
    let mut world = World::pair(Faults::default(), 4);
    let (client, server) = world.connected(80);
    world.send(0, client, b"some bytes").unwrap();
    world.pass(Duration::from_secs(1));
    world.receive(1, server).unwrap();
    world.hosts[0].close(client);
    world.hosts[1].close(server);
    world.pass(Duration::from_secs(1));
    let mut frames = world.wire.take_log(0);
    frames.extend(world.wire.take_log(1));
    frames
}

/// A stack that listens, is connecting and takes datagrams is given `frames`; afterwards it still
/// works and holds nothing.
fn survives(frames: &[Vec<u8>]) {
    let (mut world, mut device) = World::single(config(OTHER));
    let listener = world.listen(0, 80, 4);
    let client = world.connect(0, SocketAddrV4::new(ONE, 80));
    let datagram = world.hosts[0].open(net::SocketKind::Datagram).unwrap();
    world.hosts[0]
        .bind(datagram, SocketAddrV4::new(OTHER, 53))
        .unwrap();
    for frame in frames {
        device.inject(frame);
        world.pass(Duration::from_millis(1));
        while device.take().is_some() {}
    }
    while let Ok(accepted) = world.hosts[0].accept(listener) {
        world.hosts[0].close(accepted.socket);
    }
    for socket in [listener, client, datagram] {
        world.hosts[0].close(socket);
    }
    for _ in 0..400 {
        world.pass(Duration::from_secs(1));
        while device.take().is_some() {}
    }
    let counters = world.hosts[0].counters();
    assert_eq!((counters.connections, counters.time_wait), (0, 0));
    assert_eq!(world.next_event(), None, "nothing is left to be done");
}

proptest! {
    #![proptest_config(config_of(128))]

    #[test]
    fn random_frames_do_no_harm(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)
    ) {
        let addressed = |mut frame: Vec<u8>, index: usize| {
            if let Some(header) = frame.first_chunk_mut::<14>() {
                header[..6].copy_from_slice(&Device::mac(0));
                header[12..].copy_from_slice(if index.is_multiple_of(3) { &[8, 6] } else { &[8, 0] });
            }
            frame
        };
        let frames: Vec<_> = frames
            .into_iter()
            .enumerate()
            .map(|(index, frame)| addressed(frame, index))
            .collect();
        survives(&frames);
    }

    #[test]
    fn changed_frames_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..90, any::<u8>(), any::<bool>()), 0..40)
    ) {
        let original = conversation();
        let mut frames = Vec::new();
        for (which, at, value, mend) in changes {
            let mut frame = which.get(&original).clone();
            let at = at % frame.len();
            frame[at] ^= value;
            if frame[0] & 1 == 0 {
                frame[..6].copy_from_slice(&Device::mac(0));
            }
            if mend {
                mend_checksums(&mut frame);
            }
            frames.push(frame);
        }
        survives(&frames);
    }
}

/// Makes the checksums of a changed TCP frame right, so that more than they is tested.
fn mend_checksums(frame: &mut [u8]) {
    if frame.len() < 54 || frame[12..14] != [8, 0] {
        return;
    }
    frame[24..26].fill(0);
    let sum = crate::packet::checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum);
    frame[50..52].fill(0);
    let mut pseudo = frame[26..34].to_vec();
    pseudo.extend([0, 6]);
    pseudo.extend(((frame.len() - 34) as u16).to_be_bytes());
    pseudo.extend(&frame[34..]);
    let sum = crate::packet::checksum(&pseudo);
    frame[50..52].copy_from_slice(&sum);
}
