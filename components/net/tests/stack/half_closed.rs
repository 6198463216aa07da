//! Connections that the program has closed and the peer has not.

use std::net::SocketAddrV4;

use net::{Config, NetError, Network};

use crate::host::{ONE, OTHER, World, config};
use crate::wire::Faults;

const SERVER: SocketAddrV4 = SocketAddrV4::new(OTHER, 80);
/// Several times more than the server has memory for.
const CLIENTS: usize = 20;

#[test]
fn peers_that_do_not_close_keep_nobody_from_being_served() {
    let scarce = Config {
        buffer_memory: 1,
        ..config(OTHER)
    };
    let mut world = World::pair_with(Faults::default(), 1, config(ONE), scarce);
    let listener = world.listen(1, 80, CLIENTS);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let client = world.connect(0, SERVER);
            world.settle();
            client
        })
        .collect();
    for client in &clients {
        world
            .send(0, *client, b"question")
            .expect("it is connected");
    }
    for _ in &clients {
        let mut server = None;
        world.until(|world| {
            server = world.hosts[1].accept(listener).ok();
            server.is_some()
        });
        let server = server.expect("it was waited for").socket;
        world.until(|world| world.readable(1, server));
        assert_eq!(world.receive(1, server).expect("it came"), b"question");
        world.send(1, server, b"answer").expect("it is connected");
        world.hosts[1].close(server);
        world.settle();
    }
    // Each has its answer and its end, and may take its time to look.
    for client in clients {
        assert_eq!(world.receive(0, client).expect("it came"), b"answer");
        assert_eq!(world.receive(0, client).expect("the end"), b"");
        world.hosts[0].close(client);
        world.settle();
        assert_eq!(world.hosts[0].take_error(client), None::<NetError>);
    }
    let counters = world.hosts[1].counters();
    assert_eq!(counters.connections, 0);
    assert_eq!(counters.buffered_connections, 0);
}
