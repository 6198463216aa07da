//! The server: one thread, one epoll instance, many connections.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use fs::Permissions;
use posix::{
    EpollChange, EpollEvent, Errno, Fd, OpenFlags, OptionName, OptionValue, Readiness, SocketKind,
    WatchMode, block_on, call,
};
use userspace_harness::ProcessKernel;

use crate::connection::{Connection, Progress};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 512;
/// Events taken at a time.
const EVENTS: usize = 64;

pub struct Server {
    kernel: ProcessKernel,
    root: Fd,
    listener: Fd,
    epoll: Fd,
    connections: HashMap<Fd, Connection>,
    requests: u64,
}

impl Server {
    pub fn new(mut kernel: ProcessKernel, port: u16) -> Result<Self, Errno> {
        let kernel_ref = &mut kernel;
        let (root, listener, epoll) = call(kernel_ref, |kernel| {
            let flags = OpenFlags::DIRECTORY;
            let root = kernel.open(b"/", flags, Permissions::empty())?;
            let listener = listen_on(kernel, port)?;
            let epoll = kernel.epoll_create1(true)?;
            watch(kernel, epoll, listener, WatchMode::empty())?;
            Ok::<_, Errno>((root, listener, epoll))
        })?;
        Ok(Self {
            kernel,
            root,
            listener,
            epoll,
            connections: HashMap::new(),
            requests: 0,
        })
    }

    /// Serves until the process is asked to end. Returns how many requests there were.
    pub fn run(&mut self) -> Result<u64, Errno> {
        loop {
            let mut events = Vec::new();
            let epoll = self.epoll;
            let waited = block_on(&mut self.kernel, |kernel| {
                kernel.epoll_wait(epoll, EVENTS, None, &mut events)
            });
            match waited {
                Err(Errno::EINTR) => return Ok(self.requests),
                waited => waited?,
            };
            for event in events {
                let fd = descriptor(event.data)?;
                if fd == self.listener {
                    self.accept_all()?;
                } else {
                    self.serve(fd);
                }
            }
        }
    }

    fn accept_all(&mut self) -> Result<(), Errno> {
        let (listener, epoll) = (self.listener, self.epoll);
        loop {
            let accepted = block_on(&mut self.kernel, |kernel| {
                kernel.accept4(listener, OpenFlags::NONBLOCK)
            });
            let fd = match accepted {
                Err(Errno::EAGAIN) => return Ok(()),
                accepted => accepted?.0,
            };
            call(&mut self.kernel, |kernel| {
                kernel.setsockopt(fd, OptionName::NoDelay, OptionValue::Number(1))?;
                watch(kernel, epoll, fd, WatchMode::EDGE)
            })?;
            self.connections.insert(fd, Connection::new(fd, self.root));
        }
    }

    /// Goes on with a client until it or the network makes us wait.
    fn serve(&mut self, fd: Fd) {
        let Some(connection) = self.connections.get_mut(&fd) else {
            return;
        };
        let progress = connection.advance(&mut self.kernel, &mut self.requests);
        if !matches!(progress, Ok(Progress::Waiting)) {
            // An error is the client's affair: it has gone, or asked for what it cannot have.
            if let Some(connection) = self.connections.remove(&fd) {
                connection.close(&mut self.kernel);
            }
        }
    }
}

fn listen_on(kernel: &mut ProcessKernel, port: u16) -> Result<Fd, Errno> {
    let listener = kernel.socket(SocketKind::Stream, OpenFlags::NONBLOCK)?;
    kernel.setsockopt(listener, OptionName::ReuseAddress, OptionValue::Number(1))?;
    kernel.bind(listener, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    kernel.listen(listener, BACKLOG)?;
    Ok(listener)
}

fn watch(kernel: &mut ProcessKernel, epoll: Fd, fd: Fd, mode: WatchMode) -> Result<(), Errno> {
    let event = EpollEvent {
        ready: Readiness::READABLE | Readiness::WRITABLE,
        mode,
        data: u64::from(fd.number().unsigned_abs()),
    };
    kernel.epoll_ctl(epoll, EpollChange::Add(event), fd)
}

/// The descriptor that an event is about: what `watch` gave it as data.
fn descriptor(data: u64) -> Result<Fd, Errno> {
    Fd::new(i32::try_from(data).map_err(|_| Errno::EBADF)?)
}
