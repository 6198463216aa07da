//! Connections: how they are waited for, accepted and made (POSIX.1-2017, `listen`, `accept`,
//! `connect`).

use core::net::SocketAddrV4;
use core::time::Duration;

use hypercall::Host;
use net::{NetError, SocketKind, SocketOption};

use crate::flags::StatusFlags;
use crate::readiness::{Readiness, Step, StepResult, Wait};
use crate::{Errno, Fd, Kernel, OpenFlags};

/// The largest backlog of a listener (Linux' `net.core.somaxconn`).
const BACKLOG_MAX: usize = 4096;

impl<H: Host> Kernel<H> {
    /// Makes a stream socket wait for connections. A negative backlog counts as the largest.
    pub fn listen(&mut self, fd: Fd, backlog: i32) -> Result<(), Errno> {
        let (network, socket) = self.network_socket(fd)?;
        if socket.kind != SocketKind::Stream {
            return Err(Errno::EOPNOTSUPP);
        }
        let backlog = usize::try_from(backlog).unwrap_or(BACKLOG_MAX);
        network.listen(socket.id, backlog.clamp(1, BACKLOG_MAX))?;
        socket.listening = true;
        Ok(())
    }

    /// The oldest connection of a listener, as a descriptor of its own with these flags. Only
    /// CLOSE_ON_EXEC and NONBLOCK may be set.
    pub fn accept4(&mut self, fd: Fd, flags: OpenFlags) -> StepResult<(Fd, SocketAddrV4)> {
        let flags = flags.only(OpenFlags::CLOSE_ON_EXEC | OpenFlags::NONBLOCK)?;
        let (_, socket) = self.network_socket(fd)?;
        if socket.kind != SocketKind::Stream {
            return Err(Errno::EOPNOTSUPP);
        }
        if !socket.listening {
            return Err(Errno::EINVAL);
        }
        let (no_delay, keep_alive) = (socket.no_delay, socket.keep_alive);
        let (listener, timeout) = (socket.id, socket.receive_timeout);
        // A connection taken without a descriptor to be had would be lost.
        self.descriptors.lowest_free(0)?;
        let (network, _) = self.network_socket(fd)?;
        let connection = match network.accept(listener) {
            Err(NetError::WouldBlock) => return self.wait_for_socket(fd, Readiness::IN, timeout),
            accepted => accepted?,
        };
        let accepted = self.open_socket(connection.socket, SocketKind::Stream, flags)?;
        // A connection starts with its listener's options, as on Linux.
        let (network, socket) = self.network_socket(accepted)?;
        network.set_option(socket.id, SocketOption::NoDelay(no_delay))?;
        network.set_option(socket.id, SocketOption::KeepAlive(keep_alive))?;
        (socket.no_delay, socket.keep_alive) = (no_delay, keep_alive);
        Ok(Step::Done((accepted, connection.peer)))
    }

    /// Connects a stream, or sets whom a datagram socket talks with.
    pub fn connect(&mut self, fd: Fd, peer: SocketAddrV4) -> StepResult<()> {
        let now = self.clock.now;
        let (network, socket) = self.network_socket(fd)?;
        let (id, timeout) = (socket.id, socket.send_timeout);
        if socket.connecting {
            return self.finish_connect(fd);
        }
        match network.connect(id, peer, now) {
            Err(NetError::InProgress) => socket.connecting = true,
            connected => return Ok(Step::Done(connected?)),
        }
        self.network_is_dirty();
        let (_, description) = self.description(fd)?;
        if description.status.contains(StatusFlags::NONBLOCK) {
            return Err(Errno::EINPROGRESS);
        }
        self.wait_for_socket(fd, Readiness::OUT, timeout)
    }

    /// How a connection that was begun before came out.
    fn finish_connect(&mut self, fd: Fd) -> StepResult<()> {
        let (network, socket) = self.network_socket(fd)?;
        let (id, timeout) = (socket.id, socket.send_timeout);
        if let Some(error) = network.take_error(id) {
            socket.connecting = false;
            return Err(error.into());
        }
        if network.readiness(id).contains(net::Readiness::WRITABLE) {
            socket.connecting = false;
            return Ok(Step::Done(()));
        }
        let timed_out = self.has_passed(self.deadline(timeout));
        match self.wait_for_socket(fd, Readiness::OUT, timeout) {
            Err(Errno::EAGAIN) if timed_out => Err(Errno::EINPROGRESS),
            Err(Errno::EAGAIN) => Err(Errno::EALREADY),
            other => other,
        }
    }

