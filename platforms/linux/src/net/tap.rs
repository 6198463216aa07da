//! A TAP device: the process's end of a network interface of the kernel (linux/if_tun.h).
//!
//! With IFF_VNET_HDR checksums are left to whoever needs them, and frames of up to 64 KiB pass in
//! one piece both ways: most of the cost of a TAP is the system call for each frame.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hypercall::{
    FrameCapabilities, FrameDevice, FrameMeta, LinkState, MacAddress, Offloads, ReceivedFrame,
};

use crate::wait::Readiness;

use super::ETHERNET_HEADER_LENGTH;
use super::virtio_header::{self, HEADER_LENGTH};

/// The largest IP packet, so the largest that is cut into segments.
const IP_PACKET_MAX: usize = 65535;
/// The largest thing that is read or written.
const BUFFER_LENGTH: usize = HEADER_LENGTH + ETHERNET_HEADER_LENGTH + IP_PACKET_MAX;

/// How a [`Tap`] is to be opened. The default asks for nothing in particular.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TapOptions {
    /// The address of our end, which is not the interface's own. A random one by default.
    pub mac: Option<MacAddress>,
    /// Whether frames may be larger than the MTU both ways, to be cut into segments where a real
    /// wire begins. On by default.
    pub segmentation: bool,
}

impl Default for TapOptions {
    fn default() -> Self {
        Self {
            mac: None,
            segmentation: true,
        }
    }
}

/// A TAP device as a [`FrameDevice`].
///
/// The kernel takes every frame at once or loses it, as a wire does; while the interface is down
/// it loses all. [`lost`](Tap::lost) counts them.
#[derive(Debug)]
pub struct Tap {
    readiness: Readiness,
    /// Any socket: interfaces are asked about through one.
    control: UdpSocket,
    name: libc::ifreq,
    capabilities: FrameCapabilities,
    link: LinkState,
    lost: u64,
    /// Header and frame, as read.
    receive: Box<[u8]>,
    /// How much of `receive` is lent.
    received: Option<usize>,
    /// Header and frame, as they are to be written.
    transmit: Box<[u8]>,
    /// For how long a frame `transmit` is lent.
    reserved: Option<usize>,
    /// How much of `transmit` the kernel has not taken yet.
    unsent: Option<usize>,
}

// SAFETY: the one field that is not `Send` by itself is `name`, as `ifreq` has a pointer among the
// things it can hold. Here it holds a name and never a pointer.
unsafe impl Send for Tap {}

impl Tap {
    /// Opens the TAP interface `name`, which is made if there is none; the kernel completes a name
    /// that ends in `%d`. Needs CAP_NET_ADMIN, or an interface made for this user. The interface is
    /// configured by other means (`ip address add`, `ip link set up`).
    pub fn open(name: &str, options: TapOptions) -> io::Result<Self> {
        let path = Path::new("/dev/net/tun");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)?;
        let mut request = interface_request(name)?;
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        request.ifr_ifru.ifru_flags = flags as libc::c_short;
        ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request)?;
        set_offload(file.as_raw_fd(), options.segmentation)?;
        let control = UdpSocket::bind("0.0.0.0:0")?;
        let mtu = interface_mtu(&control, &request)?;
        let mac = options.mac.map_or_else(super::random_mac, Ok)?;
        Ok(Self {
            readiness: Readiness::new(file.into()),
            control,
            name: request,
            capabilities: capabilities(mac, mtu, options.segmentation),
            link: LinkState::Up,
            lost: 0,
            receive: vec![0; BUFFER_LENGTH].into_boxed_slice(),
            received: None,
            transmit: vec![0; BUFFER_LENGTH].into_boxed_slice(),
            reserved: None,
            unsent: None,
        })
    }

    /// What makes a host's wait end ([`LinuxHost::attach`](crate::LinuxHost::attach)).
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The interface's name.
    pub fn name(&self) -> String {
        let name = self.name.ifr_name.iter().take_while(|byte| **byte != 0);
        name.map(|byte| char::from(byte.to_ne_bytes()[0])).collect()
    }

    /// How many committed frames the kernel did not take.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn fail(&mut self) {
        self.link = LinkState::Failed;
        self.received = None;
        self.reserved = None;
        self.unsent = None;
        self.readiness.disarm(libc::POLLIN | libc::POLLOUT);
    }

    /// Reads a frame if none is lent.
    fn fetch(&mut self) {
        while self.received.is_none() && self.link != LinkState::Failed {
            match self.readiness.file().read(&mut self.receive) {
                Ok(length) if length < HEADER_LENGTH => {}
                Ok(length) => self.received = Some(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.readiness.arm(libc::POLLIN);
                }
                // The interface was deleted.
                Err(_) => self.fail(),
            }
        }
    }

    /// Writes what is committed. Returns whether the buffer is free.
    fn send(&mut self) -> bool {
        let Some(length) = self.unsent else {
            return self.link != LinkState::Failed;
        };
        loop {
            match self.readiness.file().write(&self.transmit[..length]) {
                Ok(count) if count == length => break self.link = LinkState::Up,
                // The kernel takes frames whole; half a one is none.
                Ok(_) => break self.lost += 1,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => {
                        self.readiness.arm(libc::POLLOUT);
                        return false;
                    }
                    Some(libc::EBADFD) => {
                        self.fail();
                        return false;
                    }
                    Some(code) => break self.lose(code),
                    None => break self.lose(0),
                },
            }
        }
        self.unsent = None;
        true
    }

    fn lose(&mut self, code: i32) {
        self.lost += 1;
        if code == libc::EIO {
            self.link = LinkState::Down;
        }
    }
}

