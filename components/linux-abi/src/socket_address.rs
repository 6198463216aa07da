//! Socket addresses in program memory: `sockaddr_in`, and room for one with its length.

use core::net::{Ipv4Addr, SocketAddrV4};

use hypercall::{Host, ProgramHost, Protection};
use posix::{Errno, SocketAddress};
use zerocopy::{FromZeros as _, IntoBytes as _};

use crate::bindings::{AF_INET, AF_UNIX, sockaddr_in};
use crate::program::Program;
use crate::user_memory::UserMemory;

/// No address is longer (`struct sockaddr_storage`).
const ADDRESS_MAXIMUM: u32 = 128;

impl<H: Host, P: ProgramHost> Program<H, P> {
    /// The address of AF_INET that a program names.
    pub(crate) fn read_address(
        &mut self,
        address: u64,
        length: u32,
    ) -> Result<SocketAddrV4, Errno> {
        if !(size_of::<u16>() as u32..=ADDRESS_MAXIMUM).contains(&length) {
            return Err(Errno::EINVAL);
        }
        let family: u16 = self.memory().read(address)?;
        if u32::from(family) != AF_INET {
            return Err(Errno::EAFNOSUPPORT);
        }
        if (length as usize) < size_of::<sockaddr_in>() {
            return Err(Errno::EINVAL);
        }
        let from: sockaddr_in = self.memory().read(address)?;
        Ok(SocketAddrV4::new(
            Ipv4Addr::from_bits(u32::from_be(from.sin_addr.s_addr)),
            u16::from_be(from.sin_port),
        ))
    }
}

/// Where a program wants an address: a buffer, and a length that says its size and then the
/// address's. Both have been checked.
#[derive(Clone, Copy)]
pub(crate) struct AddressRoom {
    address: u64,
    length_at: u64,
    size: u32,
}

impl AddressRoom {
    /// Checks the room at `address`, whose size is at `length_at`.
    pub(crate) fn prepare(
        memory: &mut UserMemory<'_>,
        address: u64,
        length_at: u64,
    ) -> Result<Self, Errno> {
        let size: i32 = memory.read(length_at)?;
        let size = u32::try_from(size).or(Err(Errno::EINVAL))?;
        memory.prepare(length_at, size_of::<u32>(), Protection::WRITE)?;
        let used = size.min(ADDRESS_MAXIMUM) as usize;
        memory.prepare(address, used, Protection::WRITE)?;
        Ok(Self {
            address,
            length_at,
            size,
        })
    }

    /// Writes as much of `from` as there is room for, and its full length.
    pub(crate) fn fill(
        self,
        memory: &mut UserMemory<'_>,
        from: Option<SocketAddress>,
    ) -> Result<(), Errno> {
        let length = write_address(memory, self.address, self.size, from)?;
        memory.write(self.length_at, &length)
    }
}

/// Writes as much of an address as `room` bytes hold, and returns its full length: none has none.
pub(crate) fn write_address(
    memory: &mut UserMemory<'_>,
    to: u64,
    room: u32,
    from: Option<SocketAddress>,
) -> Result<u32, Errno> {
    let mut internet = sockaddr_in::new_zeroed();
    let family = (AF_UNIX as u16).to_le_bytes();
    let bytes = match from {
        Some(SocketAddress::Inet(from)) => {
            internet.sin_family = AF_INET as u16;
            internet.sin_port = from.port().to_be();
            internet.sin_addr.s_addr = from.ip().to_bits().to_be();
            internet.as_bytes()
        }
        // A local socket without a name has a family only.
        Some(SocketAddress::Unnamed) => &family[..],
        None => &[],
    };
    let part = bytes.len().min(room as usize);
    memory.write_bytes(to, &bytes[..part])?;
    Ok(bytes.len() as u32)
}
