//! The contract suite as a component: a booted machine says whether it keeps what it promises.

use alloc::string::String;
use core::time::Duration;

use embedded_io::Write as _;
use hypercall::contract::{self, block_device, frame_device, host, program_host};
use hypercall::{ConsoleWriter, FrameDevice, Host, Stream};
use platform_kvm::{KvmHost, KvmProgramHost};
use protocol::staging;

use crate::wiring::{Disk, Wiring};

mod staged_host;

use staged_host::StagedHost;

struct ProgramHostUnderTest<'a>(&'a mut KvmProgramHost);

impl program_host::ProgramFixture for ProgramHostUnderTest<'_> {
    type Host = KvmProgramHost;

    fn host(&mut self) -> &mut KvmProgramHost {
        self.0
    }

    fn thread_pointer(&mut self) -> Option<u64> {
        Some(self.0.thread_pointer())
    }
}

/// A network device whose far end returns every frame, which whoever runs the image sees to.
struct EchoWire<'a> {
    device: &'a mut dyn FrameDevice,
    host: &'a mut KvmHost,
}

impl<'a> frame_device::FrameFixture for EchoWire<'a> {
    type Device = dyn FrameDevice + 'a;

    fn device(&mut self) -> &mut Self::Device {
        self.device
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        wait(self.host, limit)
    }
}

/// A disk that nobody else uses, to be overwritten.
struct DiskUnderTest<'a> {
    disk: Disk,
    host: &'a mut KvmHost,
}

impl block_device::BlockFixture for DiskUnderTest<'_> {
    type Device = Disk;

    fn device(&mut self) -> &mut Disk {
        &mut self.disk
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        wait(self.host, limit)
    }
}

/// Waits for `limit` at most, and says how long it was.
fn wait(host: &mut KvmHost, limit: Duration) -> Duration {
    let start = host.monotonic();
    host.wait(Some(start + limit));
    host.monotonic().saturating_since(start)
}

/// Runs the suite of every trait that this machine implements, before the program starts, and
/// reports case by case on standard output. Devices that no component has taken are the suite's: a
/// network device's wire must return every frame with its addresses exchanged, and what disks hold
/// is lost. What the machine cannot
/// do by itself is done by whoever runs it, where the environment says that somebody does
/// ([`staging`]).
#[unsafe(no_mangle)]
extern "C" fn init_contract(wiring: &mut Wiring) {
    let is_staged = wiring
        .settings
        .environment()
        .any(|entry| entry == staging::ANNOUNCED);
    let mut staged_host = StagedHost {
        host: &mut wiring.host,
        is_staged,
    };
    let mut text = String::new();
    // A string takes everything that is written to it.
    let _ = contract::run_and_write("host", &host::cases(), &mut staged_host, &mut text);
    let _ = contract::run_and_write(
        "program host",
        &program_host::cases(),
        &mut ProgramHostUnderTest(&mut wiring.program_host),
        &mut text,
    );
    if let Some(mut device) = wiring.take_network_device() {
        let host = &mut wiring.host;
        let device = &mut device;
        let mut wire = EchoWire { device, host };
        let _ =
            contract::run_and_write("frame device", &frame_device::cases(), &mut wire, &mut text);
    }
    while let Some(disk) = wiring.take_disk() {
        let host = &mut wiring.host;
        let mut disk = DiskUnderTest { disk, host };
        let _ =
            contract::run_and_write("block device", &block_device::cases(), &mut disk, &mut text);
    }
    // The console takes bytes as long as the machine runs.
    let _ = ConsoleWriter::new(&mut wiring.host, Stream::Output).write_all(text.as_bytes());
}
