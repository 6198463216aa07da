//! Two kernels, a wire between them, and the time that passes for all three.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use hypercall::fake::{FakeFrameDevice, FakeHost, FakeWire, WireFaults};
use hypercall::{Host, Instant};
use net::{Config, Stack};
use posix::{Errno, Fd, Kernel, OpenFlags, SocketKind, Step, StepResult};

pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORT: u16 = 80;

/// How long a step may take in all.
const PATIENCE: Duration = Duration::from_secs(600);

pub struct World {
    pub client: Kernel<FakeHost>,
    pub server: Kernel<FakeHost>,
    pub wire: FakeWire,
}

fn kernel(address: Ipv4Addr, device: FakeFrameDevice, seed: u64) -> Kernel<FakeHost> {
    let files = fs::Vfs::new(Box::new(fs::RamFs::new(4096, Duration::ZERO)));
    let config = Config::new(address, 24, seed);
    let stack = Stack::new(config, Box::new(device), Instant::ZERO);
    Kernel::new(FakeHost::new(), files, Some(Box::new(stack))).expect("there is memory")
}

impl World {
    /// Two kernels on a wire that is good as yet.
    pub fn new(seed: u64) -> Self {
        let (wire, one, other) = FakeWire::new(WireFaults::default(), seed);
        Self {
            client: kernel(CLIENT, one, seed),
            server: kernel(SERVER, other, !seed),
            wire,
        }
    }

    /// The time.
    pub fn now(&mut self) -> Instant {
        self.client.host().monotonic()
    }

    /// Has the kernels do what they can at this time. Says whether there was something.
    fn settle(&mut self) -> bool {
        let mut has_moved = false;
        loop {
            let now = self.now();
            let moved = [&mut self.client, &mut self.server].map(Kernel::progress);
            let arrived = self.next_arrival().is_some_and(|at| at <= now);
            if moved == [false, false] && !arrived {
                return has_moved;
            }
            has_moved = true;
        }
    }

    fn next_arrival(&self) -> Option<Instant> {
        (0..2).filter_map(|end| self.wire.next_arrival(end)).min()
    }

    /// When something happens by itself.
    fn next_event(&self) -> Option<Instant> {
        let deadlines = [self.client.next_deadline(), self.server.next_deadline()];
        let events = deadlines.into_iter().chain([self.next_arrival()]);
        events.flatten().min()
    }

    /// Moves the time on to `time`.
    fn move_to(&mut self, time: Instant) {
        let step = time.saturating_since(self.now());
        self.client.host().advance(step);
        self.server.host().advance(step);
        self.wire.set_now(time);
    }

    /// Lets the next thing happen: at this time if there is something, else later.
    pub fn step(&mut self) {
        if !self.settle() {
            let next = self.next_event().expect("something is still to happen");
            self.move_to(next);
        }
    }

    /// Lets `time` pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now() + time;
        self.settle();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.move_to(next);
            self.settle();
        }
        self.move_to(end);
        self.settle();
    }

    /// Repeats a step until it is done.
    pub fn until_done<T>(
        &mut self,
        mut step: impl FnMut(&mut Self) -> StepResult<T>,
    ) -> Result<T, Errno> {
        let end = self.now() + PATIENCE;
        loop {
            if let Step::Done(result) = step(self)? {
                return Ok(result);
            }
            assert!(self.now() < end, "nothing comes of it in {PATIENCE:?}");
            self.step();
        }
    }

    /// A connection: the client's end and the server's.
    pub fn connect(&mut self) -> (Fd, Fd) {
        let flags = OpenFlags::empty();
        let listener = self.server.socket(SocketKind::Stream, flags).unwrap();
        let address = SocketAddrV4::new(SERVER, PORT);
        self.server.bind(listener, address).unwrap();
        self.server.listen(listener, 8).unwrap();
        let ours = self.client.socket(SocketKind::Stream, flags).unwrap();
        self.until_done(|world| world.client.connect(ours, address))
            .unwrap();
        let accept = |world: &mut Self| world.server.accept4(listener, flags);
        let (theirs, peer) = self.until_done(accept).unwrap();
        assert_eq!(*peer.ip(), CLIENT);
        self.server.close(listener).unwrap();
        (ours, theirs)
    }
}
