//! TCP/IP over a [`FrameDevice`](hypercall::FrameDevice).
//!
//! [`Stack`] implements [`Network`], the seam that sockets know. What makes it up, from the wire
//! up: `ethernet` and `arp`, `neighbors`, `link` (the way out), `ipv4` and `reassembly`, `icmp`,
//! `udp` and `datagrams`, `tcp` and `streams`; `layers` puts the protocols together and `stack`
//! adds the device.
//!
//! Cost follows activity: a frame finds its connection by hashing, and a connection that has
//! nothing to do is not looked at. Time and randomness are arguments, so that every run replays.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod addressing;
mod arp;
mod changes;
mod checksum;
mod config;
mod counters;
mod datagram;
mod datagrams;
mod ethernet;
mod icmp;
mod ipv4;
mod layers;
mod link;
mod memory;
mod neighbors;
mod network;
mod outlet;
mod ports;
mod random;
mod reassembly;
mod slab;
mod sockets;
mod stack;
mod streams;
mod tcp;
mod timers;
mod udp;

pub use config::Config;
pub use counters::Counters;
pub use network::{
    AddressError, Connection, Half, NetError, Network, Readiness, SocketId, SocketKind,
    SocketOption,
};
pub use stack::Stack;
