//! `epoll`: sets of descriptors that say which of them became ready (Linux, epoll(7)).
//!
//! A watch is put on its set's ready list when its description reports a change, so a wait costs
//! what is ready and not what is watched.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bitflags::bitflags;
use hypercall::Host;

use crate::description::{DescriptionId, Object};
use crate::flags::{Access, StatusFlags};
use crate::readiness::{Readiness, Step, StepResult, Wait};
use crate::slab::{Key, Slab};
use crate::{Errno, Fd, Kernel};

bitflags! {
    /// How a watch reports; the bits are those of `epoll_event.events` on Linux.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct WatchMode: u32 {
        /// EPOLLEXCLUSIVE: wake one waiter only. With one thread there never are two.
        const EXCLUSIVE = 1 << 28;
        /// EPOLLWAKEUP: keep the machine awake. It never sleeps here.
        const WAKE_UP = 1 << 29;
        /// EPOLLONESHOT: report once, then not until modified.
        const ONE_SHOT = 1 << 30;
        /// EPOLLET: report changes only.
        const EDGE = 1 << 31;
    }
}

/// What a watch waits for, or what was reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpollEvent {
    /// The readiness.
    pub ready: Readiness,
    /// How it is reported.
    pub mode: WatchMode,
    /// The program's own value, given back as it is.
    pub data: u64,
}

/// What `epoll_ctl` is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EpollChange {
    /// EPOLL_CTL_ADD.
    Add(EpollEvent),
    /// EPOLL_CTL_MOD.
    Modify(EpollEvent),
    /// EPOLL_CTL_DEL.
    Delete,
}

/// An epoll instance.
#[derive(Debug)]
pub(crate) struct Epoll {
    watches: Slab<Watch>,
    /// Watches that may be ready, each once, first come first.
    ready: VecDeque<Key<Watch>>,
    /// How many watches there are.
    count: usize,
}

/// A watch on a descriptor.
#[derive(Debug)]
pub(crate) struct Watch {
    /// A watch belongs to a descriptor and the description it named when it was added.
    fd: Fd,
    description: DescriptionId,
    event: EpollEvent,
    /// A one-shot watch is disarmed once it has reported.
    armed: bool,
    /// It is on the ready list.
    queued: bool,
}

/// How a description finds a watch on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher {
    epoll: Key<Epoll>,
    watch: Key<Watch>,
}

impl Epoll {
    const fn new() -> Self {
        Self {
            watches: Slab::new(),
            ready: VecDeque::new(),
            count: 0,
        }
    }

    /// Puts a watch on the ready list if `changed` concerns it.
    fn queue(&mut self, key: Key<Watch>, changed: Readiness) {
        let Some(watch) = self.watches.get_mut(key) else {
            return;
        };
        let wanted = watch.event.ready | Readiness::ALWAYS;
        if watch.armed && !watch.queued && changed.intersects(wanted) {
            watch.queued = true;
            // `add` reserved room for every watch.
            self.ready.push_back(key);
        }
    }

    fn add(&mut self, watch: Watch) -> Result<Key<Watch>, Errno> {
        let missing = (self.count + 1).saturating_sub(self.ready.len());
        self.ready.try_reserve(missing).map_err(|_| Errno::ENOMEM)?;
        let key = self.watches.insert(watch)?;
        self.count += 1;
        Ok(key)
    }

    fn remove(&mut self, key: Key<Watch>) {
        if let Some(watch) = self.watches.remove(key) {
            self.count -= 1;
            if watch.queued {
                self.ready.retain(|queued| *queued != key);
            }
        }
    }

    /// Takes the first watch off the ready list, with what it wants to know of which description.
    /// Until [`settle`](Self::settle) or [`put_back`](Self::put_back) it still counts as queued.
    fn take_candidate(&mut self) -> Option<Candidate> {
        let key = self.ready.pop_front()?;
        let watch = self.watches.get(key)?;
        let wanted = match watch.armed {
            true => watch.event.ready | Readiness::ALWAYS,
            false => Readiness::empty(),
        };
        Some(Candidate {
            key,
            description: watch.description,
            wanted,
        })
    }

