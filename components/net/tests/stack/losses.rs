//! Segments that are lost where no duplicate acknowledgement tells (RFC 8985, 7).

use std::time::Duration;

use net::SocketId;

use crate::peer::Peer;
use crate::segments::accepted;

/// A connection on which the host has measured one round trip of 20 ms, and one of nothing before.
fn measured() -> (Peer, SocketId) {
    let (mut peer, socket) = accepted();
    assert_eq!(peer.world.send(0, socket, b"a"), Ok(1));
    assert_eq!(peer.hear(), ["P. 1 ack 1 \"a\""]);
    peer.world.pass(Duration::from_millis(20));
    peer.say(".", 1, 2, "");
    assert_eq!(peer.hear(), [""; 0]);
    (peer, socket)
}

#[test]
fn a_flight_without_an_answer_is_probed_soon() {
    let (mut peer, socket) = measured();
    // The peer has offered no size, so 536 bytes are a segment (RFC 9293, 3.7.1).
    assert_eq!(peer.world.send(0, socket, &[b'x'; 1072]), Ok(1072));
    let flight = peer.hear();
    assert_eq!(flight.len(), 2, "{flight:?}");
    // Smoothed 2.5 ms and four times 5 ms of variation, and 10 ms for coarse clocks.
    peer.world.pass(Duration::from_millis(32));
    assert_eq!(peer.hear(), [""; 0]);
    peer.world.pass(Duration::from_millis(1));
    assert_eq!(
        peer.hear(),
        flight[..1],
        "the first one again, and only that"
    );
    peer.say(".", 1, 538, "");
    peer.world.pass(Duration::from_millis(250));
    assert_eq!(peer.hear(), flight[1..], "the second was lost, too");
    peer.say(".", 1, 1074, "");
    peer.world.pass(Duration::from_secs(60));
    assert_eq!(peer.hear(), [""; 0]);
}

#[test]
fn a_single_segment_waits_for_a_delayed_answer() {
    let (mut peer, socket) = measured();
    assert_eq!(peer.world.send(0, socket, b"bc"), Ok(2));
    assert_eq!(peer.hear(), ["P. 2 ack 1 \"bc\""]);
    peer.world.pass(Duration::from_millis(232));
    assert_eq!(peer.hear(), [""; 0]);
    peer.world.pass(Duration::from_millis(1));
    assert_eq!(peer.hear(), ["P. 2 ack 1 \"bc\""]);
    // The next one waits for twice 200 ms, and for a delayed answer again.
    peer.world.pass(Duration::from_millis(599));
    assert_eq!(peer.hear(), [""; 0]);
    peer.world.pass(Duration::from_millis(1));
    assert_eq!(peer.hear().len(), 1);
    peer.say(".", 1, 4, "");
    peer.world.pass(Duration::from_secs(60));
    assert_eq!(peer.hear(), [""; 0]);
}

#[test]
fn a_shut_window_is_not_probed_as_a_loss() {
    let (mut peer, socket) = measured();
    assert_eq!(peer.world.send(0, socket, &[b'x'; 1000]), Ok(1000));
    assert_eq!(peer.hear().len(), 1);
    peer.window = 0;
    peer.say(".", 1, 2, "");
    peer.world.pass(Duration::from_millis(900));
    assert_eq!(peer.hear(), [""; 0]);
}
