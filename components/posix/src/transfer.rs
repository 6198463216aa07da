//! Reads and writes: bytes between a program and whatever a descriptor names.
//!
//! A scattered buffer is one [`Sink`] or [`Source`], so `readv` is `read`.

use fs::Place;
use hypercall::{Host, Sink, Source};

use crate::description::{Description, DescriptionId, Object};
use crate::flags::{Access, StatusFlags};
use crate::readiness::{Step, StepResult};
use crate::socket_transfer::MessageFlags;
use crate::{Errno, Fd, Kernel};

/// The largest offset in a file (`off_t` is signed).
const OFFSET_MAX: u64 = i64::MAX as u64;

impl<H: Host> Kernel<H> {
    /// Reads what there is, as much as fits `into`: `read` and `readv`.
    pub fn read(&mut self, fd: Fd, into: &mut dyn Sink) -> StepResult<usize> {
        let (id, description) = self.readable(fd)?;
        let offset = description.offset;
        match description.object {
            Object::File(file) => {
                let moved = self.vfs.read(file, offset, into)?;
                self.advance(id, offset, moved);
                Ok(Step::Done(moved))
            }
            Object::Directory(_) => Err(Errno::EISDIR),
            Object::Device(device) => self.read_device(device, into).map(Step::Done),
            Object::Disk(disk) => {
                let caching = description.caching();
                let step = self.read_disk(disk, offset, into, caching)?;
                Ok(self.advanced(id, offset, step))
            }
            Object::Console(_) => self.read_console(id, into),
            Object::PipeReader(pipe) => self.read_pipe(id, pipe, into, false),
            Object::LocalSocket { receive, .. } => self.read_pipe(id, receive, into, false),
            Object::Socket(_) => {
                let received = self.recvfrom(fd, into, MessageFlags::empty())?;
                Ok(received.map(|received| received.length))
            }
            Object::EventCounter(counter) => self.read_event_counter(id, counter, into),
            Object::Timer(timer) => self.read_timer(id, timer, into),
            Object::PipeWriter(_) => Err(Errno::EBADF),
            Object::Epoll(_) => Err(Errno::EINVAL),
        }
    }

    /// Writes from `data`, one byte at least unless it is empty: `write` and `writev`. For the
    /// whole of it use [`block_on_all`](crate::block_on_all).
    pub fn write(&mut self, fd: Fd, data: &mut dyn Source) -> StepResult<usize> {
        let (id, description) = self.writable(fd)?;
        let offset = description.offset;
        let append = description.status.contains(StatusFlags::APPEND);
        match description.object {
            Object::File(_) if data.remaining() == 0 => Ok(Step::Done(0)),
            Object::File(file) => {
                let offset = match append {
                    true => self.vfs.attributes(file)?.size,
                    false => offset,
                };
                let moved = self.write_file(file, offset, data)?;
                self.advance(id, offset, moved);
                Ok(Step::Done(moved))
            }
            Object::Device(device) => device.write(data).map(Step::Done),
            Object::Disk(disk) => {
                let caching = description.caching();
                let step = self.write_disk(disk, offset, data, caching)?;
                Ok(self.advanced(id, offset, step))
            }
            Object::Console(stream) => self.write_console(stream, data).map(Step::Done),
            Object::PipeWriter(pipe) => self.write_pipe(id, pipe, data, false),
            Object::LocalSocket { send, .. } => self.write_pipe(id, send, data, false),
            Object::Socket(_) => self.sendto(fd, data, MessageFlags::empty(), None),
            Object::EventCounter(counter) => {
                self.write_event_counter(id, counter, data).map(Step::Done)
            }
            Object::Directory(_) | Object::PipeReader(_) => Err(Errno::EBADF),
            Object::Epoll(_) | Object::Timer(_) => Err(Errno::EINVAL),
        }
    }

