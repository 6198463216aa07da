//! Over a good wire.

use std::net::SocketAddrV4;

use hypercall::{SliceSink, SliceSource};
use posix::{Errno, Half, OpenFlags, SocketKind};

use crate::world::{SERVER, World};

#[test]
fn a_question_is_answered() {
    let mut world = World::new(7);
    let (ours, theirs) = world.connect();
    let question = |world: &mut World| world.client.write(ours, &mut SliceSource::new(b"question"));
    assert_eq!(world.until_done(question), Ok(8));
    let mut bytes = [0; 16];
    let read = world.until_done(|world| world.server.read(theirs, &mut SliceSink::new(&mut bytes)));
    assert_eq!(read, Ok(8));
    assert_eq!(&bytes[..8], b"question");
    world.server.shutdown(theirs, Half::Send).unwrap();
    let read = world.until_done(|world| world.client.read(ours, &mut SliceSink::new(&mut bytes)));
    assert_eq!(read, Ok(0));
}

#[test]
fn nobody_there_is_a_refusal() {
    let mut world = World::new(7);
    let fd = world
        .client
        .socket(SocketKind::Stream, OpenFlags::empty())
        .unwrap();
    let address = SocketAddrV4::new(SERVER, 81);
    let refused = world.until_done(|world| world.client.connect(fd, address));
    assert_eq!(refused, Err(Errno::ECONNREFUSED));
}
