//! `fcntl` and `ioctl`: the state of a description, and questions to what it is open on.

use hypercall::Host;

use crate::description::Object;
use crate::flags::{Access, StatusFlags};
use crate::{Errno, Fd, Kernel, OpenFlags};

/// A lock of `fcntl(F_SETLK)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// F_RDLCK.
    Read,
    /// F_WRLCK.
    Write,
    /// F_UNLCK.
    Unlock,
}

impl<H: Host> Kernel<H> {
    /// The access and status flags of a description (F_GETFL).
    pub fn fcntl_getfl(&self, fd: Fd) -> Result<OpenFlags, Errno> {
        let description = self.description(fd)?.1;
        let status = OpenFlags::from_bits_retain(description.status.bits());
        Ok(description.access.as_open_flags() | status)
    }

    /// Sets the status flags of a description (F_SETFL). Other flags are passed over, as POSIX
    /// says.
    pub fn fcntl_setfl(&mut self, fd: Fd, flags: OpenFlags) -> Result<(), Errno> {
        let description = self.description_mut(fd)?;
        let is_disk = matches!(description.object, Object::Disk(_));
        if flags.contains(OpenFlags::DIRECT) && !is_disk {
            return Err(Errno::EINVAL);
        }
        let kept = description.status & StatusFlags::SYNC;
        description.status = (flags.status() - StatusFlags::SYNC) | kept;
        Ok(())
    }

    /// Takes or gives up a lock (F_SETLK, F_SETLKW). Locks are between processes, and here is
    /// one: what it asks for it has.
    pub fn fcntl_setlk(&self, fd: Fd, lock: Lock) -> Result<(), Errno> {
        let needed = match lock {
            Lock::Read => Access::READ,
            Lock::Write => Access::WRITE,
            Lock::Unlock => Access::empty(),
        };
        let description = self.description(fd)?.1;
        match description.access.contains(needed) {
            true => Ok(()),
            false => Err(Errno::EBADF),
        }
    }

    /// The lock that would stop this one (F_GETLK): never any, as nobody else is there.
    pub fn fcntl_getlk(&self, fd: Fd) -> Result<Lock, Errno> {
        self.description(fd).map(|_| Lock::Unlock)
    }

    /// Sets whether operations wait (FIONBIO).
    pub fn ioctl_fionbio(&mut self, fd: Fd, nonblocking: bool) -> Result<(), Errno> {
        let description = self.description_mut(fd)?;
        description.status.set(StatusFlags::NONBLOCK, nonblocking);
        Ok(())
    }

    /// How many bytes a read would find (FIONREAD).
    pub fn ioctl_fionread(&mut self, fd: Fd) -> Result<usize, Errno> {
        let description = self.description(fd)?.1;
        match description.object {
            Object::File(file) => {
                let offset = description.offset;
                let left = self.vfs.attributes(file)?.size.saturating_sub(offset);
                Ok(usize::try_from(left).unwrap_or(usize::MAX))
            }
            Object::Console(_) => self.console_available(),
            Object::PipeReader(pipe) | Object::PipeWriter(pipe) => Ok(self.pipe_available(pipe)),
            Object::LocalSocket { receive, .. } => Ok(self.pipe_available(receive)),
            Object::Socket(socket) => self.socket_available(socket),
            _ => Err(Errno::ENOTTY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host;

    #[test]
    fn status_flags_belong_to_the_description_and_access_stays() {
        let mut kernel = fake_host::kernel();
        let flags = OpenFlags::WRITE_ONLY | OpenFlags::CREATE | OpenFlags::APPEND;
        let fd = kernel.file(b"/f", flags).unwrap();
        let duplicate = kernel.dup(fd).unwrap();
        let kept = OpenFlags::WRITE_ONLY | OpenFlags::APPEND;
        assert_eq!(kernel.fcntl_getfl(fd), Ok(kept));
        let asked = OpenFlags::READ_WRITE | OpenFlags::NONBLOCK | OpenFlags::EXCLUSIVE;
        kernel.fcntl_setfl(fd, asked).unwrap();
        let kept = OpenFlags::WRITE_ONLY | OpenFlags::NONBLOCK;
        assert_eq!(kernel.fcntl_getfl(duplicate), Ok(kept));
    }

    #[test]
    fn close_on_exec_belongs_to_the_descriptor() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.file(b"/dev/null", OpenFlags::CLOSE_ON_EXEC).unwrap();
        let duplicate = kernel.dup(fd).unwrap();
        assert_eq!(kernel.fcntl_getfd(fd), Ok(true));
        assert_eq!(kernel.fcntl_getfd(duplicate), Ok(false));
    }

    #[test]
    fn a_lock_needs_the_access_that_goes_with_it() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.file(b"/f", OpenFlags::CREATE).unwrap();
        assert_eq!(kernel.fcntl_setlk(fd, Lock::Read), Ok(()));
        assert_eq!(kernel.fcntl_setlk(fd, Lock::Write), Err(Errno::EBADF));
        assert_eq!(kernel.fcntl_getlk(fd), Ok(Lock::Unlock));
    }
}
