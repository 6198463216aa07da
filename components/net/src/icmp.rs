//! ICMP messages (RFC 792): echo, and destinations that cannot be reached.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use crate::NetError;
use crate::checksum::Sum;
use crate::{ipv4, memory};

const HEADER_LENGTH: usize = 8;
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;

/// Why we could not deliver a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Undelivered {
    /// Nobody here speaks its protocol.
    Protocol = 2,
    /// Nobody listens on its port.
    Port = 3,
}

/// The packet of ours that an error message is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Quote {
    /// What it carried.
    pub(crate) protocol: u8,
    /// Our end.
    pub(crate) local: SocketAddrV4,
    /// The end it did not reach.
    pub(crate) remote: SocketAddrV4,
    /// The sequence number, of a TCP segment.
    pub(crate) sequence: u32,
}

/// A message that calls for action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    /// Send the same back.
    EchoRequest,
    /// A packet of ours did not arrive, and why.
    Unreachable(Quote, NetError),
}

impl Message {
    /// Reads `message`, a whole IP payload.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER_LENGTH>()?;
        if !Sum::of(message).is_good() {
            return None;
        }
        match header[0] {
            ECHO_REQUEST => Some(Self::EchoRequest),
            UNREACHABLE => {
                let quote = Quote::parse(&message[HEADER_LENGTH..])?;
                Some(Self::Unreachable(quote, unreachable_error(header[1])?))
            }
            _ => None,
        }
    }
}

impl Quote {
    /// Reads the front of a packet that we sent: its header and eight bytes at least.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let header = ipv4::Header::parse_quoted(packet)?;
        let front = packet.get(header.header_length..)?.first_chunk::<8>()?;
        if header.fragment_offset != 0 {
            return None;
        }
        let port = |at: usize| u16::from_be_bytes([front[at], front[at + 1]]);
        Some(Self {
            protocol: header.protocol,
            local: SocketAddrV4::new(header.source, port(0)),
            remote: SocketAddrV4::new(header.destination, port(2)),
            sequence: u32::from_be_bytes([front[4], front[5], front[6], front[7]]),
        })
    }
}

/// What code `code` of "destination unreachable" means for a socket (RFC 1122, 3.2.2.1;
/// RFC 1812, 5.2.7.1). Code 4 asks for smaller packets and is no error.
const fn unreachable_error(code: u8) -> Option<NetError> {
    match code {
        0 | 6 | 9 | 11 => Some(NetError::NetworkUnreachable),
        1 | 5 | 7 | 8 | 10 | 12..=15 => Some(NetError::HostUnreachable),
        2 | 3 => Some(NetError::Refused),
        _ => None,
    }
}

/// The packet that answers the echo request `message`, which came from `peer` to `own`, if there
/// is memory for it.
pub(crate) fn build_echo_reply(own: Ipv4Addr, peer: Ipv4Addr, message: &[u8]) -> Option<Vec<u8>> {
    let mut packet = memory::zeroed(ipv4::HEADER_LENGTH + message.len())?;
    let reply = &mut packet[ipv4::HEADER_LENGTH..];
    reply.copy_from_slice(message);
    reply[0] = ECHO_REPLY;
    Some(finish(packet, own, peer))
}

/// The packet that tells the sender of `undelivered`, which was for us, why it was not taken, if
/// there is memory for it.
pub(crate) fn build_unreachable(
    header: &ipv4::Header,
    undelivered: &[u8],
    why: Undelivered,
) -> Option<Vec<u8>> {
    let room = ipv4::MINIMUM_REASSEMBLED - ipv4::HEADER_LENGTH - HEADER_LENGTH;
    let quoted = &undelivered[..undelivered.len().min(room)];
    let mut packet = memory::zeroed(ipv4::HEADER_LENGTH + HEADER_LENGTH + quoted.len())?;
    let message = &mut packet[ipv4::HEADER_LENGTH..];
    message[0] = UNREACHABLE;
    message[1] = why as u8;
    message[HEADER_LENGTH..].copy_from_slice(quoted);
    Some(finish(packet, header.destination, header.source))
}

fn finish(mut packet: Vec<u8>, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let message = &mut packet[ipv4::HEADER_LENGTH..];
    message[2..4].fill(0);
    let checksum = Sum::of(message).complement();
    message[2..4].copy_from_slice(&checksum);
    ipv4::write_header(&mut packet, source, destination, ipv4::ICMP);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn payload(packet: &[u8]) -> &[u8] {
        assert!(ipv4::Header::parse(packet).is_some());
        &packet[ipv4::HEADER_LENGTH..]
    }

    #[test]
    fn an_echo_comes_back_with_its_data() {
        let mut request = [ECHO_REQUEST, 0, 0, 0, 1, 2, 0, 7, 9, 9, 9];
        let checksum = Sum::of(&request).complement();
        request[2..4].copy_from_slice(&checksum);
        assert_eq!(Message::parse(&request), Some(Message::EchoRequest));
        let reply = build_echo_reply(OWN, PEER, &request).unwrap();
        let reply = payload(&reply);
        assert!(Sum::of(reply).is_good());
        assert_eq!((reply[0], &reply[4..]), (ECHO_REPLY, &request[4..]));
        request[8] ^= 1;
        assert_eq!(Message::parse(&request), None);
    }

    #[test]
    fn an_error_names_the_packet_it_is_about() {
        // The peer tells us about a packet of ours.
        let mut ours = [0; 700];
        ours[20..28].copy_from_slice(&[0, 80, 0x30, 0x39, 0, 0, 0, 5]);
        ipv4::write_header(&mut ours, OWN, PEER, ipv4::UDP);
        let header = ipv4::Header::parse(&ours).unwrap();
        let error = build_unreachable(&header, &ours, Undelivered::Port).unwrap();
        assert_eq!(error.len(), ipv4::MINIMUM_REASSEMBLED);
        let quote = Quote {
            protocol: ipv4::UDP,
            local: SocketAddrV4::new(OWN, 80),
            remote: SocketAddrV4::new(PEER, 12345),
            sequence: 5,
        };
        assert_eq!(
            Message::parse(payload(&error)),
            Some(Message::Unreachable(quote, NetError::Refused))
        );
    }

    #[test]
    fn short_quotes_are_refused() {
        let mut ours = [0; 28];
        ipv4::write_header(&mut ours, OWN, PEER, ipv4::UDP);
        assert!(Quote::parse(&ours).is_some());
        assert_eq!(Quote::parse(&ours[..27]), None);
    }
}
