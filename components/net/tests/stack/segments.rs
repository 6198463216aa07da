//! TCP as packet traces, where it is ours and not smoltcp's: finding connections, refusing
//! segments, listening, TIME-WAIT, ends of connections.

use std::net::SocketAddrV4;
use std::time::Duration;

use hypercall::SliceSource;

use crate::host::{ONE, OTHER, World, config};
use crate::packet;
use crate::peer::Peer;
use net::{Half, NetError, Network, Readiness, SocketId, SocketKind};

const NOTHING: [&str; 0] = [];

/// A peer with an accepted connection.
pub fn accepted() -> (Peer, SocketId) {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 8);
    peer.shake_hands();
    let accepted = peer.world.hosts[0].accept(listener).unwrap();
    assert_eq!(accepted.peer, peer.own);
    (peer, accepted.socket)
}

#[test]
fn a_syn_to_nobody_is_reset() {
    let mut peer = Peer::new();
    peer.say("S", 0, 0, "");
    assert_eq!(peer.hear(), ["R. 0 ack 1"]);
    assert_eq!(peer.world.hosts[0].counters().resets, 1);
}

#[test]
fn an_ack_to_nobody_is_reset_with_its_own_number() {
    let mut peer = Peer::new();
    peer.say("P.", 5, 77, "data");
    assert_eq!(peer.hear(), ["R 77"]);
    peer.say("F", 5, 0, "data");
    assert_eq!(peer.hear(), ["R. 0 ack 10"]);
}

#[test]
fn a_reset_to_nobody_is_not_answered() {
    let mut peer = Peer::new();
    peer.say("R", 5, 0, "");
    peer.say("R.", 5, 5, "");
    assert_eq!(peer.hear(), NOTHING);
}

#[test]
fn a_segment_to_all_hosts_is_not_answered() {
    let mut peer = Peer::new();
    peer.world.listen(0, 80, 8);
    for address in [[10, 0, 0, 255], [255, 255, 255, 255], [224, 0, 0, 1]] {
        peer.host.set_ip(address.into());
        peer.say("S", 0, 0, "");
    }
    assert_eq!(peer.hear(), NOTHING);
}

#[test]
fn a_segment_from_an_impossible_address_is_not_answered() {
    let mut peer = Peer::new();
    for address in [
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [10, 0, 0, 1],
        [10, 0, 0, 255],
        [224, 0, 0, 1],
    ] {
        peer.own.set_ip(address.into());
        peer.say("S", 0, 0, "");
    }
    assert_eq!(peer.hear(), NOTHING);
}

#[test]
fn a_wrong_checksum_is_dropped() {
    let mut peer = Peer::new();
    let segment = packet::Segment {
        source: peer.own,
        destination: peer.host,
        sequence: 0,
        acknowledgement: 0,
        flags: "S".into(),
        window: 8192,
        data: vec![],
    };
    let mut bytes = segment.packet();
    bytes[24] ^= 1;
    peer.packet(&bytes);
    assert_eq!(peer.hear(), NOTHING);
    assert_eq!(peer.world.hosts[0].counters().malformed, 1);
}

