//! What the tests of TAP devices stand on: network namespaces, and the kernel's end of a TAP.

#![allow(dead_code, reason = "each test file uses its part")]

use std::ffi::c_int;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use hypercall::MacAddress;

/// Runs `test` in a network namespace of its own, where nothing that it does to interfaces
/// disturbs the machine. Says so where that is not allowed, and does not run it.
pub fn in_network_namespace(test: impl FnOnce() + Send + 'static) {
    // The namespace is the thread's own and goes with it.
    let thread = std::thread::spawn(move || {
        // SAFETY: the call takes a number, and concerns this thread alone.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } < 0 {
            let error = io::Error::last_os_error();
            println!("SKIPPED: a network namespace needs root ({error})");
            return;
        }
        if !std::path::Path::new("/dev/net/tun").exists() {
            println!("SKIPPED: there is no /dev/net/tun");
            return;
        }
        test();
    });
    thread.join().expect("the test has passed");
}

/// An interface of the kernel, of a TAP device for example.
pub struct Interface {
    control: UdpSocket,
    name: libc::ifreq,
}

impl Interface {
    pub fn named(text: &str) -> Self {
        // SAFETY: all zeros is a valid `ifreq`.
        let mut name: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
        for (place, byte) in name.ifr_name.iter_mut().zip(text.bytes()) {
            *place = libc::c_char::from_ne_bytes([byte]);
        }
        let control = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        Self { control, name }
    }

    /// `ip link set up` or `down`.
    pub fn set_up(&self, up: bool) {
        let mut request = self.name;
        request.ifr_ifru.ifru_flags = if up { libc::IFF_UP as libc::c_short } else { 0 };
        self.ioctl(libc::SIOCSIFFLAGS, &mut request);
    }

    /// `ip address add ADDRESS/8`: the mask is that of the address's class.
    pub fn set_address(&self, address: Ipv4Addr) {
        let mut request = self.name;
        request.ifr_ifru.ifru_addr = generic(address);
        self.ioctl(libc::SIOCSIFADDR, &mut request);
    }

    /// `ip neigh add ADDRESS lladdr MAC`.
    pub fn add_neighbour(&self, address: Ipv4Addr, mac: MacAddress) {
        // SAFETY: all zeros is a valid `arpreq`.
        let mut request: libc::arpreq = unsafe { MaybeUninit::zeroed().assume_init() };
        request.arp_pa = generic(address);
        request.arp_ha.sa_family = libc::ARPHRD_ETHER;
        for (place, byte) in request.arp_ha.sa_data.iter_mut().zip(mac) {
            *place = libc::c_char::from_ne_bytes([byte]);
        }
        request.arp_flags = libc::ATF_PERM;
        self.ioctl(libc::SIOCSARP, &mut request);
    }

    /// `ip link delete`.
    pub fn delete(&self) {
        const REQUEST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        // A `nlmsghdr` and an `ifinfomsg` (rtnetlink(7)).
        let mut message = [0; 32];
        message[..4].copy_from_slice(&32u32.to_ne_bytes());
        message[4..6].copy_from_slice(&libc::RTM_DELLINK.to_ne_bytes());
        message[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
        message[20..24].copy_from_slice(&self.index().to_ne_bytes());
        let socket = socket(libc::AF_NETLINK, libc::NETLINK_ROUTE);
        send(&socket, &message);
        // The answer is a `nlmsghdr` and, behind it, a negative error number or 0.
        let mut answer = [0xff; 1024];
        receive(&socket, &mut answer).expect("an answer");
        assert_eq!(answer[16..20], [0; 4], "the interface was not deleted");
    }

    pub fn index(&self) -> c_int {
        let mut request = self.name;
        self.ioctl(libc::SIOCGIFINDEX, &mut request);
        // SAFETY: the call has filled the index.
        unsafe { request.ifr_ifru.ifru_ifindex }
    }

    /// The interface's own address, to which the kernel listens.
    pub fn mac(&self) -> MacAddress {
        let mut request = self.name;
        self.ioctl(libc::SIOCGIFHWADDR, &mut request);
        // SAFETY: the call has filled the address.
        let address = unsafe { request.ifr_ifru.ifru_hwaddr };
        std::array::from_fn(|at| address.sa_data[at].to_ne_bytes()[0])
    }

    fn ioctl<R>(&self, code: libc::Ioctl, request: &mut R) {
        // SAFETY: the callers give each code the structure that it takes.
        let outcome = unsafe { libc::ioctl(self.control.as_raw_fd(), code, request) };
        assert!(outcome >= 0, "{}", io::Error::last_os_error());
    }
}

/// An IPv4 address as a `sockaddr`: family, port 0, address.
fn generic(address: Ipv4Addr) -> libc::sockaddr {
    // SAFETY: all zeros is a valid `sockaddr`.
    let mut generic: libc::sockaddr = unsafe { MaybeUninit::zeroed().assume_init() };
    generic.sa_family = libc::AF_INET as libc::sa_family_t;
    for (place, byte) in generic.sa_data[2..].iter_mut().zip(address.octets()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    generic
}

/// Returns every frame that comes to the interface, with its addresses exchanged, on a thread that
/// ends with the interface.
pub fn echo(interface: &Interface) {
    let socket = packet_socket(interface.index());
    std::thread::spawn(move || {
        let mut frame = vec![0; 70_000];
        while let Some(length) = receive(&socket, &mut frame) {
            let (destination, rest) = frame.split_at_mut(6);
            destination.swap_with_slice(&mut rest[..6]);
            send(&socket, &frame[..length]);
        }
    });
}

/// A packet(7) socket for what others send to the interface `index`.
fn packet_socket(index: c_int) -> OwnedFd {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    let socket = socket(libc::AF_PACKET, protocol.into());
    set_option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 16 << 20);
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = index;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    let pointer = (&raw const address).cast();
    // SAFETY: `pointer` points to as many bytes as are named.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), pointer, length) };
    assert!(bound >= 0, "{}", io::Error::last_os_error());
    socket
}

fn socket(family: c_int, protocol: c_int) -> OwnedFd {
    // SAFETY: the call takes numbers only.
    let socket = unsafe { libc::socket(family, libc::SOCK_RAW, protocol) };
    assert!(socket >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor is open, new, and owned by nobody else.
    unsafe { OwnedFd::from_raw_fd(socket) }
}

fn set_option(socket: &OwnedFd, level: c_int, option: c_int, value: c_int) {
    let length = size_of::<c_int>() as libc::socklen_t;
    let pointer = (&raw const value).cast();
    // SAFETY: `pointer` points to as many bytes as are named.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, pointer, length) };
    assert!(set >= 0, "{}", io::Error::last_os_error());
}

fn receive(socket: &OwnedFd, frame: &mut [u8]) -> Option<usize> {
    let pointer = frame.as_mut_ptr().cast();
    // SAFETY: `pointer` points to as many writable bytes as are named.
    let length = unsafe { libc::recv(socket.as_raw_fd(), pointer, frame.len(), 0) };
    usize::try_from(length).ok()
}

fn send(socket: &OwnedFd, frame: &[u8]) {
    let pointer = frame.as_ptr().cast();
    // SAFETY: `pointer` points to as many readable bytes as are named.
    let sent = unsafe { libc::send(socket.as_raw_fd(), pointer, frame.len(), 0) };
    assert_eq!(
        usize::try_from(sent),
        Ok(frame.len()),
        "{}",
        io::Error::last_os_error()
    );
}
