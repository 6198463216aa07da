//! The header that a TAP device with IFF_VNET_HDR puts in front of each frame: `struct
//! virtio_net_hdr` of linux/virtio_net.h, without `num_buffers`, in the machine's byte order.

use hypercall::FrameMeta;

/// Bytes of the header.
pub(super) const HEADER_LENGTH: usize = 10;

/// VIRTIO_NET_HDR_F_NEEDS_CSUM.
const NEEDS_CHECKSUM: u8 = 1;
/// VIRTIO_NET_HDR_F_DATA_VALID.
const DATA_VALID: u8 = 2;
/// VIRTIO_NET_HDR_GSO_TCPV4.
const SEGMENT_TCP4: u8 = 1;
/// Where TCP's data offset stands in its header (RFC 9293, 3.1).
const TCP_DATA_OFFSET: usize = 12;

/// Whether a received header says that the checksum need not be verified.
pub(super) fn vouches_for_checksum(header: &[u8]) -> bool {
    header
        .first()
        .is_some_and(|flags| flags & (NEEDS_CHECKSUM | DATA_VALID) != 0)
}

/// The header for `frame`, which is to be sent as `meta` says.
pub(super) fn for_transmit(frame: &[u8], meta: FrameMeta) -> [u8; HEADER_LENGTH] {
    let mut header = [0; HEADER_LENGTH];
    let Some(checksum) = meta.checksum else {
        return header;
    };
    header[0] = NEEDS_CHECKSUM;
    header[6..8].copy_from_slice(&checksum.start.to_ne_bytes());
    header[8..10].copy_from_slice(&checksum.offset.to_ne_bytes());
    if let Some(segment_size) = meta.segment_size {
        header[1] = SEGMENT_TCP4;
        header[2..4].copy_from_slice(&headers_length(frame, checksum.start).to_ne_bytes());
        header[4..6].copy_from_slice(&segment_size.to_ne_bytes());
    }
    header
}

/// How long all headers of `frame` are whose TCP header begins at `start`: what the kernel is to
/// keep in one piece.
fn headers_length(frame: &[u8], start: u16) -> u16 {
    let words = frame
        .get(usize::from(start) + TCP_DATA_OFFSET)
        .map_or(0, |byte| byte >> 4);
    start.saturating_add(u16::from(words) * 4)
}