#[test]
fn connections_of_one_port_are_told_apart() {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 8);
    let mut sockets = Vec::new();
    let mut starts = Vec::new();
    for port in 50_000..50_003 {
        peer.own.set_port(port);
        peer.shake_hands();
        starts.push(peer.host_start);
        sockets.push(peer.world.hosts[0].accept(listener).unwrap().socket);
    }
    for (port, text) in (50_000..50_003).zip(["one", "two", "three"]) {
        peer.own.set_port(port);
        peer.host_start = starts[usize::from(port - 50_000)];
        peer.say("P.", 1, 1, text);
    }
    peer.world.settle();
    let heard: Vec<_> = sockets
        .iter()
        .map(|socket| peer.world.receive(0, *socket).unwrap())
        .collect();
    assert_eq!(heard, [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_full_queue_drops_the_syn_and_room_takes_it() {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 2);
    for port in 50_000..50_002 {
        peer.own.set_port(port);
        peer.shake_hands();
    }
    peer.own.set_port(50_002);
    peer.say("S", 0, 0, "");
    assert_eq!(peer.hear(), NOTHING);
    assert_eq!(peer.world.hosts[0].counters().refused_connections, 1);
    peer.world.hosts[0].accept(listener).unwrap();
    peer.shake_hands();
}

#[test]
fn half_open_connections_count_until_they_fail() {
    let mut peer = Peer::new();
    peer.world.listen(0, 80, 1);
    peer.say("S", 0, 0, "");
    assert_eq!(peer.hear(), ["S. 0 ack 1"]);
    peer.own.set_port(50_001);
    peer.say("S", 0, 0, "");
    assert_eq!(peer.hear(), NOTHING, "the only place is taken");
    peer.own.set_port(50_000);
    peer.say("R", 1, 0, "");
    peer.world.settle();
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
    peer.own.set_port(50_001);
    peer.shake_hands();
}

#[test]
fn a_handshake_that_is_not_completed_is_given_up() {
    let mut peer = Peer::new();
    peer.world.listen(0, 80, 1);
    peer.say("S", 0, 0, "");
    peer.world.pass(Duration::from_secs(31));
    assert!(peer.hear().iter().all(|line| line == "S. 0 ack 1"));
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
    peer.world.pass(Duration::from_secs(600));
    assert_eq!(peer.hear(), NOTHING);
}

#[test]
fn closing_a_listener_resets_whoever_waits() {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 8);
    peer.shake_hands();
    peer.world.hosts[0].close(listener);
    assert_eq!(peer.hear(), ["R. 1 ack 1"]);
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
    peer.say("S", 0, 0, "");
    assert_eq!(peer.hear(), ["R. 0 ack 1"]);
}

#[test]
fn a_connection_that_is_reset_before_it_is_accepted_says_so() {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 8);
    peer.shake_hands();
    peer.say("R", 1, 0, "");
    peer.world.settle();
    let socket = peer.world.hosts[0].accept(listener).unwrap().socket;
    assert_eq!(peer.world.receive(0, socket), Err(NetError::Reset));
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
}

#[test]
fn a_reset_is_told_once_after_the_data() {
    let (mut peer, socket) = accepted();
    peer.say("P.", 1, 1, "last words");
    peer.say("R", 11, 0, "");
    peer.world.settle();
    let readiness = peer.world.hosts[0].readiness(socket);
    assert!(readiness.contains(Readiness::ERROR | Readiness::HANG_UP | Readiness::READABLE));
    assert_eq!(peer.world.receive(0, socket).unwrap(), b"last words");
    assert_eq!(peer.world.receive(0, socket), Err(NetError::Reset));
    assert_eq!(peer.world.receive(0, socket), Ok(vec![]));
    assert_eq!(peer.world.send(0, socket, b"x"), Err(NetError::SendClosed));
    assert_eq!(peer.world.hosts[0].take_error(socket), None);
}

#[test]
fn a_reset_out_of_the_window_is_ignored() {
    let (mut peer, socket) = accepted();
    peer.say("R", 100_000, 0, "");
    assert_eq!(peer.hear(), NOTHING);
    assert!(peer.world.writable(0, socket));
    assert_eq!(peer.world.hosts[0].take_error(socket), None);
}

#[test]
fn close_sends_what_is_queued_and_ends_in_time_wait() {
    let (mut peer, socket) = accepted();
    peer.world.send(0, socket, b"bye").unwrap();
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 1 ack 1 \"bye\""]);
    peer.say(".", 1, 5, "");
    assert_eq!(peer.hear(), NOTHING);
    peer.say("F.", 1, 5, "");
    assert_eq!(peer.hear(), [". 5 ack 2"]);
    let counters = peer.world.hosts[0].counters();
    assert_eq!((counters.connections, counters.time_wait), (0, 1));

    // The answer was lost: the FIN comes again.
    peer.say("F.", 1, 5, "");
    assert_eq!(peer.hear(), [". 5 ack 2"]);
    // A RST does not shorten it (RFC 1337), an acknowledgement needs no answer.
    peer.say("R", 2, 0, "");
    peer.say(".", 2, 5, "");
    assert_eq!(peer.hear(), NOTHING);
    assert_eq!(peer.world.hosts[0].counters().time_wait, 1);

    peer.world.pass(Duration::from_secs(11));
    assert_eq!(peer.world.hosts[0].counters().time_wait, 0);
    peer.say("F.", 1, 5, "");
    assert_eq!(peer.hear(), ["R 5"]);
}

