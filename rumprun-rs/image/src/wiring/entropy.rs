//! Random bytes of a device.

use core::time::Duration;

use hypercall::Host;
use virtio::{DeviceType, MmioDevice, VirtioRng};

use super::Wiring;

/// How long the first bytes may take.
const PATIENCE: Duration = Duration::from_millis(100);

/// Has the first virtio entropy device add to the processor's random bytes. Waits for its first
/// ones, so that they are in the program's from the very start.
#[unsafe(no_mangle)]
extern "C" fn init_rng(wiring: &mut Wiring) {
    let Some(device) = wiring.take_device(DeviceType::EntropySource) else {
        return;
    };
    let length = VirtioRng::<MmioDevice>::DMA_LENGTH;
    let Some(mut driver) = device.drive(length, VirtioRng::new) else {
        return;
    };
    let deadline = wiring.host.monotonic() + PATIENCE;
    while !driver.is_ready() && wiring.host.monotonic() < deadline {
        wiring.host.wait(Some(deadline));
    }
    wiring.host.add_entropy(driver);
}
