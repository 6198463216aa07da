//! Disks as programs have them open: `/dev/vda` is a row of bytes with an end.

use alloc::boxed::Box;
use core::ops::Range;

use block::{Caching, Disk, DiskResult, Progress, Settling};
use fs::{DISK_MAJOR, DISK_MINORS, FileKind};
use hypercall::{BlockGeometry, Host, Instant, Sink, Source};

use crate::description::{Description, Object};
use crate::flags::{Access, StatusFlags};
use crate::readiness::{Step, StepResult, Wait};
use crate::{Errno, Fd, Kernel};

/// Which disk, in the order in which they were attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DiskNumber(u32);

/// What a step waits for that has asked a disk for something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DiskWait {
    disk: DiskNumber,
    /// [`Disk::events`] at the time.
    events: u64,
}

impl DiskNumber {
    /// What `stat` says that it is.
    pub(crate) const fn kind(self) -> FileKind {
        FileKind::BlockDevice {
            major: DISK_MAJOR,
            minor: self.0 * DISK_MINORS,
        }
    }
}

impl Description {
    /// How transfers of a disk go that is open like this.
    pub(crate) fn caching(&self) -> Caching {
        match self.status.contains(StatusFlags::DIRECT) {
            true => Caching::Direct,
            false => Caching::Cached,
        }
    }
}

impl<H: Host> Kernel<H> {
    /// The shape of a disk; ENOTTY of anything else.
    pub fn disk_geometry(&self, fd: Fd) -> Result<BlockGeometry, Errno> {
        let disk = self.open_disk(fd)?;
        self.disk_ref(disk).map(Disk::geometry)
    }

    /// Declares bytes of a disk useless (BLKDISCARD). `settling` is None at first, and kept by the
    /// caller between the tries.
    pub fn discard(
        &mut self,
        fd: Fd,
        range: &Range<u64>,
        settling: &mut Option<Settling>,
    ) -> StepResult<()> {
        let disk = self.open_disk(fd)?;
        if !self.description(fd)?.1.access.contains(Access::WRITE) {
            return Err(Errno::EBADF);
        }
        if settling.is_none() {
            let step = self.disk_step(disk, |disk| disk.discard(range.clone()))?;
            if let Step::Wait(_) = step {
                return Ok(step);
            }
        }
        let settling = settling.get_or_insert_with(|| Settling::transfers(range.clone()));
        self.settle_disk(disk, settling)
    }

    /// Forgets what is cached of a disk and as it is there (BLKFLSBUF, after `fsync`).
    pub fn forget_cached(&mut self, fd: Fd) -> Result<(), Errno> {
        let disk = self.open_disk(fd)?;
        self.disk_mut(disk)?.forget();
        Ok(())
    }

    /// What a write of the bytes of `range` through `fd` still has to wait for.
    pub(crate) fn settling_after(&self, fd: Fd, range: Range<u64>) -> Option<Settling> {
        let (_, description) = self.description(fd).ok()?;
        let Object::Disk(_) = description.object else {
            return None;
        };
        if description.status.contains(StatusFlags::DATA_SYNC) {
            Some(Settling::durable(range))
        } else if description.status.contains(StatusFlags::DIRECT) {
            Some(Settling::transfers(range))
        } else {
            None
        }
    }

    /// Goes on with what a write has to wait for.
    pub(crate) fn settle(&mut self, fd: Fd, settling: &mut Settling) -> StepResult<()> {
        let disk = self.open_disk(fd)?;
        self.settle_disk(disk, settling)
    }

    /// Goes on with `settling` of the disk that was attached as number `index`.
    pub(crate) fn settle_attached(
        &mut self,
        index: usize,
        settling: &mut Settling,
    ) -> StepResult<()> {
        self.settle_disk(DiskNumber(index as u32), settling)
    }

    pub(crate) fn settle_disk(
        &mut self,
        disk: DiskNumber,
        settling: &mut Settling,
    ) -> StepResult<()> {
        self.disk_step(disk, |disk| disk.settle(settling))
    }

