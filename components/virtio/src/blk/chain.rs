//! One request as the device sees it (virtio 1.2, 5.2.6): a header, data, a status.
//!
//! Header and status lie in a slot of the queue; data lies in the caller's buffer, lent.

use alloc::vec::Vec;

use crate::ring::{LentPart, Part};

/// Bytes of `type`, `reserved` and `sector`.
const HEADER_LENGTH: u32 = 16;
/// Bytes of one `virtio_blk_discard_write_zeroes`.
const DISCARD_LENGTH: u32 = 16;
/// Bytes of a slot: all that a chain has in it.
pub(super) const SLOT_LENGTH: u32 = HEADER_LENGTH + DISCARD_LENGTH + STATUS_LENGTH;
/// Bytes of the status, which the device writes.
pub(super) const STATUS_LENGTH: u32 = 1;

/// VIRTIO_BLK_S_OK.
pub(super) const STATUS_OK: u8 = 0;
/// VIRTIO_BLK_S_IOERR.
pub(super) const STATUS_FAILED: u8 = 1;
/// VIRTIO_BLK_S_UNSUPP.
pub(super) const STATUS_UNSUPPORTED: u8 = 2;
/// What stands there before the device has written.
const STATUS_UNWRITTEN: u8 = 0xff;

/// What a chain has the device do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Fill memory at an address.
    Read(u64),
    /// Write what is at an address.
    Write(u64),
    /// Empty the cache.
    Flush,
    /// Forget the sectors.
    Discard,
}

/// A chain: its action on `sectors` sectors from `sector` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chain {
    pub action: Action,
    pub sector: u64,
    pub sectors: u32,
}

impl Chain {
    /// Bytes of data in the buffer.
    pub fn data_length(&self) -> u32 {
        match self.action {
            Action::Read(_) | Action::Write(_) => self.sectors * super::SECTOR as u32,
            Action::Flush | Action::Discard => 0,
        }
    }

    /// How many bytes a device writes that does all of it: the status comes last.
    pub fn room(&self) -> u32 {
        match self.action {
            Action::Read(_) => self.data_length() + STATUS_LENGTH,
            _ => STATUS_LENGTH,
        }
    }

    /// Where the status is in the slot.
    pub fn status_offset(&self) -> usize {
        self.front_length() as usize
    }

    /// Writes the slot, as it is before the device has it.
    pub fn write(&self, slot: &mut [u8]) {
        // A flush has no sectors, and its sector is 0.
        slot[..4].copy_from_slice(&self.code().to_le_bytes());
        slot[4..8].fill(0);
        let is_discard = self.action == Action::Discard;
        let sector = if is_discard { 0 } else { self.sector };
        slot[8..16].copy_from_slice(&sector.to_le_bytes());
        if is_discard {
            slot[16..24].copy_from_slice(&self.sector.to_le_bytes());
            slot[24..28].copy_from_slice(&self.sectors.to_le_bytes());
            slot[28..32].fill(0);
        }
        slot[self.status_offset()] = STATUS_UNWRITTEN;
    }

    /// Writes the parts of the chain, segments of data being `segment_length` bytes at most.
    pub fn parts(&self, segment_length: u32, parts: &mut Vec<Part>) {
        parts.clear();
        parts.push(Part::Read(HEADER_LENGTH));
        match self.action {
            Action::Read(address) => {
                parts.extend(segments(
                    address,
                    self.data_length(),
                    segment_length,
                    Part::WriteLent,
                ));
            }
            Action::Write(address) => {
                parts.extend(segments(
                    address,
                    self.data_length(),
                    segment_length,
                    Part::ReadLent,
                ));
            }
            Action::Discard => parts.push(Part::Read(DISCARD_LENGTH)),
            Action::Flush => {}
        }
        parts.push(Part::Write(STATUS_LENGTH));
    }

    /// `type`: VIRTIO_BLK_T_IN, _OUT, _FLUSH and _DISCARD.
    fn code(&self) -> u32 {
        match self.action {
            Action::Read(_) => 0,
            Action::Write(_) => 1,
            Action::Flush => 4,
            Action::Discard => 11,
        }
    }

    /// How much of the slot the device reads.
    fn front_length(&self) -> u32 {
        match self.action {
            Action::Discard => HEADER_LENGTH + DISCARD_LENGTH,
            _ => HEADER_LENGTH,
        }
    }
}

fn segments(
    address: u64,
    length: u32,
    longest: u32,
    part: fn(LentPart) -> Part,
) -> impl Iterator<Item = Part> {
    (0..length.div_ceil(longest)).map(move |number| {
        let offset = number * longest;
        part(LentPart {
            address: address + u64::from(offset),
            length: longest.min(length - offset),
        })
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn data_is_cut_into_segments() {
        let chain = Chain {
            action: Action::Read(0x1000),
            sector: 3,
            sectors: 3,
        };
        let mut parts = vec![Part::Read(1)];
        chain.parts(1000, &mut parts);
        let data = |address, length| Part::WriteLent(LentPart { address, length });
        assert_eq!(
            parts,
            [
                Part::Read(16),
                data(0x1000, 1000),
                data(0x13e8, 536),
                Part::Write(1)
            ]
        );
    }

    #[test]
    fn a_discard_names_its_sectors_behind_the_header() {
        let chain = Chain {
            action: Action::Discard,
            sector: 0x0102,
            sectors: 7,
        };
        let mut slot = [0xaa; SLOT_LENGTH as usize];
        chain.write(&mut slot);
        assert_eq!(
            slot[..16],
            [11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            slot[16..32],
            [2, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(slot[chain.status_offset()], 0xff);
    }
}
