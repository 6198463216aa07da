//! What is asked of the process: SIGINT and SIGTERM as requests, for a host that wants them.
//!
//! A signal is the process's, not a host's, so this is the one place with state of the process: a
//! pipe into which the handler writes the number of each signal, in the order of their arrival.
//! One host at a time reads it.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use hypercall::HostRequest;

use crate::wait::Readiness;

/// The signals that become requests.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// The pipe's end that is read. Once made, the pipe stays for as long as the process: a handler
/// may be about to write to it at any time.
static REQUESTS: OnceLock<File> = OnceLock::new();
/// The end that the handler writes to; -1 before there is one.
static HANDLER_END: AtomicI32 = AtomicI32::new(-1);
/// Whether a host takes the requests.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The right to the process's requests. Dropping it gives the signals their old meaning back.
pub(crate) struct Requests {
    pipe: Readiness,
    /// What each of `SIGNALS` meant before.
    before: [libc::sigaction; 2],
}

impl Requests {
    /// Takes SIGINT and SIGTERM over. Another host that has them is an error
    /// ([`io::ErrorKind::ResourceBusy`]).
    pub fn take() -> io::Result<Self> {
        if TAKEN.swap(true, Ordering::Acquire) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let taken = Self::install();
        if taken.is_err() {
            TAKEN.store(false, Ordering::Release);
        }
        taken
    }

    fn install() -> io::Result<Self> {
        let pipe = pipe()?;
        discard_all(pipe);
        let pipe = Readiness::new(pipe.try_clone()?.into());
        pipe.arm(libc::POLLIN);
        // SAFETY: all zeros is a valid `sigaction`: no handler, no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = note_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // System calls of other threads go on as if nothing had happened; ppoll(2) does not.
        action.sa_flags = libc::SA_RESTART;
        let interrupt = set_action(SIGNALS[0], &action)?;
        let terminate = set_action(SIGNALS[1], &action).inspect_err(|_| {
            let _ = set_action(SIGNALS[0], &interrupt);
        })?;
        Ok(Self {
            pipe,
            before: [interrupt, terminate],
        })
    }

    /// What ends a wait when there is a request.
    pub fn readiness(&self) -> &Readiness {
        &self.pipe
    }

    /// The oldest request not yet taken.
    pub fn next(&mut self) -> Option<HostRequest> {
        self.pipe.arm(libc::POLLIN);
        let mut number = [0];
        match self.pipe.file().read(&mut number) {
            Ok(1) if libc::c_int::from(number[0]) == libc::SIGINT => Some(HostRequest::Interrupt),
            Ok(1) => Some(HostRequest::Terminate),
            _ => None,
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        for (signal, before) in SIGNALS.into_iter().zip(&self.before) {
            // It was accepted before, so it is again.
            let _ = set_action(signal, before);
        }
        TAKEN.store(false, Ordering::Release);
    }
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Requests")
    }
}

/// The pipe's end that is read; makes it at the first call. The caller has `TAKEN`.
fn pipe() -> io::Result<&'static File> {
    if let Some(pipe) = REQUESTS.get() {
        return Ok(pipe);
    }
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors.
    let outcome = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    HANDLER_END.store(ends[1], Ordering::Release);
    // SAFETY: the descriptor is open, new, and owned by nobody else.
    let reader = unsafe { OwnedFd::from_raw_fd(ends[0]) };
    Ok(REQUESTS.get_or_init(|| reader.into()))
}

/// Requests that came when no host took them are nobody's.
fn discard_all(mut pipe: &File) {
    while pipe.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
}

/// Sets what `signal` does, and returns what it did.
fn set_action(signal: libc::c_int, action: &libc::sigaction) -> io::Result<libc::sigaction> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: `action` is valid, and its handler (ours, or one that was there before) may run at
    // any time; `before` has room for what was there.
    let outcome = unsafe { libc::sigaction(signal, ptr::from_ref(action), before.as_mut_ptr()) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so it has filled `before`.
    Ok(unsafe { before.assume_init() })
}

/// The handler. It may interrupt anything, so it does nothing but write(2), which is
/// async-signal-safe (signal-safety(7)), and leaves `errno` as it was.
extern "C" fn note_signal(signal: libc::c_int) {
    let number = signal.to_ne_bytes()[if cfg!(target_endian = "little") { 0 } else { 3 }];
    // SAFETY: the location is valid for the thread that asks.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: one byte that is there is written to a descriptor that is never closed. Where the
    // pipe is full there are requests enough.
    unsafe {
        libc::write(
            HANDLER_END.load(Ordering::Acquire),
            ptr::from_ref(&number).cast(),
            1,
        )
    };
    // SAFETY: as above.
    unsafe { *errno = before };
}
