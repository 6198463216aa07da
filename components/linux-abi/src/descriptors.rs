//! Calls on descriptors and on what they name, whatever that is.

use hypercall::{Host, ProgramHost};
use posix::{Errno, Fd, Lock, OpenFlags};
use zerocopy::{FromZeros as _, IntoBytes as _};

use crate::bindings::{
    CLOSE_RANGE_CLOEXEC, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETLK, F_OFD_GETLK,
    F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETFD, F_SETFL, F_SETLK, F_SETLKW, F_UNLCK, F_WRLCK,
    FD_CLOEXEC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, TCGETS,
    TIOCGPGRP, TIOCGWINSZ, flock, termios, winsize,
};
use crate::call::{Call, Outcome, SUCCESS, descriptor, nothing};
use crate::process::PROCESS_ID;
use crate::program::Program;

/// The modes of a terminal that edits lines: Linux' defaults (`tty_std_termios`).
const INPUT_MODES: u32 = 0o2400; // ICRNL | IXON
const OUTPUT_MODES: u32 = 0o5; // OPOST | ONLCR
const CONTROL_MODES: u32 = 0o277; // B38400 | CS8 | CREAD
const LOCAL_MODES: u32 = 0o105073; // ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn close(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        nothing(self.entered().close(fd))
    }

    pub(crate) fn close_range(&mut self, call: &mut Call<'_>) -> Outcome {
        let (first, last) = (call.unsigned(0), call.unsigned(1));
        let as_fd = |number: u32| Fd::new(number.min(i32::MAX.unsigned_abs()).cast_signed());
        if first > last {
            return Err(Errno::EINVAL);
        }
        let (first, last) = (as_fd(first)?, as_fd(last)?);
        match call.unsigned(2) {
            0 => self.entered().close_range(first, last),
            CLOSE_RANGE_CLOEXEC => self.mark_range(first, last)?,
            _ => return Err(Errno::EINVAL),
        }
        SUCCESS
    }

    pub(crate) fn dup(&mut self, call: &mut Call<'_>) -> Outcome {
        descriptor(self.kernel.dup(call.fd(0)?))
    }

    pub(crate) fn dup2(&mut self, call: &mut Call<'_>) -> Outcome {
        let (from, to) = (call.fd(0)?, call.fd(1)?);
        descriptor(posix::call(&mut self.kernel, |kernel| {
            kernel.dup2(from, to)
        }))
    }

    pub(crate) fn dup3(&mut self, call: &mut Call<'_>) -> Outcome {
        let (from, to) = (call.fd(0)?, call.fd(1)?);
        let flags = OpenFlags::from_bits_retain(call.unsigned(2));
        let close_on_exec = match flags {
            OpenFlags::CLOSE_ON_EXEC => true,
            _ if flags.is_empty() => false,
            _ => return Err(Errno::EINVAL),
        };
        descriptor(self.entered().dup3(from, to, close_on_exec))
    }

    pub(crate) fn fcntl(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let kernel = &mut self.kernel;
        match call.unsigned(1) {
            F_DUPFD => descriptor(kernel.fcntl_dupfd(fd, call.int(2), false)),
            F_DUPFD_CLOEXEC => descriptor(kernel.fcntl_dupfd(fd, call.int(2), true)),
            F_GETFD => kernel.fcntl_getfd(fd).map(u64::from),
            F_SETFD => nothing(kernel.fcntl_setfd(fd, call.unsigned(2) & FD_CLOEXEC != 0)),
            F_GETFL => kernel.fcntl_getfl(fd).map(|flags| flags.bits().into()),
            F_SETFL => {
                let flags = OpenFlags::from_bits_retain(call.unsigned(2));
                nothing(kernel.fcntl_setfl(fd, flags))
            }
            F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => {
                let lock = self.read_lock(call.argument(2))?.0;
                nothing(self.kernel.fcntl_setlk(fd, lock))
            }
            F_GETLK | F_OFD_GETLK => {
                let (_, mut asked) = self.read_lock(call.argument(2))?;
                asked.l_type = lock_type(self.kernel.fcntl_getlk(fd)?) as i16;
                self.memory().write(call.argument(2), &asked)?;
                SUCCESS
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// `flock`: locks are between processes, and here is one.
    pub(crate) fn flock(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        match call.unsigned(1) & !LOCK_NB {
            // Unlike `fcntl`, it asks nothing of how the file is open.
            LOCK_SH | LOCK_EX | LOCK_UN => nothing(self.kernel.fcntl_setlk(fd, Lock::Unlock)),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn ioctl(&mut self, call: &mut Call<'_>) -> Outcome {
        let fd = call.fd(0)?;
        let at = call.argument(2);
        match call.unsigned(1) {
            FIOCLEX => nothing(self.kernel.fcntl_setfd(fd, true)),
            FIONCLEX => nothing(self.kernel.fcntl_setfd(fd, false)),
            FIONBIO => {
                let on: i32 = self.memory().read(at)?;
                nothing(self.kernel.ioctl_fionbio(fd, on != 0))
            }
            FIONREAD => {
                let available = self.entered().ioctl_fionread(fd)?;
                let available = i32::try_from(available).unwrap_or(i32::MAX);
                self.answer(at, available.as_bytes())
            }
            TIOCGWINSZ => {
                // Zeros: the size is not known.
                self.check_terminal(fd)?;
                self.answer(at, winsize::new_zeroed().as_bytes())
            }
            TIOCGPGRP => {
                self.check_terminal(fd)?;
                self.answer(at, PROCESS_ID.as_bytes())
            }
            TCGETS => {
                self.check_terminal(fd)?;
                self.answer(at, terminal_modes().as_bytes())
            }
            request => self.disk_ioctl(fd, request, at),
        }
    }

    pub(crate) fn answer(&mut self, address: u64, bytes: &[u8]) -> Outcome {
        nothing(self.memory().write_bytes(address, bytes))
    }

    fn check_terminal(&mut self, fd: Fd) -> Result<(), Errno> {
        match self.kernel.isatty(fd)? {
            true => Ok(()),
            false => Err(Errno::ENOTTY),
        }
    }

    fn mark_range(&mut self, first: Fd, last: Fd) -> Result<(), Errno> {
        let limit = self.kernel.descriptor_limit().cast_signed();
        for number in first.number()..=last.number().min(limit) {
            // Those that are not open are passed over.
            let _ = self.kernel.fcntl_setfd(Fd::new(number)?, true);
        }
        Ok(())
    }

    fn read_lock(&mut self, address: u64) -> Result<(Lock, flock), Errno> {
        let asked: flock = self.memory().read(address)?;
        let lock = match u32::from(asked.l_type.cast_unsigned()) {
            F_RDLCK => Lock::Read,
            F_WRLCK => Lock::Write,
            F_UNLCK => Lock::Unlock,
            _ => return Err(Errno::EINVAL),
        };
        Ok((lock, asked))
    }
}

fn lock_type(lock: Lock) -> u32 {
    match lock {
        Lock::Read => F_RDLCK,
        Lock::Write => F_WRLCK,
        Lock::Unlock => F_UNLCK,
    }
}

fn terminal_modes() -> termios {
    let mut modes = termios::new_zeroed();
    modes.c_iflag = INPUT_MODES;
    modes.c_oflag = OUTPUT_MODES;
    modes.c_cflag = CONTROL_MODES;
    modes.c_lflag = LOCAL_MODES;
    modes
}
