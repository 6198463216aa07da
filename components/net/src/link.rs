//! The way out: to a neighbour over the device, or back to this host.
//!
//! Big and frequent packets are written straight into a buffer of the device through an
//! [`Outlet`]. Small answers that come up while a received frame is still being looked at go
//! through the outbox, a bounded queue.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use hypercall::{FrameCapabilities, FrameDevice, FrameMeta, Instant, MacAddress, Offloads};

use crate::addressing::{Addressing, NextHop};
use crate::arp;
use crate::ethernet;
use crate::ipv4;
use crate::neighbors::{Neighbors, Waiting};
use crate::outlet::{Outlet, Queue, Station};

/// Packets that wait in the outbox; more are dropped, as any link may drop packets.
const MAX_OUTBOX: usize = 64;
/// Packets of this host to itself that wait to be received.
const MAX_LOOPBACK: usize = 64;
/// ARP answers that wait to be sent; more are dropped, and will be asked for again.
const MAX_ANSWERS: usize = 16;

/// How to get to a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    /// It is this host.
    Loopback,
    /// Frames to this station.
    Station(MacAddress),
    /// This neighbour must answer first.
    Unresolved(Ipv4Addr),
    /// There is no way.
    None,
}

/// What stands between this host and the wire, except for the device.
#[derive(Debug)]
pub(crate) struct Link {
    /// Our place in the network.
    pub(crate) addressing: Addressing,
    /// The stations around us.
    pub(crate) neighbors: Neighbors,
    /// Packets of this host to itself.
    pub(crate) loopback: VecDeque<Vec<u8>>,
    outbox: VecDeque<Vec<u8>>,
    answers: VecDeque<(MacAddress, Ipv4Addr)>,
    mac: MacAddress,
    mtu: usize,
    largest_packet: usize,
    offload: bool,
}

impl Link {
    /// A link over a device of `capabilities`.
    pub(crate) fn new(addressing: Addressing, capabilities: &FrameCapabilities) -> Self {
        // A packet's length is 16 bits; every host reassembles 576.
        let packet = ipv4::MINIMUM_REASSEMBLED..=usize::from(u16::MAX);
        let mtu = capabilities.mtu.clamp(*packet.start(), *packet.end());
        let offloads = capabilities.offloads;
        let frame = capabilities.max_frame;
        let largest_packet = if offloads.contains(Offloads::TRANSMIT_TCP4) {
            frame.saturating_sub(ethernet::HEADER_LENGTH)
        } else {
            mtu
        };
        Self {
            addressing,
            neighbors: Neighbors::new(),
            loopback: VecDeque::with_capacity(MAX_LOOPBACK),
            outbox: VecDeque::with_capacity(MAX_OUTBOX),
            answers: VecDeque::with_capacity(MAX_ANSWERS),
            mac: capabilities.mac,
            mtu,
            largest_packet: largest_packet.clamp(mtu, *packet.end()),
            offload: offloads.contains(Offloads::TRANSMIT_CHECKSUM),
        }
    }

    /// The largest packet that the link carries.
    pub(crate) const fn mtu(&self) -> usize {
        self.mtu
    }

    /// The largest packet that may be sent: more than [`mtu`](Self::mtu) if the device cuts TCP
    /// segments itself.
    pub(crate) const fn largest_packet(&self) -> usize {
        self.largest_packet
    }

    /// The way to `destination`, which is asked for if it is not known.
    pub(crate) fn path(&mut self, destination: Ipv4Addr, now: Instant) -> Path {
        match self.addressing.route(destination) {
            Some(NextHop::Ourselves) => Path::Loopback,
            Some(NextHop::Everybody) => Path::Station(ethernet::BROADCAST),
            Some(NextHop::Neighbour(next)) => match self.neighbors.resolve(next, now) {
                Some(mac) => Path::Station(mac),
                None => Path::Unresolved(next),
            },
            None => Path::None,
        }
    }

    /// Puts a complete IP packet into the outbox, if there was memory to make it.
    pub(crate) fn post(&mut self, packet: Option<Vec<u8>>) {
        if let Some(packet) = packet
            && self.outbox_has_room()
        {
            self.outbox.push_back(packet);
        }
    }

    /// Whether the outbox takes another packet.
    pub(crate) fn outbox_has_room(&self) -> bool {
        self.outbox.len() < MAX_OUTBOX
    }