impl FrameDevice for Tap {
    fn capabilities(&self) -> FrameCapabilities {
        self.capabilities
    }

    fn link(&mut self) -> LinkState {
        if self.link == LinkState::Down && interface_is_up(&self.control, &self.name) {
            self.link = LinkState::Up;
        }
        self.link
    }

    fn received(&mut self) -> Option<ReceivedFrame<'_>> {
        self.fetch();
        let length = self.received?;
        let (header, frame) = self.receive[..length].split_at_mut(HEADER_LENGTH);
        Some(ReceivedFrame {
            checksum_good: virtio_header::vouches_for_checksum(header),
            bytes: frame,
        })
    }

    fn release(&mut self) {
        self.received = None;
    }

    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > self.capabilities.max_frame || !self.send() {
            return None;
        }
        self.reserved = Some(length);
        Some(&mut self.transmit[HEADER_LENGTH..HEADER_LENGTH + length])
    }

    /// Hands the frame to the kernel at once: it takes each by itself, so there are no batches.
    /// Does nothing either if `meta` asks for what is not among the offloads.
    fn commit(&mut self, length: usize, meta: FrameMeta) {
        let segments = meta.segment_size.is_some();
        let offered = !segments || self.capabilities.offloads.contains(Offloads::TRANSMIT_TCP4);
        if !offered
            || self
                .reserved
                .take_if(|reserved| length <= *reserved)
                .is_none()
        {
            return;
        }
        let (header, frame) = self.transmit.split_at_mut(HEADER_LENGTH);
        header.copy_from_slice(&virtio_header::for_transmit(&frame[..length], meta));
        self.unsent = Some(HEADER_LENGTH + length);
        self.send();
    }

    fn flush(&mut self) {
        self.send();
    }
}

fn capabilities(mac: MacAddress, mtu: usize, segmentation: bool) -> FrameCapabilities {
    let mut offloads = Offloads::TRANSMIT_CHECKSUM;
    offloads.set(Offloads::TRANSMIT_TCP4, segmentation);
    FrameCapabilities {
        mac,
        mtu,
        max_frame: ETHERNET_HEADER_LENGTH + if segmentation { IP_PACKET_MAX } else { mtu },
        offloads,
    }
}

/// A request about the interface `name`.
fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeros is a valid `ifreq`: an empty name and a union of plain numbers.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    // One place is left for the zero at its end.
    if name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "no name of an interface",
        ));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

fn ioctl(descriptor: RawFd, code: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: each of the codes used here takes a pointer to an `ifreq`, which it reads and fills.
    match unsafe { libc::ioctl(descriptor, code, request) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What the kernel may leave for us to do, or to do without, in frames that we receive.
fn set_offload(descriptor: RawFd, segmentation: bool) -> io::Result<()> {
    let segments = if segmentation { libc::TUN_F_TSO4 } else { 0 };
    let flags = libc::c_ulong::from(libc::TUN_F_CSUM | segments);
    // SAFETY: this code takes a number.
    match unsafe { libc::ioctl(descriptor, libc::TUNSETOFFLOAD, flags) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn interface_mtu(control: &UdpSocket, name: &libc::ifreq) -> io::Result<usize> {
    let mut request = *name;
    ioctl(control.as_raw_fd(), libc::SIOCGIFMTU, &mut request)?;
    // SAFETY: the call has succeeded, so the number is what the union holds.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    let invalid = |_| io::Error::new(ErrorKind::InvalidData, "an impossible MTU");
    usize::try_from(mtu)
        .map(|mtu| mtu.min(IP_PACKET_MAX))
        .map_err(invalid)
}

fn interface_is_up(control: &UdpSocket, name: &libc::ifreq) -> bool {
    let mut request = *name;
    if ioctl(control.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request).is_err() {
        return false;
    }
    // SAFETY: the call has succeeded, so flags are what the union holds.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    libc::c_int::from(flags) & libc::IFF_UP != 0
}
