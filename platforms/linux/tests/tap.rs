//! A TAP device against the kernel's own stack: checksums and segments left to the other side, an
//! interface that goes down, and one that is deleted.

mod support;

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use hypercall::{ChecksumRequest, FrameDevice, FrameMeta, Host, LinkState};
use platform_linux::{LinuxHost, Tap, TapOptions};

use support::Interface;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
const KERNELS: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 4);
const PORT: u16 = 4000;
/// Headers of Ethernet and IPv4.
const BEFORE_TRANSPORT: usize = 14 + 20;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// A TAP whose kernel's end has an address and knows ours.
struct Network {
    tap: Tap,
    interface: Interface,
    host: LinuxHost,
}

impl Network {
    fn new() -> Self {
        let tap = Tap::open("test%d", TapOptions::default()).expect("root may");
        let interface = Interface::named(&tap.name());
        interface.set_address(KERNELS);
        interface.set_up(true);
        interface.add_neighbour(OURS, tap.capabilities().mac);
        let mut host = LinuxHost::new().expect("descriptors");
        host.attach(tap.readiness());
        Self {
            tap,
            interface,
            host,
        }
    }

    /// Sends a frame whose transport checksum, at `offset`, is left to the kernel.
    fn send(&mut self, frame: &[u8], offset: u16, segment_size: Option<u16>) {
        let meta = FrameMeta {
            checksum: Some(ChecksumRequest {
                start: BEFORE_TRANSPORT as u16,
                offset,
            }),
            segment_size,
        };
        self.tap
            .reserve(frame.len())
            .expect("room")
            .copy_from_slice(frame);
        self.tap.commit(frame.len(), meta);
        self.tap.flush();
    }

    /// The next IPv4 packet of `protocol` to us, without its Ethernet header, and whether its
    /// checksum is vouched for.
    fn receive(&mut self, protocol: u8) -> (Vec<u8>, bool) {
        let deadline = self.host.monotonic() + Duration::from_secs(10);
        while self.host.monotonic() < deadline {
            while let Some(frame) = self.tap.received() {
                let found = (frame.bytes[14..].to_vec(), frame.checksum_good);
                let wanted = frame.bytes[12..14] == [8, 0] && frame.bytes[23] == protocol;
                self.tap.release();
                if wanted {
                    return found;
                }
            }
            self.host.wait(Some(deadline));
        }
        panic!("nothing came");
    }

    /// A frame to the kernel around `transport`, whose checksum field is at `offset`: filled with
    /// the pseudo-header's sum, as for a checksum to be completed.
    fn frame(&self, protocol: u8, transport: &[u8], offset: usize) -> Vec<u8> {
        let mut frame = Vec::from(self.interface.mac());
        frame.extend(self.tap.capabilities().mac);
        frame.extend([8, 0]);
        let length = (20 + transport.len()) as u16;
        let mut header = vec![0x45, 0];
        header.extend(length.to_be_bytes());
        header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        header.extend(OURS.octets());
        header.extend(KERNELS.octets());
        let checksum = !sum(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(&header);
        frame.extend(transport);
        let mut pseudo = header[12..20].to_vec();
        pseudo.extend([0, protocol]);
        pseudo.extend((transport.len() as u16).to_be_bytes());
        let at = BEFORE_TRANSPORT + offset;
        frame[at..at + 2].copy_from_slice(&sum(&pseudo).to_be_bytes());
        frame
    }
}

/// The one's complement sum of RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or(0),
        ]))
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut datagram = PORT.to_be_bytes().to_vec();
    datagram.extend(PORT.to_be_bytes());
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

#[test]
fn checksums_are_left_to_the_other_side() {
    support::in_network_namespace(|| {
        let mut network = Network::new();
        let socket = UdpSocket::bind((KERNELS, PORT)).expect("a free port");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a time");
        let frame = network.frame(UDP, &udp(b"completed by the kernel"), 6);
        network.send(&frame, 6, None);
        let mut buffer = [0; 64];
        let (length, from) = socket.recv_from(&mut buffer).expect("the checksum is good");
        assert_eq!(&buffer[..length], b"completed by the kernel");
        assert_eq!(from, (OURS, PORT).into());

        socket
            .send_to(b"left to us", (OURS, PORT))
            .expect("a neighbour");
        let (packet, checksum_good) = network.receive(UDP);
        assert_eq!(&packet[28..], b"left to us");
        assert!(checksum_good);
    });
}

#[test]
fn a_large_segment_passes_in_one_piece() {
    support::in_network_namespace(|| {
        let mut network = Network::new();
        // A segment that belongs to no connection is answered by a reset that acknowledges all of
        // it (RFC 9293, 3.10.7.1).
        let payload = 40_000u32;
        let mut segment = PORT.to_be_bytes().to_vec();
        segment.extend(PORT.to_be_bytes());
        segment.extend(1000u32.to_be_bytes());
        segment.extend([0; 4]);
        segment.extend([5 << 4, 0, 0xff, 0xff, 0, 0, 0, 0]);
        segment.resize(20 + payload as usize, 0x77);
        let frame = network.frame(TCP, &segment, 16);
        network.send(&frame, 16, Some(1460));
        let (packet, _) = network.receive(TCP);
        let reset = &packet[20..];
        assert_eq!(reset[13] & 4, 4, "a reset");
        assert_eq!(reset[8..12], (1000 + payload).to_be_bytes());
        assert_eq!(network.tap.lost(), 0);
    });
}

#[test]
fn an_interface_that_is_down_loses_frames() {
    support::in_network_namespace(|| {
        let mut network = Network::new();
        let frame = network.frame(UDP, &udp(b"lost"), 6);
        network.interface.set_up(false);
        network.send(&frame, 6, None);
        assert_eq!(network.tap.lost(), 1);
        assert_eq!(network.tap.link(), LinkState::Down);
        network.interface.set_up(true);
        assert_eq!(network.tap.link(), LinkState::Up);
        network.send(&frame, 6, None);
        assert_eq!(network.tap.lost(), 1);
    });
}

#[test]
fn an_interface_that_is_deleted_has_failed() {
    support::in_network_namespace(|| {
        let mut network = Network::new();
        while network.tap.received().is_some() {
            network.tap.release();
        }
        network.interface.delete();
        let start = network.host.monotonic();
        let patience = Duration::from_secs(10);
        network.host.wait(Some(start + patience));
        assert!(network.host.monotonic().saturating_since(start) < patience);
        assert!(network.tap.received().is_none());
        assert_eq!(network.tap.link(), LinkState::Failed);
        assert!(network.tap.reserve(60).is_none());
    });
}

#[test]
fn a_frame_for_a_deleted_interface_fails_the_link() {
    support::in_network_namespace(|| {
        let mut network = Network::new();
        let frame = network.frame(UDP, &udp(b"late"), 6);
        network.interface.delete();
        network.send(&frame, 6, None);
        assert_eq!(network.tap.link(), LinkState::Failed);
        assert!(network.tap.received().is_none());
    });
}

#[test]
fn the_kernel_completes_the_name() {
    support::in_network_namespace(|| {
        let open = || Tap::open("test%d", TapOptions::default()).expect("root may");
        let (first, second) = (open(), open());
        assert_eq!(
            (first.name(), second.name()),
            ("test0".to_owned(), "test1".to_owned())
        );
        assert_eq!(first.capabilities().mtu, 1500);
        assert!(Tap::open("a name that is too long", TapOptions::default()).is_err());
    });
}
