//! Where the machine's virtio devices are.

use core::ptr::NonNull;

use hypercall::{Interrupt, RegisterWindow};
use protocol::MmioDevice;

use crate::{address_space, interrupts, page_table};

/// The registers of a virtio-mmio transport that the command line names, and its interrupt, which
/// is listened to from now on. `None` if the device's place makes no sense, or if there is no
/// memory to map it.
///
/// # Safety
///
/// `device` is where a device is, as the machine's command line says, and is asked for once.
pub unsafe fn open(device: MmioDevice) -> Option<(RegisterWindow, Interrupt)> {
    let end = device.address.checked_add(device.size)?;
    let size = page_table::Level::LARGE_PAGE.entry_size();
    let mut page = device.address;
    while page < end {
        address_space::with(|space, memory| {
            space.map_large(memory, page, page_table::Entry::large_device)
        })?;
        page = (page / size + 1) * size;
    }
    let interrupt = Interrupt::new();
    interrupts::listen(device.interrupt, interrupt.clone())?;
    let address = NonNull::new(device.address as *mut u8)?;
    // SAFETY: just mapped; the caller promises that a device is there and that it asks once.
    let window = unsafe { RegisterWindow::new(address, device.size as usize) };
    Some((window, interrupt))
}
