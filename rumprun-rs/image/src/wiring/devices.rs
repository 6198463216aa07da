//! The machine's virtio devices: found once, and handed to their drivers.

use alloc::vec::Vec;

use hypercall::{DmaRegion, Interrupt};
use protocol::MmioDevice;
use virtio::{DeviceType, ProbeError, Transport, VirtioError};

use super::Wiring;

/// A device that has no driver yet.
pub(crate) struct FoundDevice {
    transport: virtio::MmioDevice,
    interrupt: Interrupt,
}

impl Wiring {
    /// The first device of `class` on the command line that has no driver yet.
    pub(crate) fn take_device(&mut self, class: DeviceType) -> Option<FoundDevice> {
        let settings = &self.settings;
        let devices = self
            .devices
            .get_or_insert_with(|| settings.devices().filter_map(find).collect::<Vec<_>>());
        let is_wanted = |found: &FoundDevice| found.transport.device_type() == class;
        let position = devices.iter().position(is_wanted)?;
        Some(devices.remove(position))
    }
}

impl FoundDevice {
    /// Has `start` make a driver of the device and `memory_length` bytes. Says on standard error
    /// why a device cannot be driven.
    pub(crate) fn drive<D>(
        self,
        memory_length: usize,
        start: impl FnOnce(virtio::MmioDevice, DmaRegion, Interrupt) -> Result<D, VirtioError>,
    ) -> Option<D> {
        let Some(memory) = platform_kvm::dma_region(memory_length) else {
            return unused(driver_message(VirtioError::MemoryTooSmall));
        };
        match start(self.transport, memory, self.interrupt) {
            Ok(driver) => Some(driver),
            Err(error) => unused(driver_message(error)),
        }
    }
}

/// The device at `place`, if there is one. Says on standard error why what is there is no device.
fn find(place: MmioDevice) -> Option<FoundDevice> {
    // SAFETY: the command line says that a device is there; each is asked for once.
    let Some((window, interrupt)) = (unsafe { platform_kvm::open_device(place) }) else {
        return unused("its registers cannot be reached");
    };
    match virtio::probe(window) {
        Ok(device) => device.map(|transport| FoundDevice {
            transport,
            interrupt,
        }),
        Err(error) => unused(probe_message(error)),
    }
}

/// Says why a device is not used.
fn unused<T>(reason: &'static str) -> Option<T> {
    platform_kvm::emergency_write(b"anykernel: a device is not used: ");
    platform_kvm::emergency_write(reason.as_bytes());
    platform_kvm::emergency_write(b"\n");
    None
}

/// Why what is at a place cannot be taken for a device.
const fn probe_message(error: ProbeError) -> &'static str {
    match error {
        ProbeError::NotVirtio => "no virtio registers are there",
        ProbeError::Legacy => "it offers only the legacy virtio interface",
        ProbeError::UnknownVersion(_) => "its version of virtio is unknown",
        ProbeError::UnknownClass(_) => "its class is unknown",
    }
}

/// Why a network device cannot be driven.
const fn driver_message(error: VirtioError) -> &'static str {
    match error {
        VirtioError::WrongClass => "it is of another class",
        VirtioError::ResetTimeout => "it does not finish its reset",
        VirtioError::FeatureMissing => "it lacks a feature that is needed",
        VirtioError::FeaturesRefused => "it refused the features it had offered",
        VirtioError::QueueMissing => "it lacks a queue",
        VirtioError::QueueSize(_) => "it gives an impossible size of a queue",
        VirtioError::Configuration => "its configuration cannot be read",
        VirtioError::ConfigurationInvalid => "its configuration is invalid",
        VirtioError::MemoryTooSmall => "too little memory for its buffers",
    }
}
