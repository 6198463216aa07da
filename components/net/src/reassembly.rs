//! Puts the fragments of a packet together again (RFC 791, 3.2; RFC 1122, 3.3.2).
//!
//! Overlapping fragments drop the whole packet: honest senders make none, and how they are
//! resolved has been a way past filters (RFC 5722 forbids them for IPv6).

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use hypercall::Instant;

use crate::ipv4::{self, Header};
use crate::memory;

/// Packets being put together at once.
const MAX_PACKETS: usize = 8;
/// Bytes of all of them.
const MAX_BYTES: usize = 128 << 10;
/// Pieces of one of them.
const MAX_PIECES: usize = 64;
/// How long the rest may take to come.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What fragments of one packet have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    identification: u16,
}

#[derive(Debug)]
struct Partial {
    key: Key,
    deadline: Instant,
    /// The pieces that have come: offset and bytes, sorted by offset, never overlapping.
    pieces: Vec<(usize, Vec<u8>)>,
    /// The length of the whole payload once the last piece has come.
    length: Option<usize>,
}

/// The packets of which pieces are missing.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// Oldest first.
    partial: Vec<Partial>,
}

impl Reassembly {
    /// Nothing to put together.
    pub(crate) const fn new() -> Self {
        Self {
            partial: Vec::new(),
        }
    }

    /// Takes the fragment `packet`, which ends where its header says, and returns the whole
    /// packet if it was the last one missing.
    pub(crate) fn add(&mut self, header: &Header, packet: &[u8], now: Instant) -> Option<Vec<u8>> {
        let bytes = &packet[header.header_length..];
        let key = Key {
            source: header.source,
            destination: header.destination,
            protocol: header.protocol,
            identification: header.identification,
        };
        let place = self.place(key, bytes.len(), now)?;
        let partial = &mut self.partial[place];
        if !partial.add(header, bytes) {
            self.partial.remove(place);
            return None;
        }
        let whole = partial.complete()?;
        self.partial.remove(place);
        Some(whole)
    }

    /// Forgets packets whose rest has not come in time.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.partial.retain(|partial| partial.deadline > now);
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.partial.first().map(|partial| partial.deadline)
    }

    /// The place of the packet named `key`, with room for `more` bytes: the oldest others go.
    /// `None` without memory.
    fn place(&mut self, key: Key, more: usize, now: Instant) -> Option<usize> {
        self.partial.try_reserve(1).ok()?;
        let partial = match self.partial.iter().position(|partial| partial.key == key) {
            Some(place) => self.partial.remove(place),
            None => Partial {
                key,
                deadline: now + TIMEOUT,
                pieces: Vec::new(),
                length: None,
            },
        };
        let needed = partial.held() + more;
        let held = |all: &[Partial]| all.iter().map(Partial::held).sum::<usize>();
        while !self.partial.is_empty()
            && (self.partial.len() >= MAX_PACKETS || held(&self.partial) + needed > MAX_BYTES)
        {
            self.partial.remove(0);
        }
        let place = self
            .partial
            .partition_point(|other| other.deadline <= partial.deadline);
        self.partial.insert(place, partial);
        Some(place)
    }
}