    /// What a candidate that has `ready` reports, if that is anything. A level-triggered one that
    /// does stays on the list.
    fn settle(&mut self, key: Key<Watch>, ready: Readiness) -> Option<EpollEvent> {
        let watch = self.watches.get_mut(key)?;
        watch.queued = false;
        if ready.is_empty() {
            return None;
        }
        if watch.event.mode.contains(WatchMode::ONE_SHOT) {
            watch.armed = false;
        } else if !watch.event.mode.contains(WatchMode::EDGE) {
            watch.queued = true;
            self.ready.push_back(key);
        }
        Some(EpollEvent {
            ready,
            ..watch.event
        })
    }

    /// Puts a candidate that was only looked at where it was.
    fn put_back(&mut self, key: Key<Watch>) {
        self.ready.push_front(key);
    }
}

/// A watch that may be ready.
struct Candidate {
    key: Key<Watch>,
    description: DescriptionId,
    wanted: Readiness,
}

impl<H: Host> Kernel<H> {
    /// An epoll instance.
    pub fn epoll_create1(&mut self, close_on_exec: bool) -> Result<Fd, Errno> {
        let epoll = self.epolls.insert(Epoll::new())?;
        let object = Object::Epoll(epoll);
        self.open_object(object, Access::all(), StatusFlags::empty(), close_on_exec)
    }

    /// Adds, changes or removes the watch of `epoll` on `fd`. Files and other descriptions that
    /// are always ready are EPERM, as on Linux; an epoll instance inside another is ELOOP.
    pub fn epoll_ctl(&mut self, epoll: Fd, change: EpollChange, fd: Fd) -> Result<(), Errno> {
        let target = self.description_id(fd)?;
        let instance = self.epoll(epoll)?;
        if self.description_id(epoll)? == target {
            return Err(Errno::EINVAL);
        }
        let existing = self.find_watcher(instance, fd, target);
        match (change, existing) {
            (EpollChange::Add(_), Some(_)) => Err(Errno::EEXIST),
            (EpollChange::Add(event), None) => self.add_watch(instance, fd, target, event),
            (_, None) => Err(Errno::ENOENT),
            (EpollChange::Modify(event), Some(watcher)) => self.modify_watch(watcher, event),
            (EpollChange::Delete, Some(watcher)) => {
                self.remove_watch(target, watcher);
                Ok(())
            }
        }
    }

    /// Adds up to `maximum` events of ready descriptors to `events`, and says how many. Waits
    /// until there is one, or for `timeout` at most.
    pub fn epoll_wait(
        &mut self,
        epoll: Fd,
        maximum: usize,
        timeout: Option<Duration>,
        events: &mut Vec<EpollEvent>,
    ) -> StepResult<usize> {
        let id = self.description_id(epoll)?;
        let instance = self.epoll(epoll)?;
        if maximum == 0 {
            return Err(Errno::EINVAL);
        }
        self.progress_once();
        let found = self.collect(instance, maximum, events)?;
        let deadline = self.deadline(timeout);
        if found > 0 || self.has_passed(deadline) {
            return Ok(Step::Done(found));
        }
        Ok(Step::Wait(Wait {
            deadline,
            ..Wait::on(id, Readiness::IN)
        }))
    }

    /// Asks each watch on the ready list once whether it is ready indeed.
    fn collect(
        &mut self,
        instance: Key<Epoll>,
        maximum: usize,
        events: &mut Vec<EpollEvent>,
    ) -> Result<usize, Errno> {
        let candidates = self.candidates(instance);
        // What is taken off the list must find room.
        events
            .try_reserve(maximum.min(candidates))
            .map_err(|_| Errno::ENOMEM)?;
        let mut found = 0;
        for _ in 0..candidates {
            if found == maximum {
                break;
            }
            let Some(candidate) = self.take_candidate(instance) else {
                break;
            };
            let ready = self.readiness(candidate.description) & candidate.wanted;
            let epoll = self.epolls.get_mut(instance).ok_or(Errno::EBADF)?;
            if let Some(event) = epoll.settle(candidate.key, ready) {
                events.push(event);
                found += 1;
            }
        }
        Ok(found)
    }

