//! Waiting: poll(2) over the waker's eventfd and whatever else may have something new.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI16, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hypercall::Wake;

/// Ends a wait of its [`LinuxHost`](crate::LinuxHost).
#[derive(Clone, Debug)]
pub struct LinuxWaker(Arc<File>);

impl Wake for LinuxWaker {
    fn wake(&self) {
        signal(&self.0);
    }
}

/// A descriptor, and the events of it that are to end a host's wait.
///
/// It works as a driver's interrupt does: it is armed when a caller has been told that there is
/// nothing to do, and one wait that it ends disarms it, so nothing that lies there unheeded keeps
/// the host awake.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    file: File,
    /// The events of poll(2).
    events: AtomicI16,
}

impl Readiness {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self(Arc::new(Watched {
            file: descriptor.into(),
            events: AtomicI16::new(0),
        }))
    }

    /// The descriptor, to be read and written.
    pub(crate) fn file(&self) -> &File {
        &self.0.file
    }

    /// Lets one of `events` of poll(2) end the next wait, beside those armed already.
    pub(crate) fn arm(&self, events: i16) {
        // One thread at a time uses a device or waits; handing over orders these accesses.
        self.0.events.fetch_or(events, Ordering::Relaxed);
    }

    /// Lets `events` end no wait.
    pub(crate) fn disarm(&self, events: i16) {
        self.0.events.fetch_and(!events, Ordering::Relaxed);
    }
}

/// What a wait looks at.
#[derive(Debug)]
pub(crate) struct WaitSet {
    wake: Arc<File>,
    watched: Vec<Weak<Watched>>,
}

impl WaitSet {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            wake: Arc::new(event()?),
            watched: Vec::new(),
        })
    }

    pub fn waker(&self) -> LinuxWaker {
        LinuxWaker(Arc::clone(&self.wake))
    }

    /// Looks at what is behind `readiness` from now on, for as long as it exists.
    pub fn attach(&mut self, readiness: &Readiness) {
        self.watched.push(Arc::downgrade(&readiness.0));
    }

    /// Blocks until something is there, `timeout` has passed, or a signal came.
    pub fn wait(&mut self, timeout: Option<Duration>) {
        self.watched.retain(|watched| watched.strong_count() > 0);
        let armed: Vec<_> = self
            .watched
            .iter()
            .filter_map(Weak::upgrade)
            .filter_map(|watched| {
                let events = watched.events.load(Ordering::Relaxed);
                // An entry without events would still end the wait, on a hang-up.
                (events != 0).then_some((watched, events))
            })
            .collect();
        let mut entries = vec![entry(self.wake.as_fd(), libc::POLLIN)];
        entries.extend(
            armed
                .iter()
                .map(|(watched, events)| entry(watched.file.as_fd(), *events)),
        );
        // On an error (a signal, as a rule) the wait is over for no reason, as it may be.
        if poll(&mut entries, timeout).is_err() {
            return;
        }
        if entries[0].revents != 0 {
            clear(&self.wake);
        }
        for ((watched, _), entry) in armed.iter().zip(&entries[1..]) {
            if entry.revents != 0 {
                watched.events.store(0, Ordering::Relaxed);
            }
        }
    }
}

/// A new eventfd(2) that does not block.
pub(crate) fn event() -> io::Result<File> {
    // SAFETY: the call takes no pointers.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, new, and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }.into())
}

/// Makes an eventfd readable.
pub(crate) fn signal(mut event: &File) {
    // It fails only where the counter is at its end, and then the event is readable already.
    let _ = event.write(&1u64.to_ne_bytes());
}

/// Makes an eventfd not readable.
pub(crate) fn clear(mut event: &File) {
    // It fails only where the event is not readable.
    let _ = event.read(&mut [0; 8]);
}

/// Whether `descriptor` has one of `events` (or an error, or a hang-up) within `timeout`.
pub(crate) fn is_ready(
    descriptor: BorrowedFd<'_>,
    events: i16,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    Ok(poll(&mut [entry(descriptor, events)], timeout)? > 0)
}

fn entry(descriptor: BorrowedFd<'_>, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events,
        revents: 0,
    }
}

/// How many of `entries` have an event within `timeout`; without one it waits for ever.
fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    let count = entries.len() as libc::nfds_t;
    // SAFETY: `entries` is writable for its length, `timeout` is null or points to a value that
    // outlives the call, and a null signal mask means that the thread's stays as it is.
    let ready = unsafe { libc::ppoll(entries.as_mut_ptr(), count, timeout, ptr::null()) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn ends_at_once(set: &mut WaitSet) -> bool {
        let start = Instant::now();
        set.wait(Some(Duration::from_millis(50)));
        start.elapsed() < Duration::from_millis(50)
    }

    #[test]
    fn many_wakes_end_one_wait() {
        let mut set = WaitSet::new().expect("an eventfd");
        (0..3).for_each(|_| set.waker().wake());
        assert!(ends_at_once(&mut set));
        assert!(!ends_at_once(&mut set));
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let mut set = WaitSet::new().expect("an eventfd");
        let waker = set.waker();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
        set.wait(Some(LONG));
        assert!(start.elapsed() < LONG);
        thread.join().expect("it only wakes");
    }

    #[test]
    fn a_device_ends_one_wait_each_time_it_is_armed() {
        let mut set = WaitSet::new().expect("an eventfd");
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        let readiness = Readiness::new(ours.into());
        set.attach(&readiness);
        theirs.write_all(b"!").expect("room");
        assert!(!ends_at_once(&mut set));
        for _ in 0..2 {
            readiness.arm(libc::POLLIN);
            assert!(ends_at_once(&mut set));
            assert!(!ends_at_once(&mut set));
        }
        readiness.arm(libc::POLLIN);
        readiness.disarm(libc::POLLIN);
        drop(theirs);
        assert!(!ends_at_once(&mut set), "a hang-up that nobody asks for");
    }

    #[test]
    fn a_device_that_is_dropped_is_forgotten() {
        let mut set = WaitSet::new().expect("an eventfd");
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let readiness = Readiness::new(ours.into());
        set.attach(&readiness);
        readiness.arm(libc::POLLIN);
        drop((readiness, theirs));
        assert!(!ends_at_once(&mut set));
        assert!(set.watched.is_empty());
    }
}