    pub(crate) fn read_disk(
        &mut self,
        disk: DiskNumber,
        offset: u64,
        into: &mut dyn Sink,
        caching: Caching,
    ) -> StepResult<usize> {
        self.disk_step(disk, |disk| disk.read(offset, into, caching))
    }

    pub(crate) fn write_disk(
        &mut self,
        disk: DiskNumber,
        offset: u64,
        data: &mut dyn Source,
        caching: Caching,
    ) -> StepResult<usize> {
        self.disk_step(disk, |disk| disk.write(offset, data, caching))
    }

    /// How many bytes a disk has.
    pub(crate) fn disk_size(&self, disk: DiskNumber) -> u64 {
        let geometry = self.disk_ref(disk).map(Disk::geometry);
        geometry.map_or(0, |geometry| {
            let block_size = u64::from(geometry.block_size);
            geometry.block_count.saturating_mul(block_size)
        })
    }

    /// The disk that has a device number; ENXIO if none has.
    pub(crate) fn disk_number(&self, major: u32, minor: u32) -> Result<DiskNumber, Errno> {
        let disk = DiskNumber(minor / DISK_MINORS);
        if major != DISK_MAJOR || !minor.is_multiple_of(DISK_MINORS) {
            return Err(Errno::ENXIO);
        }
        self.disk_ref(disk).map(|_| disk)
    }

    /// Takes what disks have finished.
    pub(crate) fn progress_disks(&mut self) {
        for disk in &mut self.disks {
            disk.progress(self.clock.now);
        }
    }

    /// When a disk has something to do though nothing comes back from it.
    pub(crate) fn disk_deadline(&self) -> Option<Instant> {
        self.disks
            .iter()
            .filter_map(|disk| disk.next_deadline())
            .min()
    }

    /// Whether something has come back since a step began to wait.
    pub(crate) fn has_disk_moved(&self, wait: DiskWait) -> bool {
        let disk = self.disk_ref(wait.disk);
        disk.map_or(true, |disk| disk.events() != wait.events)
    }

    fn disk_step<T>(
        &mut self,
        number: DiskNumber,
        step: impl FnOnce(&mut dyn Disk) -> DiskResult<T>,
    ) -> StepResult<T> {
        let disk = self.disk_mut(number)?;
        Ok(match step(disk)? {
            Progress::Done(result) => Step::Done(result),
            Progress::Wait => Step::Wait(Wait::on_disk(DiskWait {
                disk: number,
                events: disk.events(),
            })),
        })
    }

