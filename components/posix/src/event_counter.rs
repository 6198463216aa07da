//! Counters that are descriptors (Linux, `eventfd`).

use hypercall::{Host, Sink, Source};

use crate::description::{DescriptionId, Object};
use crate::flags::Access;
use crate::readiness::{Readiness, Step, StepResult};
use crate::slab::Key;
use crate::{Errno, Fd, Kernel, OpenFlags};

/// The largest count.
const MAXIMUM: u64 = u64::MAX - 1;

/// A counter.
#[derive(Debug)]
pub(crate) struct EventCounter {
    count: u64,
    /// A read takes one rather than all.
    semaphore: bool,
}

impl<H: Host> Kernel<H> {
    /// A counter that starts at `initial`. With `semaphore` a read takes one, otherwise all. Only
    /// CLOSE_ON_EXEC and NONBLOCK may be set.
    pub fn eventfd(
        &mut self,
        initial: u32,
        semaphore: bool,
        flags: OpenFlags,
    ) -> Result<Fd, Errno> {
        let flags = flags.only(OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK)?;
        let counter = self.event_counters.insert(EventCounter {
            count: u64::from(initial),
            semaphore,
        })?;
        let object = Object::EventCounter(counter);
        let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
        self.open_object(object, Access::all(), flags.status(), close_on_exec)
    }

    pub(crate) fn read_event_counter(
        &mut self,
        id: DescriptionId,
        key: Key<EventCounter>,
        into: &mut dyn Sink,
    ) -> StepResult<usize> {
        if into.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let counter = self.event_counters.get_mut(key).ok_or(Errno::EBADF)?;
        let taken = match counter.semaphore {
            true => counter.count.min(1),
            false => counter.count,
        };
        if taken == 0 {
            return self.wait_for(id, Readiness::IN);
        }
        counter.count -= taken;
        self.notify(id, Readiness::OUT);
        Ok(Step::Done(into.put(&taken.to_ne_bytes())))
    }

    /// Adds the number that `data` holds. One that does not fit now is EAGAIN even where the
    /// description would wait: a step that waits may not have taken its data.
    pub(crate) fn write_event_counter(
        &mut self,
        id: DescriptionId,
        key: Key<EventCounter>,
        data: &mut dyn Source,
    ) -> Result<usize, Errno> {
        let mut amount = [0; size_of::<u64>()];
        if data.take(&mut amount) < amount.len() {
            return Err(Errno::EINVAL);
        }
        let amount = u64::from_ne_bytes(amount);
        if amount > MAXIMUM {
            return Err(Errno::EINVAL);
        }
        let counter = self.event_counters.get_mut(key).ok_or(Errno::EBADF)?;
        if amount > MAXIMUM - counter.count {
            // No device could make room, and a second try would find the data gone.
            self.clock.progressed = true;
            return Err(Errno::EAGAIN);
        }
        counter.count += amount;
        if amount > 0 {
            self.notify(id, Readiness::IN);
        }
        Ok(size_of::<u64>())
    }

    pub(crate) fn event_counter_readiness(&self, key: Key<EventCounter>) -> Readiness {
        let Some(counter) = self.event_counters.get(key) else {
            return Readiness::INVALID;
        };
        let mut ready = Readiness::empty();
        ready.set(Readiness::IN, counter.count > 0);
        ready.set(Readiness::OUT, counter.count < MAXIMUM);
        ready
    }
}

#[cfg(test)]
mod tests {
    use hypercall::SliceSource;

    use super::*;
    use crate::edge::block_on;
    use crate::fake_host::{self, FakeHost, try_read, try_write};

    fn add(kernel: &mut Kernel<FakeHost>, fd: Fd, amount: u64) -> Result<Option<usize>, Errno> {
        try_write(kernel, fd, &amount.to_ne_bytes())
    }

    fn take(kernel: &mut Kernel<FakeHost>, fd: Fd) -> Option<u64> {
        let bytes = try_read(kernel, fd, 8).unwrap()?;
        Some(u64::from_ne_bytes(bytes.try_into().unwrap()))
    }

    #[test]
    fn a_read_takes_all() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.eventfd(2, false, OpenFlags::empty()).unwrap();
        assert_eq!(add(&mut kernel, fd, 3), Ok(Some(8)));
        assert_eq!(take(&mut kernel, fd), Some(5));
        assert_eq!(take(&mut kernel, fd), None);
    }

    #[test]
    fn a_semaphore_gives_one_at_a_time() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.eventfd(2, true, OpenFlags::empty()).unwrap();
        assert_eq!(take(&mut kernel, fd), Some(1));
        assert_eq!(take(&mut kernel, fd), Some(1));
        assert_eq!(take(&mut kernel, fd), None);
    }

    #[test]
    fn the_count_has_an_end() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.eventfd(1, false, OpenFlags::empty()).unwrap();
        assert_eq!(add(&mut kernel, fd, u64::MAX), Err(Errno::EINVAL));
        assert_eq!(add(&mut kernel, fd, MAXIMUM), Err(Errno::EAGAIN));
        assert_eq!(add(&mut kernel, fd, MAXIMUM - 1), Ok(Some(8)));
        let id = kernel.description_id(fd).unwrap();
        assert_eq!(kernel.readiness(id), Readiness::IN);
        assert_eq!(take(&mut kernel, fd), Some(MAXIMUM));
    }

    #[test]
    fn what_does_not_fit_is_refused_at_the_edge_too() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.eventfd(1, false, OpenFlags::NONBLOCK).unwrap();
        let bytes = MAXIMUM.to_ne_bytes();
        let mut source = SliceSource::new(&bytes);
        let written = block_on(&mut kernel, |kernel| kernel.write(fd, &mut source));
        assert_eq!(written, Err(Errno::EAGAIN));
    }

    #[test]
    fn a_number_has_eight_bytes() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.eventfd(1, false, OpenFlags::empty()).unwrap();
        assert_eq!(try_write(&mut kernel, fd, b"short"), Err(Errno::EINVAL));
        assert_eq!(try_read(&mut kernel, fd, 7), Err(Errno::EINVAL));
    }
}
