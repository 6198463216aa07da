//! How the bytes of a disk lie in cached blocks, and these in blocks of the device.

use core::ops::Range;

use hypercall::BlockGeometry;

/// The size of a cached block, unless the device's are larger: a page.
const BLOCK_SIZE: u32 = 4096;

/// The sizes of one disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes in a cached block, a power of two; the last one may be shorter.
    pub(crate) block_size: u32,
    /// Bytes in a block of the device.
    pub(crate) device_block_size: u32,
    /// Bytes in all.
    pub(crate) size: u64,
}

impl Shape {
    pub(crate) fn new(geometry: BlockGeometry) -> Self {
        let device_block_size = geometry.block_size;
        Self {
            block_size: device_block_size.max(BLOCK_SIZE),
            device_block_size,
            // A device that says it is larger than can be addressed is used as far as it can be.
            size: geometry
                .block_count
                .saturating_mul(device_block_size.into())
                .min(i64::MAX as u64 & !u64::from(device_block_size - 1)),
        }
    }

    /// How many cached blocks there are.
    pub(crate) fn block_count(&self) -> u64 {
        self.size.div_ceil(self.block_size.into())
    }

    /// The cached block that the byte at `offset` is in, and where in it.
    pub(crate) fn locate(&self, offset: u64) -> (u64, usize) {
        let block_size = u64::from(self.block_size);
        (offset / block_size, (offset % block_size) as usize)
    }

    /// The cached blocks that hold the bytes of `range`.
    pub(crate) fn blocks_of(&self, range: &Range<u64>) -> Range<u64> {
        let block_size = u64::from(self.block_size);
        range.start / block_size..range.end.div_ceil(block_size)
    }

    /// The bytes that the cached blocks of `blocks` hold.
    pub(crate) fn bytes_of(&self, blocks: &Range<u64>) -> Range<u64> {
        let offset = |block: u64| block.saturating_mul(self.block_size.into()).min(self.size);
        offset(blocks.start)..offset(blocks.end)
    }

    /// How long a cached block is.
    pub(crate) fn length_of(&self, block: u64) -> usize {
        let bytes = self.bytes_of(&(block..block + 1));
        (bytes.end - bytes.start) as usize
    }

    /// The device's number of the block that begins at byte `offset`.
    pub(crate) fn device_block(&self, offset: u64) -> u64 {
        offset / u64::from(self.device_block_size)
    }

    /// Whether `range` begins and ends with a block of the device.
    pub(crate) fn is_aligned(&self, range: &Range<u64>) -> bool {
        let unit = u64::from(self.device_block_size);
        range.start.is_multiple_of(unit) && range.end.is_multiple_of(unit)
    }
}

/// Whether two ranges have something in common.
pub(crate) fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(block_count: u64) -> Shape {
        Shape::new(BlockGeometry {
            block_size: 512,
            block_count,
            read_only: false,
            discards: false,
        })
    }

    #[test]
    fn the_last_block_may_be_short() {
        let shape = shape(9);
        assert_eq!(shape.block_count(), 2);
        assert_eq!((shape.length_of(0), shape.length_of(1)), (4096, 512));
        assert_eq!(shape.bytes_of(&(1..2)), 4096..4608);
    }

    #[test]
    fn a_disk_beyond_what_can_be_addressed_ends_there() {
        assert_eq!(shape(u64::MAX).size, (1 << 63) - 512);
    }
}
