//! A stack, its program and its peer, on virtual time.

use std::net::Ipv4Addr;
use std::time::Duration;

use hypercall::Instant;
use net::{Config, Network, Stack};

use super::device::Wire;
use super::outgoing;
use super::peer::{ACK, CONNECTED, FLOWS, Peer, SYN};
use super::program::Program;
use super::step::{Action, Envelope, Number, Options, Segment, Step};

/// The stack's address.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The peer's.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Where the program listens.
pub const STREAM_PORT: u16 = 80;
/// Where the peer does.
pub const PEER_SERVICE: u16 = 7;
/// Where the program takes datagrams.
pub const DATAGRAM_PORT: u16 = 53;
/// Where nobody does.
pub const CLOSED_PORT: u16 = 54;

/// More rounds than a stack of this size can have work for at one time.
const ROUNDS: usize = 1000;
/// More times than a stack of this size can have something to do in the longest time that passes.
const EVENTS: usize = 10_000;

/// The stack and what is around it.
pub struct World {
    pub stack: Stack,
    pub program: Program,
    pub peer: Peer,
    wire: Wire,
    now: Instant,
    answers_arp: bool,
    /// The last frame that was sent to the stack.
    last: Vec<u8>,
    injected: usize,
}

impl World {
    /// A stack whose program listens, takes datagrams, and is connected to the peer.
    pub fn new() -> Self {
        let (wire, device) = Wire::new();
        let config = Config {
            receive_buffer: 8 << 10,
            send_buffer: 8 << 10,
            buffer_memory: 256 << 10,
            datagram_buffer: 8 << 10,
            max_sockets: 32,
            max_orphans: 8,
            max_time_wait: 16,
            ..Config::new(ADDRESS, 24, 1)
        };
        let mut stack = Stack::new(config, Box::new(device), Instant::ZERO);
        let mut world = Self {
            program: Program::new(&mut stack),
            stack,
            peer: Peer::new(),
            wire,
            now: Instant::ZERO,
            answers_arp: true,
            last: Vec::with_capacity(2048),
            injected: 0,
        };
        world.connect();
        world
    }

    /// How many frames the stack has been given.
    pub fn injected(&self) -> usize {
        self.injected
    }

    /// Has ARP requests answered from now on, or not.
    pub fn answer_arp(&mut self, answers: bool) {
        self.answers_arp = answers;
    }

    /// Takes a step of the input.
    pub fn take(&mut self, step: &Step<'_>) {
        match step.action {
            Action::Pass(time) => return self.pass(time),
            Action::AnswerArp(answers) => self.answers_arp = answers,
            Action::Program(call) => {
                let ports: [u16; FLOWS] = self.peer.flows.map(|flow| flow.peer_port());
                self.program.call(&mut self.stack, call, &ports, self.now);
            }
            Action::Again { place, change } => self.send_again(place, change),
            _ => self.send(&step.action, step.envelope),
        }
        if !step.held {
            self.settle();
        }
    }

    /// Sends a segment without anything odd.
    pub fn say(&mut self, flow: usize, flags: u8, length: u16) {
        let segment = Segment {
            flow,
            flags,
            sequence: Number::Next(0),
            acknowledgement: Number::Next(0),
            window: 8192,
            options: Options::None,
            length,
        };
        self.send(&Action::Segment(segment), Envelope::default());
        self.settle();
    }

    /// Sends what `action` says.
    pub fn send(&mut self, action: &Action<'_>, envelope: Envelope) {
        let mut frame = self.wire.buffer();
        if self.peer.write(action, envelope, &mut frame) {
            self.last.clone_from(&frame);
            self.inject(frame);
        } else {
            self.wire.recycle(frame);
        }
    }

    fn send_again(&mut self, place: u16, change: u8) {
        let mut frame = self.wire.buffer();
        let length = self.last.len().max(1);
        if let Some(byte) = self.last.get_mut(usize::from(place) % length) {
            *byte ^= change;
        }
        frame.extend_from_slice(&self.last);
        self.inject(frame);
    }

    fn inject(&mut self, frame: Vec<u8>) {
        self.injected += usize::from(self.wire.inject(frame));
    }

    /// Lets the stack do all it has to do now.
    ///
    /// # Panics
    ///
    /// If it never ends.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.stack.poll(self.now);
            self.hear();
            self.program.see_changes(&mut self.stack);
            let due = self.stack.next_deadline().is_some_and(|at| at <= self.now);
            // A device without room ends the host's wait when it has some again.
            if !self.wire.has_news() && !due {
                return;
            }
        }
        panic!("the stack spins at {:?}", self.now);
    }

    /// Lets `time` pass.
    ///
    /// # Panics
    ///
    /// If the stack wakes up more often than it can have reason to.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        for _ in 0..EVENTS {
            let Some(next) = self.stack.next_deadline().filter(|next| *next <= end) else {
                self.now = end;
                return self.settle();
            };
            self.now = next;
            self.settle();
        }
        panic!("the stack does not come to rest within {time:?}");
    }

    /// Checks what the stack has sent.
    fn hear(&mut self) {
        while let Some(frame) = self.wire.take() {
            let request = outgoing::check(&frame, &mut self.peer);
            self.wire.recycle(frame);
            if let Some(request) = request.filter(|_| self.answers_arp) {
                let mut answer = self.wire.buffer();
                Peer::answer_arp(request.target, &mut answer);
                self.wire.inject(answer);
            }
        }
    }

    /// Makes the connection that the program asks for.
    fn connect(&mut self) {
        let Self {
            program,
            stack,
            now,
            ..
        } = self;
        let connected = program.connect(stack, PEER_SERVICE, *now);
        connected.expect("there is room for a connection");
        self.settle();
        self.say(CONNECTED, SYN | ACK, 0);
        let (flags, _) = self.peer.flows[CONNECTED].last;
        assert_eq!(flags, ACK, "the handshake is not completed");
    }
}
