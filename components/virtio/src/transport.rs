//! Finds the device behind a register window.

use core::ptr::NonNull;

use hypercall::RegisterWindow;
use virtio_drivers::transport::mmio::{MmioError, MmioTransport, MmioVersion, VirtIOHeader};

use crate::ProbeError;

/// Offset of the register DeviceID (virtio 1.2, 4.2.2).
const DEVICE_ID: usize = 0x8;
/// Where the registers end and the device's own configuration begins (virtio 1.2, 4.2.2).
const REGISTERS_LENGTH: usize = 0x100;

/// A device with memory-mapped registers. Dropping it resets the device.
pub type MmioDevice = MmioTransport<'static>;

/// The device behind `window` (virtio 1.2, 4.2), or `None` where the slot is empty. The device is
/// not touched beyond reading what it is.
pub fn probe(window: RegisterWindow) -> Result<Option<MmioDevice>, ProbeError> {
    if window.length() < REGISTERS_LENGTH {
        return Err(ProbeError::NotVirtio);
    }
    // An empty slot has DeviceID 0 and is to be passed over in silence (4.2.2.2). The transport
    // would report it as an error, and would read nothing else.
    if device_id(&window) == 0 {
        return Ok(None);
    }
    let header: NonNull<VirtIOHeader> = window.address().cast();
    // SAFETY: the window is aligned to 8 and mapped for as long as the value lives, and nothing
    // else accesses it (`RegisterWindow::new`). Its value ends here without unmapping anything,
    // and the transport takes its place as the only user.
    let device = unsafe { MmioTransport::new(header, window.length()) }.map_err(probe_error)?;
    if device.version() == MmioVersion::Legacy {
        return Err(ProbeError::Legacy);
    }
    Ok(Some(device))
}

fn device_id(window: &RegisterWindow) -> u32 {
    // SAFETY: `probe` has seen that the window reaches beyond this register.
    let register = unsafe { window.address().byte_add(DEVICE_ID) }.cast::<u32>();
    // SAFETY: the register is mapped for volatile access and aligned (`RegisterWindow::new`).
    // Reading it has no effect on the device.
    u32::from_le(unsafe { register.read_volatile() })
}

fn probe_error(error: MmioError) -> ProbeError {
    match error {
        MmioError::UnsupportedVersion(version) => ProbeError::UnknownVersion(version),
        MmioError::InvalidDeviceID(error) => {
            let virtio_drivers::transport::DeviceTypeError::InvalidDeviceType(class) = error;
            ProbeError::UnknownClass(class)
        }
        MmioError::BadMagic(_) | MmioError::MmioRegionTooSmall => ProbeError::NotVirtio,
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use virtio_drivers::transport::{DeviceType, Transport};

    use super::*;

    const MAGIC: u32 = 0x7472_6976;

    #[repr(align(8))]
    struct Registers([u32; 0x80]);

    /// A window of registers that never change, as long as the test lives.
    fn window(magic: u32, version: u32, class: u32, length: usize) -> RegisterWindow {
        let mut registers = Box::new(Registers([0; 0x80]));
        registers.0[..3].copy_from_slice(&[magic, version, class]);
        let address = NonNull::from(Box::leak(registers)).cast();
        // SAFETY: leaked memory of 0x200 bytes, aligned to 8; `length` is no more than that.
        unsafe { RegisterWindow::new(address, length) }
    }

    #[test]
    fn a_modern_device_is_found() {
        let device = probe(window(MAGIC, 2, 1, 0x200))
            .expect("valid")
            .expect("present");
        assert_eq!(device.device_type(), DeviceType::Network);
    }

    #[test]
    fn an_empty_slot_is_no_device() {
        assert!(probe(window(MAGIC, 2, 0, 0x200)).expect("valid").is_none());
    }

    #[test]
    fn what_cannot_be_driven_is_named() {
        let error = |version, class| probe(window(MAGIC, version, class, 0x200)).err();
        assert_eq!(error(1, 1), Some(ProbeError::Legacy));
        assert_eq!(error(3, 1), Some(ProbeError::UnknownVersion(3)));
        assert_eq!(error(2, 777), Some(ProbeError::UnknownClass(777)));
    }

    #[test]
    fn what_is_not_virtio_is_refused() {
        assert_eq!(
            probe(window(0, 2, 1, 0x200)).err(),
            Some(ProbeError::NotVirtio)
        );
        assert_eq!(
            probe(window(MAGIC, 2, 1, 0xff)).err(),
            Some(ProbeError::NotVirtio)
        );
    }
}
