//! `select`: readiness in sets of bits (POSIX.1-2017, `select`).

use alloc::vec::Vec;
use core::time::Duration;

use hypercall::Host;

use crate::poll::PollRequest;
use crate::readiness::{Readiness, Step, StepResult};
use crate::{Errno, Fd, Kernel};

/// How many descriptors a set has room for (FD_SETSIZE).
pub const FD_SET_SIZE: usize = 1024;

/// A set of descriptors, laid out as Linux' `fd_set`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FdSet(pub [u64; FD_SET_SIZE / 64]);

/// The three sets of a `select`: what is asked for, then what was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SelectSets {
    /// To be read from.
    pub read: FdSet,
    /// To be written to.
    pub write: FdSet,
    /// With an exceptional condition.
    pub except: FdSet,
}

/// What each set asks for, and what counts as found (Linux, select(2), NOTES).
const READ: Readiness = Readiness::IN.union(Readiness::ALWAYS);
const WRITE: Readiness = Readiness::OUT.union(Readiness::ERROR);
const EXCEPT: Readiness = Readiness::PRIORITY;

impl FdSet {
    const fn contains(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    const fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }
}

impl<H: Host> Kernel<H> {
    /// Replaces the sets, of which the first `count` bits matter, by what is ready of them, and
    /// says how many bits are set. Waits until one is, or for `timeout` at most; a step that
    /// waits leaves the sets as they were.
    pub fn select(
        &mut self,
        count: usize,
        sets: &mut SelectSets,
        timeout: Option<Duration>,
    ) -> StepResult<usize> {
        let mut requests = self.select_requests(count, sets)?;
        self.survey(&mut requests);
        let mut found = SelectSets::default();
        let mut bits = 0;
        for request in &requests {
            let index = request.fd.unsigned_abs() as usize;
            for (asked, found, counts) in [
                (&sets.read, &mut found.read, READ),
                (&sets.write, &mut found.write, WRITE),
                (&sets.except, &mut found.except, EXCEPT),
            ] {
                if asked.contains(index) && request.ready.intersects(counts) {
                    found.insert(index);
                    bits += 1;
                }
            }
        }
        let deadline = self.deadline(timeout);
        if bits == 0 && !self.has_passed(deadline) {
            return Ok(Step::Wait(self.wait_for_any(&requests, deadline)?));
        }
        *sets = found;
        Ok(Step::Done(bits))
    }

    fn select_requests(&self, count: usize, sets: &SelectSets) -> Result<Vec<PollRequest>, Errno> {
        let mut requests = Vec::new();
        for index in 0..count.min(FD_SET_SIZE) {
            let mut wanted = Readiness::empty();
            for (set, readiness) in [
                (&sets.read, READ),
                (&sets.write, WRITE),
                (&sets.except, EXCEPT),
            ] {
                if set.contains(index) {
                    wanted |= readiness;
                }
            }
            if wanted.is_empty() {
                continue;
            }
            let fd = i32::try_from(index).map_err(|_| Errno::EINVAL)?;
            self.description_id(Fd::new(fd)?)?;
            requests.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            requests.push(PollRequest {
                fd,
                wanted,
                ready: Readiness::empty(),
            });
        }
        Ok(requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenFlags;
    use crate::edge::block_on;
    use crate::fake_host::{self, try_write};

    const SECOND: Duration = Duration::from_secs(1);

    fn set(fds: &[Fd]) -> FdSet {
        let mut set = FdSet::default();
        for fd in fds {
            set.insert(fd.number().unsigned_abs() as usize);
        }
        set
    }

    #[test]
    fn each_set_is_answered_by_itself() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        try_write(&mut kernel, writer, b"x").unwrap();
        let both = set(&[reader, writer]);
        let mut sets = SelectSets {
            read: both,
            write: both,
            except: both,
        };
        let found = block_on(&mut kernel, |kernel| kernel.select(5, &mut sets, None));
        assert_eq!(found, Ok(2));
        assert_eq!(sets.read, set(&[reader]));
        assert_eq!(sets.write, set(&[writer]));
        assert_eq!(sets.except, FdSet::default());
    }

    #[test]
    fn a_timeout_empties_the_sets() {
        let mut kernel = fake_host::kernel();
        let mut sets = SelectSets {
            read: set(&[Fd::STDIN]),
            ..SelectSets::default()
        };
        let timeout = Some(SECOND);
        let found = block_on(&mut kernel, |kernel| kernel.select(1, &mut sets, timeout));
        assert_eq!(found, Ok(0));
        assert_eq!(sets, SelectSets::default());
        assert_eq!(kernel.elapsed(), SECOND);
    }

    #[test]
    fn a_hang_up_is_nothing_to_write_and_ends_no_wait() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        kernel.close(writer).unwrap();
        let mut sets = SelectSets {
            write: set(&[reader]),
            ..SelectSets::default()
        };
        let timeout = Some(SECOND);
        let found = block_on(&mut kernel, |kernel| kernel.select(5, &mut sets, timeout));
        assert_eq!(found, Ok(0));
        assert_eq!(kernel.elapsed(), SECOND);
        assert!(kernel.host().waits < 3);
    }

    #[test]
    fn what_is_not_open_is_an_error_and_leaves_the_sets() {
        let mut kernel = fake_host::kernel();
        let asked = SelectSets {
            read: set(&[Fd::STDIN, Fd::new(9).unwrap()]),
            ..SelectSets::default()
        };
        let mut sets = asked;
        let found = block_on(&mut kernel, |kernel| kernel.select(10, &mut sets, None));
        assert_eq!(found, Err(Errno::EBADF));
        assert_eq!(sets, asked);
        // The first `count` bits alone matter.
        let none = block_on(&mut kernel, |kernel| {
            kernel.select(0, &mut sets, Some(Duration::ZERO))
        });
        assert_eq!(none, Ok(0));
    }
}