    /// Whether a wait would report something. Drops from the ready list what is ready no more.
    pub(crate) fn epoll_readiness(&mut self, instance: Key<Epoll>) -> Readiness {
        for _ in 0..self.candidates(instance) {
            let Some(candidate) = self.take_candidate(instance) else {
                break;
            };
            let ready = self.readiness(candidate.description) & candidate.wanted;
            let Some(epoll) = self.epolls.get_mut(instance) else {
                break;
            };
            if !ready.is_empty() {
                epoll.put_back(candidate.key);
                return Readiness::IN;
            }
            epoll.settle(candidate.key, ready);
        }
        Readiness::empty()
    }

    fn candidates(&self, instance: Key<Epoll>) -> usize {
        let epoll = self.epolls.get(instance);
        epoll.map_or(0, |epoll| epoll.ready.len())
    }

    fn take_candidate(&mut self, instance: Key<Epoll>) -> Option<Candidate> {
        self.epolls.get_mut(instance)?.take_candidate()
    }

    /// Puts the watches on a description on their ready lists: it may now have what `changed`
    /// names.
    pub(crate) fn notify(&mut self, id: DescriptionId, changed: Readiness) {
        let Some(description) = self.descriptions.get(id) else {
            return;
        };
        for watcher in &description.watchers {
            if let Some(epoll) = self.epolls.get_mut(watcher.epoll) {
                epoll.queue(watcher.watch, changed);
            }
        }
    }

    /// A description is gone: so are the watches on it.
    pub(crate) fn forget_watchers(&mut self, watchers: &[Watcher]) {
        for watcher in watchers {
            if let Some(epoll) = self.epolls.get_mut(watcher.epoll) {
                epoll.remove(watcher.watch);
            }
        }
    }

    /// An instance is gone: the descriptions it watched forget it.
    pub(crate) fn close_epoll(&mut self, instance: Key<Epoll>) {
        let Some(epoll) = self.epolls.remove(instance) else {
            return;
        };
        for (_, watch) in epoll.watches.iter() {
            if let Some(description) = self.descriptions.get_mut(watch.description) {
                let others = |watcher: &Watcher| watcher.epoll != instance;
                description.watchers.retain(others);
            }
        }
    }

    fn epoll(&self, fd: Fd) -> Result<Key<Epoll>, Errno> {
        match self.description(fd)?.1.object {
            Object::Epoll(instance) => Ok(instance),
            _ => Err(Errno::EINVAL),
        }
    }

    fn find_watcher(&self, instance: Key<Epoll>, fd: Fd, target: DescriptionId) -> Option<Watcher> {
        let epoll = self.epolls.get(instance)?;
        let watchers = &self.descriptions.get(target)?.watchers;
        let ours = |watcher: &&Watcher| {
            let watch = epoll.watches.get(watcher.watch);
            watcher.epoll == instance && watch.is_some_and(|watch| watch.fd == fd)
        };
        watchers.iter().find(ours).copied()
    }

    fn add_watch(
        &mut self,
        instance: Key<Epoll>,
        fd: Fd,
        target: DescriptionId,
        event: EpollEvent,
    ) -> Result<(), Errno> {
        let description = self.descriptions.get(target).ok_or(Errno::EBADF)?;
        match description.object {
            Object::File(_) | Object::Directory(_) | Object::Device(_) => {
                return Err(Errno::EPERM);
            }
            Object::Epoll(_) => return Err(Errno::ELOOP),
            // Watched for nobody, it is only read ahead.
            Object::Console(_) => self.watch_console(target)?,
            _ => {}
        }
        let description = self.descriptions.get_mut(target).ok_or(Errno::EBADF)?;
        description
            .watchers
            .try_reserve(1)
            .map_err(|_| Errno::ENOMEM)?;
        let epoll = self.epolls.get_mut(instance).ok_or(Errno::EBADF)?;
        let watch = epoll.add(Watch {
            fd,
            description: target,
            event,
            armed: true,
            queued: false,
        })?;
        description.watchers.push(Watcher {
            epoll: instance,
            watch,
        });
        self.queue_if_ready(instance, watch, target);
        Ok(())
    }

