//! What a console device gives its home.

use crate::{ConsoleError, Input, Stream};

/// The three byte streams of a console, on a device of its own.
///
/// A home that has one serves [`Host`](crate::Host)'s console functions with it. No method blocks;
/// the device ends [`Host::wait`](crate::Host::wait) when there is something new. A device that
/// fails does so for good, and the home goes on without it.
pub trait ConsoleDevice: Send {
    /// Takes the front of `bytes`, which is not empty, for [`Stream::Output`] or [`Stream::Error`]
    /// and returns how many it took. None means that there is no room: a wait then ends when there
    /// is. While nobody is at the other end, and for [`Stream::Input`], it is
    /// [`ConsoleError::Closed`]; on error none were taken.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError>;

    /// As [`Host::console_read`](crate::Host::console_read). While nobody is at the other end the
    /// answer is [`Input::Pending`]; once somebody was and has gone, and all is read,
    /// [`Input::End`].
    fn read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError>;

    /// Whether everything taken by [`write`](ConsoleDevice::write) has left the device, or is lost
    /// with it. If not, a wait ends when some more has.
    fn is_drained(&mut self) -> bool;
}
