//! The process: its name, its end, and what there is to say about having only one.

use alloc::vec::Vec;

use hypercall::{Host, ProgramHost};
use posix::{EpollEvent, Errno};

use crate::alternate_stack::AlternateStack;
use crate::bindings::{
    ARCH_GET_FS, ARCH_SET_FS, PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_NAME, PR_GET_NO_NEW_PRIVS,
    PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS,
};
use crate::call::{Call, Outcome, SUCCESS};
use crate::identity::Identity;
use crate::program::Program;
use crate::time::Clock;

/// The one process, which is its own group, session and only thread.
pub(crate) const PROCESS_ID: i32 = 1;

/// Its parent: none, as for the first process of a machine or a container.
const PARENT_ID: u64 = 0;

/// The length of a thread's name with its NUL.
const NAME_LENGTH: usize = 16;

/// The first address that is no program's.
const ADDRESS_END: u64 = 1 << 47;

/// What a process is beside what its kernel holds.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) identity: Identity,
    pub(crate) alternate_stack: AlternateStack,
    /// Calls that have been named on the console as missing.
    pub(crate) missing: Vec<u64>,
    /// Room for events on their way to the program, kept from call to call.
    pub(crate) events: Vec<EpollEvent>,
    /// What the timers of `timer_create` count, by their numbers.
    timer_clocks: Vec<Clock>,
    name: [u8; NAME_LENGTH],
    thread_pointer: u64,
    dumpable: bool,
    keeps_capabilities: bool,
    no_new_privileges: bool,
}

impl Process {
    /// A process that runs the file at `path`, which ends with its NUL.
    pub(crate) fn new(path: &[u8]) -> Self {
        let mut file_name = [0; NAME_LENGTH];
        let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let length = (last.len() - 1).min(NAME_LENGTH - 1);
        file_name[..length].copy_from_slice(&last[..length]);
        Self {
            identity: Identity::default(),
            alternate_stack: AlternateStack::default(),
            missing: Vec::new(),
            events: Vec::new(),
            timer_clocks: Vec::new(),
            name: file_name,
            thread_pointer: 0,
            dumpable: true,
            keeps_capabilities: false,
            no_new_privileges: false,
        }
    }

    /// Notes what the timer numbered `id` counts. EAGAIN without memory for that.
    pub(crate) fn note_timer(&mut self, id: i32, clock: Clock) -> Result<(), Errno> {
        let index = id.unsigned_abs() as usize;
        let missing = (index + 1).saturating_sub(self.timer_clocks.len());
        if missing > 0 {
            let reserved = self.timer_clocks.try_reserve(missing);
            reserved.map_err(|_| Errno::EAGAIN)?;
            self.timer_clocks.resize(index + 1, clock);
        }
        self.timer_clocks[index] = clock;
        Ok(())
    }

    /// What the timer numbered `id` counts.
    pub(crate) fn timer_clock(&self, id: i32) -> Clock {
        let clock = self.timer_clocks.get(id.unsigned_abs() as usize);
        clock.copied().unwrap_or(Clock::Monotonic)
    }
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn exit_group(&mut self, call: &mut Call<'_>) -> Outcome {
        let status = call.unsigned(0) as u8;
        self.end(status)
    }

    pub(crate) fn getpid(&mut self, _: &mut Call<'_>) -> Outcome {
        Ok(PROCESS_ID as u64)
    }

    pub(crate) fn getppid(&mut self, _: &mut Call<'_>) -> Outcome {
        Ok(PARENT_ID)
    }

    /// `getpgid` and `getsid`: group and session are named after the process.
    pub(crate) fn getpgid(&mut self, call: &mut Call<'_>) -> Outcome {
        match call.int(0) {
            0 | PROCESS_ID => Ok(PROCESS_ID as u64),
            _ => Err(Errno::ESRCH),
        }
    }

    /// `setsid` and `setpgid`: who leads a session already can do neither.
    pub(crate) fn setsid(&mut self, _: &mut Call<'_>) -> Outcome {
        Err(Errno::EPERM)
    }

