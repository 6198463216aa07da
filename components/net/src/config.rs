//! What a stack is told when it is made.

use core::net::Ipv4Addr;
use core::time::Duration;

/// A stack's address, limits and seed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one address of this host besides 127.0.0.0/8.
    pub address: Ipv4Addr,
    /// How many leading bits of `address` name its network: at most 32.
    pub prefix_length: u8,
    /// Who carries packets for other networks.
    pub gateway: Option<Ipv4Addr>,
    /// Bytes that a connection can receive before the program reads them: 1 KiB to 1 GiB.
    pub receive_buffer: usize,
    /// Bytes that a connection can hold until the peer acknowledges them: 1 KiB to 1 GiB.
    pub send_buffer: usize,
    /// Bytes for the buffers of all connections. When they are used up, connections that have
    /// nothing under way lend theirs to those that have, and segments for which none is left are
    /// dropped: a quarter of the free memory is a good measure.
    pub buffer_memory: usize,
    /// Bytes of datagrams that a UDP socket holds until the program reads them.
    pub datagram_buffer: usize,
    /// Sockets, connections waiting to be accepted included.
    pub max_sockets: usize,
    /// Connections that live on after their socket was closed; more are reset.
    pub max_orphans: usize,
    /// How long such a connection may take to end.
    pub orphan_timeout: Duration,
    /// Ended connections that are remembered against late segments (TIME-WAIT); of more, the
    /// oldest is forgotten.
    pub max_time_wait: usize,
    /// How long they are remembered: twice the longest life of a segment (RFC 9293, 3.4.1).
    pub time_wait: Duration,
    /// Whence port numbers, initial sequence numbers and hash keys are drawn. Another one at
    /// each start, from a good source.
    pub random_seed: u64,
}

impl Config {
    /// A stack at `address` with limits that fit a small machine.
    pub const fn new(address: Ipv4Addr, prefix_length: u8, random_seed: u64) -> Self {
        Self {
            address,
            prefix_length,
            gateway: None,
            receive_buffer: 8 << 10,
            send_buffer: 16 << 10,
            buffer_memory: 4 << 20,
            datagram_buffer: 64 << 10,
            max_sockets: 16 << 10,
            max_orphans: 1 << 10,
            orphan_timeout: Duration::from_secs(60),
            max_time_wait: 4 << 10,
            time_wait: Duration::from_secs(10),
            random_seed,
        }
    }
}
