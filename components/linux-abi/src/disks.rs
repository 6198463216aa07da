//! What `ioctl` answers of a disk (`linux/fs.h`), and `sync`.

use hypercall::{BlockGeometry, Host, ProgramHost};
use posix::{Errno, Fd, block_on};
use zerocopy::IntoBytes as _;

use crate::call::{Call, Outcome, SUCCESS, nothing};
use crate::program::Program;

// Macros that make numbers of types, which the bindings cannot hold.
const BLKROGET: u32 = 0x125e;
const BLKGETSIZE: u32 = 0x1260;
const BLKFLSBUF: u32 = 0x1261;
const BLKSSZGET: u32 = 0x1268;
const BLKBSZGET: u32 = 0x8008_1270;
const BLKGETSIZE64: u32 = 0x8008_1272;
const BLKDISCARD: u32 = 0x1277;
const BLKIOMIN: u32 = 0x1278;
const BLKIOOPT: u32 = 0x1279;
const BLKALIGNOFF: u32 = 0x127a;
const BLKPBSZGET: u32 = 0x127b;
const BLKDISCARDZEROES: u32 = 0x127c;

/// What BLKGETSIZE and the alignment of BLKDISCARD are counted in.
const SECTOR: u64 = 512;
/// The largest block that Linux caches: a page.
const CACHED_BLOCK_MAX: u64 = 4096;

impl<H: Host, P: ProgramHost> Program<H, P> {
    /// `sync` has no error to return: what could not be written is told by `fsync`.
    pub(crate) fn sync(&mut self, _: &mut Call<'_>) -> Outcome {
        let _ = posix::sync(&mut self.kernel);
        SUCCESS
    }

    /// The requests of disks; ENOTTY for any other, and for what is no disk.
    pub(crate) fn disk_ioctl(&mut self, fd: Fd, request: u32, at: u64) -> Outcome {
        let geometry = self.kernel.disk_geometry(fd)?;
        let size = geometry
            .block_count
            .saturating_mul(geometry.block_size.into());
        match request {
            BLKGETSIZE64 => self.answer(at, size.as_bytes()),
            BLKGETSIZE => self.answer(at, (size / SECTOR).as_bytes()),
            BLKSSZGET | BLKPBSZGET | BLKIOMIN => self.answer(at, geometry.block_size.as_bytes()),
            BLKBSZGET => self.answer(at, cached_block(&geometry, size).as_bytes()),
            BLKROGET => self.answer(at, u32::from(geometry.read_only).as_bytes()),
            // No size is better than another, the disk begins with a block, and nothing is said of
            // what was discarded.
            BLKIOOPT | BLKALIGNOFF | BLKDISCARDZEROES => self.answer(at, 0u32.as_bytes()),
            BLKFLSBUF => {
                posix::fsync(&mut self.kernel, fd)?;
                nothing(self.kernel.forget_cached(fd))
            }
            BLKDISCARD => self.discard(fd, at, size),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn discard(&mut self, fd: Fd, at: u64, size: u64) -> Outcome {
        let [start, length]: [u64; 2] = self.memory().read(at)?;
        let end = start.checked_add(length).ok_or(Errno::EINVAL)?;
        if !start.is_multiple_of(SECTOR) || !length.is_multiple_of(SECTOR) || end > size {
            return Err(Errno::EINVAL);
        }
        let mut settling = None;
        nothing(block_on(&mut self.kernel, |kernel| {
            kernel.discard(fd, &(start..end), &mut settling)
        }))
    }
}

/// In which blocks Linux would cache a disk of `size` bytes: the largest that divide it.
fn cached_block(geometry: &BlockGeometry, size: u64) -> u32 {
    let dividing = 1 << size.trailing_zeros().min(CACHED_BLOCK_MAX.trailing_zeros());
    geometry.block_size.max(dividing)
}
