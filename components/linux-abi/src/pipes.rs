//! Descriptors without a name: pipes, pairs of local sockets, event counters.

use hypercall::{Host, ProgramHost, Protection};
use posix::{Errno, Fd, Kernel, OpenFlags};

use crate::bindings::{AF_INET, AF_UNIX, EFD_SEMAPHORE, SOCK_STREAM};
use crate::call::{Call, Outcome, SUCCESS, descriptor};
use crate::program::Program;
use crate::sockets::SOCKET_TYPE;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn pipe(&mut self, call: &mut Call<'_>) -> Outcome {
        self.make_pair(call.argument(0), |kernel| kernel.pipe2(OpenFlags::empty()))
    }

    pub(crate) fn pipe2(&mut self, call: &mut Call<'_>) -> Outcome {
        let flags = OpenFlags::from_bits_retain(call.unsigned(1));
        self.make_pair(call.argument(0), |kernel| kernel.pipe2(flags))
    }

    pub(crate) fn eventfd(&mut self, call: &mut Call<'_>) -> Outcome {
        descriptor(
            self.kernel
                .eventfd(call.unsigned(0), false, OpenFlags::empty()),
        )
    }

    pub(crate) fn eventfd2(&mut self, call: &mut Call<'_>) -> Outcome {
        let bits = call.unsigned(1);
        let semaphore = bits & EFD_SEMAPHORE != 0;
        let flags = OpenFlags::from_bits_retain(bits & !EFD_SEMAPHORE);
        descriptor(self.kernel.eventfd(call.unsigned(0), semaphore, flags))
    }

    pub(crate) fn socketpair(&mut self, call: &mut Call<'_>) -> Outcome {
        let (domain, kind, protocol) = (call.unsigned(0), call.unsigned(1), call.unsigned(2));
        let flags = OpenFlags::from_bits_retain(kind & !SOCKET_TYPE);
        match (domain, kind & SOCKET_TYPE, protocol) {
            (AF_UNIX, SOCK_STREAM, 0) => {
                self.make_pair(call.argument(3), |kernel| kernel.socketpair(flags))
            }
            (AF_UNIX, SOCK_STREAM, _) => Err(Errno::EPROTONOSUPPORT),
            (AF_UNIX, _, _) => Err(Errno::ESOCKTNOSUPPORT),
            (AF_INET, _, _) => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Makes two descriptors and writes their numbers to `address`.
    fn make_pair(
        &mut self,
        address: u64,
        make: impl FnOnce(&mut Kernel<H>) -> Result<(Fd, Fd), Errno>,
    ) -> Outcome {
        let length = size_of::<[i32; 2]>();
        self.memory().prepare(address, length, Protection::WRITE)?;
        let (first, second) = make(&mut self.kernel)?;
        let pair = [first.number(), second.number()];
        self.memory().write(address, &pair)?;
        SUCCESS
    }
}
