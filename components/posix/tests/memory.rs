//! Whichever allocation fails, a program is told so and can go on.

#[path = "../../net/tests/stack/scarce.rs"]
mod scarce;

use std::time::Duration;

use hypercall::fake::FakeHost;
use hypercall::{SliceSink, SliceSource};
use posix::{
    EpollChange, EpollEvent, Errno, Fd, Kernel, OpenFlags, PollRequest, Readiness, WatchMode,
    block_on,
};
use scarce::Plenty;

/// A kernel without network, made while there is memory.
fn kernel() -> Kernel<FakeHost> {
    let _plenty = Plenty::new();
    let files = fs::Vfs::new(Box::new(fs::RamFs::new(4096, Duration::ZERO)));
    Kernel::new(FakeHost::new(), files, None).expect("there is memory")
}

/// Does `operation` again if there was no memory for it.
fn persist<T>(
    kernel: &mut Kernel<FakeHost>,
    mut operation: impl FnMut(&mut Kernel<FakeHost>) -> Result<T, Errno>,
) -> T {
    for _ in 0..100 {
        match operation(kernel) {
            Ok(result) => return result,
            Err(Errno::ENOMEM | Errno::EAGAIN) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("there is never any memory");
}

/// Sends ten bytes through a pipe, or whatever is like one.
fn pass(kernel: &mut Kernel<FakeHost>, from: Fd, to: Fd) {
    let write = |kernel: &mut Kernel<FakeHost>| {
        let mut data = SliceSource::new(b"ten bytes.");
        block_on(kernel, |kernel| kernel.write(from, &mut data))
    };
    assert_eq!(persist(kernel, write), 10);
    let mut bytes = [0; 16];
    let read = |kernel: &mut Kernel<FakeHost>| {
        let mut sink = SliceSink::new(&mut bytes);
        block_on(kernel, |kernel| kernel.read(to, &mut sink))
    };
    assert_eq!(persist(kernel, read), 10);
    assert_eq!(&bytes[..10], b"ten bytes.");
}

/// Waits for a second on `fds`, of which none is ready.
fn poll(kernel: &mut Kernel<FakeHost>, fds: &[Fd]) {
    let mut requests: [_; 40] = std::array::from_fn(|index| PollRequest {
        fd: fds[index % fds.len()].number(),
        wanted: Readiness::READABLE,
        ready: Readiness::empty(),
    });
    let found = persist(kernel, |kernel| {
        block_on(kernel, |kernel| {
            kernel.poll(&mut requests, Some(Duration::from_secs(1)))
        })
    });
    assert_eq!(found, 0);
}

/// Has an epoll instance watch `fds`, of which `ready` is.
fn epoll(kernel: &mut Kernel<FakeHost>, fds: &[Fd], ready: Fd) {
    let instance = persist(kernel, |kernel| kernel.epoll_create1(false));
    for (fd, data) in fds.iter().zip(0..) {
        let event = EpollEvent {
            ready: Readiness::READABLE,
            mode: WatchMode::empty(),
            data,
        };
        let add = EpollChange::Add(event);
        persist(kernel, |kernel| kernel.epoll_ctl(instance, add, *fd));
    }
    let mut events = Vec::new();
    let found = persist(kernel, |kernel| {
        block_on(kernel, |kernel| {
            kernel.epoll_wait(instance, 8, None, &mut events)
        })
    });
    assert_eq!((found, fds[events[0].data as usize]), (1, ready));
    kernel.close(instance).expect("it is open");
}

/// What a program does with descriptors, all of which must come about.
fn scenario(kernel: &mut Kernel<FakeHost>) {
    let flags = OpenFlags::empty();
    let pipes: [_; 40] = std::array::from_fn(|_| persist(kernel, |kernel| kernel.pipe2(flags)));
    for (reader, writer) in pipes {
        pass(kernel, writer, reader);
    }
    let (one, other) = persist(kernel, |kernel| kernel.socketpair(flags));
    pass(kernel, one, other);
    pass(kernel, other, one);
    let counter = persist(kernel, |kernel| kernel.eventfd(1, false, flags));
    let timer = persist(kernel, |kernel| kernel.timerfd_create(false, flags));
    let copy = persist(kernel, |kernel| kernel.dup(Fd::STDIN));
    let readers = pipes.map(|(reader, _)| reader);
    poll(kernel, &readers);
    epoll(kernel, &[one, timer, copy, counter, readers[0]], counter);
    let last = Fd::new(i32::MAX).expect("a number");
    kernel.close_range(Fd::STDIN, last);
}

#[test]
fn any_allocation_may_fail() {
    for burst in [1, 2, 5] {
        let mut number = 0;
        loop {
            let mut kernel = kernel();
            let count = scarce::refusing(number..number + burst, || scenario(&mut kernel));
            // All is given back: as much can be opened again, from the lowest number on.
            let (reader, _) = kernel.pipe2(OpenFlags::empty()).expect("there is memory");
            assert_eq!(reader.number(), 0, "allocation {number}");
            if number >= count {
                assert!(number > 50, "only {number} allocations");
                break;
            }
            number += 1;
        }
    }
}
