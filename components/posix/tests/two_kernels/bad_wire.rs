//! Over a wire that loses, doubles and reorders a tenth of the frames each, a megabyte arrives
//! whole both ways at once, in bounded time, and leaves nothing behind.

use std::hash::{DefaultHasher, Hasher};
use std::num::NonZeroUsize;
use std::time::Duration;

use hypercall::fake::{FakeHost, WireFaults};
use hypercall::{SliceSink, SliceSource};
use posix::{Errno, Fd, Half, Kernel, Step};

use crate::live_bytes::live_bytes;
use crate::world::World;

/// How much goes each way.
const LENGTH: usize = 1 << 20;
/// How much the programs write and read at a time.
const CHUNK: usize = 5000;
/// How many wires are tried.
const SEEDS: u64 = 200;
/// How long it may take on the wire's clock. A good wire takes a second and a half; a segment that
/// is lost time and again holds everything up for twice as long each time (RFC 6298, 5.5).
const LIMIT: Duration = Duration::from_secs(90);
/// A variable that names the one seed to try.
const REPLAY: &str = "WIRE_SEED";

const FAULTS: WireFaults = WireFaults {
    lost: 10,
    doubled: 10,
    late: 10,
    delay: Duration::from_millis(1),
    capacity: 256,
};

#[test]
fn a_megabyte_each_way_arrives_whole() {
    if let Ok(seed) = std::env::var(REPLAY) {
        exchange(seed.parse().expect("a seed is a number"));
        return;
    }
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for first in 1..=threads as u64 {
            scope.spawn(move || (first..=SEEDS).step_by(threads).for_each(exchange));
        }
    });
}

/// Says how to try a seed again, if it fails.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!(
                "seed {seed} failed; to replay it: \
                 {REPLAY}={seed} cargo test -p posix --test two_kernels bad_wire"
            );
        }
    }
}

/// What one side sends and hears.
struct Side {
    fd: Fd,
    random: u64,
    /// Bytes to be written next.
    pending: Vec<u8>,
    unsent: usize,
    sent: DefaultHasher,
    received: DefaultHasher,
    count: usize,
    heard_end: bool,
}

impl Side {
    fn new(fd: Fd, seed: u64) -> Self {
        Self {
            fd,
            random: seed,
            pending: Vec::new(),
            unsent: LENGTH,
            sent: DefaultHasher::new(),
            received: DefaultHasher::new(),
            count: 0,
            heard_end: false,
        }
    }

    fn is_done(&self) -> bool {
        self.heard_end && self.unsent == 0
    }

    /// Writes and reads once each, as far as that goes without waiting. Says whether it went.
    fn step(&mut self, kernel: &mut Kernel<FakeHost>) -> bool {
        self.write(kernel) | self.read(kernel)
    }

    fn write(&mut self, kernel: &mut Kernel<FakeHost>) -> bool {
        if self.unsent == 0 {
            return false;
        }
        if self.pending.is_empty() {
            self.pending = self.next_bytes();
        }
        let mut source = SliceSource::new(&self.pending);
        let Step::Done(moved) = kernel.write(self.fd, &mut source).expect("connected") else {
            return false;
        };
        self.sent.write(&self.pending[..moved]);
        self.pending.drain(..moved);
        self.unsent -= moved;
        if self.unsent == 0 {
            kernel.shutdown(self.fd, Half::Send).expect("connected");
        }
        true
    }

    fn read(&mut self, kernel: &mut Kernel<FakeHost>) -> bool {
        if self.heard_end {
            return false;
        }
        let mut bytes = [0; CHUNK];
        let mut sink = SliceSink::new(&mut bytes);
        let Step::Done(length) = kernel.read(self.fd, &mut sink).expect("connected") else {
            return false;
        };
        self.received.write(&bytes[..length]);
        self.count += length;
        self.heard_end = length == 0;
        true
    }

    /// The next bytes of the stream (SplitMix64).
    fn next_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CHUNK + 7);
        while bytes.len() < CHUNK {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bytes.extend(mixed.to_le_bytes());
        }
        bytes.truncate(CHUNK.min(self.unsent));
        bytes
    }
}

/// Has two kernels exchange two streams over the wire that `seed` names.
fn exchange(seed: u64) {
    let _replay = Replay(seed);
    let before_all = live_bytes();
    let mut world = World::new(seed);
    // Whoever loses three questions for an address in a row is rightly taken for dead.
    let (ours, theirs) = world.connect();
    end(&mut world, ours, theirs).expect("open");
    let before = live_bytes();
    world.wire.set_faults(FAULTS);
    let start = world.now();
    let (ours, theirs) = world.connect();
    let mut client = Side::new(ours, seed);
    let mut server = Side::new(theirs, !seed);
    while !(client.is_done() && server.is_done()) {
        let moved = client.step(&mut world.client) | server.step(&mut world.server);
        if !moved {
            world.step();
        }
    }
    let time = world.now().saturating_since(start);
    assert!(time < LIMIT, "it took {time:?}");
    for (from, to) in [(&client, &server), (&server, &client)] {
        assert_eq!(
            (to.count, to.received.finish()),
            (LENGTH, from.sent.finish())
        );
    }
    drop((client, server));
    end(&mut world, ours, theirs).expect("open");
    assert_eq!(live_bytes(), before, "something of the connection is left");
    drop(world);
    assert_eq!(live_bytes(), before_all, "something of the kernels is left");
}

/// Closes both ends, and waits until nothing is remembered of them.
fn end(world: &mut World, ours: Fd, theirs: Fd) -> Result<(), Errno> {
    world.client.close(ours)?;
    world.server.close(theirs)?;
    world.pass(Duration::from_secs(300));
    Ok(())
}