    /// Changes and rearms a watch.
    fn modify_watch(&mut self, watcher: Watcher, event: EpollEvent) -> Result<(), Errno> {
        let epoll = self.epolls.get_mut(watcher.epoll).ok_or(Errno::EBADF)?;
        let watch = epoll.watches.get_mut(watcher.watch).ok_or(Errno::ENOENT)?;
        // epoll_ctl(2): EPOLLEXCLUSIVE can only be given when a watch is added.
        if (event.mode | watch.event.mode).contains(WatchMode::EXCLUSIVE) {
            return Err(Errno::EINVAL);
        }
        watch.event = event;
        watch.armed = true;
        let target = watch.description;
        self.queue_if_ready(watcher.epoll, watcher.watch, target);
        Ok(())
    }

    fn remove_watch(&mut self, target: DescriptionId, watcher: Watcher) {
        if let Some(epoll) = self.epolls.get_mut(watcher.epoll) {
            epoll.remove(watcher.watch);
        }
        if let Some(description) = self.descriptions.get_mut(target) {
            description
                .watchers
                .retain(|other| other.epoll != watcher.epoll || other.watch != watcher.watch);
        }
    }

    fn queue_if_ready(&mut self, instance: Key<Epoll>, watch: Key<Watch>, target: DescriptionId) {
        let ready = self.readiness(target);
        if let Some(epoll) = self.epolls.get_mut(instance) {
            epoll.queue(watch, ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenFlags;
    use crate::edge::block_on;
    use crate::fake_host::{self, Event, FakeHost, try_read, try_write};

    const NOW: Option<Duration> = Some(Duration::ZERO);
    const LEVEL: WatchMode = WatchMode::empty();

    /// A kernel, an epoll instance in it and a pipe's two ends.
    fn kernel() -> (Kernel<FakeHost>, Fd, Fd, Fd) {
        let mut kernel = fake_host::kernel();
        let epoll = kernel.epoll_create1(false).unwrap();
        let (reader, writer) = kernel.pipe2(OpenFlags::NONBLOCK).unwrap();
        (kernel, epoll, reader, writer)
    }

    fn event(ready: Readiness, mode: WatchMode, data: u64) -> EpollEvent {
        EpollEvent { ready, mode, data }
    }

    fn add(kernel: &mut Kernel<FakeHost>, epoll: Fd, fd: Fd, event: EpollEvent) {
        let added = kernel.epoll_ctl(epoll, EpollChange::Add(event), fd);
        assert_eq!(added, Ok(()));
    }

    /// What is reported at once: data and readiness of each event.
    fn reported(kernel: &mut Kernel<FakeHost>, epoll: Fd) -> Vec<(u64, Readiness)> {
        let mut events = Vec::new();
        block_on(kernel, |kernel| {
            kernel.epoll_wait(epoll, 16, NOW, &mut events)
        })
        .unwrap();
        events
            .iter()
            .map(|event| (event.data, event.ready))
            .collect()
    }

    const IN: Readiness = Readiness::READABLE;
    const OUT: Readiness = Readiness::WRITABLE;

    #[test]
    fn a_level_is_reported_as_long_as_it_lasts() {
        let (mut kernel, epoll, reader, writer) = kernel();
        add(&mut kernel, epoll, reader, event(IN, LEVEL, 7));
        assert_eq!(reported(&mut kernel, epoll), []);
        try_write(&mut kernel, writer, b"ab").unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
        try_read(&mut kernel, reader, 1).unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
        try_read(&mut kernel, reader, 1).unwrap();
        assert_eq!(reported(&mut kernel, epoll), []);
    }

    #[test]
    fn an_edge_is_reported_once_for_each_arrival() {
        // epoll(7), the example of "Level-triggered and edge-triggered": 2 kB are written, 1 kB
        // is read, and the next wait finds nothing though 1 kB is left.
        let (mut kernel, epoll, reader, writer) = kernel();
        add(&mut kernel, epoll, reader, event(IN, WatchMode::EDGE, 7));
        try_write(&mut kernel, writer, &[0; 2048]).unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
        try_read(&mut kernel, reader, 1024).unwrap();
        assert_eq!(reported(&mut kernel, epoll), []);
        try_write(&mut kernel, writer, b"more").unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
    }

    #[test]
    fn what_is_ready_when_it_is_added_is_an_edge() {
        let (mut kernel, epoll, _reader, writer) = kernel();
        add(&mut kernel, epoll, writer, event(OUT, WatchMode::EDGE, 1));
        assert_eq!(reported(&mut kernel, epoll), [(1, OUT)]);
        assert_eq!(reported(&mut kernel, epoll), []);
    }

    #[test]
    fn one_shot_is_silent_until_it_is_modified() {
        let (mut kernel, epoll, reader, writer) = kernel();
        let watch = event(IN, WatchMode::ONE_SHOT, 7);
        add(&mut kernel, epoll, reader, watch);
        try_write(&mut kernel, writer, b"a").unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
        try_write(&mut kernel, writer, b"b").unwrap();
        assert_eq!(reported(&mut kernel, epoll), []);
        let rearmed = kernel.epoll_ctl(epoll, EpollChange::Modify(watch), reader);
        assert_eq!(rearmed, Ok(()));
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
    }

    #[test]
    fn a_hang_up_is_reported_though_nobody_asked() {
        let (mut kernel, epoll, reader, writer) = kernel();
        let nothing = Readiness::empty();
        add(&mut kernel, epoll, reader, event(nothing, LEVEL, 7));
        kernel.close(writer).unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, Readiness::HANG_UP)]);
    }