#[test]
fn what_was_sent_on_a_closed_socket_is_undelivered_until_its_end_is_acknowledged() {
    let (mut peer, socket) = accepted();
    let undelivered = |peer: &Peer| peer.world.hosts[0].undelivered();
    peer.world.send(0, socket, b"bye").unwrap();
    assert_eq!(undelivered(&peer), 0, "the program can still see to it");
    peer.world.hosts[0].close(socket);
    assert_eq!(undelivered(&peer), 4);
    assert_eq!(peer.hear(), ["F. 1 ack 1 \"bye\""]);
    peer.say(".", 1, 3, "");
    assert_eq!(peer.hear(), NOTHING);
    assert_eq!(undelivered(&peer), 2);
    peer.say(".", 1, 5, "");
    assert_eq!(peer.hear(), NOTHING);
    assert_eq!(undelivered(&peer), 0);
}

#[test]
fn a_datagram_that_waits_for_its_neighbour_is_undelivered() {
    let (mut world, mut device) = World::single(config(ONE));
    let host = &mut world.hosts[0];
    let socket = host.open(SocketKind::Datagram).unwrap();
    let peer = Some(SocketAddrV4::new(OTHER, 53));
    host.send(socket, &mut SliceSource::new(b"hello"), peer)
        .unwrap();
    host.close(socket);
    world.settle();
    assert_eq!(world.hosts[0].undelivered(), 1);
    device.inject(&packet::arp(1, 2, OTHER, ONE));
    world.settle();
    assert_eq!(world.hosts[0].undelivered(), 0);
}

/// A peer with a connection in TIME-WAIT whose port still has a listener.
fn in_time_wait() -> Peer {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 8);
    peer.shake_hands();
    let socket = peer.world.hosts[0].accept(listener).unwrap().socket;
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 1 ack 1"]);
    peer.say("F.", 1, 2, "");
    assert_eq!(peer.hear(), [". 2 ack 2"]);
    peer
}

#[test]
fn a_retransmitted_fin_starts_the_time_again() {
    let mut peer = in_time_wait();
    peer.world.pass(Duration::from_secs(8));
    peer.say("F.", 1, 2, "");
    assert_eq!(peer.hear(), [". 2 ack 2"]);
    peer.world.pass(Duration::from_secs(8));
    assert_eq!(peer.world.hosts[0].counters().time_wait, 1);
    peer.world.pass(Duration::from_secs(3));
    assert_eq!(peer.world.hosts[0].counters().time_wait, 0);
}

#[test]
fn a_later_syn_ends_time_wait() {
    let mut peer = in_time_wait();
    peer.say("S", 1, 0, "");
    assert_eq!(peer.hear(), [". 2 ack 2"], "an old SYN is answered as old");
    peer.own_start += 3;
    peer.shake_hands();
    assert_eq!(peer.world.hosts[0].counters().time_wait, 0);
}

#[test]
fn time_wait_is_bounded() {
    let mut small = config(ONE);
    small.max_time_wait = 3;
    let mut peer = Peer::with(small);
    let listener = peer.world.listen(0, 80, 8);
    for port in 50_000..50_010 {
        peer.own.set_port(port);
        peer.shake_hands();
        let socket = peer.world.hosts[0].accept(listener).unwrap().socket;
        peer.world.hosts[0].close(socket);
        peer.hear();
        peer.say("F.", 1, 2, "");
        peer.hear();
        assert!(peer.world.hosts[0].counters().time_wait <= 3);
    }
    peer.say("F.", 1, 2, "");
    assert_eq!(peer.hear(), [". 2 ack 2"], "the newest is remembered");
    peer.own.set_port(50_000);
    peer.say("F.", 1, 2, "");
    assert_eq!(peer.hear(), ["R 2"], "the oldest is not");
}

#[test]
fn closing_with_unread_data_resets() {
    let (mut peer, socket) = accepted();
    peer.say("P.", 1, 1, "unread");
    peer.world.settle();
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["R. 1 ack 7"]);
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
}

#[test]
fn data_for_nobody_resets() {
    let (mut peer, socket) = accepted();
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 1 ack 1"]);
    peer.say("P.", 1, 2, "too late");
    assert_eq!(peer.hear().last().unwrap(), "R. 2 ack 9");
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
}