    /// The disk that `fd` is open on; ENOTTY if it is something else.
    fn open_disk(&self, fd: Fd) -> Result<DiskNumber, Errno> {
        match self.description(fd)?.1.object {
            Object::Disk(disk) => Ok(disk),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn disk_ref(&self, number: DiskNumber) -> Result<&dyn Disk, Errno> {
        let disk = self.disks.get(number.0 as usize);
        disk.map(Box::as_ref).ok_or(Errno::ENXIO)
    }

    fn disk_mut(&mut self, number: DiskNumber) -> Result<&mut dyn Disk, Errno> {
        match self.disks.get_mut(number.0 as usize) {
            Some(disk) => Ok(disk.as_mut()),
            None => Err(Errno::ENXIO),
        }
    }
}

#[cfg(test)]
mod tests {
    use block::{CachedDisk, RamDisk};
    use core::time::Duration;
    use fs::Permissions;
    use hypercall::fake::FakeBlockDevice;
    use hypercall::{BlockDevice, HostRequest, SliceSink, SliceSource};

    use super::*;
    use crate::fake_host::{self, Event, FakeHost};
    use crate::{OpenFlags, Whence};

    /// More than one step moves.
    const LENGTH: usize = 3 << 20;

    fn kernel_with(device: impl BlockDevice + Send + 'static) -> Kernel<FakeHost> {
        let mut kernel = fake_host::kernel();
        kernel.attach_disk(Box::new(CachedDisk::new(device, 1 << 20)));
        kernel
    }

    fn kernel() -> Kernel<FakeHost> {
        kernel_with(RamDisk::new(512, LENGTH as u64 / 512))
    }

    fn open(kernel: &mut Kernel<FakeHost>, flags: OpenFlags) -> Result<Fd, Errno> {
        kernel.open(b"/dev/vda", flags, Permissions::empty())
    }

    fn read(kernel: &mut Kernel<FakeHost>, fd: Fd, bytes: &mut [u8]) -> Result<usize, Errno> {
        crate::read(kernel, fd, &mut SliceSink::new(bytes))
    }

    fn write(kernel: &mut Kernel<FakeHost>, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        crate::write(kernel, fd, &mut SliceSource::new(bytes))
    }

    #[test]
    fn a_large_transfer_is_whole_and_ends_with_the_disk() {
        let mut kernel = kernel();
        let fd = open(&mut kernel, OpenFlags::READ_WRITE).unwrap();
        let bytes: alloc::vec::Vec<u8> = (0..LENGTH + 5).map(|at| (at % 251) as u8).collect();
        assert_eq!(write(&mut kernel, fd, &bytes), Ok(LENGTH));
        assert_eq!(write(&mut kernel, fd, b"x"), Err(Errno::ENOSPC));
        assert_eq!(kernel.lseek(fd, 0, Whence::Start), Ok(0));
        let mut back = alloc::vec![0; LENGTH + 5];
        assert_eq!(read(&mut kernel, fd, &mut back), Ok(LENGTH));
        assert!(back[..LENGTH] == bytes[..LENGTH]);
        assert_eq!(read(&mut kernel, fd, &mut back), Ok(0));
    }

    #[test]
    fn seeking_stays_on_the_disk() {
        let mut kernel = kernel();
        let fd = open(&mut kernel, OpenFlags::empty()).unwrap();
        let end = LENGTH as i64;
        assert_eq!(kernel.lseek(fd, 0, Whence::End), Ok(end));
        assert_eq!(kernel.lseek(fd, 1, Whence::Current), Err(Errno::EINVAL));
    }

    #[test]
    fn only_a_disk_can_be_opened_past_the_cache_and_then_whole_blocks_move() {
        let mut kernel = kernel();
        let flags = OpenFlags::READ_WRITE | OpenFlags::DIRECT;
        let fd = open(&mut kernel, flags).unwrap();
        assert_eq!(write(&mut kernel, fd, &[1; 1024]), Ok(1024));
        assert_eq!(write(&mut kernel, fd, &[1; 100]), Err(Errno::EINVAL));
        assert_eq!(kernel.fcntl_getfl(fd), Ok(flags));
        let file = kernel.file(b"/f", OpenFlags::CREATE | flags);
        assert_eq!(file, Err(Errno::EINVAL));
    }

    #[test]
    fn a_synchronous_write_reaches_what_survives() {
        let device = FakeBlockDevice::new(512, 64);
        let mut kernel = kernel_with(device.clone());
        let flags = OpenFlags::WRITE_ONLY | OpenFlags::DATA_SYNC;
        let fd = open(&mut kernel, flags).unwrap();
        assert_eq!(write(&mut kernel, fd, &[7; 600]), Ok(600));
        device.cut_power();
        assert!(device.contents().iter().take(600).all(|&byte| byte == 7));
    }

    #[test]
    fn what_is_read_only_is_opened_and_not_written() {
        let mut kernel = kernel_with(FakeBlockDevice::new(512, 64).read_only());
        let fd = open(&mut kernel, OpenFlags::READ_WRITE).unwrap();
        assert_eq!(write(&mut kernel, fd, &[1]), Err(Errno::EPERM));
    }

    #[test]
    fn no_signal_ends_the_wait_for_a_disk() {
        let mut kernel = kernel();
        let fd = open(&mut kernel, OpenFlags::empty()).unwrap();
        kernel.at(Duration::ZERO, Event::Request(HostRequest::Interrupt));
        assert_eq!(read(&mut kernel, fd, &mut [0; 10]), Ok(10));
        kernel.progress();
        assert!(kernel.signals.is_deliverable());
    }

    #[test]
    fn a_disk_that_is_not_there_cannot_be_opened() {
        let mut kernel = fake_host::kernel();
        assert_eq!(open(&mut kernel, OpenFlags::empty()), Err(Errno::ENXIO));
    }
}
