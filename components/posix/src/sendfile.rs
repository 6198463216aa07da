//! `sendfile`: from a file to whatever takes bytes, without passing through the program.

use fs::Place;
use hypercall::{Host, SliceSink, SliceSource};

use crate::description::Object;
use crate::readiness::{Step, StepResult};
use crate::{Errno, Fd, Kernel};

/// How many bytes are moved at a time. They lie on the kernel's stack meanwhile.
const CHUNK: usize = 2048;

impl<H: Host> Kernel<H> {
    /// Sends up to `count` bytes of the file `from` to `to`: from `offset` on, which moves with
    /// them, or from the file's own offset. Sends as many as `to` takes now, one at least unless
    /// the file ends there.
    pub fn sendfile(
        &mut self,
        to: Fd,
        from: Fd,
        offset: Option<&mut u64>,
        count: usize,
    ) -> StepResult<usize> {
        let (_, source) = self.readable(from)?;
        let Object::File(file) = source.object else {
            return Err(Errno::EINVAL);
        };
        let start = offset.as_deref().copied().unwrap_or(source.offset);
        self.writable(to)?;
        let mut sent = 0;
        while sent < count {
            let wanted = (count - sent).min(CHUNK);
            match self.send_chunk(to, file, start + sent as u64, wanted) {
                Ok(Step::Done((read, moved))) => {
                    sent += moved;
                    if moved < read || read == 0 {
                        break;
                    }
                }
                // What was sent before counts; the rest is the next step's affair.
                Ok(Step::Wait(_)) | Err(_) if sent > 0 => break,
                Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
                Err(error) => return Err(error),
            }
        }
        let end = start + sent as u64;
        match offset {
            Some(offset) => *offset = end,
            None => self.description_mut(from)?.offset = end,
        }
        Ok(Step::Done(sent))
    }

    /// Reads up to `wanted` bytes and sends them: how many were read, and how many went.
    fn send_chunk(
        &mut self,
        to: Fd,
        file: Place,
        offset: u64,
        wanted: usize,
    ) -> StepResult<(usize, usize)> {
        let mut chunk = [0; CHUNK];
        let mut sink = SliceSink::new(&mut chunk[..wanted]);
        let read = self.vfs.read(file, offset, &mut sink)?;
        if read == 0 {
            return Ok(Step::Done((0, 0)));
        }
        let step = self.write(to, &mut SliceSource::new(&chunk[..read]))?;
        Ok(step.map(|moved| (read, moved)))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::fake_host::{self, FakeHost, done, try_read, try_write};
    use crate::{OpenFlags, Whence};

    const LENGTH: usize = 100_000;

    /// A kernel with a file of [`LENGTH`] bytes and a pipe's two ends.
    fn kernel() -> (Kernel<FakeHost>, Fd, Fd, Fd) {
        let mut kernel = fake_host::kernel();
        let flags = OpenFlags::READ_WRITE | OpenFlags::CREATE;
        let file = kernel.file(b"/f", flags).unwrap();
        let bytes: std::vec::Vec<u8> = (0..LENGTH).map(|index| (index % 251) as u8).collect();
        assert_eq!(try_write(&mut kernel, file, &bytes), Ok(Some(LENGTH)));
        kernel.lseek(file, 0, Whence::Start).unwrap();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        (kernel, file, reader, writer)
    }

    #[test]
    fn a_step_sends_what_fits_and_the_next_goes_on() {
        let (mut kernel, file, reader, writer) = kernel();
        let send = |kernel: &mut Kernel<FakeHost>| {
            done(kernel.sendfile(writer, file, None, LENGTH).unwrap())
        };
        assert_eq!(send(&mut kernel), Some(65_536));
        assert_eq!(send(&mut kernel), None);
        let first = try_read(&mut kernel, reader, LENGTH).unwrap().unwrap();
        assert_eq!(send(&mut kernel), Some(LENGTH - 65_536));
        let second = try_read(&mut kernel, reader, LENGTH).unwrap().unwrap();
        let all = [first, second].concat();
        assert!(
            all.iter()
                .zip(0..)
                .all(|(byte, index)| usize::from(*byte) == index % 251)
        );
        assert_eq!(send(&mut kernel), Some(0));
    }

    #[test]
    fn an_offset_of_the_callers_own_moves_alone() {
        let (mut kernel, file, _reader, writer) = kernel();
        let mut offset = LENGTH as u64 - 10;
        let sent = kernel.sendfile(writer, file, Some(&mut offset), 4000);
        assert_eq!(done(sent.unwrap()), Some(10));
        assert_eq!(offset, LENGTH as u64);
        assert_eq!(kernel.lseek(file, 0, Whence::Current), Ok(0));
    }

    #[test]
    fn only_a_file_can_be_sent() {
        let (mut kernel, file, reader, writer) = kernel();
        let result = kernel.sendfile(writer, reader, None, 1);
        assert!(matches!(result, Err(Errno::EINVAL)));
        let result = kernel.sendfile(reader, file, None, 1);
        assert!(matches!(result, Err(Errno::EBADF)));
    }
}
