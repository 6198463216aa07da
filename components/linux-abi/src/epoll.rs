//! `epoll`: many descriptors watched at a cost that follows what happens.

use core::time::Duration;

use hypercall::{Host, ProgramHost, Protection};
use posix::{EpollChange, EpollEvent, Errno, Readiness, WatchMode, block_on};
use zerocopy::{FromZeros as _, IntoBytes as _};

use crate::bindings::{EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, epoll_event};
use crate::call::{Call, Outcome, descriptor, nothing};
use crate::program::Program;

/// How many events are handed over at a time.
const BATCH: usize = 32;

/// More than this cannot be asked for (EP_MAX_EVENTS of Linux).
const MAXIMUM_EVENTS: usize = i32::MAX as usize / size_of::<epoll_event>();

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn epoll_create(&mut self, call: &mut Call<'_>) -> Outcome {
        // The size once was a hint; it still has to be positive.
        match call.int(0) {
            1.. => descriptor(self.kernel.epoll_create1(false)),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn epoll_create1(&mut self, call: &mut Call<'_>) -> Outcome {
        match call.unsigned(0) {
            0 => descriptor(self.kernel.epoll_create1(false)),
            EPOLL_CLOEXEC => descriptor(self.kernel.epoll_create1(true)),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn epoll_ctl(&mut self, call: &mut Call<'_>) -> Outcome {
        let (epoll, fd) = (call.fd(0)?, call.fd(2)?);
        let change = match call.unsigned(1) {
            EPOLL_CTL_ADD => EpollChange::Add(self.read_event(call.argument(3))?),
            EPOLL_CTL_MOD => EpollChange::Modify(self.read_event(call.argument(3))?),
            EPOLL_CTL_DEL => EpollChange::Delete,
            _ => return Err(Errno::EINVAL),
        };
        nothing(self.entered().epoll_ctl(epoll, change, fd))
    }

    pub(crate) fn epoll_wait(&mut self, call: &mut Call<'_>) -> Outcome {
        self.epoll_wait_for(call, call.milliseconds(3))
    }

    pub(crate) fn epoll_pwait(&mut self, call: &mut Call<'_>) -> Outcome {
        let mask = self.read_mask(call.argument(4), call.argument(5))?;
        self.begin_temporary_mask(mask);
        self.epoll_wait_for(call, call.milliseconds(3))
    }

    pub(crate) fn epoll_pwait2(&mut self, call: &mut Call<'_>) -> Outcome {
        let timeout = self.read_timeout(call.argument(3))?;
        let mask = self.read_mask(call.argument(4), call.argument(5))?;
        self.begin_temporary_mask(mask);
        self.epoll_wait_for(call, timeout)
    }

    fn epoll_wait_for(&mut self, call: &Call<'_>, timeout: Option<Duration>) -> Outcome {
        let (epoll, at) = (call.fd(0)?, call.argument(1));
        let maximum = usize::try_from(call.int(2)).or(Err(Errno::EINVAL))?;
        if !(1..=MAXIMUM_EVENTS).contains(&maximum) {
            return Err(Errno::EINVAL);
        }
        // What has been reported is reported once, so it must arrive.
        let length = maximum * size_of::<epoll_event>();
        self.memory().prepare(at, length, Protection::WRITE)?;
        let mut events = core::mem::take(&mut self.process.events);
        events.clear();
        let found = block_on(&mut self.kernel, |kernel| {
            kernel.epoll_wait(epoll, maximum, timeout, &mut events)
        });
        let written = found.and_then(|found| {
            self.write_events(at, &events)?;
            Ok(found as u64)
        });
        self.process.events = events;
        written
    }

    fn write_events(&mut self, at: u64, events: &[EpollEvent]) -> Result<(), Errno> {
        let mut to = at;
        for batch in events.chunks(BATCH) {
            let mut out = [epoll_event::new_zeroed(); BATCH];
            for (out, event) in out.iter_mut().zip(batch) {
                out.events = event.ready.bits();
                out.data = event.data;
            }
            let bytes = out[..batch.len()].as_bytes();
            self.memory().write_bytes(to, bytes)?;
            to += bytes.len() as u64;
        }
        Ok(())
    }

    fn read_event(&mut self, address: u64) -> Result<EpollEvent, Errno> {
        let event: epoll_event = self.memory().read(address)?;
        Ok(EpollEvent {
            ready: Readiness::from_bits_truncate(event.events),
            mode: WatchMode::from_bits_truncate(event.events),
            data: event.data,
        })
    }
}