    /// Reads at `offset` and leaves the description's own alone: `pread` and `preadv`.
    pub fn pread(&mut self, fd: Fd, into: &mut dyn Sink, offset: i64) -> StepResult<usize> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let (_, description) = self.readable(fd)?;
        let moved = match description.object {
            Object::File(file) => self.vfs.read(file, offset, into)?,
            Object::Directory(_) => return Err(Errno::EISDIR),
            Object::Device(device) => self.read_device(device, into)?,
            Object::Disk(disk) => {
                let caching = description.caching();
                return self.read_disk(disk, offset, into, caching);
            }
            _ => return Err(Errno::ESPIPE),
        };
        Ok(Step::Done(moved))
    }

    /// Writes at `offset` and leaves the description's own alone: `pwrite` and `pwritev`. With
    /// APPEND it writes at the end, as Linux does (pwrite(2), BUGS).
    pub fn pwrite(&mut self, fd: Fd, data: &mut dyn Source, offset: i64) -> StepResult<usize> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let (_, description) = self.writable(fd)?;
        let append = description.status.contains(StatusFlags::APPEND);
        let moved = match description.object {
            Object::File(file) if append => {
                let end = self.vfs.attributes(file)?.size;
                self.write_file(file, end, data)?
            }
            Object::File(file) => self.write_file(file, offset, data)?,
            Object::Device(device) => device.write(data)?,
            Object::Disk(disk) => {
                let caching = description.caching();
                return self.write_disk(disk, offset, data, caching);
            }
            _ => return Err(Errno::ESPIPE),
        };
        Ok(Step::Done(moved))
    }

    pub(crate) fn write_file(
        &mut self,
        file: Place,
        offset: u64,
        data: &mut dyn Source,
    ) -> Result<usize, Errno> {
        if data.remaining() == 0 {
            return Ok(0);
        }
        if data.remaining() as u64 > OFFSET_MAX.saturating_sub(offset) {
            return Err(Errno::EFBIG);
        }
        Ok(self.vfs.write(file, offset, data, self.clock.wall())?)
    }

    /// The description that `fd` names, if it may be read from.
    pub(crate) fn readable(&self, fd: Fd) -> Result<(DescriptionId, &Description), Errno> {
        self.accessible(fd, Access::READ)
    }

    /// The description that `fd` names, if it may be written to.
    pub(crate) fn writable(&self, fd: Fd) -> Result<(DescriptionId, &Description), Errno> {
        self.accessible(fd, Access::WRITE)
    }

    fn accessible(&self, fd: Fd, access: Access) -> Result<(DescriptionId, &Description), Errno> {
        let (id, description) = self.description(fd)?;
        match description.access.contains(access) {
            true => Ok((id, description)),
            false => Err(Errno::EBADF),
        }
    }

    /// The same step; if it is done, with the offset moved on.
    fn advanced(&mut self, id: DescriptionId, offset: u64, step: Step<usize>) -> Step<usize> {
        step.map(|moved| {
            self.advance(id, offset, moved);
            moved
        })
    }

    fn advance(&mut self, id: DescriptionId, offset: u64, moved: usize) {
        if let Some(description) = self.descriptions.get_mut(id) {
            description.offset = offset.saturating_add(moved as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use hypercall::{SliceSink, SliceSource};

    use super::*;
    use crate::fake_host::{self, FakeHost};
    use crate::{OpenFlags, Whence};

    fn write(kernel: &mut Kernel<FakeHost>, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        match kernel.write(fd, &mut SliceSource::new(bytes))? {
            Step::Done(written) => Ok(written),
            Step::Wait(_) => panic!("a file does not wait"),
        }
    }

    fn content(kernel: &mut Kernel<FakeHost>, fd: Fd) -> alloc::vec::Vec<u8> {
        let mut bytes = [0; 64];
        let read = crate::pread(kernel, fd, &mut SliceSink::new(&mut bytes), 0);
        bytes[..read.unwrap()].to_vec()
    }

    #[test]
    fn an_appending_write_goes_to_the_end_wherever_the_offset_is() {
        let mut kernel = fake_host::kernel();
        let flags = OpenFlags::READ_WRITE | OpenFlags::CREATE | OpenFlags::APPEND;
        let fd = kernel.file(b"/log", flags).unwrap();
        assert_eq!(write(&mut kernel, fd, b"one"), Ok(3));
        assert_eq!(kernel.lseek(fd, 0, Whence::Start), Ok(0));
        assert_eq!(write(&mut kernel, fd, b"two"), Ok(3));
        assert_eq!(kernel.lseek(fd, 0, Whence::Current), Ok(6));
        assert_eq!(content(&mut kernel, fd), b"onetwo");
    }

    #[test]
    fn duplicates_share_the_offset_and_new_descriptions_do_not() {
        let mut kernel = fake_host::kernel();
        let flags = OpenFlags::READ_WRITE | OpenFlags::CREATE;
        let first = kernel.file(b"/f", flags).unwrap();
        let duplicate = kernel.dup(first).unwrap();
        let other = kernel.file(b"/f", flags).unwrap();
        assert_eq!(write(&mut kernel, first, b"ab"), Ok(2));
        assert_eq!(write(&mut kernel, duplicate, b"cd"), Ok(2));
        assert_eq!(write(&mut kernel, other, b"X"), Ok(1));
        assert_eq!(content(&mut kernel, first), b"Xbcd");
    }

    #[test]
    fn access_is_what_open_was_asked_for() {
        let mut kernel = fake_host::kernel();
        let create = OpenFlags::WRITE_ONLY | OpenFlags::CREATE;
        let writer = kernel.file(b"/f", create).unwrap();
        let reader = kernel.file(b"/f", OpenFlags::empty()).unwrap();
        assert_eq!(write(&mut kernel, reader, b"x"), Err(Errno::EBADF));
        let result = kernel.read(writer, &mut SliceSink::new(&mut [0; 1]));
        assert!(matches!(result, Err(Errno::EBADF)));
    }

    #[test]
    fn a_file_lives_until_its_last_descriptor_though_its_name_is_gone() {
        let mut kernel = fake_host::kernel();
        let flags = OpenFlags::READ_WRITE | OpenFlags::CREATE;
        let fd = kernel.file(b"/f", flags).unwrap();
        kernel.unlinkat(crate::Directory::Working, b"/f").unwrap();
        assert_eq!(write(&mut kernel, fd, b"alive"), Ok(5));
        assert_eq!(content(&mut kernel, fd), b"alive");
        assert_eq!(kernel.file(b"/f", OpenFlags::empty()), Err(Errno::ENOENT));
    }
}
