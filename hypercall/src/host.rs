//! What every home gives: clocks, entropy, a console, waiting, pages, an end.

use core::num::NonZeroUsize;
use core::time::Duration;

use thiserror::Error;

use crate::{ConsoleError, Input, Instant, OutOfPages, Pages, Stream};

/// A home of components.
///
/// One thread at a time calls a host, the one that has entered the kernel; [`Wake`] alone may be
/// used from elsewhere. Only [`wait`](Host::wait) blocks. No method calls back into a component.
pub trait Host {
    /// The handle that ends a wait.
    type Waker: Wake;

    /// The time now. Never less than an earlier answer, and it goes on during
    /// [`wait`](Host::wait) and between calls alike.
    fn monotonic(&mut self) -> Instant;

    /// The time now since 1970-01-01 00:00 UTC, leap seconds not counted (POSIX "seconds since
    /// the Epoch"). A home that cannot know it starts at zero. Runs at the rate of
    /// [`monotonic`](Host::monotonic); somebody may set it, forwards or back.
    fn wall_clock(&mut self) -> Duration;

    /// Fills all of `bytes` from a source fit for keys. On error `bytes` holds nothing of use.
    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable>;

    /// Writes the front of `bytes` to [`Stream::Output`] or [`Stream::Error`] and returns how
    /// many went: at least one unless `bytes` is empty. On error none went. Writing to
    /// [`Stream::Input`] is [`ConsoleError::Closed`].
    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError>;

    /// Reads what standard input has into the front of `buffer`, which is not empty. Never
    /// blocks: after [`Input::Pending`], [`wait`](Host::wait) returns when there is something.
    /// After [`Input::End`] every answer is [`Input::End`].
    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError>;

    /// Whether a person's terminal is at the other end of `stream`. The answer never changes.
    fn console_is_terminal(&self, stream: Stream) -> bool;

    /// What the person or the manager at the host's controls asks for, oldest first; `None` when
    /// nothing is asked. Each request is given once. A new one ends [`wait`](Host::wait).
    fn take_request(&mut self) -> Option<HostRequest>;

    /// Blocks until `deadline`, until a waker is used, or until a device of this home has
    /// something new; without a deadline until one of the latter. A wake since the last wait
    /// makes this one return at once, so none is lost. It may also return for no reason.
    fn wait(&mut self, deadline: Option<Instant>);

    /// A handle that ends the wait going on, or the next.
    fn waker(&self) -> Self::Waker;

    /// `count` whole pages in one piece, zeroed. The caller owns them until it hands them to
    /// [`release_pages`](Host::release_pages). On error nothing has changed.
    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages>;

    /// Takes back `pages`, which came from [`allocate_pages`](Host::allocate_pages) of this
    /// host. They can be had again.
    fn release_pages(&mut self, pages: Pages);

    /// Ends this home with `status`. Console output written before has arrived.
    fn exit(&mut self, status: u8) -> !;
}

/// The handle that ends a host's wait. May be used from any thread and from an interrupt.
pub trait Wake: Clone + Send + Sync + 'static {
    /// Ends the [`Host::wait`] going on, or else the next. Does not block.
    fn wake(&self);
}

/// What somebody at the host's controls may ask of what runs there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostRequest {
    /// Interrupt what is going on (Ctrl-C; POSIX SIGINT).
    Interrupt,
    /// End in good order (POSIX SIGTERM).
    Terminate,
}

/// The host has no source of entropy, or it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the host has no entropy to give")]
pub struct EntropyUnavailable;
