//! Epoll held against poll: what a level-triggered set reports is what `poll` finds, and who
//! drains all that an edge-triggered set reports misses nothing.

extern crate std;

use std::collections::BTreeMap;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::fake_host::{self, FakeHost, try_read, try_write};
use crate::{
    EpollChange, EpollEvent, Errno, Fd, Half, Kernel, OpenFlags, PollRequest, Readiness, WatchMode,
    block_on,
};

const NOW: Option<Duration> = Some(Duration::ZERO);

/// The descriptors that sequences play with: two pipes, a pair of sockets, a counter.
const COUNT: usize = 7;

#[derive(Clone, Debug)]
enum Action {
    Write(usize, usize),
    Read(usize, usize),
    Shut(usize),
    Close(usize),
    Watch(usize, Readiness),
    Forget(usize),
    Wait,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let which = || 0..COUNT;
    let length = || prop_oneof![Just(8_usize), 1..100_usize, 4000..70_000_usize];
    let interest = prop::sample::select(vec![
        Readiness::READABLE,
        Readiness::WRITABLE,
        Readiness::READABLE | Readiness::WRITABLE,
        Readiness::READ_CLOSED,
        Readiness::empty(),
    ]);
    let action = prop_oneof![
        4 => (which(), length()).prop_map(|(fd, length)| Action::Write(fd, length)),
        3 => (which(), length()).prop_map(|(fd, length)| Action::Read(fd, length)),
        1 => which().prop_map(Action::Shut),
        1 => which().prop_map(Action::Close),
        5 => (which(), interest).prop_map(|(fd, interest)| Action::Watch(fd, interest)),
        1 => which().prop_map(Action::Forget),
        4 => Just(Action::Wait),
    ];
    prop::collection::vec(action, 1..60)
}

/// A kernel, an epoll instance, and what it watches.
struct World {
    kernel: Kernel<FakeHost>,
    epoll: Fd,
    fds: [Fd; COUNT],
    watched: BTreeMap<Fd, Readiness>,
    mode: WatchMode,
}

impl World {
    fn new(mode: WatchMode) -> Self {
        let mut kernel = fake_host::kernel();
        let flags = OpenFlags::NONBLOCK;
        let epoll = kernel.epoll_create1(false).unwrap();
        let (first, second) = kernel.pipe2(flags).unwrap();
        let (third, fourth) = kernel.pipe2(flags).unwrap();
        let (fifth, sixth) = kernel.socketpair(flags).unwrap();
        let seventh = kernel.eventfd(0, false, flags).unwrap();
        Self {
            kernel,
            epoll,
            fds: [first, second, third, fourth, fifth, sixth, seventh],
            watched: BTreeMap::new(),
            mode,
        }
    }

    /// Does one action. Refusals are as good as anything else.
    fn run(&mut self, action: &Action) {
        let kernel = &mut self.kernel;
        match *action {
            Action::Write(index, length) => {
                let mut bytes = vec![0; length];
                bytes[0] = 1;
                let _ = try_write(kernel, self.fds[index], &bytes);
            }
            Action::Read(index, length) => {
                let _ = try_read(kernel, self.fds[index], length);
            }
            Action::Shut(index) => {
                let _ = kernel.shutdown(self.fds[index], Half::Send);
            }
            Action::Close(index) => {
                let _ = kernel.close(self.fds[index]);
                self.watched.remove(&self.fds[index]);
            }
            Action::Watch(index, interest) => self.watch(self.fds[index], interest),
            Action::Forget(index) => {
                let fd = self.fds[index];
                let forgotten = kernel.epoll_ctl(self.epoll, EpollChange::Delete, fd);
                assert_eq!(forgotten.is_ok(), self.watched.remove(&fd).is_some());
            }
            Action::Wait => {
                self.reported();
            }
        }
    }

    fn watch(&mut self, fd: Fd, interest: Readiness) {
        let event = EpollEvent {
            ready: interest,
            mode: self.mode,
            data: fd.number().unsigned_abs().into(),
        };
        let change = match self.watched.contains_key(&fd) {
            true => EpollChange::Modify(event),
            false => EpollChange::Add(event),
        };
        if self.kernel.epoll_ctl(self.epoll, change, fd).is_ok() {
            self.watched.insert(fd, interest);
        }
    }

    /// What epoll reports, by descriptor.
    fn reported(&mut self) -> BTreeMap<Fd, Readiness> {
        let mut events = Vec::new();
        let epoll = self.epoll;
        let found = block_on(&mut self.kernel, |kernel| {
            kernel.epoll_wait(epoll, 16, NOW, &mut events)
        });
        assert_eq!(found, Ok(events.len()));
        let by_fd = |event: &EpollEvent| (Fd::new(event.data as i32).unwrap(), event.ready);
        events.iter().map(by_fd).collect()
    }

    /// What poll finds of the watched descriptors.
    fn polled(&mut self) -> BTreeMap<Fd, Readiness> {
        let request = |(fd, interest): (&Fd, &Readiness)| PollRequest {
            fd: fd.number(),
            wanted: *interest,
            ready: Readiness::empty(),
        };
        let mut requests: Vec<_> = self.watched.iter().map(request).collect();
        block_on(&mut self.kernel, |kernel| kernel.poll(&mut requests, NOW)).unwrap();
        requests
            .iter()
            .filter(|request| !request.ready.is_empty())
            .map(|request| (Fd::new(request.fd).unwrap(), request.ready))
            .collect()
    }

    /// Reads until there is nothing, the end or an error.
    fn drain(&mut self, fd: Fd) {
        while let Ok(Some(bytes)) = try_read(&mut self.kernel, fd, 1 << 17) {
            if bytes.is_empty() {
                break;
            }
        }
    }
}

proptest! {
    #[test]
    fn a_level_triggered_set_reports_what_poll_finds(actions in actions()) {
        let mut world = World::new(WatchMode::empty());
        for action in &actions {
            world.run(action);
            let epoll = world.kernel.description_id(world.epoll).unwrap();
            let readable = world.kernel.readiness(epoll) == Readiness::IN;
            let reported = world.reported();
            prop_assert_eq!(readable, !reported.is_empty());
            prop_assert_eq!(reported, world.polled());
        }
    }

    #[test]
    fn who_drains_what_an_edge_triggered_set_reports_misses_nothing(actions in actions()) {
        let mut world = World::new(WatchMode::EDGE);
        for action in &actions {
            // Readers read only what they were told of.
            if matches!(action, Action::Read(..) | Action::Wait) {
                continue;
            }
            world.run(action);
            for fd in world.reported().into_keys() {
                world.drain(fd);
            }
            for (fd, interest) in world.watched.clone() {
                if !interest.contains(Readiness::READABLE) {
                    continue;
                }
                match try_read(&mut world.kernel, fd, 8) {
                    Ok(Some(bytes)) => prop_assert!(bytes.is_empty(), "{fd:?} has more"),
                    Ok(None) => prop_assert!(false, "{fd:?} waits"),
                    Err(error) => prop_assert!([Errno::EAGAIN, Errno::EBADF].contains(&error)),
                }
            }
        }
    }
}
