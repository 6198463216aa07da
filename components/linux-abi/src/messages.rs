//! Calls that send and receive on sockets.

use hypercall::{Host, ProgramHost, Protection, Sink as _, Source as _};
use posix::{Errno, Fd, MessageFlags, Received, block_on, block_on_all};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::bindings::{MSG_CMSG_CLOEXEC, MSG_CONFIRM, MSG_MORE, MSG_TRUNC, MSG_WAITALL};
use crate::call::{Call, Outcome, count};
use crate::program::Program;
use crate::socket_address::{AddressRoom, write_address};
use crate::user_buffer::{Span, UserSink, UserSource, read_vector};
use crate::user_memory::UserMemory;

/// Flags that ask for nothing that must be done: what follows soon, that a neighbour answered,
/// and how descriptors would be received that nobody sends.
const HINTS: u32 = MSG_MORE | MSG_CONFIRM | MSG_CMSG_CLOEXEC;

/// `struct msghdr` as the kernel knows it (`struct user_msghdr`); a libc may call parts of its
/// lengths padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct MessageHeader {
    name: u64,
    name_length: u32,
    padding: u32,
    vector: u64,
    vector_length: u64,
    control: u64,
    control_length: u64,
    flags: u32,
    end_padding: u32,
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn sendto(&mut self, call: &mut Call<'_>) -> Outcome {
        let name = (call.argument(4), call.unsigned(5));
        self.send(call.fd(0)?, &[call.span(1)], call.unsigned(3), name)
    }

    pub(crate) fn sendmsg(&mut self, call: &mut Call<'_>) -> Outcome {
        let header: MessageHeader = self.memory().read(call.argument(1))?;
        // Ancillary data carries descriptors and credentials to other processes.
        if header.control_length != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let (at, length) = (header.vector, header.vector_length);
        let spans = read_vector(&mut self.memory(), at, length)?;
        let name = (header.name, header.name_length);
        self.send(call.fd(0)?, &spans, call.unsigned(2), name)
    }

    pub(crate) fn recvfrom(&mut self, call: &mut Call<'_>) -> Outcome {
        let room = match call.argument(4) {
            0 => None,
            address => Some(AddressRoom::prepare(
                &mut self.memory(),
                address,
                call.argument(5),
            )?),
        };
        let received = self.receive(call.fd(0)?, &[call.span(1)], call.unsigned(3))?;
        if let Some(room) = room {
            room.fill(&mut self.memory(), received.sender)?;
        }
        Ok(received.length as u64)
    }

    pub(crate) fn recvmsg(&mut self, call: &mut Call<'_>) -> Outcome {
        let header_at = call.argument(1);
        let mut header: MessageHeader = self.memory().read(header_at)?;
        let (at, length) = (header.vector, header.vector_length);
        let mut memory = self.memory();
        memory.prepare(header_at, size_of_val(&header), Protection::WRITE)?;
        let spans = read_vector(&mut memory, at, length)?;
        if header.name != 0 {
            let room = header.name_length as usize;
            memory.prepare(header.name, room, Protection::WRITE)?;
        }
        let received = self.receive(call.fd(0)?, &spans, call.unsigned(2))?;
        if header.name != 0 {
            let (to, room) = (header.name, header.name_length);
            header.name_length = write_address(&mut self.memory(), to, room, received.sender)?;
        }
        header.control_length = 0;
        header.flags = match received.truncated {
            true => MSG_TRUNC,
            false => 0,
        };
        self.memory().write(header_at, &header)?;
        Ok(received.length as u64)
    }

    fn send(&mut self, fd: Fd, spans: &[Span], flags: u32, name: (u64, u32)) -> Outcome {
        let flags = MessageFlags::new(flags & !HINTS)?;
        let peer = match name {
            (0, _) => None,
            (address, length) => Some(self.read_address(address, length)?),
        };
        let memory = UserMemory::new(&mut self.host);
        let mut source = UserSource::gathered(memory, spans)?;
        count(block_on_all(
            &mut self.kernel,
            &mut source,
            |source| source.remaining(),
            |kernel, source| kernel.sendto(fd, source, flags, peer),
        ))
    }

    fn receive(&mut self, fd: Fd, spans: &[Span], flags: u32) -> Result<Received, Errno> {
        let message_flags = MessageFlags::new(flags & !(HINTS | MSG_WAITALL))?;
        let memory = UserMemory::new(&mut self.host);
        let mut sink = UserSink::scattered(memory, spans)?;
        let once = message_flags.intersects(MessageFlags::PEEK | MessageFlags::TRUNCATE);
        if flags & MSG_WAITALL == 0 || once {
            return block_on(&mut self.kernel, |kernel| {
                kernel.recvfrom(fd, &mut sink, message_flags)
            });
        }
        let mut last = None;
        let length = block_on_all(
            &mut self.kernel,
            &mut sink,
            |sink| sink.remaining(),
            |kernel, sink| {
                let step = kernel.recvfrom(fd, sink, message_flags)?;
                Ok(step.map(|received| {
                    last = Some(received);
                    received.length
                }))
            },
        )?;
        let last = last.ok_or(Errno::EINVAL)?;
        Ok(Received { length, ..last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::msghdr;

    #[test]
    fn the_header_has_the_layout_of_a_libc() {
        assert_eq!(size_of::<MessageHeader>(), size_of::<msghdr>());
        assert_eq!(
            core::mem::offset_of!(MessageHeader, vector_length),
            core::mem::offset_of!(msghdr, msg_iovlen)
        );
        assert_eq!(
            core::mem::offset_of!(MessageHeader, flags),
            core::mem::offset_of!(msghdr, msg_flags)
        );
    }
}
