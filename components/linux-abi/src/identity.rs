//! Who the process is: users, groups and capabilities (POSIX.1-2017, 3.63 and `setuid`).
//!
//! It starts as the superuser. What it gives up it has given up as far as these calls tell; the
//! files here belong to their one program all the same.

use alloc::vec::Vec;

use hypercall::{Host, ProgramHost};
use posix::Errno;
use zerocopy::IntoBytes as _;

use crate::bindings::{
    __user_cap_data_struct, __user_cap_header_struct, _LINUX_CAPABILITY_VERSION_1,
    _LINUX_CAPABILITY_VERSION_2, _LINUX_CAPABILITY_VERSION_3,
};
use crate::call::{Call, Outcome, SUCCESS};
use crate::process::check_process;
use crate::program::Program;

/// The most supplementary groups (NGROUPS_MAX).
const GROUPS_MAXIMUM: usize = 65_536;

/// The capabilities that Linux knows: CAP_CHOWN to CAP_CHECKPOINT_RESTORE.
const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

/// A real, an effective and a saved number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Ids {
    real: u32,
    effective: u32,
    saved: u32,
}

impl Ids {
    /// Whether somebody without privileges may become `id`.
    fn has(self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// What `setuid` and `setgid` do.
    fn set(&mut self, id: u32, privileged: bool) -> Outcome {
        if privileged {
            *self = Self {
                real: id,
                effective: id,
                saved: id,
            };
        } else if self.has(id) {
            self.effective = id;
        } else {
            return Err(Errno::EPERM);
        }
        SUCCESS
    }

    /// What `setresuid` and `setresgid` do; −1 leaves a number as it is.
    fn set_three(&mut self, three: [u32; 3], privileged: bool) -> Outcome {
        let mut wanted = three.into_iter().filter(|id| *id != u32::MAX);
        if !privileged && wanted.any(|id| !self.has(id)) {
            return Err(Errno::EPERM);
        }
        let numbers = [&mut self.real, &mut self.effective, &mut self.saved];
        for (number, id) in numbers.into_iter().zip(three) {
            if id != u32::MAX {
                *number = id;
            }
        }
        SUCCESS
    }

    /// What `setreuid` and `setregid` do: the saved number follows if the real one is set or the
    /// effective one becomes another than it.
    fn set_two(&mut self, real: u32, effective: u32, privileged: bool) -> Outcome {
        let old_real = self.real;
        self.set_three([real, effective, u32::MAX], privileged)?;
        if real != u32::MAX || (effective != u32::MAX && effective != old_real) {
            self.saved = self.effective;
        }
        SUCCESS
    }
}

/// Who the process is.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    user: Ids,
    group: Ids,
    groups: Vec<u32>,
}

impl Identity {
    fn is_privileged(&self) -> bool {
        self.user.effective == 0
    }
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn getuid(&mut self, _: &mut Call<'_>) -> Outcome {
        Ok(self.process.identity.user.real.into())
    }

    pub(crate) fn geteuid(&mut self, _: &mut Call<'_>) -> Outcome {
        Ok(self.process.identity.user.effective.into())
    }

    pub(crate) fn getgid(&mut self, _: &mut Call<'_>) -> Outcome {
        Ok(self.process.identity.group.real.into())
    }

    pub(crate) fn getegid(&mut self, _: &mut Call<'_>) -> Outcome {
        Ok(self.process.identity.group.effective.into())
    }

    pub(crate) fn getresuid(&mut self, call: &mut Call<'_>) -> Outcome {
        self.write_ids(self.process.identity.user, call)
    }

    pub(crate) fn getresgid(&mut self, call: &mut Call<'_>) -> Outcome {
        self.write_ids(self.process.identity.group, call)
    }

    pub(crate) fn setuid(&mut self, call: &mut Call<'_>) -> Outcome {
        let (user, _, privileged) = self.ids();
        user.set(call.unsigned(0), privileged)
    }

    pub(crate) fn setgid(&mut self, call: &mut Call<'_>) -> Outcome {
        let (_, group, privileged) = self.ids();
        group.set(call.unsigned(0), privileged)
    }

    pub(crate) fn setreuid(&mut self, call: &mut Call<'_>) -> Outcome {
        let (user, _, privileged) = self.ids();
        user.set_two(call.unsigned(0), call.unsigned(1), privileged)
    }

