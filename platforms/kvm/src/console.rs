//! The console: output over QEMU's debug ports, input and requests over the serial port.
//!
//! `protocol` says what travels. A machine without debug ports gets its output on the serial port,
//! as plain text, and no input.

use hypercall::{ConsoleError, HostRequest, Input, Stream};
use protocol::control::{self, GuestDecoder, GuestEvent};
use protocol::{Terminals, ports};

use crate::cpu::{port_read, port_write, port_write_all};
use crate::kernel_cell::KernelCell;
use crate::requests::Requests;
use crate::{interrupts, machine};

/// The serial port's interrupt line.
pub(crate) const LINE: u32 = 4;

/// How much standard input is held before the program reads it.
const CAPACITY: usize = 1024;

/// Registers of the 16550, and their bits.
mod uart {
    pub(super) const INTERRUPT_ENABLE: u16 = 1;
    pub(super) const FIFO_CONTROL: u16 = 2;
    pub(super) const MODEM_CONTROL: u16 = 4;
    pub(super) const LINE_STATUS: u16 = 5;
    pub(super) const RECEIVED_AVAILABLE: u8 = 1;
    /// On, both cleared, interrupt at 14 of 16 bytes or after a pause.
    pub(super) const FIFOS: u8 = 0b1100_0111;
    /// DTR, RTS, and OUT2, which lets the interrupt through.
    pub(super) const READY: u8 = 0b1011;
    pub(super) const DATA_READY: u8 = 1;
    pub(super) const TRANSMIT_EMPTY: u8 = 1 << 5;
    pub(super) const ABSENT: u8 = 0xff;
}

/// The one machine's console.
pub(crate) static CONSOLE: KernelCell<Console> = KernelCell::new(Console::new());

/// What has come in and was not taken yet.
pub(crate) struct Console {
    terminals: Terminals,
    has_debug_ports: bool,
    has_serial: bool,
    decoder: GuestDecoder,
    input: [u8; CAPACITY],
    /// Where the oldest byte lies in `input`, a ring, and how many there are.
    first: usize,
    count: usize,
    /// Bytes that were asked for and have not come.
    wanted: usize,
    ended: bool,
    requests: Requests,
}

impl Console {
    const fn new() -> Self {
        Self {
            terminals: Terminals {
                input: false,
                output: false,
                error: false,
            },
            has_debug_ports: false,
            has_serial: false,
            decoder: GuestDecoder::new(),
            input: [0; CAPACITY],
            first: 0,
            count: 0,
            wanted: 0,
            ended: false,
            requests: Requests::new(),
        }
    }

    /// Looks what there is; from now on output goes out.
    pub(crate) fn start_output(&mut self) {
        self.has_debug_ports = port_read(ports::STANDARD_OUTPUT) == ports::DEBUGCON_READBACK;
        self.has_serial = port_read(ports::COM1 + uart::LINE_STATUS) != uart::ABSENT;
    }

    /// Lets the serial port interrupt. Interrupts have been started.
    pub(crate) fn start_input(&mut self) {
        if self.has_serial && self.has_debug_ports {
            port_write(ports::COM1 + uart::FIFO_CONTROL, uart::FIFOS);
            port_write(ports::COM1 + uart::MODEM_CONTROL, uart::READY);
            port_write(
                ports::COM1 + uart::INTERRUPT_ENABLE,
                uart::RECEIVED_AVAILABLE,
            );
            interrupts::route(LINE);
        }
    }

    /// Remembers which streams are terminals, as `run` says.
    pub(crate) fn set_terminals(&mut self, terminals: Terminals) {
        self.terminals = terminals;
    }

    pub(crate) fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Input => self.terminals.input,
            Stream::Output => self.terminals.output,
            Stream::Error => self.terminals.error,
        }
    }

    /// See `Host::console_write`.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        let port = match stream {
            Stream::Input => return Err(ConsoleError::Closed),
            Stream::Output => ports::STANDARD_OUTPUT,
            Stream::Error => ports::STANDARD_ERROR,
        };
        if self.has_debug_ports {
            port_write_all(port, bytes);
        } else {
            self.send(bytes);
        }
        Ok(bytes.len())
    }

    /// See `Host::console_read`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        if !(self.has_serial && self.has_debug_ports) {
            return Ok(Input::End);
        }
        self.drain();
        if self.count == 0 {
            self.want_more();
            return Ok(if self.ended {
                Input::End
            } else {
                Input::Pending
            });
        }
        let length = self.count.min(buffer.len());
        for place in &mut buffer[..length] {
            *place = self.input[self.first];
            self.first = (self.first + 1) % CAPACITY;
        }
        self.count -= length;
        self.want_more();
        Ok(Input::Bytes(length))
    }

    /// See `Host::take_request`.
    pub(crate) fn take_request(&mut self) -> Option<HostRequest> {
        self.requests.take()
    }

    /// Takes what the serial port holds. It never holds more input than was asked for.
    fn drain(&mut self) {
        while port_read(ports::COM1 + uart::LINE_STATUS) & uart::DATA_READY != 0 {
            match self.decoder.push(port_read(ports::COM1)) {
                Some(GuestEvent::Data(byte)) if self.count < CAPACITY => {
                    self.input[(self.first + self.count) % CAPACITY] = byte;
                    self.count += 1;
                    self.wanted = self.wanted.saturating_sub(1);
                }
                Some(GuestEvent::End) => self.ended = true,
                Some(GuestEvent::Interrupt) => self.request(HostRequest::Interrupt),
                Some(GuestEvent::Terminate) => self.request(HostRequest::Terminate),
                // A byte beyond what was asked for breaks the protocol and has no place.
                Some(GuestEvent::Data(_)) | None => {}
            }
        }
    }

    /// Notes a request. It ends the next wait by itself: what `read` takes from the serial port
    /// may never interrupt.
    fn request(&mut self, request: HostRequest) {
        self.requests.push(request);
        interrupts::wake();
    }

    /// Asks for as much as there is room for, once that is half of all: what is on its way then
    /// comes while the rest is read.
    fn want_more(&mut self) {
        let more = CAPACITY - self.count - self.wanted;
        if more >= CAPACITY / 2 && !self.ended {
            self.wanted += more;
            self.send(&control::head(control::WANT, more as u16));
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if !self.has_serial {
            return;
        }
        for &byte in bytes {
            while port_read(ports::COM1 + uart::LINE_STATUS) & uart::TRANSMIT_EMPTY == 0 {
                core::hint::spin_loop();
            }
            port_write(ports::COM1, byte);
        }
    }
}

/// The serial port interrupted: takes what it holds, so that it can interrupt again.
pub(crate) fn interrupted() {
    CONSOLE.with(Console::drain);
}

/// Whether `request` has come and waits to be taken. Looks at the serial port itself, as
/// interrupts may be off. For whoever stages a test of the console.
pub fn has_come(request: HostRequest) -> bool {
    CONSOLE.with(|console| {
        console.drain();
        console.requests.holds(request)
    })
}

/// Prints to standard error where nothing else may work any more.
pub fn emergency_write(bytes: &[u8]) {
    if port_read(ports::STANDARD_ERROR) == ports::DEBUGCON_READBACK {
        port_write_all(ports::STANDARD_ERROR, bytes);
    } else {
        for &byte in bytes {
            port_write(ports::COM1, byte);
        }
    }
}

/// Ends the machine with `status` where nothing else may work any more.
pub fn emergency_exit(status: u8) -> ! {
    write_exit_status(status);
    machine::reset()
}

/// Says how the program ended.
pub(crate) fn write_exit_status(status: u8) {
    port_write(ports::EXIT_STATUS, status);
}
