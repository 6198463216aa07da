//! Open file descriptions: what descriptors name, with the state that duplicates share
//! (POSIX.1-2017, XBD 3.258).

use alloc::vec::Vec;

use fs::Place;
use hypercall::{Host, Stream};

use crate::descriptor::Entry;
use crate::device::Device;
use crate::disk::DiskNumber;
use crate::epoll::{Epoll, Watcher};
use crate::event_counter::EventCounter;
use crate::flags::{Access, StatusFlags};
use crate::pipe::Pipe;
use crate::readiness::{Readiness, Step, StepResult, Wait};
use crate::slab::Key;
use crate::socket::Socket;
use crate::timer_descriptor::TimerDescriptor;
use crate::{Errno, Fd, Kernel};

/// Names a description.
pub(crate) type DescriptionId = Key<Description>;

/// An open file description.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) object: Object,
    pub(crate) access: Access,
    pub(crate) status: StatusFlags,
    /// Where the next read or write of a file goes, or the cookie of a directory.
    pub(crate) offset: u64,
    /// How many descriptors name it.
    references: u32,
    /// Who is to be told when its readiness changes.
    pub(crate) watchers: Vec<Watcher>,
}

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Object {
    /// A regular file.
    File(Place),
    /// A directory.
    Directory(Place),
    /// A device that is always ready.
    Device(Device),
    /// A disk.
    Disk(DiskNumber),
    /// One of the console's streams; `None` is the whole terminal (`/dev/tty`).
    Console(Option<Stream>),
    /// The end of a pipe that bytes come out of.
    PipeReader(Key<Pipe>),
    /// The end of a pipe that bytes go into.
    PipeWriter(Key<Pipe>),
    /// One of two connected local sockets.
    LocalSocket { receive: Key<Pipe>, send: Key<Pipe> },
    /// A network socket.
    Socket(Key<Socket>),
    /// An epoll instance.
    Epoll(Key<Epoll>),
    /// An `eventfd`.
    EventCounter(Key<EventCounter>),
    /// A `timerfd`.
    Timer(Key<TimerDescriptor>),
}

impl Description {
    /// A description that no descriptor names yet.
    pub(crate) const fn new(object: Object, access: Access, status: StatusFlags) -> Self {
        Self {
            object,
            access,
            status,
            offset: 0,
            references: 0,
            watchers: Vec::new(),
        }
    }
}

impl<H: Host> Kernel<H> {
    /// Gives `object` a description and the lowest free descriptor. On error the object is
    /// released.
    pub(crate) fn open_object(
        &mut self,
        object: Object,
        access: Access,
        status: StatusFlags,
        close_on_exec: bool,
    ) -> Result<Fd, Errno> {
        let made = self.descriptors.lowest_free(0).and_then(|fd| {
            let description = Description::new(object, access, status);
            Ok((fd, self.descriptions.insert(description)?))
        });
        let (fd, id) = made.inspect_err(|_| self.release_object(object))?;
        let entry = Entry {
            description: id,
            close_on_exec,
        };
        self.retain_description(id);
        if let Err(error) = self.descriptors.set(fd, entry) {
            self.release_description(id);
            return Err(error);
        }
        self.adopt_object(object, id);
        Ok(fd)
    }

    /// The description that `fd` names.
    pub(crate) fn description_id(&self, fd: Fd) -> Result<DescriptionId, Errno> {
        Ok(self.descriptors.get(fd)?.description)
    }

    /// The same with its content.
    pub(crate) fn description(&self, fd: Fd) -> Result<(DescriptionId, &Description), Errno> {
        let id = self.description_id(fd)?;
        let description = self.descriptions.get(id).ok_or(Errno::EBADF)?;
        Ok((id, description))
    }

    /// The same, to be changed.
    pub(crate) fn description_mut(&mut self, fd: Fd) -> Result<&mut Description, Errno> {
        let id = self.description_id(fd)?;
        self.descriptions.get_mut(id).ok_or(Errno::EBADF)
    }