    #[test]
    fn the_watch_lasts_until_the_description_is_gone() {
        // epoll(7), "Questions and answers", 6: closing one of two duplicates leaves the watch.
        let (mut kernel, epoll, reader, writer) = kernel();
        add(&mut kernel, epoll, reader, event(IN, LEVEL, 7));
        let duplicate = kernel.dup(reader).unwrap();
        kernel.close(reader).unwrap();
        try_write(&mut kernel, writer, b"a").unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(7, IN)]);
        kernel.close(duplicate).unwrap();
        assert_eq!(reported(&mut kernel, epoll), []);
    }

    #[test]
    fn duplicates_are_watched_apart() {
        // epoll(7), "Questions and answers", 1.
        let (mut kernel, epoll, reader, writer) = kernel();
        let duplicate = kernel.dup(reader).unwrap();
        add(&mut kernel, epoll, reader, event(IN, LEVEL, 1));
        add(&mut kernel, epoll, duplicate, event(IN, LEVEL, 2));
        try_write(&mut kernel, writer, b"a").unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(1, IN), (2, IN)]);
    }

    #[test]
    fn two_instances_report_the_same_event() {
        // epoll(7), "Questions and answers", 2.
        let (mut kernel, epoll, reader, writer) = kernel();
        let other = kernel.epoll_create1(true).unwrap();
        for instance in [epoll, other] {
            add(&mut kernel, instance, reader, event(IN, WatchMode::EDGE, 1));
        }
        try_write(&mut kernel, writer, b"a").unwrap();
        assert_eq!(reported(&mut kernel, epoll), [(1, IN)]);
        assert_eq!(reported(&mut kernel, other), [(1, IN)]);
    }

    #[test]
    fn few_places_are_filled_in_turn() {
        // epoll_wait(2), NOTES: the kernel goes round-robin through what is ready.
        let (mut kernel, epoll, reader, writer) = kernel();
        let (second, second_writer) = kernel.pipe2(OpenFlags::NONBLOCK).unwrap();
        add(&mut kernel, epoll, reader, event(IN, LEVEL, 1));
        add(&mut kernel, epoll, second, event(IN, LEVEL, 2));
        for fd in [writer, second_writer] {
            try_write(&mut kernel, fd, b"a").unwrap();
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            block_on(&mut kernel, |kernel| {
                kernel.epoll_wait(epoll, 1, NOW, &mut seen)
            })
            .unwrap();
        }
        let order: Vec<u64> = seen.iter().map(|event| event.data).collect();
        assert_eq!(order, [1, 2, 1, 2]);
    }

    #[test]
    fn a_wait_ends_with_its_timeout_or_with_input() {
        let (mut kernel, epoll, _reader, _writer) = kernel();
        let second = Duration::from_secs(1);
        add(&mut kernel, epoll, Fd::STDIN, event(IN, WatchMode::EDGE, 0));
        kernel.at(3 * second, Event::Input(b"a"));
        let mut events = Vec::new();
        let mut wait = |kernel: &mut Kernel<FakeHost>, timeout| {
            block_on(kernel, |kernel| {
                kernel.epoll_wait(epoll, 4, timeout, &mut events)
            })
        };
        assert_eq!(wait(&mut kernel, Some(second)), Ok(0));
        assert_eq!(kernel.elapsed(), second);
        assert_eq!(wait(&mut kernel, None), Ok(1));
        assert_eq!(kernel.elapsed(), 3 * second);
        assert_eq!(wait(&mut kernel, NOW), Ok(0));
    }

    #[test]
    fn input_that_something_else_found_first_is_still_an_edge() {
        let (mut kernel, epoll, _reader, _writer) = kernel();
        add(&mut kernel, epoll, Fd::STDIN, event(IN, WatchMode::EDGE, 0));
        kernel.at(Duration::ZERO, Event::Input(b"a"));
        assert_eq!(kernel.ioctl_fionread(Fd::STDIN), Ok(1));
        assert_eq!(reported(&mut kernel, epoll), [(0, IN)]);
        assert_eq!(reported(&mut kernel, epoll), []);
    }

    #[test]
    fn misuse_has_the_errors_of_the_manual() {
        // epoll_ctl(2) and epoll_wait(2), ERRORS.
        let (mut kernel, epoll, reader, _writer) = kernel();
        let watch = event(IN, LEVEL, 0);
        let add = EpollChange::Add(watch);
        let mut ctl = |instance, change, fd| kernel.epoll_ctl(instance, change, fd);
        let nowhere = Fd::new(99).unwrap();
        assert_eq!(ctl(epoll, add, nowhere), Err(Errno::EBADF));
        assert_eq!(ctl(nowhere, add, reader), Err(Errno::EBADF));
        assert_eq!(ctl(reader, add, epoll), Err(Errno::EINVAL));
        assert_eq!(ctl(epoll, add, epoll), Err(Errno::EINVAL));
        assert_eq!(ctl(epoll, EpollChange::Delete, reader), Err(Errno::ENOENT));
        let modify = EpollChange::Modify(watch);
        assert_eq!(ctl(epoll, modify, reader), Err(Errno::ENOENT));
        assert_eq!(ctl(epoll, add, reader), Ok(()));
        assert_eq!(ctl(epoll, add, reader), Err(Errno::EEXIST));
        assert_eq!(ctl(epoll, EpollChange::Delete, reader), Ok(()));
        let file = kernel.file(b"/f", OpenFlags::CREATE).unwrap();
        assert_eq!(kernel.epoll_ctl(epoll, add, file), Err(Errno::EPERM));
        let nested = kernel.epoll_create1(false).unwrap();
        assert_eq!(kernel.epoll_ctl(epoll, add, nested), Err(Errno::ELOOP));
        let none = kernel.epoll_wait(epoll, 0, NOW, &mut Vec::new());
        assert!(matches!(none, Err(Errno::EINVAL)));
    }

    #[test]
    fn an_instance_that_is_gone_leaves_no_watchers() {
        let (mut kernel, epoll, reader, writer) = kernel();
        add(&mut kernel, epoll, reader, event(IN, LEVEL, 7));
        kernel.close(epoll).unwrap();
        try_write(&mut kernel, writer, b"a").unwrap();
        let (_, description) = kernel.description(reader).unwrap();
        assert!(description.watchers.is_empty());
    }
}