impl Partial {
    fn held(&self) -> usize {
        self.pieces.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Takes a piece; `false` if the packet can no longer be right, or there is no memory.
    fn add(&mut self, header: &Header, bytes: &[u8]) -> bool {
        let start = header.fragment_offset;
        let end = start + bytes.len();
        let shaped = !bytes.is_empty()
            && (!header.more_fragments || bytes.len().is_multiple_of(8))
            && ipv4::HEADER_LENGTH + end <= usize::from(u16::MAX);
        if !shaped || self.pieces.len() == MAX_PIECES {
            return false;
        }
        let place = self.pieces.partition_point(|(offset, _)| *offset < start);
        let same = |piece: &(usize, Vec<u8>)| piece.0 == start && piece.1 == bytes;
        if self.pieces.get(place).is_some_and(same) {
            return true;
        }
        let clear_before = place
            .checked_sub(1)
            .is_none_or(|before| self.pieces[before].0 + self.pieces[before].1.len() <= start);
        let clear_after = self
            .pieces
            .get(place)
            .is_none_or(|(offset, _)| end <= *offset);
        let (Some(bytes), Ok(())) = (memory::copy(bytes), self.pieces.try_reserve(1)) else {
            return false;
        };
        self.pieces.insert(place, (start, bytes));
        clear_before && clear_after && self.agrees_on_length(header.more_fragments, end)
    }

    /// Whether what is known of the whole length fits a piece that ends at `end`.
    fn agrees_on_length(&mut self, more_fragments: bool, end: usize) -> bool {
        if !more_fragments {
            if self.length.is_some_and(|length| length != end) {
                return false;
            }
            self.length = Some(end);
        }
        let Some(length) = self.length else {
            return true;
        };
        let last = self.pieces.last();
        last.is_none_or(|(offset, bytes)| offset + bytes.len() <= length)
    }

    /// The whole packet, if no piece is missing and there is memory for it.
    fn complete(&self) -> Option<Vec<u8>> {
        let length = self.length?;
        // The pieces do not overlap and none reaches beyond the end.
        if self.held() != length {
            return None;
        }
        let mut packet = memory::zeroed(ipv4::HEADER_LENGTH + length)?;
        for (offset, bytes) in &self.pieces {
            packet[ipv4::HEADER_LENGTH + offset..][..bytes.len()].copy_from_slice(bytes);
        }
        let Key {
            source,
            destination,
            protocol,
            ..
        } = self.key;
        ipv4::write_header(&mut packet, source, destination, protocol);
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(identification: u16, offset: usize, more_fragments: bool) -> Header {
        Header {
            header_length: 0,
            total_length: 0,
            identification,
            more_fragments,
            fragment_offset: offset,
            protocol: ipv4::UDP,
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(10, 0, 0, 2),
        }
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_gives_the_packet(
            payload in prop::collection::vec(any::<u8>(), 1..400),
            order in Just((0..13_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut reassembly = Reassembly::new();
            let pieces: Vec<_> = payload.chunks(32).collect();
            let mut order: Vec<_> = order.into_iter().filter(|i| *i < pieces.len()).collect();
            // A piece that comes twice before the packet is whole does no harm.
            if order.len() > 1 {
                order.insert(1, order[0]);
            }
            let mut whole = None;
            for index in order {
                prop_assert!(whole.is_none());
                let header = header(7, index * 32, index + 1 < pieces.len());
                whole = reassembly.add(&header, pieces[index], Instant::ZERO);
            }
            let whole = whole.expect("all pieces have come");
            prop_assert_eq!(&whole[ipv4::HEADER_LENGTH..], &payload[..]);
            prop_assert!(Header::parse(&whole).is_some());
            prop_assert_eq!(reassembly.next_deadline(), None);
        }
    }

    #[test]
    fn an_overlap_drops_the_packet() {
        let mut reassembly = Reassembly::new();
        reassembly.add(&header(1, 0, true), &[1; 16], Instant::ZERO);
        reassembly.add(&header(1, 8, true), &[2; 16], Instant::ZERO);
        assert_eq!(reassembly.partial.len(), 0);
    }

    #[test]
    fn a_packet_larger_than_ip_allows_is_dropped() {
        let mut reassembly = Reassembly::new();
        let end = header(1, 65_528, false);
        assert_eq!(reassembly.add(&end, &[1; 8], Instant::ZERO), None);
        assert_eq!(reassembly.partial.len(), 0);
    }

    #[test]
    fn a_piece_beyond_the_end_drops_the_packet() {
        let mut reassembly = Reassembly::new();
        reassembly.add(&header(1, 16, false), &[1; 8], Instant::ZERO);
        reassembly.add(&header(1, 32, true), &[1; 8], Instant::ZERO);
        assert_eq!(reassembly.partial.len(), 0);
    }

    #[test]
    fn pieces_are_bounded_in_number_size_and_time() {
        let mut reassembly = Reassembly::new();
        for identification in 0..100 {
            let now = Instant::from_nanos(identification.into());
            reassembly.add(&header(identification, 8, true), &[0; 40_000], now);
            let held: usize = reassembly.partial.iter().map(Partial::held).sum();
            assert!(held <= MAX_BYTES);
        }
        for identification in 100..200 {
            reassembly.add(&header(identification, 8, true), &[0; 8], Instant::ZERO);
        }
        assert_eq!(reassembly.partial.len(), MAX_PACKETS);
        let deadline = reassembly.next_deadline().unwrap();
        assert!(deadline <= Instant::ZERO + TIMEOUT + Duration::from_nanos(100));
        reassembly.expire(Instant::ZERO + TIMEOUT + Duration::from_nanos(100));
        assert_eq!(reassembly.next_deadline(), None);
    }
}
