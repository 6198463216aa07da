//! The one place that names both the components and the machine.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::convert::Infallible;

use fs::{RamFs, SyntheticFs, TarFs, Vfs};
use hypercall::{Host, ProgramHost, ProgramRange, Registers};
use linux_abi::{
    CallTable, Exception, Handler, ImageSegment, Program, ProgramImage, Strings, TABLE_LENGTH,
};
use net::{Config, Network, Stack};
use platform_kvm::{KernelHeap, KvmHost, KvmProgramHost, Machine, ProgramKernel, StartError};
use posix::Kernel;
use protocol::{ImagePart, Settings};
use virtio::{DeviceType, VirtioNet, VirtioNetOptions};

use crate::table::{Image, LinkedCall};

mod console;
mod devices;
mod disks;
mod entropy;

pub(crate) use disks::Disk;

use devices::FoundDevice;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// A program on this machine.
pub(crate) type ImageProgram = Program<KvmHost, KvmProgramHost>;
/// What does one of its system calls.
pub(crate) type ImageHandler = Handler<KvmHost, KvmProgramHost>;

/// What the chosen components build on and add to, one after the other.
pub struct Wiring {
    pub(crate) host: KvmHost,
    pub(crate) program_host: KvmProgramHost,
    pub(crate) settings: Settings<'static>,
    root_archive: &'static [u8],
    /// The devices without a driver, once somebody has asked.
    devices: Option<Vec<FoundDevice>>,
    files: Vfs,
    network: Option<Box<dyn Network>>,
    disks: Vec<Box<dyn block::Disk>>,
}

/// Why an image does not come up.
enum Failure {
    NoTable,
    Machine(StartError),
    Kernel,
    Program(linux_abi::StartError),
}

/// The boot code calls it on the kernel stack, in long mode, interrupts off.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(start_info: u64) -> ! {
    let Err(failure) = boot(start_info);
    platform_kvm::emergency_write(b"anykernel: ");
    platform_kvm::emergency_write(failure.message().as_bytes());
    platform_kvm::emergency_write(b"\n");
    platform_kvm::emergency_exit(FAILURE_STATUS)
}

/// What a shell reports of a command that cannot be run.
const FAILURE_STATUS: u8 = 126;

/// Returns only if there is nothing to run.
fn boot(start_info: u64) -> Result<Infallible, Failure> {
    let image = Image::find().ok_or(Failure::NoTable)?;
    // SAFETY: the boot code passes what the loader passed, once; the parts are all that `bake` put
    // beside the kernel.
    let machine = unsafe { platform_kvm::start(start_info, image.parts, image.words) };
    let Machine {
        host,
        program_host,
        settings,
    } = machine.map_err(Failure::Machine)?;

    let mut wiring = Wiring {
        host,
        program_host,
        settings,
        root_archive: image.root,
        devices: None,
        files: Vfs::new(Box::new(SyntheticFs::new(core::time::Duration::ZERO))),
        network: None,
        disks: Vec::new(),
    };
    for init in image.inits {
        init(&mut wiring);
    }

    let Wiring {
        host,
        program_host,
        settings,
        files,
        network,
        disks,
        ..
    } = wiring;
    let mut kernel = Kernel::new(host, files, network).map_err(|_| Failure::Kernel)?;
    for disk in disks {
        kernel.attach_disk(disk);
    }
    let arguments = decoded(&mut settings.arguments());
    let environment = decoded(&mut settings.environment());
    let (program, registers) = Program::new(
        kernel,
        program_host,
        call_table(image.calls),
        program_image(&image),
        &arguments,
        &environment,
    )
    .map_err(Failure::Program)?;
    let program = Box::leak(Box::new(ProgramEntries(program)));
    platform_kvm::run_program(program, &registers)
}

/// The strings that percent-encoded `words` stand for.
fn decoded(words: &mut dyn Iterator<Item = &'static str>) -> Strings {
    let mut strings = Strings::new();
    for word in words {
        strings.push(protocol::decode(word));
    }
    strings
}

/// The calls that were linked, by number.
fn call_table(linked: &[LinkedCall]) -> Box<CallTable<KvmHost, KvmProgramHost>> {
    let mut table = Box::new([None; TABLE_LENGTH]);
    for call in linked {
        if let Some(place) = table.get_mut(call.number as usize) {
            *place = Some(call.handler);
        }
    }
    table
}

/// The program as `bake` has placed it.
fn program_image(image: &Image) -> ProgramImage<impl Iterator<Item = ImageSegment>> {
    ProgramImage {
        entry: image.table.program_entry,
        program_headers: image.table.program_headers,
        program_header_count: image.table.program_header_count,
        segments: image.program_parts().iter().filter_map(segment),
    }
}

/// A part of the program as its memory map notes it. `bake` writes no part that is none.
fn segment(part: &ImagePart) -> Option<ImageSegment> {
    Some(ImageSegment {
        range: ProgramRange::new(part.start, part.end - part.start)?,
        protection: platform_kvm::protection(part),
    })
}

/// Puts the root folder at `/`.
#[unsafe(no_mangle)]
extern "C" fn init_tarfs(wiring: &mut Wiring) {
    match TarFs::new(wiring.root_archive) {
        Ok(root) => wiring.files = Vfs::new(Box::new(root)),
        Err(_) => platform_kvm::emergency_write(b"anykernel: the root folder is damaged\n"),
    }
}

