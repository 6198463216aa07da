//! What goes on while a machine runs: one loop waits for everything that can happen.

use std::fs::File;
use std::io::{self, PipeReader, Read};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::control::Control;
use super::signals::{self, Signals};

/// How a run came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The program gave its exit status.
    Status(u8),
    /// The user pressed Ctrl-C a second time.
    Interrupted,
    /// Whoever read our output has gone.
    ReaderGone,
    /// QEMU ended without a status from the program.
    Stopped,
}

/// What a running machine is served with.
pub struct Session<'a> {
    /// Where its exit status comes.
    pub status: &'a mut PipeReader,
    /// Its serial port.
    pub control: Control,
    /// Our standard input.
    pub input: &'a mut File,
    /// Our signals.
    pub signals: &'a mut Signals,
    /// Gets a byte when the reader of our output has gone; its other end stays open.
    pub reader_gone: &'a PipeReader,
    /// How often Ctrl-C was pressed.
    pub interrupts: usize,
}

/// Something that can happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    Status,
    Interrupt,
    Terminate,
    ReaderGone,
    Port,
    Input,
}

impl Session<'_> {
    /// Serves the machine until its end. The first interrupt is passed on to the program, the
    /// second ends the machine.
    pub fn run(mut self) -> io::Result<End> {
        loop {
            for event in self.wait()? {
                if let Some(end) = self.serve(event)? {
                    return Ok(end);
                }
            }
        }
    }

    /// Waits until something happens, and says what.
    fn wait(&self) -> io::Result<Vec<Event>> {
        let input = PollFlags::IN;
        let mut waits = vec![
            (Event::Status, PollFd::new(&*self.status, input)),
            (
                Event::Interrupt,
                PollFd::new(&self.signals.interrupt, input),
            ),
            (
                Event::Terminate,
                PollFd::new(&self.signals.terminate, input),
            ),
            (Event::ReaderGone, PollFd::new(self.reader_gone, input)),
        ];
        // A descriptor that is not to be served must not be waited for: it may have hung up,
        // which counts as an event for ever.
        if let Some(port) = self.control.port() {
            let output = if self.control.has_outgoing() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            waits.push((Event::Port, PollFd::new(port, input | output)));
        }
        if self.control.wants_input() {
            waits.push((Event::Input, PollFd::new(&*self.input, input)));
        }
        let (events, mut descriptors): (Vec<_>, Vec<_>) = waits.into_iter().unzip();
        match poll(&mut descriptors, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = descriptors
            .iter()
            .map(|descriptor| !descriptor.revents().is_empty());
        Ok(events
            .into_iter()
            .zip(happened)
            .filter_map(|(event, is)| is.then_some(event))
            .collect())
    }

    fn serve(&mut self, event: Event) -> io::Result<Option<End>> {
        match event {
            Event::Status => return self.end().map(Some),
            Event::ReaderGone => return Ok(Some(End::ReaderGone)),
            Event::Interrupt => {
                self.interrupts += signals::count(&mut self.signals.interrupt);
                if self.interrupts > 1 {
                    return Ok(Some(End::Interrupted));
                }
                self.control.interrupt();
            }
            Event::Terminate => {
                for _ in 0..signals::count(&mut self.signals.terminate) {
                    self.control.terminate();
                }
            }
            Event::Port => self.control.exchange(),
            Event::Input => self.control.forward(self.input),
        }
        Ok(None)
    }

    /// Reads how it ended.
    fn end(&mut self) -> io::Result<End> {
        let mut status = [0];
        let length = self.status.read(&mut status)?;
        Ok(if length > 0 {
            End::Status(status[0])
        } else {
            End::Stopped
        })
    }
}
