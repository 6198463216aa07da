//! The contract of `hypercall`, held by a process: the host, the devices, and what is at their far
//! ends.

mod support;

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hypercall::contract::block_device::BlockFixture;
use hypercall::contract::frame_device::FrameFixture;
use hypercall::contract::host::HostFixture;
use hypercall::contract::{self, Case};
use hypercall::{BlockDevice, FrameDevice, Host, HostRequest, Stream, Wake};
use platform_linux::{
    FileDisk, FileDiskOptions, LinuxHost, LinuxWaker, Tap, TapOptions, UnixWire, UnixWireOptions,
};

/// Runs a table, prints the report, and fails unless every clause held but those `not_tried`.
fn assert_held<F: ?Sized>(title: &str, cases: &[Case<F>], fixture: &mut F, not_tried: &[&str]) {
    let mut report = String::new();
    let summary = contract::run_and_write(title, cases, fixture, &mut report);
    println!("{report}");
    assert_eq!(summary.expect("strings grow").violated, 0, "{report}");
    let skipped: Vec<_> = report
        .lines()
        .filter_map(|line| line.strip_prefix("not tried "))
        .collect();
    assert_eq!(skipped, not_tried);
}

/// The host's wait, `limit` at most. Returns how long it took.
fn wait(host: &mut LinuxHost, limit: Duration) -> Duration {
    let start = host.monotonic();
    host.wait(Some(start + limit));
    host.monotonic().saturating_since(start)
}

/// A host on pipes, and somebody who types and reads at their far ends.
struct Piped {
    host: LinuxHost,
    typist: Option<io::PipeWriter>,
    output: Arc<Mutex<Vec<u8>>>,
    error: Arc<Mutex<Vec<u8>>>,
}

impl Piped {
    fn new() -> Self {
        let (input, typist) = io::pipe().expect("a pipe");
        let (output, output_end) = collected();
        let (error, error_end) = collected();
        let mut host =
            LinuxHost::with_console(input.into(), output_end, error_end).expect("descriptors");
        host.take_requests().expect("no other host has them");
        Self {
            host,
            typist: Some(typist),
            output,
            error,
        }
    }
}

/// A pipe whose bytes a thread collects.
fn collected() -> (Arc<Mutex<Vec<u8>>>, OwnedFd) {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let collected = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&collected);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            sink.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(&buffer[..count]);
        }
    });
    (collected, writer.into())
}

impl HostFixture for Piped {
    type Host = LinuxHost;

    fn host(&mut self) -> &mut LinuxHost {
        &mut self.host
    }

