//! The header in front of every frame (virtio 1.2, 5.1.6).

use hypercall::FrameMeta;

/// Bytes of the header. With VERSION_1 it always has `num_buffers`.
pub(super) const HEADER_LENGTH: usize = 12;

/// VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum is partial.
const NEEDS_CHECKSUM: u8 = 1;
/// VIRTIO_NET_HDR_F_DATA_VALID: the checksum was verified.
const DATA_VALID: u8 = 2;
/// VIRTIO_NET_HDR_GSO_TCPV4: cut into TCP/IPv4 segments.
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
    header[6..8].copy_from_slice(&checksum.start.to_le_bytes());
    header[8..10].copy_from_slice(&checksum.offset.to_le_bytes());
    if let Some(segment_size) = meta.segment_size {
        header[1] = SEGMENT_TCP4;
        header[2..4].copy_from_slice(&headers_length(frame, checksum.start).to_le_bytes());
        header[4..6].copy_from_slice(&segment_size.to_le_bytes());
    }
    header
}

/// How long all headers of `frame` are whose TCP header begins at `start`: a hint for the device
/// (virtio 1.2, 5.1.6.2), so a frame too short for a TCP header may give what it will.
fn headers_length(frame: &[u8], start: u16) -> u16 {
    let words = frame
        .get(usize::from(start) + TCP_DATA_OFFSET)
        .map_or(0, |byte| byte >> 4);
    start.saturating_add(u16::from(words) * 4)
}

#[cfg(test)]
mod tests {
    use hypercall::ChecksumRequest;

    use super::*;

    const TCP: ChecksumRequest = ChecksumRequest {
        start: 34,
        offset: 16,
    };

    #[test]
    fn a_plain_frame_has_an_empty_header() {
        assert_eq!(for_transmit(&[0; 60], FrameMeta::default()), [0; 12]);
    }

    #[test]
    fn a_checksum_is_asked_for() {
        let meta = FrameMeta {
            checksum: Some(TCP),
            segment_size: None,
        };
        assert_eq!(
            for_transmit(&[0; 60], meta),
            [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]
        );
    }

    #[test]
    fn segmentation_names_the_headers_and_the_segment() {
        let mut frame = [0; 4000];
        frame[34 + 12] = 8 << 4;
        let meta = FrameMeta {
            checksum: Some(TCP),
            segment_size: Some(1448),
        };
        // 34 bytes of Ethernet and IPv4, 32 of TCP; 1448 is 0x05a8.
        assert_eq!(
            for_transmit(&frame, meta),
            [1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0]
        );
    }

    #[test]
    fn either_flag_vouches() {
        assert!(!vouches_for_checksum(&[0; 12]));
        assert!(!vouches_for_checksum(&[4; 12]));
        assert!(vouches_for_checksum(&[1; 12]));
        assert!(vouches_for_checksum(&[2; 12]));
    }
}
