//! Resource limits (POSIX.1-2017, `getrlimit`).

use hypercall::{Host, ProgramHost};
use posix::signal::MAXIMUM_PENDING;
use posix::{Errno, MAXIMUM_DESCRIPTOR_LIMIT};

use crate::bindings::{RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_SIGPENDING, RLIMIT_STACK, rlimit64};
use crate::call::{Call, Outcome, SUCCESS};
use crate::process::check_process;
use crate::program::Program;
use crate::start::STACK_LIMIT;

/// How many resources have limits (RLIM_NLIMITS).
const RESOURCES: u32 = 16;

/// No limit (RLIM64_INFINITY).
const INFINITY: u64 = u64::MAX;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn getrlimit(&mut self, call: &mut Call<'_>) -> Outcome {
        let limit = self.limit_of(call.unsigned(0))?;
        self.memory().write(call.argument(1), &limit)?;
        SUCCESS
    }

    pub(crate) fn setrlimit(&mut self, call: &mut Call<'_>) -> Outcome {
        let limit = self.memory().read(call.argument(1))?;
        self.set_limit(call.unsigned(0), limit)
    }

    pub(crate) fn prlimit64(&mut self, call: &mut Call<'_>) -> Outcome {
        check_process(call.int(0))?;
        let resource = call.unsigned(1);
        let new: Option<rlimit64> = self.memory().read_optional(call.argument(2))?;
        let old = self.limit_of(resource)?;
        self.memory().write_optional(call.argument(3), &old)?;
        match new {
            Some(new) => self.set_limit(resource, new),
            None => SUCCESS,
        }
    }

    fn limit_of(&self, resource: u32) -> Result<rlimit64, Errno> {
        let (current, maximum) = match resource {
            RLIMIT_NOFILE => (
                self.kernel.descriptor_limit().into(),
                MAXIMUM_DESCRIPTOR_LIMIT.into(),
            ),
            RLIMIT_STACK => (STACK_LIMIT, STACK_LIMIT),
            RLIMIT_SIGPENDING => (MAXIMUM_PENDING as u64, MAXIMUM_PENDING as u64),
            // Nothing here ever dumps core.
            RLIMIT_CORE => (0, 0),
            0..RESOURCES => (INFINITY, INFINITY),
            _ => return Err(Errno::EINVAL),
        };
        Ok(rlimit64 {
            rlim_cur: current,
            rlim_max: maximum,
        })
    }

    /// The limit of descriptors can be set; any other one only to what it is.
    fn set_limit(&mut self, resource: u32, new: rlimit64) -> Outcome {
        if new.rlim_cur > new.rlim_max {
            return Err(Errno::EINVAL);
        }
        let old = self.limit_of(resource)?;
        if resource == RLIMIT_NOFILE && new.rlim_max <= old.rlim_max {
            let limit = u32::try_from(new.rlim_cur).or(Err(Errno::EPERM))?;
            self.kernel.set_descriptor_limit(limit)?;
            return SUCCESS;
        }
        match new.rlim_cur == old.rlim_cur && new.rlim_max == old.rlim_max {
            true => SUCCESS,
            false => Err(Errno::EPERM),
        }
    }
}
