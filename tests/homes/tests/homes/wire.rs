//! The far end of a machine's wire: a socket at which every frame turns round.

use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hypercall::contract::frame_device::echo;
use hypercall::{FrameDevice, Host, LinkState};
use platform_linux::{LinuxHost, UnixWire, UnixWireOptions};
use tempfile::TempDir;

/// How long the other end may stay away, or silent.
const PATIENCE: Duration = test_homes::LIMIT;
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A socket on which a machine is awaited, whose frames are returned until it ends.
pub struct EchoingWire {
    folder: TempDir,
    thread: JoinHandle<()>,
}

impl EchoingWire {
    /// Listens on a socket of its own.
    pub fn listen() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let listener = UnixListener::bind(path(&folder)).expect("a new socket");
        let thread = std::thread::spawn(move || echo_until_hang_up(accept(&listener)));
        Self { folder, thread }
    }

    /// What `--net` is to be.
    pub fn option(&self) -> String {
        format!("unix={}", path(&self.folder).display())
    }

    /// Returns when the machine has gone; the far end must not have failed.
    pub fn hang_up(self) {
        self.thread.join().expect("the far end has served");
    }
}

fn path(folder: &TempDir) -> std::path::PathBuf {
    // A comma has a meaning of its own in QEMU's options.
    folder.path().join("a,wire")
}

fn accept(listener: &UnixListener) -> UnixWire {
    listener.set_nonblocking(true).expect("a socket");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok((stream, _)) = listener.accept() {
            return UnixWire::new(stream, UnixWireOptions::default()).expect("entropy");
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    panic!("no machine came");
}

fn echo_until_hang_up(mut wire: UnixWire) {
    let mut host = LinuxHost::new().expect("descriptors");
    host.attach(wire.readiness());
    let deadline = host.monotonic() + PATIENCE;
    loop {
        echo(&mut wire);
        // Only looking for frames tells that the other end has gone.
        if wire.link() == LinkState::Failed {
            return;
        }
        assert!(host.monotonic() < deadline, "the machine does not hang up");
        host.wait(Some(deadline));
    }
}