    /// An outlet into the outbox.
    pub(crate) fn outbox(&mut self) -> Queue<'_> {
        Queue {
            queue: &mut self.outbox,
            limit: MAX_OUTBOX,
        }
    }

    /// An outlet back to this host.
    pub(crate) fn loopback(&mut self) -> Queue<'_> {
        Queue {
            queue: &mut self.loopback,
            limit: MAX_LOOPBACK,
        }
    }

    /// An outlet to `station` over `device`.
    pub(crate) fn station<'a>(
        &self,
        device: &'a mut dyn FrameDevice,
        station: MacAddress,
    ) -> Station<'a> {
        Station {
            device,
            station,
            mac: self.mac,
            mtu: self.mtu,
            offload: self.offload,
        }
    }

    /// Whether [`flush`](Self::flush) has anything to send.
    pub(crate) fn has_mail(&self) -> bool {
        !self.outbox.is_empty() || !self.answers.is_empty()
    }

    /// How many packets have not gone out: those in the outbox and those that wait for a neighbour.
    pub(crate) fn mail(&self) -> usize {
        self.outbox.len() + self.neighbors.held_packets()
    }

    /// Takes an ARP packet and returns what had waited for it.
    pub(crate) fn receive_arp(&mut self, payload: &[u8], now: Instant) -> Waiting {
        let Some(packet) = arp::Packet::parse(payload) else {
            return Waiting::default();
        };
        let credible = ethernet::is_unicast(packet.sender_mac)
            && self.addressing.is_credible_source(packet.sender)
            && self.addressing.is_on_link(packet.sender);
        if !credible {
            return Waiting::default();
        }
        let asks_us = packet.operation == arp::Operation::Request
            && packet.target == self.addressing.address();
        if asks_us && self.answers.len() < MAX_ANSWERS {
            self.answers.push_back((packet.sender_mac, packet.sender));
        }
        self.neighbors
            .learn(packet.sender, packet.sender_mac, asks_us, now)
    }

    /// Sends what ARP and the outbox hold, as far as the device has room. Returns whether it had
    /// room for all.
    pub(crate) fn flush(&mut self, device: &mut dyn FrameDevice, now: Instant) -> bool {
        self.flush_arp(device, now) && self.flush_outbox(device, now)
    }

    fn flush_arp(&mut self, device: &mut dyn FrameDevice, now: Instant) -> bool {
        while let Some((mac, address)) = self.answers.front().copied() {
            if !self.send_arp(device, arp::Operation::Reply, mac, address) {
                return false;
            }
            self.answers.pop_front();
        }
        while self
            .neighbors
            .next_deadline()
            .is_some_and(|next| next <= now)
        {
            if device.reserve(arp::FRAME_LENGTH).is_none() {
                return false;
            }
            let Some(address) = self.neighbors.next_request(now) else {
                break;
            };
            let everybody = ethernet::BROADCAST;
            self.send_arp(device, arp::Operation::Request, everybody, address);
        }
        true
    }

    fn send_arp(
        &self,
        device: &mut dyn FrameDevice,
        operation: arp::Operation,
        target_mac: MacAddress,
        target: Ipv4Addr,
    ) -> bool {
        let Some(frame) = device.reserve(arp::FRAME_LENGTH) else {
            return false;
        };
        let packet = arp::Packet {
            operation,
            sender_mac: self.mac,
            sender: self.addressing.address(),
            target_mac,
            target,
        };
        packet.write_frame(frame, target_mac);
        device.commit(arp::FRAME_LENGTH, FrameMeta::default());
        true
    }

    fn flush_outbox(&mut self, device: &mut dyn FrameDevice, now: Instant) -> bool {
        while let Some(packet) = self.outbox.pop_front() {
            match self.path(destination(&packet), now) {
                Path::Station(mac) => {
                    let mut station = self.station(device, mac);
                    if !station.has_room() {
                        self.outbox.push_front(packet);
                        return false;
                    }
                    station.send_complete(&packet);
                }
                Path::Loopback if self.loopback.len() < MAX_LOOPBACK => {
                    self.loopback.push_back(packet);
                }
                Path::Unresolved(next) => self.neighbors.hold_packet(next, packet),
                // As any link may, this one drops a packet that it has no room or way for.
                Path::Loopback | Path::None => {}
            }
        }
        true
    }
}

/// The destination of a packet that we made.
fn destination(packet: &[u8]) -> Ipv4Addr {
    let octets = packet[16..20].first_chunk();
    octets.map_or(Ipv4Addr::UNSPECIFIED, |octets| {
        Ipv4Addr::from_octets(*octets)
    })
}
