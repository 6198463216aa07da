//! Socket calls: making them, naming them, connecting them.

use hypercall::{Host, ProgramHost};
use posix::{Errno, Half, OpenFlags, OptionName, OptionValue, SocketKind, block_on};

use crate::bindings::{
    __kernel_old_timeval, AF_INET, IPPROTO_TCP, IPPROTO_UDP, SHUT_RD, SHUT_RDWR, SHUT_WR,
    SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SOCK_STREAM,
};
use crate::call::{Call, Outcome, SUCCESS, descriptor, nothing};
use crate::program::Program;
use crate::socket_address::AddressRoom;
use crate::time::duration_of_timeval;

/// The bits of a socket's type that name the type; others are flags.
pub(crate) const SOCKET_TYPE: u32 = 0xf;

/// The longest value of an option that is looked at.
const LARGEST_OPTION: usize = 16;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn socket(&mut self, call: &mut Call<'_>) -> Outcome {
        let (domain, kind, protocol) = (call.unsigned(0), call.unsigned(1), call.unsigned(2));
        if domain != AF_INET {
            return Err(Errno::EAFNOSUPPORT);
        }
        let flags = OpenFlags::from_bits_retain(kind & !SOCKET_TYPE);
        let kind = match (kind & SOCKET_TYPE, protocol) {
            (SOCK_STREAM, 0 | IPPROTO_TCP) => SocketKind::Stream,
            (SOCK_DGRAM, 0 | IPPROTO_UDP) => SocketKind::Datagram,
            (SOCK_STREAM | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
            (SOCK_RAW, _) => return Err(Errno::EPERM),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        };
        descriptor(self.entered().socket(kind, flags))
    }

    pub(crate) fn bind(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let local = self.read_address(call.argument(1), call.unsigned(2))?;
        nothing(self.entered().bind(fd, local))
    }

    pub(crate) fn listen(&mut self, call: &mut Call<'_>) -> Outcome {
        let (fd, backlog) = (call.fd(0)?, call.int(1));
        nothing(self.entered().listen(fd, backlog))
    }

    pub(crate) fn accept(&mut self, call: &mut Call<'_>) -> Outcome {
        self.accept_with(call, OpenFlags::empty())
    }

    pub(crate) fn accept4(&mut self, call: &mut Call<'_>) -> Outcome {
        let bits = call.unsigned(3);
        if bits & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
            return Err(Errno::EINVAL);
        }
        self.accept_with(call, OpenFlags::from_bits_retain(bits))
    }

    pub(crate) fn connect(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let peer = self.read_address(call.argument(1), call.unsigned(2))?;
        nothing(block_on(&mut self.kernel, |kernel| {
            kernel.connect(fd, peer)
        }))
    }

    pub(crate) fn shutdown(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let half = match call.unsigned(1) {
            SHUT_RD => Half::Receive,
            SHUT_WR => Half::Send,
            SHUT_RDWR => Half::Both,
            _ => return Err(Errno::EINVAL),
        };
        nothing(self.entered().shutdown(fd, half))
    }

    pub(crate) fn getsockname(&mut self, call: &mut Call<'_>) -> Outcome {
        let room = AddressRoom::prepare(&mut self.memory(), call.argument(1), call.argument(2))?;
        let address = self.kernel.getsockname(call.fd(0)?)?;
        room.fill(&mut self.memory(), Some(address))?;
        SUCCESS
    }

    pub(crate) fn getpeername(&mut self, call: &mut Call<'_>) -> Outcome {
        let room = AddressRoom::prepare(&mut self.memory(), call.argument(1), call.argument(2))?;
        let address = self.kernel.getpeername(call.fd(0)?)?;
        room.fill(&mut self.memory(), Some(address))?;
        SUCCESS
    }

    pub(crate) fn setsockopt(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let name = OptionName::new(call.int(1), call.int(2))?;
        let (at, length) = (call.argument(3), call.int(4));
        let value = self.read_option(name, at, length)?;
        nothing(self.entered().setsockopt(fd, name, value))
    }

    pub(crate) fn getsockopt(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let name = OptionName::new(call.int(1), call.int(2))?;
        let length: i32 = self.memory().read(call.argument(4))?;
        let room = usize::try_from(length).or(Err(Errno::EINVAL))?;
        let value = self.entered().getsockopt(fd, name)?;
        let (bytes, length) = option_bytes(value);
        let part = &bytes[..length.min(room)];
        self.memory().write_bytes(call.argument(3), part)?;
        let written = part.len() as i32;
        self.memory().write(call.argument(4), &written)?;
        SUCCESS
    }

    fn accept_with(&mut self, call: &Call<'_>, flags: OpenFlags) -> Outcome {
        let fd = call.fd(0)?;
        let room = match call.argument(1) {
            0 => None,
            address => Some(AddressRoom::prepare(
                &mut self.memory(),
                address,
                call.argument(2),
            )?),
        };
        let (accepted, peer) = block_on(&mut self.kernel, |kernel| kernel.accept4(fd, flags))?;
        if let Some(room) = room {
            let peer = posix::SocketAddress::Inet(peer);
            room.fill(&mut self.memory(), Some(peer))?;
        }
        descriptor(Ok(accepted))
    }

    fn read_option(
        &mut self,
        name: OptionName,
        address: u64,
        length: i32,
    ) -> Result<OptionValue, Errno> {
        let length = usize::try_from(length).or(Err(Errno::EINVAL))?;
        let enough = |needed: usize| match length >= needed {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        };
        let mut memory = self.memory();
        Ok(match name {
            OptionName::ReceiveTimeout | OptionName::SendTimeout => {
                enough(size_of::<__kernel_old_timeval>())?;
                let time: __kernel_old_timeval = memory.read(address)?;
                OptionValue::Time(duration_of_timeval(&time)?)
            }
            OptionName::Linger => {
                enough(size_of::<[i32; 2]>())?;
                let [on, seconds]: [i32; 2] = memory.read(address)?;
                OptionValue::Linger(on != 0, seconds)
            }
            _ => {
                enough(size_of::<i32>())?;
                OptionValue::Number(memory.read(address)?)
            }
        })
    }
}

/// The bytes of an option's value, and how many of them count.
fn option_bytes(value: OptionValue) -> ([u8; LARGEST_OPTION], usize) {
    let mut bytes = [0; LARGEST_OPTION];
    let (first, second) = bytes.split_at_mut(8);
    let length = match value {
        OptionValue::Number(number) => {
            first[..4].copy_from_slice(&number.to_le_bytes());
            4
        }
        OptionValue::Time(time) => {
            first.copy_from_slice(&time.as_secs().to_le_bytes());
            second.copy_from_slice(&u64::from(time.subsec_micros()).to_le_bytes());
            16
        }
        OptionValue::Linger(on, seconds) => {
            first[..4].copy_from_slice(&i32::from(on).to_le_bytes());
            first[4..].copy_from_slice(&seconds.to_le_bytes());
            8
        }
    };
    (bytes, length)
}