#[test]
fn the_peer_may_end_first() {
    let (mut peer, socket) = accepted();
    peer.say("FP.", 1, 1, "all");
    peer.world.pass(Duration::from_millis(20));
    assert_eq!(peer.hear(), [". 1 ack 5"]);
    assert_eq!(peer.world.receive(0, socket).unwrap(), b"all");
    assert_eq!(peer.world.receive(0, socket), Ok(vec![]));
    let readiness = peer.world.hosts[0].readiness(socket);
    assert!(readiness.contains(Readiness::READ_CLOSED | Readiness::WRITABLE));
    assert!(!readiness.contains(Readiness::HANG_UP));
    peer.world.send(0, socket, b"answer").unwrap();
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 1 ack 5 \"answer\""]);
    peer.say(".", 5, 8, "");
    assert_eq!(peer.hear(), NOTHING);
    let counters = peer.world.hosts[0].counters();
    assert_eq!((counters.connections, counters.time_wait), (0, 0));
}

#[test]
fn half_a_connection_still_receives() {
    let (mut peer, socket) = accepted();
    let host = &mut peer.world.hosts[0];
    host.shutdown(socket, Half::Send).unwrap();
    assert_eq!(peer.world.send(0, socket, b"x"), Err(NetError::SendClosed));
    assert_eq!(peer.hear(), ["F. 1 ack 1"]);
    peer.say("P.", 1, 2, "more");
    peer.world.settle();
    assert_eq!(peer.world.receive(0, socket).unwrap(), b"more");
    peer.say("FP.", 5, 2, "end");
    peer.world.pass(Duration::from_millis(20));
    let readiness = peer.world.hosts[0].readiness(socket);
    assert!(readiness.contains(Readiness::HANG_UP | Readiness::READABLE));
    // The connection is in TIME-WAIT already, and its last bytes can still be read.
    assert_eq!(peer.world.hosts[0].counters().time_wait, 1);
    assert_eq!(peer.world.receive(0, socket).unwrap(), b"end");
    assert_eq!(peer.world.receive(0, socket), Ok(vec![]));
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
}

#[test]
fn an_orphan_is_reset_after_its_time() {
    let (mut peer, socket) = accepted();
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 1 ack 1"]);
    peer.say(".", 1, 2, "");
    peer.world.pass(Duration::from_secs(59));
    assert_eq!(peer.hear(), NOTHING);
    assert_eq!(peer.world.hosts[0].counters().connections, 1);
    peer.world.pass(Duration::from_secs(2));
    assert_eq!(peer.hear(), ["R. 2 ack 1"]);
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
}

#[test]
fn orphans_are_bounded_in_number() {
    let mut small = config(ONE);
    small.max_orphans = 2;
    let mut peer = Peer::with(small);
    let listener = peer.world.listen(0, 80, 8);
    let mut ends = Vec::new();
    for port in 50_000..50_004 {
        peer.own.set_port(port);
        peer.shake_hands();
        let socket = peer.world.hosts[0].accept(listener).unwrap().socket;
        peer.world.hosts[0].close(socket);
        ends.extend(peer.hear());
    }
    assert_eq!(
        ends,
        ["F. 1 ack 1", "F. 1 ack 1", "R. 1 ack 1", "R. 1 ack 1"]
    );
}

#[test]
fn a_silent_peer_is_given_up() {
    let (mut peer, socket) = accepted();
    peer.world.send(0, socket, b"anybody?").unwrap();
    peer.world.pass(Duration::from_secs(179));
    let tries = peer.hear();
    assert!(tries.len() >= 5, "{tries:?}");
    assert!(tries.iter().all(|line| line == "P. 1 ack 1 \"anybody?\""));
    assert_eq!(peer.world.hosts[0].take_error(socket), None);
    peer.world.pass(Duration::from_secs(2));
    assert_eq!(peer.hear(), ["R. 9 ack 1"]);
    assert_eq!(peer.world.receive(0, socket), Err(NetError::TimedOut));
}

