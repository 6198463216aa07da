//! The machine's disks.

use platform_kvm::HeapLender;
use virtio::{DeviceType, MmioDevice, VirtioBlk, VirtioBlkOptions};

use super::Wiring;

/// A disk of this machine.
pub(crate) type Disk = VirtioBlk<MmioDevice, HeapLender>;

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
