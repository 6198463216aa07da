//! TCP between two stacks: what programs see.

use crate::host::World;
use crate::wire::Faults;
use net::NetError;

#[test]
fn an_echo_goes_there_and_back() {
    let mut world = World::pair(Faults::default(), 1);
    let (client, server) = world.connected(7);
    assert_eq!(world.send(0, client, b"hello"), Ok(5));
    world.until(|world| world.readable(1, server));
    let heard = world.receive(1, server).unwrap();
    assert_eq!(heard, b"hello");
    assert_eq!(world.send(1, server, &heard), Ok(5));
    world.until(|world| world.readable(0, client));
    assert_eq!(world.receive(0, client).unwrap(), b"hello");
    assert_eq!(world.receive(0, client), Err(NetError::WouldBlock));
}
