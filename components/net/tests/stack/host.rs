//! Hosts on virtual time.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use hypercall::{Instant, SliceSink, SliceSource};
use net::{Config, NetError, Network, Readiness, SocketId, SocketKind, Stack};

use crate::wire::{Device, Faults, Wire};

pub const ONE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// The configuration of the host at `address`.
pub fn config(address: Ipv4Addr) -> Config {
    Config::new(address, 24, 42 + u64::from(address.to_bits()))
}

/// Hosts that share a wire or, with one of them, a host beside a test that plays the peer.
pub struct World {
    pub wire: Wire,
    pub hosts: Vec<Stack>,
    pub now: Instant,
}

impl World {
    /// Two hosts on a wire.
    pub fn pair(faults: Faults, seed: u64) -> Self {
        Self::pair_with(faults, seed, config(ONE), config(OTHER))
    }

    /// Two hosts with their configurations.
    pub fn pair_with(faults: Faults, seed: u64, one: Config, other: Config) -> Self {
        let (wire, left, right) = Wire::new(faults, seed);
        let start = Instant::ZERO;
        let hosts = vec![
            Stack::new(one, Box::new(left), start),
            Stack::new(other, Box::new(right), start),
        ];
        Self {
            wire,
            hosts,
            now: start,
        }
    }

    /// One host at [`ONE`]; the test plays the peer at the device returned.
    pub fn single(config: Config) -> (Self, Device) {
        let (wire, left, right) = Wire::new(Faults::default(), 1);
        let start = Instant::ZERO;
        let hosts = vec![Stack::new(config, Box::new(left), start)];
        let world = Self {
            wire,
            hosts,
            now: start,
        };
        (world, right)
    }

    /// Polls all hosts until nothing is left to be done at this time.
    pub fn settle(&mut self) {
        self.wire.set_now(self.now);
        for _ in 0..1000 {
            let now = self.now;
            let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            let mut moved = false;
            for host in &mut self.hosts {
                moved |= host.poll(now);
            }
            let more = self.hosts.iter().any(|host| due(host.next_deadline()));
            let arriving = due(self.wire.next_arrival(self.hosts.len()));
            if !moved && !more && !arriving {
                return;
            }
        }
        panic!("the hosts spin at {:?}", self.now);
    }

    /// When something will happen by itself.
    pub fn next_event(&self) -> Option<Instant> {
        let deadlines = self.hosts.iter().filter_map(Network::next_deadline);
        deadlines
            .chain(self.wire.next_arrival(self.hosts.len()))
            .min()
    }

    /// Lets `time` pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Lets time pass until `done` says so; at most an hour.
    pub fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + Duration::from_secs(3600);
        self.settle();
        while !done(self) {
            let next = self.next_event().expect("something is still to happen");
            assert!(next <= end, "an hour has passed");
            self.now = next.max(self.now);
            self.settle();
        }
    }

    /// Lets host `host` listen.
    pub fn listen(&mut self, host: usize, port: u16, backlog: usize) -> SocketId {
        let stack = &mut self.hosts[host];
        let socket = stack.open(SocketKind::Stream).unwrap();
        let local = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        stack.bind(socket, local).unwrap();
        stack.listen(socket, backlog).unwrap();
        socket
    }

    /// Begins a connection of host `host`.
    pub fn connect(&mut self, host: usize, peer: SocketAddrV4) -> SocketId {
        let now = self.now;
        let stack = &mut self.hosts[host];
        let socket = stack.open(SocketKind::Stream).unwrap();
        assert_eq!(stack.connect(socket, peer, now), Err(NetError::InProgress));
        socket
    }

    /// A connection from the first host to the second, both ends.
    pub fn connected(&mut self, port: u16) -> (SocketId, SocketId) {
        let listener = self.listen(1, port, 8);
        let client = self.connect(0, SocketAddrV4::new(OTHER, port));
        self.until(|world| world.readable(1, listener));
        let server = self.hosts[1].accept(listener).unwrap().socket;
        self.until(|world| world.writable(0, client));
        self.hosts[1].close(listener);
        (client, server)
    }

    pub fn readable(&mut self, host: usize, socket: SocketId) -> bool {
        self.hosts[host]
            .readiness(socket)
            .contains(Readiness::READABLE)
    }

    pub fn writable(&mut self, host: usize, socket: SocketId) -> bool {
        self.hosts[host]
            .readiness(socket)
            .contains(Readiness::WRITABLE)
    }

    /// Sends `bytes` on a stream socket and returns how many were taken.
    pub fn send(&mut self, host: usize, socket: SocketId, bytes: &[u8]) -> Result<usize, NetError> {
        self.hosts[host].send(socket, &mut SliceSource::new(bytes), None)
    }

    /// What can be received on a stream socket at once.
    pub fn receive(&mut self, host: usize, socket: SocketId) -> Result<Vec<u8>, NetError> {
        let mut buffer = vec![0; 65536];
        let mut sink = SliceSink::new(&mut buffer);
        let (length, _) = self.hosts[host].receive(socket, &mut sink, false)?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// How many bytes can be received at once.
    pub fn available(&mut self, host: usize, socket: SocketId) -> usize {
        self.hosts[host].available(socket)
    }

    /// The sockets that have changed, all of them.
    pub fn changed(&mut self, host: usize) -> Vec<SocketId> {
        std::iter::from_fn(|| self.hosts[host].changed()).collect()
    }
}
