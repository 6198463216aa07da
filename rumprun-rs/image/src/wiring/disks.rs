//! The machine's disks.

use alloc::boxed::Box;

use block::CachedDisk;
use hypercall::ProgramHost;
use platform_kvm::HeapLender;
use virtio::{DeviceType, MmioDevice, VirtioBlk, VirtioBlkOptions};

use super::Wiring;

/// A disk of this machine.
pub(crate) type Disk = VirtioBlk<MmioDevice, HeapLender>;

/// The most that is cached of a disk, in bytes.
const CACHE_MAX: u64 = 64 << 20;

/// Puts a cache before each disk, of an eighth of the memory that is free at most, for
/// [`init_devfs`](super::init_devfs) to name.
#[unsafe(no_mangle)]
extern "C" fn init_block(wiring: &mut Wiring) {
    while let Some(disk) = wiring.take_disk() {
        let (_, free) = wiring.program_host.memory();
        let memory = (free / 8).min(CACHE_MAX) as usize;
        wiring.disks.push(Box::new(CachedDisk::new(disk, memory)));
    }
}

impl Wiring {
    /// The driver of the first disk that has none yet. The command line names disks in the order
    /// in which they were given.
    pub(crate) fn take_disk(&mut self) -> Option<Disk> {
        let options = VirtioBlkOptions::default();
        let device = self.take_device(DeviceType::Block)?;
        device.drive(Disk::dma_length(&options), |device, memory, interrupt| {
            VirtioBlk::new(device, memory, interrupt, HeapLender, &options)
        })
    }
}
