//! Connected local sockets: two pipes crosswise (POSIX.1-2017, `socketpair`).

use hypercall::Host;

use crate::description::Object;
use crate::flags::Access;
use crate::pipe::Pipe;
use crate::readiness::Readiness;
use crate::slab::Key;
use crate::{Errno, Fd, Half, Kernel, OpenFlags};

impl<H: Host> Kernel<H> {
    /// Two connected stream sockets of AF_UNIX. Only CLOSE_ON_EXEC and NONBLOCK may be set.
    pub fn socketpair(&mut self, flags: OpenFlags) -> Result<(Fd, Fd), Errno> {
        let flags = flags.only(OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK)?;
        let there = self.pipes.insert(Pipe::new())?;
        let back = self.pipes.insert(Pipe::new()).inspect_err(|_| {
            self.pipes.remove(there);
        })?;
        let first = self.open_local_socket(back, there, flags);
        let second = self.open_local_socket(there, back, flags);
        match (first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Ok(fd), Err(error)) | (Err(error), Ok(fd)) => {
                self.close(fd)?;
                Err(error)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Ends one or both directions of a local socket.
    pub(crate) fn shutdown_local_socket(
        &mut self,
        receive: Key<Pipe>,
        send: Key<Pipe>,
        half: Half,
    ) {
        if half != Half::Send {
            self.close_pipe_reader(receive);
        }
        if half != Half::Receive {
            self.close_pipe_writer(send);
        }
    }

    /// A socket that will receive nothing more reads as ended; when it cannot send either, it is
    /// hung up.
    pub(crate) fn local_readiness(&self, receive: Key<Pipe>, send: Key<Pipe>) -> Readiness {
        let mut ready = self.pipe_reader_readiness(receive) | self.pipe_writer_readiness(send);
        let receive_ended = self.pipe_has_ended(receive);
        ready.remove(Readiness::ERROR);
        ready.set(
            Readiness::HANG_UP,
            receive_ended && self.pipe_has_ended(send),
        );
        if receive_ended {
            ready |= Readiness::IN | Readiness::READ_CLOSED;
        }
        ready
    }

    fn open_local_socket(
        &mut self,
        receive: Key<Pipe>,
        send: Key<Pipe>,
        flags: OpenFlags,
    ) -> Result<Fd, Errno> {
        let object = Object::LocalSocket { receive, send };
        let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
        self.open_object(object, Access::all(), flags.status(), close_on_exec)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::fake_host::{self, FakeHost, try_read, try_write};

    fn readiness(kernel: &mut Kernel<FakeHost>, fd: Fd) -> Readiness {
        let id = kernel.description_id(fd).unwrap();
        kernel.readiness(id)
    }

    #[test]
    fn each_reads_what_the_other_writes() {
        let mut kernel = fake_host::kernel();
        let (first, second) = kernel.socketpair(OpenFlags::empty()).unwrap();
        try_write(&mut kernel, first, b"there").unwrap();
        try_write(&mut kernel, second, b"back").unwrap();
        assert_eq!(
            try_read(&mut kernel, second, 9),
            Ok(Some(b"there".to_vec()))
        );
        assert_eq!(try_read(&mut kernel, first, 9), Ok(Some(b"back".to_vec())));
    }

    #[test]
    fn a_peer_that_ends_its_direction_still_reads() {
        let mut kernel = fake_host::kernel();
        let (first, second) = kernel.socketpair(OpenFlags::empty()).unwrap();
        kernel.shutdown(first, Half::Send).unwrap();
        assert_eq!(try_read(&mut kernel, second, 9), Ok(Some(Vec::new())));
        assert_eq!(
            readiness(&mut kernel, second),
            Readiness::IN | Readiness::OUT | Readiness::READ_CLOSED
        );
        try_write(&mut kernel, second, b"still").unwrap();
        assert_eq!(try_read(&mut kernel, first, 9), Ok(Some(b"still".to_vec())));
        assert_eq!(try_write(&mut kernel, first, b"x"), Err(Errno::EPIPE));
    }

    #[test]
    fn a_peer_that_is_gone_hangs_up() {
        let mut kernel = fake_host::kernel();
        let (first, second) = kernel.socketpair(OpenFlags::empty()).unwrap();
        kernel.close(first).unwrap();
        let hung_up = Readiness::HANG_UP | Readiness::READ_CLOSED;
        assert!(readiness(&mut kernel, second).contains(hung_up));
        assert_eq!(try_read(&mut kernel, second, 9), Ok(Some(Vec::new())));
        assert_eq!(try_write(&mut kernel, second, b"x"), Err(Errno::EPIPE));
    }

    #[test]
    fn both_may_end_both_directions() {
        let mut kernel = fake_host::kernel();
        let (first, second) = kernel.socketpair(OpenFlags::empty()).unwrap();
        for fd in [first, second] {
            kernel.shutdown(fd, Half::Both).unwrap();
        }
        assert_eq!(try_read(&mut kernel, first, 9), Ok(Some(Vec::new())));
        assert_eq!(try_write(&mut kernel, second, b"x"), Err(Errno::EPIPE));
        assert!(readiness(&mut kernel, first).contains(Readiness::HANG_UP));
    }
}
