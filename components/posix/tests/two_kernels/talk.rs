//! Two kernels in one process, joined by a wire, talk by sockets.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use hypercall::fake::{FakeFrameDevice, FakeHost};
use hypercall::{Instant, SliceSink, SliceSource};
use net::{Config, Stack};
use posix::{Errno, Fd, Half, Kernel, OpenFlags, SocketKind, Step, StepResult};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORT: u16 = 80;

/// How much time passes between two tries of a step.
const TICK: Duration = Duration::from_millis(1);

struct World {
    client: Kernel<FakeHost>,
    server: Kernel<FakeHost>,
}

fn kernel(address: Ipv4Addr, wire: FakeFrameDevice) -> Kernel<FakeHost> {
    let files = fs::Vfs::new(Box::new(fs::RamFs::new(4096, Duration::ZERO)));
    let config = Config::new(address, 24, 7);
    let stack = Stack::new(config, Box::new(wire), Instant::ZERO);
    Kernel::new(FakeHost::new(), files, Some(Box::new(stack))).expect("there is memory")
}

impl World {
    fn new() -> Self {
        let (one, other) = FakeFrameDevice::pair();
        Self {
            client: kernel(CLIENT, one),
            server: kernel(SERVER, other),
        }
    }

    /// Lets the world go on for a moment.
    fn tick(&mut self) {
        for kernel in [&mut self.client, &mut self.server] {
            kernel.host().advance(TICK);
            while kernel.progress() {}
        }
    }

    /// Repeats a step until it is done.
    fn until_done<T>(
        &mut self,
        mut step: impl FnMut(&mut Self) -> StepResult<T>,
    ) -> Result<T, Errno> {
        for _ in 0..1000 {
            if let Step::Done(result) = step(self)? {
                return Ok(result);
            }
            self.tick();
        }
        panic!("a second is enough for anything on an idle wire");
    }
}

/// The client's end of a connection, and the server's.
fn connect(world: &mut World) -> (Fd, Fd) {
    let flags = OpenFlags::empty();
    let listener = world.server.socket(SocketKind::Stream, flags).unwrap();
    let address = SocketAddrV4::new(SERVER, PORT);
    world.server.bind(listener, address).unwrap();
    world.server.listen(listener, 8).unwrap();
    let ours = world.client.socket(SocketKind::Stream, flags).unwrap();
    world
        .until_done(|world| world.client.connect(ours, address))
        .unwrap();
    let accept = |world: &mut World| world.server.accept4(listener, flags);
    let (theirs, peer) = world.until_done(accept).unwrap();
    assert_eq!(*peer.ip(), CLIENT);
    (ours, theirs)
}

#[test]
fn a_question_is_answered() {
    let mut world = World::new();
    let (ours, theirs) = connect(&mut world);
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
fn a_megabyte_arrives_as_it_was_sent() {
    const LENGTH: usize = 1 << 20;
    let mut world = World::new();
    let (ours, theirs) = connect(&mut world);
    let sent: Vec<u8> = (0..LENGTH).map(|index| (index % 251) as u8).collect();
    let mut received = Vec::new();
    let mut at = 0;
    while received.len() < LENGTH {
        if at < LENGTH {
            let step = world.client.write(ours, &mut SliceSource::new(&sent[at..]));
            if let Step::Done(moved) = step.unwrap() {
                at += moved;
            }
        }
        let mut bytes = [0; 8192];
        let step = world.server.read(theirs, &mut SliceSink::new(&mut bytes));
        match step.unwrap() {
            Step::Done(length) => received.extend_from_slice(&bytes[..length]),
            Step::Wait(_) => world.tick(),
        }
    }
    assert!(received == sent, "the bytes differ");
}

#[test]
fn nobody_there_is_a_refusal() {
    let mut world = World::new();
    let fd = world
        .client
        .socket(SocketKind::Stream, OpenFlags::empty())
        .unwrap();
    let address = SocketAddrV4::new(SERVER, 81);
    let refused = world.until_done(|world| world.client.connect(fd, address));
    assert_eq!(refused, Err(Errno::ECONNREFUSED));
}
