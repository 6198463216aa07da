//! Calls that move bytes: `read`, `write` and their kin.

use hypercall::{Host, ProgramHost};
use posix::{Errno, Fd, block_on};

use crate::bindings::{GRND_INSECURE, GRND_NONBLOCK, GRND_RANDOM};
use crate::call::{Call, Outcome, count};
use crate::program::Program;
use crate::user_buffer::{Span, UserSink, UserSource, read_vector};
use crate::user_memory::UserMemory;

/// `RWF_*` flags of `preadv2`: none is needed.
const NO_FLAGS: u32 = 0;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn read(&mut self, call: &mut Call<'_>) -> Outcome {
        let (kernel, memory) = self.parts();
        let fd = call.fd(0)?;
        let mut sink = UserSink::new(memory, call.span(1))?;
        count(posix::read(kernel, fd, &mut sink))
    }

    pub(crate) fn readv(&mut self, call: &mut Call<'_>) -> Outcome {
        let (kernel, mut memory) = self.parts();
        let fd = call.fd(0)?;
        let spans = read_vector(&mut memory, call.argument(1), call.argument(2))?;
        let mut sink = UserSink::scattered(memory, &spans)?;
        count(posix::read(kernel, fd, &mut sink))
    }

    pub(crate) fn write(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let (kernel, memory) = self.parts();
        let mut source = UserSource::new(memory, call.span(1))?;
        count(posix::write(kernel, fd, &mut source))
    }

    pub(crate) fn writev(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let (kernel, mut memory) = self.parts();
        let spans = read_vector(&mut memory, call.argument(1), call.argument(2))?;
        let mut source = UserSource::gathered(memory, &spans)?;
        count(posix::write(kernel, fd, &mut source))
    }

    pub(crate) fn pread64(&mut self, call: &mut Call<'_>) -> Outcome {
        let span = call.span(1);
        self.read_at(call.fd(0)?, &[span], call.long(3))
    }

    pub(crate) fn pwrite64(&mut self, call: &mut Call<'_>) -> Outcome {
        let span = call.span(1);
        self.write_at(call.fd(0)?, &[span], call.long(3))
    }

    pub(crate) fn preadv(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, length) = (call.argument(1), call.argument(2));
        let spans = read_vector(&mut self.memory(), address, length)?;
        self.read_at(call.fd(0)?, &spans, call.long(3))
    }

    pub(crate) fn pwritev(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, length) = (call.argument(1), call.argument(2));
        let spans = read_vector(&mut self.memory(), address, length)?;
        self.write_at(call.fd(0)?, &spans, call.long(3))
    }

    /// An offset of −1 is that of the description.
    pub(crate) fn preadv2(&mut self, call: &mut Call<'_>) -> Outcome {
        match (call.unsigned(5), call.long(3)) {
            (NO_FLAGS, -1) => self.readv(call),
            (NO_FLAGS, _) => self.preadv(call),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    pub(crate) fn pwritev2(&mut self, call: &mut Call<'_>) -> Outcome {
        match (call.unsigned(5), call.long(3)) {
            (NO_FLAGS, -1) => self.writev(call),
            (NO_FLAGS, _) => self.pwritev(call),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    pub(crate) fn sendfile(&mut self, call: &mut Call<'_>) -> Outcome {
        let (to, from) = (call.fd(0)?, call.fd(1)?);
        let at = call.argument(2);
        let length = call.span(2).length;
        let mut offset: Option<u64> = self.memory().read_optional(at)?;
        // It is written back: that must not fail when bytes have gone.
        if let Some(offset) = &offset {
            self.memory().write(at, offset)?;
            i64::try_from(*offset).or(Err(Errno::EINVAL))?;
        }
        let result = block_on(&mut self.kernel, |kernel| {
            kernel.sendfile(to, from, offset.as_mut(), length)
        });
        if let Some(offset) = &offset {
            self.memory().write(at, offset)?;
        }
        count(result)
    }

    pub(crate) fn getrandom(&mut self, call: &mut Call<'_>) -> Outcome {
        if call.unsigned(2) & !(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) != 0 {
            return Err(Errno::EINVAL);
        }
        let (kernel, memory) = self.parts();
        let mut sink = UserSink::new(memory, call.span(0))?;
        count(kernel.getrandom(&mut sink))
    }

    fn read_at(&mut self, fd: Fd, spans: &[Span], offset: i64) -> Outcome {
        let memory = UserMemory::new(&mut self.host);
        let mut sink = UserSink::scattered(memory, spans)?;
        count(posix::pread(&mut self.kernel, fd, &mut sink, offset))
    }

    fn write_at(&mut self, fd: Fd, spans: &[Span], offset: i64) -> Outcome {
        let memory = UserMemory::new(&mut self.host);
        let mut source = UserSource::gathered(memory, spans)?;
        count(posix::pwrite(&mut self.kernel, fd, &mut source, offset))
    }
}
