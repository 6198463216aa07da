//! What must hold of every kind of description there is.

extern crate std;

use std::boxed::Box;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use crate::fake_host::{self, FakeHost, done, try_read, try_write};
use crate::fake_network::{FakeNetwork, HERE};
use crate::{
    Errno, Fd, FileKind, Kernel, OpenFlags, PollRequest, Readiness, SocketKind, Whence, block_on,
};

const IN: Readiness = Readiness::READABLE;
const OUT: Readiness = Readiness::WRITABLE;
const BOTH: Readiness = IN.union(OUT);
const NONE: Readiness = Readiness::empty();

/// A descriptor, and what is expected of it.
struct Kind {
    name: &'static str,
    fd: Fd,
    /// What it is ready for when it has just been made.
    ready: Readiness,
    /// What a read into no room gives.
    empty_read: Result<usize, Errno>,
    /// What a write of nothing gives.
    empty_write: Result<usize, Errno>,
    /// Whether it has an offset.
    seeks: bool,
    /// What `fstat` says it is.
    kind: FileKind,
}

/// One of each kind.
fn every_kind() -> (Kernel<FakeHost>, Vec<Kind>) {
    let mut kernel = fake_host::kernel_with(Some(Box::new(FakeNetwork::default())));
    let flags = OpenFlags::empty();
    let mut kinds = Vec::new();
    let mut add = |name, fd, ready, empty_read, empty_write, seeks, kind| {
        kinds.push(Kind {
            name,
            fd,
            ready,
            empty_read,
            empty_write,
            seeks,
            kind,
        });
    };
    let (zero, bad, invalid) = (Ok(0), Err(Errno::EBADF), Err(Errno::EINVAL));
    let (fifo, regular) = (FileKind::Fifo, FileKind::Regular);
    add("input", Fd::STDIN, NONE, zero, bad, false, fifo);
    add("output", Fd::STDOUT, OUT, bad, zero, false, fifo);
    let terminal = FileKind::CharacterDevice { major: 5, minor: 1 };
    add("terminal", Fd::STDERR, OUT, bad, zero, false, terminal);
    let file = kernel.file(b"/f", OpenFlags::READ_WRITE | OpenFlags::CREATE);
    add("file", file.unwrap(), BOTH, zero, zero, true, regular);
    let directory = kernel.file(b"/", OpenFlags::DIRECTORY).unwrap();
    let is_directory = Err(Errno::EISDIR);
    add(
        "directory",
        directory,
        BOTH,
        is_directory,
        bad,
        true,
        FileKind::Directory,
    );
    for (path, minor) in [
        ("null", 3),
        ("zero", 5),
        ("full", 7),
        ("random", 8),
        ("urandom", 9),
    ] {
        let path = [b"/dev/", path.as_bytes()].concat();
        let device = kernel.file(&path, OpenFlags::READ_WRITE).unwrap();
        let kind = FileKind::CharacterDevice { major: 1, minor };
        add("device", device, BOTH, zero, zero, true, kind);
    }
    let (reader, writer) = kernel.pipe2(flags).unwrap();
    add("pipe's reader", reader, NONE, zero, bad, false, fifo);
    add("pipe's writer", writer, OUT, bad, zero, false, fifo);
    let (local, _) = kernel.socketpair(flags).unwrap();
    add(
        "local socket",
        local,
        OUT,
        zero,
        zero,
        false,
        FileKind::Socket,
    );
    let (stream, _) = connection(&mut kernel);
    add("stream", stream, OUT, zero, zero, false, FileKind::Socket);
    let counter = kernel.eventfd(0, false, flags).unwrap();
    add("counter", counter, OUT, invalid, invalid, false, regular);
    let timer = kernel.timerfd_create(false, flags).unwrap();
    add("timer", timer, NONE, invalid, invalid, false, regular);
    let epoll = kernel.epoll_create1(false).unwrap();
    add("epoll", epoll, NONE, invalid, invalid, false, regular);
    (kernel, kinds)
}

