//! `poll` and `select`.

use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{Host, Instant, ProgramHost, Protection};
use posix::{Errno, FD_SET_SIZE, FdSet, PollRequest, Readiness, SelectSets, block_on};
use zerocopy::IntoBytes as _;

use crate::bindings::{__kernel_old_timeval, __kernel_timespec, pollfd};
use crate::call::{Call, Outcome, count};
use crate::program::Program;
use crate::time::{duration_of, duration_of_timeval};

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn poll(&mut self, call: &mut Call<'_>) -> Outcome {
        self.poll_for(call, call.milliseconds(2))
    }

    pub(crate) fn ppoll(&mut self, call: &mut Call<'_>) -> Outcome {
        let timeout = self.read_timeout(call.argument(2))?;
        let mask = self.read_mask(call.argument(3), call.argument(4))?;
        self.begin_temporary_mask(mask);
        self.poll_for(call, timeout)
    }

    /// Writes the time left to the timeout, as Linux does.
    pub(crate) fn select(&mut self, call: &mut Call<'_>) -> Outcome {
        let at = call.argument(4);
        let timeout: Option<__kernel_old_timeval> = self.memory().read_optional(at)?;
        let timeout = match timeout {
            Some(time) => {
                let length = size_of::<__kernel_old_timeval>();
                self.memory().prepare(at, length, Protection::WRITE)?;
                Some(duration_of_timeval(&time)?)
            }
            None => None,
        };
        let start = self.kernel.host().monotonic();
        let found = self.select_for(call, timeout)?;
        if let Some(timeout) = timeout {
            let left = self.left_of(timeout, start);
            let left = __kernel_old_timeval {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_usec: left.subsec_micros().into(),
            };
            self.memory().write(at, &left)?;
        }
        Ok(found)
    }

    /// The sixth argument is the address of a mask's address and length.
    pub(crate) fn pselect6(&mut self, call: &mut Call<'_>) -> Outcome {
        let timeout = self.read_timeout(call.argument(4))?;
        let mask: Option<[u64; 2]> = self.memory().read_optional(call.argument(5))?;
        let mask = match mask {
            Some([address, length]) => self.read_mask(address, length)?,
            None => None,
        };
        self.begin_temporary_mask(mask);
        self.select_for(call, timeout)
    }

    /// A timeout that is given as an address; none at zero.
    pub(crate) fn read_timeout(&mut self, address: u64) -> Result<Option<Duration>, Errno> {
        let timeout: Option<__kernel_timespec> = self.memory().read_optional(address)?;
        timeout.as_ref().map(duration_of).transpose()
    }

    /// A signal mask for the time of a call; none at zero.
    pub(crate) fn read_mask(&mut self, address: u64, length: u64) -> Result<Option<u64>, Errno> {
        match address {
            0 => Ok(None),
            _ if length != size_of::<u64>() as u64 => Err(Errno::EINVAL),
            _ => self.memory().read(address).map(Some),
        }
    }

    fn poll_for(&mut self, call: &Call<'_>, timeout: Option<Duration>) -> Outcome {
        let (at, length) = (call.argument(0), call.argument(1));
        if length > self.kernel.descriptor_limit().into() {
            return Err(Errno::EINVAL);
        }
        let mut list: Vec<pollfd> = self.memory().read_array(at, length as usize)?;
        let size = size_of_val(list.as_slice());
        self.memory().prepare(at, size, Protection::WRITE)?;
        let mut requests = Vec::new();
        requests
            .try_reserve_exact(list.len())
            .map_err(|_| Errno::ENOMEM)?;
        requests.extend(list.iter().map(request_of));
        let found = block_on(&mut self.kernel, |kernel| {
            kernel.poll(&mut requests, timeout)
        })?;
        for (entry, request) in list.iter_mut().zip(&requests) {
            entry.revents = request.ready.bits() as i16;
        }
        self.memory().write_bytes(at, list.as_slice().as_bytes())?;
        Ok(found as u64)
    }

    fn select_for(&mut self, call: &Call<'_>, timeout: Option<Duration>) -> Outcome {
        let highest = usize::try_from(call.int(0)).or(Err(Errno::EINVAL))?;
        let highest = highest.min(FD_SET_SIZE);
        let words = highest.div_ceil(64);
        let addresses = [call.argument(1), call.argument(2), call.argument(3)];
        let mut sets = SelectSets::default();
        for (address, set) in addresses.into_iter().zip(each(&mut sets)) {
            let bytes = set.0[..words].as_mut_bytes();
            if address != 0 {
                let length = bytes.len();
                self.memory().read_bytes(address, bytes)?;
                self.memory().prepare(address, length, Protection::WRITE)?;
            }
        }
        let found = block_on(&mut self.kernel, |kernel| {
            kernel.select(highest, &mut sets, timeout)
        });
        if found.is_ok() {
            for (address, set) in addresses.into_iter().zip(each(&mut sets)) {
                if address != 0 {
                    let bytes = set.0[..words].as_bytes();
                    self.memory().write_bytes(address, bytes)?;
                }
            }
        }
        count(found)
    }

    fn left_of(&mut self, timeout: Duration, start: Instant) -> Duration {
        let now = self.kernel.host().monotonic();
        timeout.saturating_sub(now.saturating_since(start))
    }
}

fn each(sets: &mut SelectSets) -> [&mut FdSet; 3] {
    [&mut sets.read, &mut sets.write, &mut sets.except]
}

fn request_of(entry: &pollfd) -> PollRequest {
    PollRequest {
        fd: entry.fd,
        wanted: Readiness::from_bits_truncate(entry.events.cast_unsigned().into()),
        ready: Readiness::empty(),
    }
}
