//! What a block device offers, and what the driver makes of it (virtio 1.2, 5.2.3 to 5.2.5).

use bitflags::bitflags;
use hypercall::BlockGeometry;
use virtio_drivers::transport::Transport;

use crate::VirtioError;
use crate::device::{self, CommonFeatures};

/// Bytes of the sectors in which a device counts, whatever its block size (virtio 1.2, 5.2.4).
pub(super) const SECTOR: u64 = 512;

/// Offset of `capacity` in the configuration.
const CAPACITY: usize = 0;
/// Offset of `size_max`.
const SIZE_MAX: usize = 8;
/// Offset of `seg_max`.
const SEG_MAX: usize = 12;
/// Offset of `blk_size`.
const BLK_SIZE: usize = 20;
/// Offset of `max_discard_sectors`.
const MAX_DISCARD_SECTORS: usize = 36;
/// Offset of `max_discard_seg`.
const MAX_DISCARD_SEG: usize = 40;

/// The largest disk, in bytes: an offset in it is a file offset of POSIX, which is signed.
const DISK_LENGTH_MAX: u64 = i64::MAX as u64;
/// The largest block that is believed.
const BLOCK_SIZE_MAX: u32 = 1 << 16;

bitflags! {
    /// Features of a block device (virtio 1.2, 5.2.3).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct BlkFeatures: u64 {
        /// A segment has a largest size.
        const SIZE_MAX = 1 << 1;
        /// A request has a largest number of segments.
        const SEG_MAX = 1 << 2;
        /// The device refuses writes.
        const RO = 1 << 5;
        /// The configuration has the block size.
        const BLK_SIZE = 1 << 6;
        /// Writes may be in a cache, and flushes empty it.
        const FLUSH = 1 << 9;
        /// The device takes discards.
        const DISCARD = 1 << 13;
    }
}

/// What was agreed with the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreement {
    pub geometry: BlockGeometry,
    /// The most bytes of one segment of data.
    pub segment_length: u32,
    /// The most segments of data in one request.
    pub segments: u32,
    /// The most sectors that one request discards; whole blocks.
    pub discard_sectors: u32,
    /// The device has a cache to be flushed. One without keeps what it has written.
    pub flushes: bool,
    pub event_index: bool,
}

impl Agreement {
    /// Brings the device from wherever it is to having accepted its features.
    pub fn reach<T: Transport>(transport: &mut T) -> Result<Self, VirtioError> {
        let offered = device::offered(transport)?;
        let common = CommonFeatures::from_bits_truncate(offered);
        let mut blk = BlkFeatures::from_bits_truncate(offered);
        let block_size = block_size(transport, blk)?;
        let discard_sectors = discard_sectors(transport, blk, block_size)?;
        // A device that can discard nothing at a time cannot discard.
        blk.set(BlkFeatures::DISCARD, discard_sectors > 0);
        let agreement = Self {
            geometry: BlockGeometry {
                block_size,
                block_count: block_count(transport, block_size)?,
                read_only: blk.contains(BlkFeatures::RO),
                discards: blk.contains(BlkFeatures::DISCARD),
            },
            segment_length: limit(transport, blk.contains(BlkFeatures::SIZE_MAX), SIZE_MAX)?,
            segments: limit(transport, blk.contains(BlkFeatures::SEG_MAX), SEG_MAX)?,
            discard_sectors,
            flushes: blk.contains(BlkFeatures::FLUSH),
            event_index: common.contains(CommonFeatures::EVENT_IDX),
        };
        device::accept(transport, common.bits() | blk.bits())?;
        Ok(agreement)
    }
}

fn block_size<T: Transport>(transport: &T, offered: BlkFeatures) -> Result<u32, VirtioError> {
    if !offered.contains(BlkFeatures::BLK_SIZE) {
        return Ok(SECTOR as u32);
    }
    let size = read_u32(transport, BLK_SIZE)?;
    if size.is_power_of_two() && (SECTOR as u32..=BLOCK_SIZE_MAX).contains(&size) {
        Ok(size)
    } else {
        Err(VirtioError::ConfigurationInvalid)
    }
}

/// How many whole blocks there are. A rest of the last one is refused, rather than left out.
fn block_count<T: Transport>(transport: &T, block_size: u32) -> Result<u64, VirtioError> {
    let sectors = device::read_configuration_u64(transport, CAPACITY)?;
    let is_whole = sectors.is_multiple_of(u64::from(block_size) / SECTOR);
    if sectors == 0 || sectors > DISK_LENGTH_MAX / SECTOR || !is_whole {
        return Err(VirtioError::ConfigurationInvalid);
    }
    Ok(sectors / (u64::from(block_size) / SECTOR))
}

/// The limit at `offset`, if the device has one; 0 is none that a request could keep to.
fn limit<T: Transport>(transport: &T, is_there: bool, offset: usize) -> Result<u32, VirtioError> {
    match is_there {
        true => match read_u32(transport, offset)? {
            0 => Err(VirtioError::ConfigurationInvalid),
            limit => Ok(limit),
        },
        false => Ok(u32::MAX),
    }
}

fn discard_sectors<T: Transport>(
    transport: &T,
    offered: BlkFeatures,
    block_size: u32,
) -> Result<u32, VirtioError> {
    if !offered.contains(BlkFeatures::DISCARD) || read_u32(transport, MAX_DISCARD_SEG)? == 0 {
        return Ok(0);
    }
    let sectors = read_u32(transport, MAX_DISCARD_SECTORS)?;
    Ok(sectors - sectors % (block_size / SECTOR as u32))
}

fn read_u32<T: Transport>(transport: &T, offset: usize) -> Result<u32, VirtioError> {
    device::read_configuration(transport, offset).map(u32::from_le)
}
