//! What must hold when the steps are over.

use std::time::Duration;

use hypercall::{SliceSink, SliceSource};
use net::{Counters, Network, Readiness};

use super::peer::{ACK, FIN, FRESH, SYN};
use super::step::{Action, Envelope};
use super::world::{DATAGRAM_PORT, World};

/// Longer than connections without a socket, half-open ones, TIME-WAIT, fragments and a peer's
/// silence last.
const LONG: Duration = Duration::from_secs(600);
/// What tables and queues keep of their largest size when they are empty.
pub const TABLES: usize = 128 << 10;

/// Closes what the steps have left, and checks that a peer that behaves is served, and that
/// nothing is left of anything.
///
/// # Panics
///
/// If not.
pub fn check(world: &mut World) {
    world.answer_arp(true);
    close_streams(world);
    world.pass(LONG);
    assert_nothing_is_left(world);
    echo_on_a_connection(world);
    echo_of_a_datagram(world);
    echo_of_a_ping(world);
    close_streams(world);
    world.pass(LONG);
    assert_nothing_is_left(world);
}

/// Closes the program's connections and those that wait to be accepted.
fn close_streams(world: &mut World) {
    for stream in world.program.streams.drain(..) {
        world.stack.close(stream);
    }
    while let Ok(connection) = world.stack.accept(world.program.listener) {
        world.stack.close(connection.socket);
    }
}

fn assert_nothing_is_left(world: &mut World) {
    // What the listener had been handed meanwhile.
    close_streams(world);
    let Counters {
        connections,
        time_wait,
        ..
    } = world.stack.counters();
    assert_eq!((connections, time_wait), (0, 0), "connections are left");
    assert_eq!(world.stack.undelivered(), 0, "something is left to be sent");
}

fn echo_on_a_connection(world: &mut World) {
    world.say(FRESH, SYN, 0);
    assert_eq!(world.peer.flows[FRESH].last, (SYN | ACK, 0), "no handshake");
    world.say(FRESH, ACK, 0);
    let listener = world.program.listener;
    let accepted = world.stack.accept(listener).expect("a connection");
    world.say(FRESH, ACK, 4);
    let mut bytes = [0; 8];
    let mut sink = SliceSink::new(&mut bytes);
    let received = world.stack.receive(accepted.socket, &mut sink, false);
    assert_eq!(received, Ok((4, accepted.peer)), "what the peer sent");
    let mut source = SliceSource::new(b"echo");
    let sent = world.stack.send(accepted.socket, &mut source, None);
    assert_eq!(sent, Ok(4));
    world.settle();
    let (_, length) = world.peer.flows[FRESH].last;
    assert_eq!(length, 4, "what the program sent");
    world.say(FRESH, FIN | ACK, 0);
    let ready = world.stack.readiness(accepted.socket);
    assert!(ready.contains(Readiness::READ_CLOSED), "{ready:?}");
    world.program.streams.push(accepted.socket);
}

fn echo_of_a_datagram(world: &mut World) {
    let socket = world.program.datagram;
    let mut bytes = [0; 1500];
    while world.stack.available(socket) > 0 {
        let mut sink = SliceSink::new(&mut bytes);
        let received = world.stack.receive(socket, &mut sink, false);
        received.expect("what is available can be received");
    }
    // An error that a message about an earlier datagram left, and empty datagrams.
    world.stack.take_error(socket);
    while world
        .stack
        .receive(socket, &mut SliceSink::new(&mut bytes), false)
        .is_ok()
    {}
    let datagram = Action::Datagram {
        port: DATAGRAM_PORT,
        length: 100,
    };
    world.send(&datagram, Envelope::default());
    world.settle();
    let mut sink = SliceSink::new(&mut bytes);
    let received = world.stack.receive(socket, &mut sink, false);
    let (length, sender) = received.expect("the datagram");
    assert_eq!(length, 100);
    let before = world.peer.heard();
    let mut source = SliceSource::new(&bytes[..length]);
    let sent = world.stack.send(socket, &mut source, Some(sender));
    assert_eq!(sent, Ok(100));
    world.settle();
    assert!(world.peer.heard() > before, "the datagram does not go out");
}

fn echo_of_a_ping(world: &mut World) {
    let before = world.peer.heard();
    let ping = Action::Message {
        kind: 8,
        code: 0,
        length: 56,
    };
    world.send(&ping, Envelope::default());
    world.settle();
    assert!(world.peer.heard() > before, "a ping is not answered");
}