/// Puts an empty writable directory at `/tmp`, which may take half of the memory that is free.
#[unsafe(no_mangle)]
extern "C" fn init_ramfs(wiring: &mut Wiring) {
    let (_, free) = wiring.program_host.memory();
    let files = RamFs::new(free / 2, wiring.host.wall_clock());
    wiring.mount(b"/tmp", Box::new(files));
}

/// Puts the devices at `/dev`, the disks among them.
#[unsafe(no_mangle)]
extern "C" fn init_devfs(wiring: &mut Wiring) {
    let now = wiring.host.wall_clock();
    let devices = fs::devices(now, wiring.disks.len());
    wiring.mount(b"/dev", Box::new(devices));
}

/// Supplies the files that programs look up, where the root folder has none.
#[unsafe(no_mangle)]
extern "C" fn init_procfs(wiring: &mut Wiring) {
    const DEFAULTS: [(&[u8], &[u8]); 7] = [
        (b"/etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"),
        (b"/etc/group", b"root:x:0:\n"),
        (b"/etc/hosts", b"127.0.0.1 localhost\n"),
        (b"/etc/resolv.conf", b"nameserver 10.0.2.3\n"),
        (b"/proc/sys/net/core/somaxconn", b"4096\n"),
        (b"/proc/sys/vm/overcommit_memory", b"0\n"),
        (
            b"/sys/kernel/mm/transparent_hugepage/enabled",
            b"always madvise [never]\n",
        ),
    ];
    let now = wiring.host.wall_clock();
    for (path, content) in DEFAULTS {
        // A name that is there already, or that cannot be, is the root folder's choice.
        let _ = wiring.files.supply(path, content, now);
    }
}

/// Starts TCP/IP on the first virtio network device, at the address that the command line gives.
/// A machine without either has no network.
#[unsafe(no_mangle)]
extern "C" fn init_net(wiring: &mut Wiring) {
    let Some(address) = wiring.settings.address() else {
        return;
    };
    let Some(device) = wiring.take_network_device() else {
        return;
    };
    let mut seed = [0; 8];
    // Without entropy the clock is all there is to tell one boot from another.
    if wiring.host.fill_entropy(&mut seed).is_err() {
        seed = wiring.host.wall_clock().as_nanos().to_le_bytes()[..8]
            .try_into()
            .unwrap_or(seed);
    }
    let mut config = Config::new(
        address.address,
        address.prefix_length,
        u64::from_le_bytes(seed),
    );
    config.gateway = wiring.settings.gateway();
    let (_, free) = wiring.program_host.memory();
    config.buffer_memory = (free / 4) as usize;
    let now = wiring.host.monotonic();
    wiring.network = Some(Box::new(Stack::new(config, Box::new(device), now)));
}

impl Wiring {
    /// The driver of the first network device, unless TCP/IP has it.
    pub(crate) fn take_network_device(&mut self) -> Option<VirtioNet<virtio::MmioDevice>> {
        let options = VirtioNetOptions::default();
        let memory_length = VirtioNet::<virtio::MmioDevice>::dma_length(&options);
        self.take_device(DeviceType::Network)?
            .drive(memory_length, |device, memory, interrupt| {
                VirtioNet::new(device, memory, interrupt, &options)
            })
    }

    fn mount(&mut self, path: &[u8], files: Box<dyn fs::FileSystem>) {
        if self.files.mount(path, files).is_err() {
            platform_kvm::emergency_write(b"anykernel: cannot mount ");
            platform_kvm::emergency_write(path);
            platform_kvm::emergency_write(b"\n");
        }
    }
}

/// The program's ways into the kernel, as the machine calls them.
struct ProgramEntries(ImageProgram);

impl ProgramEntries {
    /// Sees to it that the program is interrupted when it is to have a signal of a timer.
    fn arm_timers(&mut self) {
        if let Some(deadline) = self.0.kernel().signals().next_deadline() {
            platform_kvm::interrupt_by(deadline);
        }
    }
}

impl ProgramKernel for ProgramEntries {
    fn system_call(&mut self, registers: &mut Registers) {
        self.0.system_call(registers);
        self.arm_timers();
    }

    fn interrupted(&mut self, registers: &mut Registers) {
        self.0.interrupted(registers);
        self.arm_timers();
    }

    fn faulted(&mut self, registers: &mut Registers, vector: u8, error_code: u64, address: u64) {
        self.0.faulted(
            registers,
            Exception {
                vector,
                error_code,
                address,
            },
        );
    }
}

impl Failure {
    fn message(&self) -> &'static str {
        match self {
            Self::NoTable => "this kernel was not linked by bake",
            Self::Machine(StartError::NoStartInfo) => "the loader does not follow the PVH protocol",
            Self::Machine(StartError::TooLittleMemory) => {
                "too little memory for this image: give the machine more (-m)"
            }
            Self::Kernel => "out of memory for the kernel: give the machine more (-m)",
            Self::Program(linux_abi::StartError::NoPlace) => {
                "the program lies where its stack is to be"
            }
            Self::Program(linux_abi::StartError::TooLong) => {
                "the arguments and the environment are too long"
            }
            Self::Program(linux_abi::StartError::OutOfMemory) => {
                "out of memory for the program's stack: give the machine more (-m)"
            }
            Self::Program(linux_abi::StartError::NoEntropy) => {
                "the processor has no random numbers (RDRAND) for the program's start"
            }
        }
    }
}