    pub(crate) fn setregid(&mut self, call: &mut Call<'_>) -> Outcome {
        let (_, group, privileged) = self.ids();
        group.set_two(call.unsigned(0), call.unsigned(1), privileged)
    }

    pub(crate) fn setresuid(&mut self, call: &mut Call<'_>) -> Outcome {
        let (user, _, privileged) = self.ids();
        user.set_three([0, 1, 2].map(|index| call.unsigned(index)), privileged)
    }

    pub(crate) fn setresgid(&mut self, call: &mut Call<'_>) -> Outcome {
        let (_, group, privileged) = self.ids();
        group.set_three([0, 1, 2].map(|index| call.unsigned(index)), privileged)
    }

    pub(crate) fn getgroups(&mut self, call: &mut Call<'_>) -> Outcome {
        let groups = self.process.identity.groups.clone();
        let room = usize::try_from(call.int(0)).or(Err(Errno::EINVAL))?;
        // No room at all asks how much is needed.
        if room > 0 {
            if room < groups.len() {
                return Err(Errno::EINVAL);
            }
            let bytes = groups.as_slice().as_bytes();
            self.memory().write_bytes(call.argument(1), bytes)?;
        }
        Ok(groups.len() as u64)
    }

    pub(crate) fn setgroups(&mut self, call: &mut Call<'_>) -> Outcome {
        if !self.process.identity.is_privileged() {
            return Err(Errno::EPERM);
        }
        let count = usize::try_from(call.argument(0)).or(Err(Errno::EINVAL))?;
        if count > GROUPS_MAXIMUM {
            return Err(Errno::EINVAL);
        }
        let groups = self.memory().read_array(call.argument(1), count)?;
        self.process.identity.groups = groups;
        SUCCESS
    }

    pub(crate) fn capget(&mut self, call: &mut Call<'_>) -> Outcome {
        let mut header: __user_cap_header_struct = self.memory().read(call.argument(0))?;
        let words = match header.version {
            _LINUX_CAPABILITY_VERSION_1 => 1,
            _LINUX_CAPABILITY_VERSION_2 | _LINUX_CAPABILITY_VERSION_3 => 2,
            _ => {
                // The caller is told the version that it should ask with.
                header.version = _LINUX_CAPABILITY_VERSION_3;
                self.memory().write(call.argument(0), &header)?;
                return match call.argument(1) {
                    0 => SUCCESS,
                    _ => Err(Errno::EINVAL),
                };
            }
        };
        check_process(header.pid)?;
        let all = match self.process.identity.is_privileged() {
            true => ALL_CAPABILITIES,
            false => 0,
        };
        let word = |bits: u64| __user_cap_data_struct {
            effective: bits as u32,
            permitted: bits as u32,
            inheritable: 0,
        };
        let data = [word(all), word(all >> 32)];
        let bytes = data[..words].as_bytes();
        self.memory().write_bytes(call.argument(1), bytes)?;
        SUCCESS
    }

    fn ids(&mut self) -> (&mut Ids, &mut Ids, bool) {
        let identity = &mut self.process.identity;
        let privileged = identity.is_privileged();
        (&mut identity.user, &mut identity.group, privileged)
    }

    fn write_ids(&mut self, ids: Ids, call: &Call<'_>) -> Outcome {
        for (index, id) in [ids.real, ids.effective, ids.saved].iter().enumerate() {
            self.memory().write(call.argument(index), id)?;
        }
        SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_privileges_up_cannot_take_them_back() {
        let mut ids = Ids::default();
        assert_eq!(ids.set(33, true), SUCCESS);
        assert_eq!(ids.set(0, false), Err(Errno::EPERM));
        assert_eq!(
            ids.set_three([u32::MAX, 0, u32::MAX], false),
            Err(Errno::EPERM)
        );
        assert_eq!(ids.set_three([33, 33, u32::MAX], false), SUCCESS);
    }

    #[test]
    fn a_saved_number_lets_one_return() {
        let mut ids = Ids::default();
        assert_eq!(ids.set_three([u32::MAX, 33, u32::MAX], true), SUCCESS);
        assert_eq!(ids.effective, 33);
        assert_eq!(ids.set(0, false), SUCCESS);
        assert_eq!(ids.effective, 0);
        assert_eq!(ids.set_two(5, 6, true), SUCCESS);
        assert_eq!(ids.saved, 6);
    }
}
