//! `poll`: which of some descriptors are ready (POSIX.1-2017, `poll`).

use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{Host, Instant};

use crate::readiness::{Readiness, Step, StepResult, Wait};
use crate::{Errno, Fd, Kernel};

/// One descriptor of a `poll`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollRequest {
    /// The descriptor; a negative one is passed over.
    pub fd: i32,
    /// What is wanted. Errors and hang-ups are always reported.
    pub wanted: Readiness,
    /// What was found.
    pub ready: Readiness,
}

impl<H: Host> Kernel<H> {
    /// Fills in what is ready of each request, and says how many have anything. Waits until one
    /// has, or for `timeout` at most.
    pub fn poll(
        &mut self,
        requests: &mut [PollRequest],
        timeout: Option<Duration>,
    ) -> StepResult<usize> {
        let found = self.survey(requests);
        let deadline = self.deadline(timeout);
        if found > 0 || self.has_passed(deadline) {
            return Ok(Step::Done(found));
        }
        Ok(Step::Wait(self.wait_for_any(requests, deadline)?))
    }

    /// Fills in what is ready of each request, and says how many have anything.
    pub(crate) fn survey(&mut self, requests: &mut [PollRequest]) -> usize {
        self.progress_once();
        let mut found = 0;
        for request in requests {
            request.ready = self.poll_one(request.fd, request.wanted);
            found += usize::from(!request.ready.is_empty());
        }
        found
    }

    /// The wait for what `requests` want.
    pub(crate) fn wait_for_any(
        &self,
        requests: &[PollRequest],
        deadline: Option<Instant>,
    ) -> Result<Wait, Errno> {
        let mut interests = Vec::new();
        interests
            .try_reserve_exact(requests.len())
            .map_err(|_| Errno::ENOMEM)?;
        for request in requests {
            // What is ready in a way that does not count for `select` would end the wait at once.
            if !request.ready.is_empty() {
                continue;
            }
            if let Ok(id) = Fd::new(request.fd).and_then(|fd| self.description_id(fd)) {
                interests.push((id, request.wanted));
            }
        }
        Ok(Wait {
            interest: None,
            interests,
            disk: None,
            deadline,
        })
    }

    fn poll_one(&mut self, fd: i32, wanted: Readiness) -> Readiness {
        let Ok(fd) = Fd::new(fd) else {
            return Readiness::empty();
        };
        match self.description_id(fd) {
            Ok(id) => self.readiness(id) & (wanted | Readiness::ALWAYS),
            Err(_) => Readiness::INVALID,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenFlags;
    use crate::edge::block_on;
    use crate::fake_host::{self, Event, FakeHost, try_write};

    const SECOND: Duration = Duration::from_secs(1);

    fn request(fd: i32, wanted: Readiness) -> PollRequest {
        PollRequest {
            fd,
            wanted,
            ready: Readiness::empty(),
        }
    }

    fn poll(
        kernel: &mut Kernel<FakeHost>,
        requests: &mut [PollRequest],
        timeout: Option<Duration>,
    ) -> Result<usize, Errno> {
        block_on(kernel, |kernel| kernel.poll(requests, timeout))
    }

    #[test]
    fn negative_descriptors_are_passed_over_and_closed_ones_told() {
        let mut kernel = fake_host::kernel();
        let wanted = Readiness::READABLE;
        let mut requests = [request(-1, wanted), request(77, wanted)];
        assert_eq!(poll(&mut kernel, &mut requests, None), Ok(1));
        assert_eq!(requests[0].ready, Readiness::empty());
        assert_eq!(requests[1].ready, Readiness::INVALID);
    }

    #[test]
    fn no_descriptors_are_a_sleep() {
        let mut kernel = fake_host::kernel();
        assert_eq!(poll(&mut kernel, &mut [], Some(SECOND)), Ok(0));
        assert_eq!(kernel.elapsed(), SECOND);
    }

    #[test]
    fn the_first_of_several_ends_the_wait() {
        let mut kernel = fake_host::kernel();
        let (reader, _writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        kernel.at(SECOND, Event::Input(b"x"));
        let wanted = Readiness::READABLE;
        let mut requests = [request(reader.number(), wanted), request(0, wanted)];
        assert_eq!(poll(&mut kernel, &mut requests, Some(9 * SECOND)), Ok(1));
        assert_eq!(kernel.elapsed(), SECOND);
        assert_eq!(requests[1].ready, wanted);
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let mut kernel = fake_host::kernel();
        kernel.at(SECOND, Event::Request(hypercall::HostRequest::Interrupt));
        assert_eq!(poll(&mut kernel, &mut [], None), Err(Errno::EINTR));
    }

    #[test]
    fn a_pipe_without_a_reader_has_an_error() {
        let mut kernel = fake_host::kernel();
        let (reader, writer) = kernel.pipe2(OpenFlags::empty()).unwrap();
        try_write(&mut kernel, writer, b"x").unwrap();
        kernel.close(reader).unwrap();
        let mut requests = [request(writer.number(), Readiness::empty())];
        assert_eq!(poll(&mut kernel, &mut requests, None), Ok(1));
        assert_eq!(requests[0].ready, Readiness::ERROR);
    }
}