    /// `wait4` and `waitid`: there are no children.
    pub(crate) fn wait4(&mut self, _: &mut Call<'_>) -> Outcome {
        Err(Errno::ECHILD)
    }

    /// `set_tid_address`. Nobody is left to be told when the only thread ends, so the address is
    /// not kept.
    pub(crate) fn set_tid_address(&mut self, call: &mut Call<'_>) -> Outcome {
        self.getpid(call)
    }

    /// `set_robust_list`: likewise nobody waits for a lock that the only thread holds.
    pub(crate) fn set_robust_list(&mut self, call: &mut Call<'_>) -> Outcome {
        match call.argument(1) {
            24 => SUCCESS,
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn arch_prctl(&mut self, call: &mut Call<'_>) -> Outcome {
        let address = call.argument(1);
        match call.unsigned(0) {
            ARCH_SET_FS if address >= ADDRESS_END => Err(Errno::EPERM),
            ARCH_SET_FS => {
                self.process.thread_pointer = address;
                self.host.set_thread_pointer(address);
                SUCCESS
            }
            ARCH_GET_FS => {
                let pointer = self.process.thread_pointer;
                self.memory().write(address, &pointer)?;
                SUCCESS
            }
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn prctl(&mut self, call: &mut Call<'_>) -> Outcome {
        let value = call.argument(1);
        let flag = || match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Errno::EINVAL),
        };
        let process = &mut self.process;
        match call.unsigned(0) {
            PR_SET_NAME => return self.set_name(value),
            PR_GET_NAME => {
                let name = process.name;
                self.memory().write(value, &name)?;
            }
            PR_SET_DUMPABLE => process.dumpable = flag()?,
            PR_GET_DUMPABLE => return Ok(process.dumpable.into()),
            PR_SET_KEEPCAPS => process.keeps_capabilities = flag()?,
            PR_GET_KEEPCAPS => return Ok(process.keeps_capabilities.into()),
            // It can be switched on, and stays.
            PR_SET_NO_NEW_PRIVS if value == 1 => process.no_new_privileges = true,
            PR_GET_NO_NEW_PRIVS => return Ok(process.no_new_privileges.into()),
            _ => return Err(Errno::EINVAL),
        }
        SUCCESS
    }

    /// One processor, which nobody else wants.
    pub(crate) fn sched_yield(&mut self, _: &mut Call<'_>) -> Outcome {
        SUCCESS
    }

    pub(crate) fn sched_getaffinity(&mut self, call: &mut Call<'_>) -> Outcome {
        check_process(call.int(0))?;
        // A set of one word in which the first processor is.
        let set = 1_u64;
        let length = call.argument(1);
        if length < size_of_val(&set) as u64 || !length.is_multiple_of(8) {
            return Err(Errno::EINVAL);
        }
        self.memory().write(call.argument(2), &set)?;
        Ok(size_of_val(&set) as u64)
    }

    pub(crate) fn sched_setaffinity(&mut self, call: &mut Call<'_>) -> Outcome {
        check_process(call.int(0))?;
        if call.argument(1) == 0 {
            return Err(Errno::EINVAL);
        }
        let first: u8 = self.memory().read(call.argument(2))?;
        match first & 1 {
            1 => SUCCESS,
            _ => Err(Errno::EINVAL),
        }
    }

    fn set_name(&mut self, address: u64) -> Outcome {
        let name = match self.memory().read_string(address, NAME_LENGTH) {
            Ok(name) => name,
            // A longer name is cut.
            Err(Errno::ENAMETOOLONG) => {
                let mut start = [0; NAME_LENGTH - 1];
                self.memory().read_bytes(address, &mut start)?;
                start.to_vec()
            }
            Err(error) => return Err(error),
        };
        self.process.name = [0; NAME_LENGTH];
        self.process.name[..name.len()].copy_from_slice(&name);
        SUCCESS
    }
}

/// ESRCH for any process but this one (0 means the caller).
pub(crate) fn check_process(number: i32) -> Result<(), Errno> {
    match number {
        0 | PROCESS_ID => Ok(()),
        _ => Err(Errno::ESRCH),
    }
}
