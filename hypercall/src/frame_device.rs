//! Devices that carry Ethernet frames, in batches and without a copy.
//!
//! Receiving: [`received`](FrameDevice::received) lends the oldest frame where the device put it,
//! [`release`](FrameDevice::release) gives its buffer back. Sending:
//! [`reserve`](FrameDevice::reserve) lends a buffer, [`commit`](FrameDevice::commit) queues it,
//! [`flush`](FrameDevice::flush) tells the device once for the whole batch.

use bitflags::bitflags;

/// An IEEE 802 MAC address.
pub type MacAddress = [u8; 6];

/// A network device.
///
/// No method blocks. The caller owns the device alone (`&mut self`) and computes all frames
/// within [`FrameCapabilities::max_frame`].
pub trait FrameDevice {
    /// What the device is and can do. The answer never changes.
    fn capabilities(&self) -> FrameCapabilities;

    /// Whether frames can pass. A device that has broken its protocol is
    /// [`LinkState::Failed`] for good.
    fn link(&mut self) -> LinkState;

    /// The oldest frame received and not yet released; the same one until
    /// [`release`](FrameDevice::release). The caller may change its bytes. `None` arms the
    /// device: the host's wait ends when the next frame arrives.
    fn received(&mut self) -> Option<ReceivedFrame<'_>>;

    /// Gives back the buffer of the frame that [`received`](FrameDevice::received) lends.
    /// Without such a frame it does nothing.
    fn release(&mut self);

    /// A buffer of `length` bytes (of any content) for one frame, the same one until
    /// [`commit`](FrameDevice::commit). `None` when all are on their way, and then the host's
    /// wait ends when one is free; or when `length` is more than
    /// [`max_frame`](FrameCapabilities::max_frame).
    fn reserve(&mut self, length: usize) -> Option<&mut [u8]>;

    /// Queues the frame in the first `length` bytes of the reserved buffer, which the device
    /// owns from now on. Without a reserved buffer, or with `length` above what was reserved, it
    /// does nothing.
    fn commit(&mut self, length: usize, meta: FrameMeta);

    /// Has the device send what was committed since the last flush. A caller flushes before it
    /// waits.
    fn flush(&mut self);
}

/// What a [`FrameDevice`] is and can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameCapabilities {
    /// The device's own address.
    pub mac: MacAddress,
    /// The largest IP packet in bytes that the link carries (1500 on Ethernet).
    pub mtu: usize,
    /// The largest frame in bytes that [`FrameDevice::reserve`] gives, Ethernet header included:
    /// more than `mtu + 14` where the device cuts segments itself.
    pub max_frame: usize,
    /// What the device computes so that the stack need not.
    pub offloads: Offloads,
}

bitflags! {
    /// Work that a device takes over from the stack.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Offloads: u8 {
        /// Completes TCP and UDP checksums on transmit ([`FrameMeta::checksum`]).
        const TRANSMIT_CHECKSUM = 1;
        /// Cuts a large TCP/IPv4 frame into segments ([`FrameMeta::segment_size`]).
        const TRANSMIT_TCP4 = 2;
    }
}

/// A frame lent by [`FrameDevice::received`].
#[derive(Debug)]
pub struct ReceivedFrame<'a> {
    /// The frame from its Ethernet header on, without the frame check sequence.
    pub bytes: &'a mut [u8],
    /// The device, or a sender on the same machine, vouches for the TCP or UDP checksum, which
    /// may hold only the pseudo-header's sum. The stack must not verify it.
    pub checksum_good: bool,
}

/// What the device is to do with a frame beyond sending it.
///
/// The default asks for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameMeta {
    /// The checksum to complete, if any: from `start`, counted from the frame's first byte, to
    /// the frame's end, into the two bytes at `start + offset`, where the pseudo-header's sum
    /// stands. Needs [`Offloads::TRANSMIT_CHECKSUM`].
    pub checksum: Option<ChecksumRequest>,
    /// The payload bytes of each segment that the frame is to be cut into, if it is. Needs
    /// `checksum` and [`Offloads::TRANSMIT_TCP4`].
    pub segment_size: Option<u16>,
}

/// Where a checksum is to be completed; see [`FrameMeta::checksum`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChecksumRequest {
    /// The first byte that the sum covers, counted from the frame's first.
    pub start: u16,
    /// Where the sum goes, counted from `start`.
    pub offset: u16,
}

/// Whether frames can pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// They can.
    Up,
    /// Not now: no carrier.
    Down,
    /// Never again: the device broke its protocol or is gone.
    Failed,
}