#[test]
fn an_impossible_acknowledgement_of_the_handshake_changes_nothing() {
    let mut peer = Peer::new();
    let listener = peer.world.listen(0, 80, 8);
    peer.say("S", 0, 0, "");
    assert_eq!(peer.hear(), ["S. 0 ack 1"]);
    peer.say(".", 1, 99, "");
    assert_eq!(peer.hear(), ["R 99"]);
    peer.say(".", 1, 1, "");
    peer.say("P.", 1, 1, "data");
    peer.world.pass(Duration::from_millis(20));
    assert_eq!(peer.hear(), [". 1 ack 5"]);
    peer.world.hosts[0].accept(listener).unwrap();
}

/// The window shuts on data that is under way, and nobody tells the host when it opens.
#[test]
fn a_shut_window_is_probed() {
    let (mut peer, socket) = accepted();
    peer.world.send(0, socket, b"data").unwrap();
    assert_eq!(peer.hear(), ["P. 1 ack 1 \"data\""]);
    peer.window = 0;
    peer.say(".", 1, 1, "");
    peer.hear();
    peer.world.pass(Duration::from_secs(10));
    let probes = peer.hear();
    assert!(!probes.is_empty());
    assert!(
        probes.iter().all(|line| line == ". 1 ack 1 \"d\""),
        "{probes:?}"
    );
    peer.window = 8192;
    peer.say(".", 1, 2, "");
    assert_eq!(peer.hear(), ["P. 2 ack 1 \"ata\""]);
}

/// The peer takes the last byte and the end, and its window stays shut.
#[test]
fn a_window_is_not_probed_after_the_end() {
    let (mut peer, socket) = accepted();
    peer.world.send(0, socket, b"data").unwrap();
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 1 ack 1 \"data\""]);
    peer.window = 0;
    for acknowledged in [3, 6] {
        peer.say(".", 1, acknowledged, "");
        assert_eq!(peer.hear(), [""; 0]);
    }
    peer.world.pass(Duration::from_secs(10));
    assert_eq!(peer.hear(), [""; 0]);
    peer.say("F.", 1, 6, "");
    assert_eq!(peer.hear(), [". 6 ack 2"]);
}

#[test]
fn a_neighbour_that_has_gone_is_given_up() {
    let (mut peer, socket) = accepted();
    peer.world.pass(Duration::from_secs(70));
    peer.world.send(0, socket, b"anybody?").unwrap();
    // Nobody answers ARP either.
    peer.world.pass(Duration::from_secs(200));
    assert_eq!(peer.world.receive(0, socket), Err(NetError::TimedOut));
    peer.world.hosts[0].close(socket);
    peer.world.pass(Duration::from_secs(10));
    assert_eq!(peer.world.hosts[0].counters().connections, 0);
    assert_eq!(peer.world.next_event(), None);
}

#[test]
fn an_idle_connection_is_probed_if_asked_and_given_up_if_silent() {
    let (mut peer, socket) = accepted();
    peer.world.hosts[0]
        .set_option(socket, net::SocketOption::KeepAlive(true))
        .unwrap();
    let probe = ". 0 ack 1 \"\\0\"";
    assert_eq!(peer.hear(), [probe]);
    peer.say(".", 1, 1, "");
    peer.world.pass(Duration::from_secs(2 * 3600 - 1));
    assert_eq!(peer.hear(), NOTHING);
    peer.world.pass(Duration::from_secs(1));
    assert_eq!(peer.hear(), [probe]);
    peer.world.pass(Duration::from_secs(4 * 3600 + 120));
    assert_eq!(peer.world.receive(0, socket), Err(NetError::TimedOut));
}

