//! The console on a device of its own.

use alloc::boxed::Box;

use protocol::ports::console;
use virtio::{ConsolePorts, DeviceType, VirtioConsole};

use super::Wiring;

/// The streams and their ports.
const PORTS: ConsolePorts = ConsolePorts {
    input: console::INPUT,
    output: console::OUTPUT,
    error: console::ERROR,
};

/// Moves the streams to the first virtio console. A machine without one keeps them on the I/O
/// ports.
#[unsafe(no_mangle)]
extern "C" fn init_console(wiring: &mut Wiring) {
    let Some(device) = wiring.take_device(DeviceType::Console) else {
        return;
    };
    let memory_length = VirtioConsole::<virtio::MmioDevice>::dma_length();
    let driver = device.drive(memory_length, |device, memory, interrupt| {
        VirtioConsole::new(device, memory, interrupt, PORTS)
    });
    if let Some(driver) = driver {
        wiring.host.attach_console(Box::new(driver));
    }
}
