//! The kernel of one program, as a value: what it owns.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use block::Disk;
use fs::{Permissions, Place, Vfs};
use hypercall::{Host, Instant};
use net::Network;

use crate::Errno;
use crate::console::Console;
use crate::description::Description;
use crate::descriptor::DescriptorTable;
use crate::epoll::Epoll;
use crate::event_counter::EventCounter;
use crate::pipe::Pipe;
use crate::signal::Signals;
use crate::slab::Slab;
use crate::socket::SocketTable;
use crate::timer_descriptor::Timers;

/// POSIX for one program: its descriptors and files, sockets, timers and signals.
///
/// It runs as the superuser.
///
/// The methods are POSIX's functions under POSIX's names. None of them blocks: one that may have
/// to wait returns a [`Step`](crate::Step), and [`block_on`](crate::block_on) does the waiting.
/// They see the time at which the kernel was last entered ([`Kernel::enter`]).
pub struct Kernel<H: Host> {
    pub(crate) host: H,
    pub(crate) vfs: Vfs,
    pub(crate) network: Option<Box<dyn Network>>,
    pub(crate) disks: Vec<Box<dyn Disk>>,
    pub(crate) clock: Clock,
    pub(crate) descriptors: DescriptorTable,
    pub(crate) descriptions: Slab<Description>,
    pub(crate) console: Console,
    pub(crate) pipes: Slab<Pipe>,
    pub(crate) epolls: Slab<Epoll>,
    pub(crate) event_counters: Slab<EventCounter>,
    pub(crate) timers: Timers,
    pub(crate) sockets: SocketTable,
    pub(crate) signals: Signals,
    pub(crate) working_directory: Place,
    pub(crate) umask: Permissions,
}

/// The time as everything inside the kernel sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// When the kernel was last entered, or woke from its last wait.
    pub(crate) now: Instant,
    /// What the wall clock showed when it was last looked at, and when that was.
    pub(crate) wall_read: (Duration, Option<Instant>),
    /// When the operation going on began: what timeouts are counted from.
    pub(crate) began: Instant,
    /// Devices and timers have been looked at since then.
    pub(crate) progressed: bool,
    /// When that was done last.
    pub(crate) progressed_at: Instant,
}

impl Clock {
    /// The time [now](Self::now) since 1970.
    pub(crate) fn wall(&self) -> Duration {
        let (shown, at) = self.wall_read;
        shown + at.map_or(Duration::ZERO, |at| self.now.saturating_since(at))
    }
}

impl<H: Host> Kernel<H> {
    /// A kernel whose files are `vfs`, with the host's console as descriptors 0, 1 and 2.
    /// Without a network, `socket` knows no address family but AF_UNIX.
    pub fn new(host: H, vfs: Vfs, network: Option<Box<dyn Network>>) -> Result<Self, Errno> {
        let working_directory = vfs.root();
        let mut kernel = Self {
            host,
            vfs,
            network,
            disks: Vec::new(),
            clock: Clock::default(),
            descriptors: DescriptorTable::new(),
            descriptions: Slab::new(),
            console: Console::new(),
            pipes: Slab::new(),
            epolls: Slab::new(),
            event_counters: Slab::new(),
            timers: Timers::new(),
            sockets: SocketTable::new(),
            signals: Signals::new(),
            working_directory,
            umask: Permissions::from_bits_truncate(0o022),
        };
        kernel.start_clocks();
        kernel.open_standard_descriptors()?;
        Ok(kernel)
    }

    /// The host.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The files, for whoever mounts.
    pub fn vfs(&mut self) -> &mut Vfs {
        &mut self.vfs
    }

    /// Adds a disk: the next of those that `/dev` names in their order.
    pub fn attach_disk(&mut self, disk: Box<dyn Disk>) {
        self.disks.push(disk);
    }

    /// The program's signals.
    pub fn signals(&mut self) -> &mut Signals {
        &mut self.signals
    }

    /// Sets which permissions new files do not get, and returns what was set before.
    pub fn umask(&mut self, mask: Permissions) -> Permissions {
        let mask = mask & Permissions::from_bits_truncate(0o777);
        core::mem::replace(&mut self.umask, mask)
    }

    /// The monotonic time when the kernel was last entered.
    pub const fn monotonic(&self) -> Instant {
        self.clock.now
    }

    /// The wall-clock time when the kernel was last entered, since 1970-01-01 00:00 UTC.
    pub fn wall_clock(&self) -> Duration {
        self.clock.wall()
    }

    /// When an operation that began now and may last `timeout` must end; `None`, never.
    pub fn deadline(&self, timeout: Option<Duration>) -> Option<Instant> {
        timeout.map(|timeout| self.clock.began + timeout)
    }
}