#[test]
fn an_idle_connection_is_never_given_up() {
    let (mut peer, socket) = accepted();
    peer.world.pass(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(peer.hear(), NOTHING);
    peer.world.send(0, socket, b"still here").unwrap();
    assert_eq!(peer.hear(), ["P. 1 ack 1 \"still here\""]);
    peer.say(".", 1, 11, "");
    peer.world.hosts[0].close(socket);
    assert_eq!(peer.hear(), ["F. 11 ack 1"]);
}

#[test]
fn a_refused_connection_says_so() {
    let mut peer = Peer::new();
    let target = SocketAddrV4::new(OTHER, 50_000);
    let socket = peer.world.connect(0, target);
    assert_eq!(peer.hear(), ["S 0"]);
    assert_eq!(peer.world.hosts[0].readiness(socket), Readiness::empty());
    peer.say("R.", 0, 1, "");
    peer.world.settle();
    assert_eq!(peer.world.changed(0), [socket]);
    let readiness = peer.world.hosts[0].readiness(socket);
    assert!(readiness.contains(Readiness::ERROR | Readiness::WRITABLE));
    assert_eq!(
        peer.world.hosts[0].take_error(socket),
        Some(NetError::Refused)
    );
    assert_eq!(peer.world.receive(0, socket), Err(NetError::NotConnected));
    // The same socket may try again.
    let now = peer.world.now;
    let again = peer.world.hosts[0].connect(socket, target, now);
    assert_eq!(again, Err(NetError::InProgress));
    assert_eq!(peer.hear(), ["S 0"]);
}

#[test]
fn a_connection_that_nobody_answers_times_out() {
    let mut peer = Peer::new();
    let socket = peer.world.connect(0, SocketAddrV4::new(OTHER, 50_000));
    peer.hear();
    peer.world.pass(Duration::from_secs(74));
    assert_eq!(peer.world.hosts[0].take_error(socket), None);
    assert!(peer.hear().iter().all(|line| line == "S 0"));
    peer.world.pass(Duration::from_secs(2));
    assert_eq!(
        peer.world.hosts[0].take_error(socket),
        Some(NetError::TimedOut)
    );
}

#[test]
fn an_unreachable_port_ends_the_attempt_if_it_names_our_syn() {
    let mut peer = Peer::new();
    let socket = peer.world.connect(0, SocketAddrV4::new(OTHER, 50_000));
    let syn = peer.frames().remove(0);
    let mut rest = vec![0; 4];
    rest.extend(&syn[14..]);
    rest[4 + 24] ^= 1;
    peer.packet(&packet::icmp(OTHER, ONE, 3, 3, &rest));
    peer.world.settle();
    assert_eq!(peer.world.hosts[0].take_error(socket), None, "a guess");
    rest[4 + 24] ^= 1;
    peer.packet(&packet::icmp(OTHER, ONE, 3, 3, &rest));
    peer.world.settle();
    assert_eq!(
        peer.world.hosts[0].take_error(socket),
        Some(NetError::Refused)
    );
}

#[test]
fn an_unreachable_host_does_not_end_an_open_connection() {
    let (mut peer, socket) = accepted();
    peer.world.send(0, socket, b"x").unwrap();
    let sent = peer.frames().remove(0);
    let mut rest = vec![0; 4];
    rest.extend(&sent[14..42]);
    peer.packet(&packet::icmp(OTHER, ONE, 3, 1, &rest));
    peer.world.settle();
    assert_eq!(peer.world.hosts[0].take_error(socket), None);
    assert!(peer.world.writable(0, socket));
}

#[test]
fn the_port_of_a_listener_is_taken() {
    let mut peer = in_time_wait();
    let host = &mut peer.world.hosts[0];
    let local = SocketAddrV4::new(ONE, 80);
    let socket = host.open(SocketKind::Stream).unwrap();
    let in_use = Err(net::AddressError::InUse.into());
    assert_eq!(host.bind(socket, local), in_use, "somebody listens");
    host.set_option(socket, net::SocketOption::ReuseAddress(true))
        .unwrap();
    assert_eq!(host.bind(socket, local), in_use, "somebody listens");
}

#[test]
fn old_connections_keep_a_port_unless_it_may_be_used_again() {
    let (mut peer, socket) = accepted();
    peer.world.hosts[0].close(socket);
    let listener = SocketId {
        index: 0,
        generation: 0,
    };
    peer.world.hosts[0].close(listener);
    assert_eq!(peer.hear(), ["F. 1 ack 1"]);
    let host = &mut peer.world.hosts[0];
    let again = host.open(SocketKind::Stream).unwrap();
    let local = SocketAddrV4::new(ONE, 80);
    let in_use = Err(net::AddressError::InUse.into());
    assert_eq!(host.bind(again, local), in_use);
    host.set_option(again, net::SocketOption::ReuseAddress(true))
        .unwrap();
    assert_eq!(host.bind(again, local), Ok(()));
    assert_eq!(host.listen(again, 1), Ok(()));
}
