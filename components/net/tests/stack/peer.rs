//! A peer that the test plays, segment by segment.

use std::net::{Ipv4Addr, SocketAddrV4};

use net::Config;

use crate::host::{ONE, OTHER, World, config};
use crate::packet::{self, Segment};
use crate::wire::Device;

/// A host at [`ONE`] and a peer at [`OTHER`] that answers ARP by itself and else does what the
/// test says. Sequence numbers are counted from the first of each side.
pub struct Peer {
    pub world: World,
    pub device: Device,
    pub own: SocketAddrV4,
    pub host: SocketAddrV4,
    /// The number of our SYN.
    pub own_start: u32,
    /// The number of the host's SYN, once it has come.
    pub host_start: u32,
    /// How much we can take.
    pub window: u16,
}

impl Peer {
    /// A host that listens nowhere yet.
    pub fn new() -> Self {
        Self::with(config(ONE))
    }

    /// A host of this configuration.
    pub fn with(config: Config) -> Self {
        let (world, device) = World::single(config);
        Self {
            world,
            device,
            own: SocketAddrV4::new(OTHER, 50_000),
            host: SocketAddrV4::new(ONE, 80),
            own_start: 1000,
            host_start: 0,
            window: 8192,
        }
    }

    /// What the host sends now besides ARP, as frames. ARP requests for [`OTHER`] are answered.
    pub fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            self.world.settle();
            let Some(frame) = self.device.take() else {
                return frames;
            };
            if frame[12..14] != [8, 6] {
                frames.push(frame);
            } else if frame[21] == 1 && frame[38..42] == OTHER.octets() {
                self.device.inject(&packet::arp(1, 2, OTHER, ONE));
            }
        }
    }

    /// What the host sends now, a line each: flags, sequence number, acknowledgement, data.
    pub fn hear(&mut self) -> Vec<String> {
        let frames = self.frames();
        frames.iter().map(|frame| self.line(frame)).collect()
    }

    fn line(&mut self, frame: &[u8]) -> String {
        let Some(segment) = Segment::read(frame) else {
            return format!("protocol {} type {}", frame[23], frame[34]);
        };
        self.host.set_port(segment.source.port());
        if segment.flags.contains('S') {
            self.host_start = segment.sequence;
        }
        let sequence = match segment.flags.as_str() {
            "R" => segment.sequence.wrapping_sub(self.host_start),
            "R." if segment.sequence == 0 => 0,
            _ => segment.sequence.wrapping_sub(self.host_start),
        };
        let mut line = format!("{} {sequence}", segment.flags);
        if segment.flags.contains('.') {
            let acknowledged = segment.acknowledgement.wrapping_sub(self.own_start);
            line += &format!(" ack {acknowledged}");
        }
        if !segment.data.is_empty() {
            line += &format!(" {:?}", String::from_utf8_lossy(&segment.data));
        }
        line
    }

    /// Sends a segment with numbers counted from the SYNs.
    pub fn say(&mut self, flags: &str, sequence: u32, acknowledged: u32, data: &str) {
        let segment = Segment {
            source: self.own,
            destination: self.host,
            sequence: self.own_start.wrapping_add(sequence),
            acknowledgement: self.host_start.wrapping_add(acknowledged),
            flags: flags.into(),
            window: self.window,
            data: data.into(),
        };
        self.packet(&segment.packet());
    }

    /// Sends an IP packet.
    pub fn packet(&mut self, packet: &[u8]) {
        self.device.inject(&packet::frame(1, 0x0800, packet));
    }

    /// Makes a connection to the host's port 80, where somebody listens.
    pub fn shake_hands(&mut self) {
        self.say("S", 0, 0, "");
        assert_eq!(self.hear(), ["S. 0 ack 1"]);
        self.say(".", 1, 1, "");
        assert_eq!(self.hear(), [""; 0]);
    }
}

/// An address on the host's network that nobody has.
pub const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