    /// The wait of an operation on a socket: as any other, but no longer than its timeout.
    pub(crate) fn wait_for_socket<T>(
        &self,
        fd: Fd,
        wanted: Readiness,
        timeout: Option<Duration>,
    ) -> StepResult<T> {
        let deadline = self.deadline(timeout);
        if self.has_passed(deadline) {
            return Err(Errno::EAGAIN);
        }
        match self.wait_for(self.description_id(fd)?, wanted)? {
            Step::Wait(wait) => Ok(Step::Wait(Wait { deadline, ..wait })),
            done => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::boxed::Box;
    use std::sync::atomic::Ordering;
    use std::vec::Vec;

    use super::*;
    use crate::edge::block_on;
    use crate::fake_host::{self, FakeHost, done, try_read, try_write};
    use crate::fake_network::{FakeNetwork, HERE};
    use crate::{EpollChange, EpollEvent, OptionName, OptionValue, SocketAddress, WatchMode};

    const NOTHING: OpenFlags = OpenFlags::empty();

    fn kernel() -> Kernel<FakeHost> {
        fake_host::kernel_with(Some(Box::new(FakeNetwork::default())))
    }

    fn at(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(HERE, port)
    }

    fn listener(kernel: &mut Kernel<FakeHost>, port: u16) -> Fd {
        let fd = kernel.socket(SocketKind::Stream, NOTHING).unwrap();
        kernel.bind(fd, at(port)).unwrap();
        kernel.listen(fd, 16).unwrap();
        fd
    }

    /// A connection to `listener`: our end, then the accepted one.
    fn connection(kernel: &mut Kernel<FakeHost>, listener: Fd, port: u16) -> (Fd, Fd) {
        let fd = kernel.socket(SocketKind::Stream, NOTHING).unwrap();
        block_on(kernel, |kernel| kernel.connect(fd, at(port))).unwrap();
        let (accepted, peer) =
            block_on(kernel, |kernel| kernel.accept4(listener, NOTHING)).unwrap();
        assert_eq!(kernel.getsockname(fd), Ok(SocketAddress::Inet(peer)));
        (fd, accepted)
    }

    #[test]
    fn without_a_network_there_is_no_such_family() {
        let mut kernel = fake_host::kernel();
        let result = kernel.socket(SocketKind::Stream, NOTHING);
        assert_eq!(result, Err(Errno::EAFNOSUPPORT));
    }

    #[test]
    fn a_connection_carries_bytes_and_its_end() {
        let mut kernel = kernel();
        let listener = listener(&mut kernel, 80);
        let (ours, theirs) = connection(&mut kernel, listener, 80);
        assert_eq!(try_write(&mut kernel, ours, b"question"), Ok(Some(8)));
        assert_eq!(kernel.ioctl_fionread(theirs), Ok(8));
        assert_eq!(
            try_read(&mut kernel, theirs, 99),
            Ok(Some(b"question".to_vec()))
        );
        assert_eq!(try_read(&mut kernel, theirs, 99), Ok(None));
        kernel.close(ours).unwrap();
        assert_eq!(try_read(&mut kernel, theirs, 99), Ok(Some(Vec::new())));
    }

    #[test]
    fn writing_after_the_end_raises_a_signal() {
        let mut kernel = kernel();
        let listener = listener(&mut kernel, 80);
        let (ours, theirs) = connection(&mut kernel, listener, 80);
        kernel.shutdown(ours, net::Half::Send).unwrap();
        assert_eq!(try_read(&mut kernel, theirs, 9), Ok(Some(Vec::new())));
        assert_eq!(try_write(&mut kernel, ours, b"x"), Err(Errno::EPIPE));
        let pending = kernel.signals().pending();
        assert!(pending.contains(crate::signal::Signal::PIPE));
    }

    #[test]
    fn a_refused_connection_is_an_error_of_connect() {
        let mut kernel = kernel();
        let fd = kernel.socket(SocketKind::Stream, NOTHING).unwrap();
        let result = block_on(&mut kernel, |kernel| kernel.connect(fd, at(81)));
        assert_eq!(result, Err(Errno::ECONNREFUSED));
    }

    #[test]
    fn a_connection_that_nobody_waits_for_is_told_by_poll_and_the_error_option() {
        let mut kernel = kernel();
        let _listener = listener(&mut kernel, 80);
        let fd = kernel
            .socket(SocketKind::Stream, OpenFlags::NONBLOCK)
            .unwrap();
        let connect = |kernel: &mut Kernel<FakeHost>| kernel.connect(fd, at(80)).map(done);
        assert_eq!(connect(&mut kernel), Err(Errno::EINPROGRESS));
        assert_eq!(connect(&mut kernel), Err(Errno::EALREADY));
        kernel.progress();
        let id = kernel.description_id(fd).unwrap();
        assert!(kernel.readiness(id).contains(Readiness::WRITABLE));
        let error = kernel.getsockopt(fd, OptionName::Error);
        assert_eq!(error, Ok(OptionValue::Number(0)));
        assert_eq!(connect(&mut kernel), Ok(Some(())));
        assert_eq!(connect(&mut kernel), Err(Errno::EISCONN));
    }

    #[test]
    fn a_timeout_ends_a_connect_that_goes_on() {
        let mut kernel = kernel();
        let fd = kernel.socket(SocketKind::Stream, NOTHING).unwrap();
        let time = OptionValue::Time(Duration::from_secs(1));
        kernel
            .setsockopt(fd, OptionName::SendTimeout, time)
            .unwrap();
        let connect = |kernel: &mut Kernel<FakeHost>| kernel.connect(fd, at(80)).map(done);
        assert_eq!(connect(&mut kernel), Ok(None));
        kernel.clock.now = kernel.clock.now + Duration::from_secs(2);
        assert_eq!(connect(&mut kernel), Err(Errno::EINPROGRESS));
        kernel.ioctl_fionbio(fd, true).unwrap();
        kernel.clock.began = kernel.clock.now;
        assert_eq!(connect(&mut kernel), Err(Errno::EALREADY));
    }

    #[test]
    fn a_timeout_ends_a_receive() {
        let mut kernel = kernel();
        let listener = listener(&mut kernel, 80);
        let (ours, _theirs) = connection(&mut kernel, listener, 80);
        let second = Duration::from_secs(1);
        let time = OptionValue::Time(second);
        kernel
            .setsockopt(ours, OptionName::ReceiveTimeout, time)
            .unwrap();
        let mut byte = [0];
        let mut sink = hypercall::SliceSink::new(&mut byte);
        let result = block_on(&mut kernel, |kernel| kernel.read(ours, &mut sink));
        assert_eq!(result, Err(Errno::EAGAIN));
        assert_eq!(kernel.elapsed(), second);
    }

    #[test]
    fn accept_takes_no_connection_that_it_cannot_name() {
        let mut kernel = kernel();
        let listener = listener(&mut kernel, 80);
        let fd = kernel.socket(SocketKind::Stream, NOTHING).unwrap();
        block_on(&mut kernel, |kernel| kernel.connect(fd, at(80))).unwrap();
        kernel.set_descriptor_limit(5).unwrap();
        let refused = kernel.accept4(listener, NOTHING).map(done);
        assert_eq!(refused, Err(Errno::EMFILE));
        kernel.set_descriptor_limit(6).unwrap();
        assert!(
            kernel
                .accept4(listener, NOTHING)
                .map(done)
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn idle_sockets_cost_an_epoll_nothing() {
        let network = FakeNetwork::default();
        let questions = network.questions.clone();
        let mut kernel = fake_host::kernel_with(Some(Box::new(network)));
        let epoll = kernel.epoll_create1(false).unwrap();
        let listener = listener(&mut kernel, 80);
        let mut last = listener;
        for number in 0..100 {
            let (ours, theirs) = connection(&mut kernel, listener, 80);
            let event = EpollEvent {
                ready: Readiness::READABLE,
                mode: WatchMode::empty(),
                data: number,
            };
            kernel
                .epoll_ctl(epoll, EpollChange::Add(event), theirs)
                .unwrap();
            last = ours;
        }
        let mut events = Vec::new();
        let mut wait = |kernel: &mut Kernel<FakeHost>| {
            let timeout = Some(Duration::ZERO);
            let before = questions.load(Ordering::Relaxed);
            block_on(kernel, |kernel| {
                kernel.epoll_wait(epoll, 64, timeout, &mut events)
            })
            .unwrap();
            questions.load(Ordering::Relaxed) - before
        };
        wait(&mut kernel);
        assert_eq!(wait(&mut kernel), 0);
        try_write(&mut kernel, last, b"x").unwrap();
        assert_eq!(wait(&mut kernel), 1);
        assert_eq!(
            events.iter().map(|event| event.data).collect::<Vec<_>>(),
            [99]
        );
    }

    #[test]
    fn calls_that_do_not_fit_have_their_errors() {
        let mut kernel = kernel();
        let datagram = kernel.socket(SocketKind::Datagram, NOTHING).unwrap();
        let stream = kernel.socket(SocketKind::Stream, NOTHING).unwrap();
        assert_eq!(kernel.listen(datagram, 1), Err(Errno::EOPNOTSUPP));
        assert_eq!(kernel.listen(Fd::STDIN, 1), Err(Errno::ENOTSOCK));
        let mut accept = |fd| kernel.accept4(fd, NOTHING).map(done);
        assert_eq!(accept(datagram), Err(Errno::EOPNOTSUPP));
        assert_eq!(accept(stream), Err(Errno::EINVAL));
        assert_eq!(kernel.getpeername(stream), Err(Errno::ENOTCONN));
    }
}
