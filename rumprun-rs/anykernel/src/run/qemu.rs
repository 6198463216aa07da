//! The one QEMU command line.
//!
//! - `microvm` with `acpi=on`: one machine for our images and for an ordinary Linux kernel, which
//!   finds its devices in the ACPI tables. QEMU then does not write `virtio_mmio.device=` words
//!   itself, so `run` does, and only for transports that have a device.
//! - `pit=on`: a clock of known frequency to fit the time stamp counter to. `pic=off`: interrupts
//!   come through the I/O APICs alone. `rtc=on`: the calendar.
//! - `virtio-mmio.force-legacy=false`: virtio 1, and nothing older.
//! - `-nodefaults -no-user-config`: nothing that this file does not name.
//! - `-no-reboot`: a reset, which is how a lost kernel ends, ends the machine.
//! - Four `isa-debugcon` ports carry standard output, standard error, the exit status and the state
//!   of code that failed, and the serial port standard input and requests (crate `protocol`). Their
//!   other ends are handed down as open descriptors: the first four are pipes, which take what a
//!   slow reader has not read yet, and never lose a byte.
//! - `virtio-serial-device` for images that drive it: the three streams, faster.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use protocol::MmioDevice;
use protocol::ports::{self, console};

use super::accelerator::Accelerator;
use super::disk::Disk;
use super::forward::{Forward, Transport};
use super::memory::MemorySize;
use super::network::{Backend, Network, first_address};

/// The name under which distributions install it.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// One of the machine's virtio-mmio transports, to which a device is pinned.
///
/// There are 24, each of 512 bytes, with the inputs of the second I/O APIC in order (QEMU,
/// hw/i386/microvm.c). QEMU itself fills them from the last; and the first one's interrupt would
/// come in at another input, as QEMU takes it for the timer's (hw/intc/ioapic.c).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(u8);

impl Slot {
    /// The network device's.
    pub const NETWORK: Self = Self(23);
    /// The console's.
    pub const CONSOLE: Self = Self(22);
    /// The entropy device's.
    pub const ENTROPY: Self = Self(21);
    /// The first disk's. The others' come before it, down to the second transport.
    const FIRST_DISK: u8 = 20;
    /// How many disks there can be.
    pub const DISKS: usize = Self::FIRST_DISK as usize;

    /// That of disk `number`, below [`DISKS`](Self::DISKS).
    pub const fn disk(number: usize) -> Self {
        Self(Self::FIRST_DISK - number as u8)
    }

    /// Where it is.
    pub const fn device(self) -> MmioDevice {
        MmioDevice {
            size: 512,
            address: 0xfeb0_0000 + 512 * self.0 as u64,
            interrupt: 24 + self.0 as u32,
        }
    }

    /// The property of a device that pins it there.
    fn bus(self) -> String {
        format!("bus=virtio-mmio-bus.{}", self.0)
    }
}

/// A machine to start.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The image.
    pub image: &'a Path,
    /// The kernel command line.
    pub words: &'a str,
    /// Its memory.
    pub memory: MemorySize,
    /// What executes it.
    pub accelerator: Accelerator,
    /// Its network.
    pub network: Option<&'a Network>,
    /// Whether it has a virtio console.
    pub has_console: bool,
    /// Its disks, of which there is a [`Slot`] for each.
    pub disks: &'a [Disk],
    /// Whether it has an entropy device.
    pub has_entropy: bool,
}

/// QEMU's ends of the channels, as it inherits them.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    /// Pipe of standard output.
    pub output: RawFd,
    /// Pipe of standard error.
    pub error: RawFd,
    /// Pipe of the exit status.
    pub status: RawFd,
    /// Pipe of what is handed over of code that failed.
    pub failure: RawFd,
    /// Socket of the serial port.
    pub control: RawFd,
    /// Socket of standard input, for a machine that has a virtio console.
    pub input: Option<RawFd>,
}