/// The two ends of a connection.
fn connection(kernel: &mut Kernel<FakeHost>) -> (Fd, Fd) {
    let address = std::net::SocketAddrV4::new(HERE, 80);
    let listener = kernel
        .socket(SocketKind::Stream, OpenFlags::empty())
        .unwrap();
    kernel.bind(listener, address).unwrap();
    kernel.listen(listener, 1).unwrap();
    let ours = kernel
        .socket(SocketKind::Stream, OpenFlags::empty())
        .unwrap();
    block_on(kernel, |kernel| kernel.connect(ours, address)).unwrap();
    let accept = |kernel: &mut Kernel<FakeHost>| kernel.accept4(listener, OpenFlags::empty());
    let (theirs, _) = block_on(kernel, accept).unwrap();
    (ours, theirs)
}

#[test]
fn poll_tells_what_each_is_ready_for() {
    let (mut kernel, kinds) = every_kind();
    let mut requests: Vec<PollRequest> = kinds
        .iter()
        .map(|kind| PollRequest {
            fd: kind.fd.number(),
            wanted: BOTH,
            ready: NONE,
        })
        .collect();
    let now = Some(Duration::ZERO);
    let found = block_on(&mut kernel, |kernel| kernel.poll(&mut requests, now));
    for (kind, request) in kinds.iter().zip(&requests) {
        assert_eq!(request.ready, kind.ready, "{}", kind.name);
    }
    let ready = kinds.iter().filter(|kind| !kind.ready.is_empty());
    assert_eq!(found, Ok(ready.count()));
}

#[test]
fn reading_into_no_room_and_writing_nothing_never_wait() {
    let (mut kernel, kinds) = every_kind();
    for kind in kinds {
        let read = try_read(&mut kernel, kind.fd, 0).map(|read| read.map(|bytes| bytes.len()));
        assert_eq!(read, kind.empty_read.map(Some), "read of {}", kind.name);
        let written = try_write(&mut kernel, kind.fd, b"");
        assert_eq!(
            written,
            kind.empty_write.map(Some),
            "write to {}",
            kind.name
        );
    }
    assert!(!kernel.signals().is_deliverable());
}

#[test]
fn only_what_has_an_offset_seeks() {
    let (mut kernel, kinds) = every_kind();
    for kind in kinds {
        let expected = if kind.seeks {
            Ok(0)
        } else {
            Err(Errno::ESPIPE)
        };
        let found = kernel.lseek(kind.fd, 0, Whence::Current);
        assert_eq!(found, expected, "{}", kind.name);
    }
}

#[test]
fn fstat_tells_what_each_is() {
    let (mut kernel, kinds) = every_kind();
    for kind in kinds {
        let status = kernel.fstat(kind.fd).unwrap();
        assert_eq!(status.attributes.kind, kind.kind, "{}", kind.name);
    }
}

#[test]
fn only_the_terminal_is_one() {
    let (kernel, kinds) = every_kind();
    for kind in kinds {
        assert_eq!(
            kernel.isatty(kind.fd),
            Ok(kind.name == "terminal"),
            "{}",
            kind.name
        );
    }
}

#[test]
fn what_does_not_wait_never_does() {
    let (mut kernel, kinds) = every_kind();
    for kind in kinds {
        kernel.ioctl_fionbio(kind.fd, true).unwrap();
        // A refusal is an answer too.
        if let Ok(step) = kernel.read(kind.fd, &mut hypercall::SliceSink::new(&mut [0; 8])) {
            assert!(done(step).is_some(), "{}", kind.name);
        }
        for _ in 0..3 {
            let bytes = vec![0; 70_000];
            if let Ok(written) = try_write(&mut kernel, kind.fd, &bytes) {
                assert!(written.is_some(), "{}", kind.name);
            }
        }
    }
}

#[test]
fn after_its_last_descriptor_nothing_is_left() {
    let (mut kernel, kinds) = every_kind();
    kernel.close_range(Fd::STDIN, Fd::new(i32::MAX).unwrap());
    for kind in kinds {
        assert_eq!(kernel.close(kind.fd), Err(Errno::EBADF), "{}", kind.name);
    }
    assert_eq!(kernel.descriptions.iter().count(), 0);
    assert_eq!(kernel.pipes.iter().count(), 0);
    assert_eq!(kernel.epolls.iter().count(), 0);
    assert_eq!(kernel.event_counters.iter().count(), 0);
    assert_eq!(kernel.sockets.table.iter().count(), 0);
}