    /// One more descriptor names the description.
    pub(crate) fn retain_description(&mut self, id: DescriptionId) {
        if let Some(description) = self.descriptions.get_mut(id) {
            description.references += 1;
        }
    }

    /// One descriptor fewer names it; after the last one it is gone.
    pub(crate) fn release_description(&mut self, id: DescriptionId) {
        let Some(description) = self.descriptions.get_mut(id) else {
            return;
        };
        description.references -= 1;
        if description.references > 0 {
            return;
        }
        if let Some(description) = self.descriptions.remove(id) {
            self.forget_watchers(&description.watchers);
            self.release_object(description.object);
        }
    }

    /// Tells an object by which description it is reached, so that it can report changes.
    fn adopt_object(&mut self, object: Object, id: DescriptionId) {
        match object {
            Object::PipeReader(pipe) => self.adopt_pipe_reader(pipe, id),
            Object::PipeWriter(pipe) => self.adopt_pipe_writer(pipe, id),
            Object::LocalSocket { receive, send } => {
                self.adopt_pipe_reader(receive, id);
                self.adopt_pipe_writer(send, id);
            }
            Object::Socket(socket) => self.adopt_socket(socket, id),
            Object::Timer(timer) => self.adopt_timer(timer, id),
            Object::Epoll(_)
            | Object::File(_)
            | Object::Directory(_)
            | Object::Device(_)
            | Object::Disk(_)
            | Object::Console(_)
            | Object::EventCounter(_) => {}
        }
    }

    /// Ends what was open.
    fn release_object(&mut self, object: Object) {
        match object {
            Object::File(file) | Object::Directory(file) => self.release_file(file),
            Object::Device(_) | Object::Disk(_) | Object::Console(_) => {}
            Object::PipeReader(pipe) => self.close_pipe_reader(pipe),
            Object::PipeWriter(pipe) => self.close_pipe_writer(pipe),
            Object::LocalSocket { receive, send } => {
                self.close_pipe_reader(receive);
                self.close_pipe_writer(send);
            }
            Object::Socket(socket) => self.close_socket(socket),
            Object::Epoll(epoll) => self.close_epoll(epoll),
            Object::EventCounter(counter) => {
                self.event_counters.remove(counter);
            }
            Object::Timer(timer) => self.timers.remove(timer),
        }
    }

    /// What can be done with a description now.
    pub(crate) fn readiness(&mut self, id: DescriptionId) -> Readiness {
        let Some(description) = self.descriptions.get(id) else {
            return Readiness::INVALID;
        };
        match description.object {
            Object::File(_) | Object::Directory(_) | Object::Device(_) | Object::Disk(_) => {
                Readiness::IN | Readiness::OUT
            }
            Object::Console(stream) => self.console_readiness(stream),
            Object::PipeReader(pipe) => self.pipe_reader_readiness(pipe),
            Object::PipeWriter(pipe) => self.pipe_writer_readiness(pipe),
            Object::LocalSocket { receive, send } => self.local_readiness(receive, send),
            Object::Socket(socket) => self.socket_readiness(socket),
            Object::Epoll(epoll) => self.epoll_readiness(epoll),
            Object::EventCounter(counter) => self.event_counter_readiness(counter),
            Object::Timer(timer) => self.timer_readiness(timer),
        }
    }

    /// What a step returns that can go on once `id` has one of `wanted`: a wait, or EAGAIN from a
    /// description that does not wait.
    pub(crate) fn wait_for<T>(&self, id: DescriptionId, wanted: Readiness) -> StepResult<T> {
        let description = self.descriptions.get(id).ok_or(Errno::EBADF)?;
        if description.status.contains(StatusFlags::NONBLOCK) {
            return Err(Errno::EAGAIN);
        }
        Ok(Step::Wait(Wait::on(id, wanted)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A description of nothing in particular.
    pub(crate) fn null() -> Description {
        let object = Object::Device(Device::Null);
        Description::new(object, Access::READ, StatusFlags::empty())
    }
}