impl Machine<'_> {
    /// QEMU's arguments.
    pub fn arguments(&self, channels: Channels) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut add = |option: &str, value: OsString| arguments.extend([option.into(), value]);
        add("-M", "microvm,acpi=on,pit=on,pic=off,rtc=on".into());
        add("-cpu", self.processor().into());
        add("-accel", self.accelerator.name().into());
        add("-m", format!("{}B", self.memory.bytes()).into());
        add("-display", "none".into());
        add("-global", "virtio-mmio.force-legacy=false".into());
        add("-kernel", self.image.into());
        add("-append", self.words.into());
        let pipes = [
            (channels.output, ports::STANDARD_OUTPUT),
            (channels.error, ports::STANDARD_ERROR),
            (channels.status, ports::EXIT_STATUS),
            (channels.failure, ports::FAILURE),
        ];
        for (set, (descriptor, port)) in pipes.into_iter().enumerate() {
            add("-add-fd", format!("fd={descriptor},set={set}").into());
            add(
                "-chardev",
                format!("file,id=port{set},path=/dev/fdset/{set},append=on").into(),
            );
            add(
                "-device",
                format!("isa-debugcon,iobase={port:#x},chardev=port{set}").into(),
            );
        }
        add(
            "-chardev",
            format!("socket,id=control,fd={}", channels.control).into(),
        );
        add("-serial", "chardev:control".into());
        if let Some(input) = channels.input {
            console_options(input, &mut add);
        }
        if let Some(network) = self.network {
            add("-netdev", network.option().into());
            add("-device", network.device().into());
        }
        for (number, disk) in self.disks.iter().enumerate() {
            add("-blockdev", disk.option(number));
            let bus = Slot::disk(number).bus();
            add(
                "-device",
                format!("virtio-blk-device,drive=disk{number},{bus}").into(),
            );
        }
        if self.has_entropy {
            add(
                "-object",
                "rng-random,id=entropy,filename=/dev/urandom".into(),
            );
            let bus = Slot::ENTROPY.bus();
            add(
                "-device",
                format!("virtio-rng-device,rng=entropy,{bus}").into(),
            );
        }
        arguments.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from));
        arguments
    }

    fn processor(&self) -> &'static str {
        match self.accelerator {
            Accelerator::Kvm => "host",
            Accelerator::KvmWithoutCapabilities => "host,-arch-capabilities",
            Accelerator::Tcg => "max",
        }
    }
}

/// The virtio console. Its outputs are the debug ports' pipes, so what is written early comes out
/// first.
fn console_options(input: RawFd, add: &mut impl FnMut(&str, OsString)) {
    let bus = Slot::CONSOLE.bus();
    add(
        "-device",
        format!("virtio-serial-device,id=console,max_ports=4,{bus}").into(),
    );
    let pipe = |set| format!("file,path=/dev/fdset/{set},append=on");
    let streams = [
        (console::INPUT, format!("socket,fd={input}")),
        (console::OUTPUT, pipe(0)),
        (console::ERROR, pipe(1)),
    ];
    for (number, channel) in streams {
        add("-chardev", format!("{channel},id=stream{number}").into());
        add(
            "-device",
            format!("virtserialport,bus=console.0,nr={number},chardev=stream{number}").into(),
        );
    }
}