    fn wake_later(&mut self, waker: LinuxWaker, delay: Duration) -> bool {
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            waker.wake();
        });
        true
    }

    fn type_input(&mut self, bytes: &[u8]) -> bool {
        let typed = self.typist.as_mut().map(|typist| typist.write_all(bytes));
        typed.is_some_and(|typed| typed.is_ok())
    }

    fn end_input(&mut self) -> bool {
        self.typist = None;
        true
    }

    fn arrived(&mut self, stream: Stream) -> Option<Vec<u8>> {
        let collected = match stream {
            Stream::Output => &self.output,
            Stream::Error => &self.error,
            Stream::Input => return None,
        };
        // What is on its way through the pipe arrives as soon as the reading thread runs.
        std::thread::sleep(Duration::from_millis(50));
        Some(
            collected
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    fn ask(&mut self, request: HostRequest) -> bool {
        let signal = match request {
            HostRequest::Interrupt => libc::SIGINT,
            HostRequest::Terminate => libc::SIGTERM,
        };
        // SAFETY: the host has taken these signals, so they do not end the process.
        unsafe { libc::raise(signal) == 0 }
    }
}

#[test]
fn the_host() {
    assert_held("host", &contract::host::cases(), &mut Piped::new(), &[]);
}

/// A disk in a file.
struct Disk {
    host: LinuxHost,
    disk: FileDisk,
}

impl Disk {
    fn new(read_only: bool) -> Self {
        let file = tempfile::tempfile().expect("a place for files");
        file.set_len(64 * 512).expect("room");
        let options = FileDiskOptions {
            read_only,
            ..FileDiskOptions::default()
        };
        let disk = FileDisk::new(file, options).expect("whole blocks");
        let mut host = LinuxHost::new().expect("descriptors");
        host.attach(disk.readiness());
        Self { host, disk }
    }
}

impl BlockFixture for Disk {
    type Device = dyn BlockDevice;

    fn device(&mut self) -> &mut (dyn BlockDevice + 'static) {
        &mut self.disk
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        wait(&mut self.host, limit)
    }
}

/// What needs a read-only disk, one without discards, or power that can be cut.
const NOT_TRIED_WHEN_WRITABLE: &[&str] = &[
    "flush-survives-a-power-cut",
    "read-only-refuses-writes",
    "read-only-refuses-discards",
    "discard-not-understood",
];

/// What writes.
const NOT_TRIED_WHEN_READ_ONLY: &[&str] = &[
    "read-gives-what-was-written",
    "write-spares-the-neighbours",
    "write-reaches-the-last-block",
    "discard-spares-the-neighbours",
    "flush-survives-a-power-cut",
    "write-out-of-range",
    "discard-out-of-range",
    "discard-not-understood",
    "completion-brings-the-request",
];

#[test]
fn a_disk_in_a_file() {
    let cases = contract::block_device::cases();
    assert_held(
        "disk",
        &cases,
        &mut Disk::new(false),
        NOT_TRIED_WHEN_WRITABLE,
    );
}

#[test]
fn a_disk_in_a_file_that_is_read_only() {
    let cases = contract::block_device::cases();
    assert_held(
        "read-only disk",
        &cases,
        &mut Disk::new(true),
        NOT_TRIED_WHEN_READ_ONLY,
    );
}

/// A wire between two ends, the far one in the hands of a thread.
struct Wired {
    host: LinuxHost,
    wire: UnixWire,
}

impl Wired {
    fn new() -> Self {
        let (wire, far_end) = UnixWire::pair(UnixWireOptions::default()).expect("sockets");
        std::thread::spawn(move || echo_until_hang_up(far_end));
        let mut host = LinuxHost::new().expect("descriptors");
        host.attach(wire.readiness());
        Self { host, wire }
    }
}

fn echo_until_hang_up(mut wire: UnixWire) {
    let mut host = LinuxHost::new().expect("descriptors");
    host.attach(wire.readiness());
    while wire.link() != hypercall::LinkState::Failed {
        contract::frame_device::echo(&mut wire);
        host.wait(None);
    }
}

impl FrameFixture for Wired {
    type Device = dyn FrameDevice;

    fn device(&mut self) -> &mut (dyn FrameDevice + 'static) {
        &mut self.wire
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        wait(&mut self.host, limit)
    }
}

#[test]
fn a_wire() {
    assert_held(
        "wire",
        &contract::frame_device::cases(),
        &mut Wired::new(),
        &[],
    );
}

/// A TAP device, whose far end is the kernel's interface.
struct Tapped {
    host: LinuxHost,
    tap: Tap,
}

impl FrameFixture for Tapped {
    type Device = dyn FrameDevice;

    fn device(&mut self) -> &mut (dyn FrameDevice + 'static) {
        &mut self.tap
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        wait(&mut self.host, limit)
    }
}

#[test]
fn a_tap() {
    support::in_network_namespace(|| {
        let tap = Tap::open("contract", TapOptions::default()).expect("root may");
        let interface = support::Interface::named(&tap.name());
        interface.set_up(true);
        support::echo(&interface);
        let mut host = LinuxHost::new().expect("descriptors");
        host.attach(tap.readiness());
        let mut fixture = Tapped { host, tap };
        assert_held("tap", &contract::frame_device::cases(), &mut fixture, &[]);
        assert_eq!(fixture.tap.lost(), 0);
    });
}
