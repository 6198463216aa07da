//! Reads the stack's frames with a parser that shares nothing with it, and checks what a good
//! station owes the link.

use std::net::Ipv4Addr;

use etherparse::{Ipv4Slice, LinkSlice, NetSlice, SlicedPacket, TcpSlice, TransportSlice};

use super::checksum;
use super::device::MAC;
use super::packet::{TCP, UDP};
use super::peer::{ACK, FIN, Peer, RST, SYN};
use super::world::ADDRESS;

/// The stack's question for the hardware address of somebody.
pub struct ArpRequest {
    /// Of whom.
    pub target: Ipv4Addr,
}

/// Checks a frame and has the peer take note of it.
///
/// # Panics
///
/// If it is not as the standards want it.
pub fn check(frame: &[u8], peer: &mut Peer) -> Option<ArpRequest> {
    let sliced = SlicedPacket::from_ethernet(frame)
        .unwrap_or_else(|error| panic!("{error} in {frame:02x?}"));
    let Some(LinkSlice::Ethernet2(link)) = sliced.link else {
        panic!("no Ethernet header in {frame:02x?}");
    };
    assert_eq!(link.source(), MAC, "the sender of {frame:02x?}");
    assert_eq!(
        link.destination()[0] & 1,
        u8::from(link.destination() == [0xFF; 6])
    );
    match &sliced.net {
        Some(NetSlice::Arp(arp)) => {
            assert_eq!(arp.sender_protocol_addr(), ADDRESS.octets());
            assert_eq!(arp.sender_hw_addr(), MAC);
            let asks = arp.operation() == etherparse::ArpOperation::REQUEST;
            let octets = arp.target_protocol_addr().first_chunk();
            let target = Ipv4Addr::from_octets(*octets.expect("IPv4 over Ethernet"));
            asks.then_some(ArpRequest { target })
        }
        Some(NetSlice::Ipv4(packet)) => {
            check_packet(packet, &frame[14..]);
            peer.hear(&frame[14..]);
            if let Some(transport) = &sliced.transport {
                check_transport(packet, transport, peer);
            }
            None
        }
        _ => panic!("neither ARP nor IPv4: {frame:02x?}"),
    }
}

fn check_packet(packet: &Ipv4Slice<'_>, bytes: &[u8]) {
    let header = packet.header();
    assert_eq!(checksum::of(header.slice()), [0, 0], "in {bytes:02x?}");
    assert_eq!(header.source_addr(), ADDRESS, "in {bytes:02x?}");
    assert_eq!(
        usize::from(header.total_len()),
        bytes.len(),
        "in {bytes:02x?}"
    );
    assert!(header.ttl() > 0, "in {bytes:02x?}");
    let destination = header.destination_addr();
    let nobody = destination.is_unspecified() || destination.is_loopback();
    assert!(!nobody && destination != ADDRESS, "in {bytes:02x?}");
    assert!(!packet.is_payload_fragmented(), "in {bytes:02x?}");
}

fn check_transport(packet: &Ipv4Slice<'_>, transport: &TransportSlice<'_>, peer: &mut Peer) {
    let header = packet.header();
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let payload = packet.payload().payload;
    let sum = |protocol| checksum::of_transport(source, destination, protocol, payload);
    match transport {
        TransportSlice::Tcp(segment) => {
            assert_eq!(sum(TCP), [0, 0], "in {payload:02x?}");
            check_segment(segment, peer);
        }
        TransportSlice::Udp(datagram) => {
            assert_eq!(sum(UDP), [0, 0], "in {payload:02x?}");
            assert_eq!(usize::from(datagram.length()), payload.len());
        }
        _ => assert_eq!(checksum::of(payload), [0, 0], "in {payload:02x?}"),
    }
}

fn check_segment(segment: &TcpSlice<'_>, peer: &mut Peer) {
    let options = segment.options_iterator();
    for option in options {
        option.unwrap_or_else(|error| panic!("{error} in {segment:?}"));
    }
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(segment.fin(), FIN)
        | flag(segment.syn(), SYN)
        | flag(segment.rst(), RST)
        | flag(segment.ack(), ACK);
    // RFC 9293, 3.10.7: there is no segment without one of these, and none that begins and ends.
    assert!(flags & (SYN | RST | ACK) != 0, "{segment:?}");
    assert!(flags & SYN == 0 || flags & (FIN | RST) == 0, "{segment:?}");
    peer.hear_segment(
        (segment.source_port(), segment.destination_port()),
        (segment.sequence_number(), segment.acknowledgment_number()),
        flags,
        segment.payload().len(),
    );
}