impl Accelerator {
    fn name(self) -> &'static str {
        match self {
            Self::Kvm | Self::KvmWithoutCapabilities => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl Disk {
    /// The value of `-blockdev` for disk `number`: the file's bytes as they are. QEMU writes to the
    /// host's cache and tells the guest that there is one (the defaults of `-blockdev`), so that a
    /// flush, and nothing less, is an `fdatasync` of the file. Discards make holes in it.
    fn option(&self, number: usize) -> OsString {
        let access = if self.read_only {
            "read-only=on"
        } else {
            "discard=unmap"
        };
        let driver = if self.is_block_device() {
            "host_device"
        } else {
            "file"
        };
        let mut option = OsString::from(format!(
            "driver=raw,node-name=disk{number},{access},file.driver={driver},file.filename="
        ));
        // A comma ends a value unless there are two.
        let path = self.path.as_os_str().as_bytes();
        let path = path.split_inclusive(|&byte| byte == b',');
        for piece in path {
            option.push(OsStr::from_bytes(piece));
            if piece.ends_with(b",") {
                option.push(",");
            }
        }
        option
    }
}

impl Network {
    /// The value of `-netdev`.
    fn option(&self) -> String {
        match &self.backend {
            Backend::Tap(name) => {
                let name = name.replace(',', ",,");
                format!("tap,id=net0,ifname={name},script=no,downscript=no")
            }
            Backend::Unix(_) => {
                let wire = self.wire.as_ref().map_or(-1, AsRawFd::as_raw_fd);
                format!("stream,id=net0,server=off,addr.type=fd,addr.str={wire}")
            }
            Backend::User | Backend::None => self.user_option(),
        }
    }

    /// The value of `-device`.
    fn device(&self) -> String {
        let mut device = format!("virtio-net-device,netdev=net0,{}", Slot::NETWORK.bus());
        if let Some(mac) = self.mac {
            device += &format!(",mac={mac}");
        }
        device
    }

    /// The user network, laid around the guest's address.
    fn user_option(&self) -> String {
        let (network, length) = (first_address(self.address), self.address.prefix_length);
        let mut option = format!("user,id=net0,ipv6=off,net={network}/{length}");
        if let Some(gateway) = self.gateway {
            option += &format!(",host={gateway}");
        }
        for Forward {
            transport,
            host_address,
            host_port,
            guest_port,
        } in &self.forwards
        {
            let transport = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            let guest = self.address.address;
            option +=
                &format!(",hostfwd={transport}:{host_address}:{host_port}-{guest}:{guest_port}");
        }
        option
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::options::MachineOptions;

    #[test]
    fn forwards_lead_to_the_guests_address() {
        let options = "ports = ['8080:80', '127.0.0.1:53:53/udp']";
        let options: MachineOptions = toml::from_str(options).unwrap();
        let network = Network::plan(&options, true).unwrap().unwrap();
        assert_eq!(
            network.option(),
            "user,id=net0,ipv6=off,net=10.0.2.0/24,host=10.0.2.2,\
             hostfwd=tcp:0.0.0.0:8080-10.0.2.15:80,hostfwd=udp:127.0.0.1:53-10.0.2.15:53"
        );
    }

    #[test]
    fn a_disk_is_a_file_as_it_is() {
        let disk = |text: &str| text.parse::<Disk>().unwrap();
        assert_eq!(
            disk("a,b,readonly").option(3),
            "driver=raw,node-name=disk3,read-only=on,file.driver=file,file.filename=a,,b"
        );
        assert_eq!(
            disk("/dir/disk").option(0),
            "driver=raw,node-name=disk0,discard=unmap,file.driver=file,file.filename=/dir/disk"
        );
    }

    #[test]
    fn no_two_devices_share_a_transport() {
        let disks = (0..Slot::DISKS).map(Slot::disk);
        let slots: Vec<_> = disks.chain([Slot::NETWORK, Slot::ENTROPY]).collect();
        let distinct: std::collections::BTreeSet<_> = slots.iter().map(|slot| slot.0).collect();
        assert_eq!(distinct.len(), slots.len());
        assert!(!distinct.contains(&0));
        assert_eq!(Slot::NETWORK.device().address, 0xfeb0_2e00);
        assert_eq!(Slot::NETWORK.device().interrupt, 47);
    }

    #[test]
    fn the_machine_runs_on_what_was_chosen() {
        let machine = |accelerator| Machine {
            image: Path::new("image"),
            words: "",
            memory: "1.5M".parse().unwrap(),
            accelerator,
            network: None,
            has_console: false,
            disks: &[],
            has_entropy: false,
        };
        let channels = Channels {
            output: 3,
            error: 4,
            status: 5,
            failure: 6,
            control: 7,
            input: None,
        };
        let has = |accelerator, option: [&str; 2]| {
            machine(accelerator)
                .arguments(channels)
                .windows(2)
                .any(|pair| pair == option)
        };
        assert!(has(Accelerator::Tcg, ["-cpu", "max"]));
        assert!(has(Accelerator::Kvm, ["-accel", "kvm"]));
        assert!(has(
            Accelerator::KvmWithoutCapabilities,
            ["-cpu", "host,-arch-capabilities"]
        ));
        assert!(has(Accelerator::Tcg, ["-m", "1572864B"]));
    }
}
