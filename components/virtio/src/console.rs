//! A virtio console with several ports (virtio 1.2, 5.3) as a [`ConsoleDevice`].
//!
//! Each of the three streams has a port of its own. The ports are announced over the control
//! queues, and a stream is open while somebody is at its port's other end.

mod control;
mod stream;

use alloc::vec::Vec;

use bitflags::bitflags;
use hypercall::{ConsoleDevice, ConsoleError, DmaRegion, Input, Interrupt, Stream};
use virtio_drivers::transport::{DeviceType, Transport};

use crate::device::{self, CommonFeatures};
use crate::layout::Layout;
use crate::ring::{Ring, Slot};
use crate::{QueueSize, Violation, VirtioError};

use control::Event;
use stream::{Incoming, Outgoing};

/// The queue on which the device speaks of its ports (virtio 1.2, 5.3.2).
const CONTROL_RECEIVE: u16 = 2;
/// The queue on which the driver does.
const CONTROL_TRANSMIT: u16 = 3;
/// Offset of `max_nr_ports` in the configuration.
const MOST_PORTS: usize = 4;

/// Messages of the control queues: more than the device has to say before it is answered.
const CONTROL: Layout = Layout::new(QueueSize::new(16).expect("a power of two"), 64);
/// Pieces of a stream on their way, and the length of one.
const STREAM: Layout = Layout::new(QueueSize::new(4).expect("a power of two"), 4096);

bitflags! {
    /// Features of a console device (virtio 1.2, 5.3.3).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct ConsoleFeatures: u64 {
        /// It has several ports, and control queues.
        const MULTIPORT = 1 << 1;
    }
}

/// Which port carries which stream. Port 0 cannot be among them: it is the one that a device
/// without several ports has, and its queues are numbered otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsolePorts {
    /// Standard input.
    pub input: u16,
    /// Standard output.
    pub output: u16,
    /// Standard error.
    pub error: u16,
}

/// The driver of a virtio console device.
///
/// A device that breaks its protocol or asks for a reset is reset and stays so: every function is
/// [`ConsoleError::Failed`] from then on, and [`violation`](VirtioConsole::violation) says why.
#[derive(Debug)]
pub struct VirtioConsole<T: Transport> {
    transport: T,
    interrupt: Interrupt,
    ports: ConsolePorts,
    violation: Option<Violation>,
    control_receive: Incoming,
    control_transmit: Outgoing,
    input: Incoming,
    output: Outgoing,
    error: Outgoing,
    /// Who is at the other end of input, output and error.
    ends: [FarEnd; 3],
}

/// Who is at a port's other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FarEnd {
    /// Nobody has been yet.
    Nobody,
    Somebody,
    /// Nobody any more.
    Gone,
}

impl<T: Transport> VirtioConsole<T> {
    /// How many bytes of memory [`new`](VirtioConsole::new) needs, in whole pages.
    pub const fn dma_length() -> usize {
        2 * CONTROL.length() + 3 * STREAM.length()
    }

    /// Starts the device behind `transport` with `memory`, at least
    /// [`dma_length`](VirtioConsole::dma_length) bytes. The platform raises `interrupt` for each of
    /// the device's.
    ///
    /// On error the device is told that it has no driver, and the memory is given up: a device
    /// that does not do as it is told may still write to it.
    pub fn new(
        mut transport: T,
        memory: DmaRegion,
        interrupt: Interrupt,
        ports: ConsolePorts,
    ) -> Result<Self, VirtioError> {
        if transport.device_type() != DeviceType::Console {
            return Err(VirtioError::WrongClass);
        }
        match Queues::start(&mut transport, memory, ports) {
            Ok(queues) => Ok(Self::assemble(transport, interrupt, ports, queues)),
            Err(error) => {
                device::abandon(&mut transport);
                Err(error)
            }
        }
    }

    fn assemble(
        mut transport: T,
        interrupt: Interrupt,
        ports: ConsolePorts,
        queues: Queues,
    ) -> Self {
        let control_receive = Incoming::new(queues.control_receive, &mut transport);
        let input = Incoming::new(queues.input, &mut transport);
        let mut console = Self {
            transport,
            interrupt,
            ports,
            violation: None,
            control_receive,
            control_transmit: Outgoing::new(queues.control_transmit),
            input,
            output: Outgoing::new(queues.output),
            error: Outgoing::new(queues.error),
            ends: [FarEnd::Nobody; 3],
        };
        let said = console.say(&control::device_ready());
        // A violation so early shows at the first use.
        let _ = console.checked(said);
        console
    }

    /// How the device broke its protocol, if it did.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Looks at interrupt and control queue. To be done before anything else.
    fn attend(&mut self) -> Result<(), ConsoleError> {
        if self.violation.is_some() {
            return Err(ConsoleError::Failed);
        }
        let attended =
            device::acknowledge(&mut self.transport, &self.interrupt).and_then(|_| self.hear_all());
        self.checked(attended)
    }

    /// What a queue said; a violation fails the device.
    fn checked<V>(&mut self, outcome: Result<V, Violation>) -> Result<V, ConsoleError> {
        outcome.map_err(|violation| {
            self.violation = Some(violation);
            // Nothing more can be done about a device that does not finish its reset.
            let _ = device::reset(&mut self.transport);
            ConsoleError::Failed
        })
    }

    /// Takes in what the device says of its ports.
    fn hear_all(&mut self) -> Result<(), Violation> {
        while let Some(message) = self
            .control_receive
            .message(&mut self.transport, control::read)?
        {
            if let Some((port, event)) = message? {
                self.hear(port, event)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, port: u32, event: Event) -> Result<(), Violation> {
        let ConsolePorts {
            input,
            output,
            error,
        } = self.ports;
        let mut of_streams = [input, output, error].into_iter();
        let Some(stream) = of_streams.position(|own| u32::from(own) == port) else {
            return Ok(());
        };
        match event {
            Event::Added => {
                for answer in control::port_answers(port) {
                    self.say(&answer)?;
                }
            }
            Event::Opened => self.ends[stream] = FarEnd::Somebody,
            Event::Closed if self.ends[stream] == FarEnd::Somebody => {
                self.ends[stream] = FarEnd::Gone;
            }
            Event::Closed => {}
        }
        Ok(())
    }

    /// Sends a message. A device that leaves so many of them unread that there is no room is not
    /// told, and its port stays closed.
    fn say(&mut self, message: &[u8]) -> Result<(), Violation> {
        self.control_transmit
            .send(message, &mut self.transport)
            .map(drop)
    }
}

impl<T: Transport + Send> ConsoleDevice for VirtioConsole<T> {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        self.attend()?;
        let [_, output_end, error_end] = self.ends;
        let (queue, end) = match stream {
            Stream::Input => return Err(ConsoleError::Closed),
            Stream::Output => (&mut self.output, output_end),
            Stream::Error => (&mut self.error, error_end),
        };
        if end != FarEnd::Somebody {
            return Err(ConsoleError::Closed);
        }
        let sent = queue.send(bytes, &mut self.transport);
        self.checked(sent)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        // First the control queue: all that was typed before the end lies in the other by then.
        self.attend()?;
        let received = self.input.receive(buffer, &mut self.transport);
        match (self.checked(received)?, self.ends[0]) {
            (0, FarEnd::Gone) => Ok(Input::End),
            (0, _) => Ok(Input::Pending),
            (length, _) => Ok(Input::Bytes(length)),
        }
    }

    fn is_drained(&mut self) -> bool {
        if self.attend().is_err() {
            return true;
        }
        let output = self.output.is_drained();
        let error = self.error.is_drained();
        let both = output.and_then(|output| Ok(output && error?));
        self.checked(both).unwrap_or(true)
    }
}

/// The queues of a device that has just been started.
struct Queues {
    control_receive: (Ring, Vec<Slot>),
    control_transmit: (Ring, Vec<Slot>),
    input: (Ring, Vec<Slot>),
    output: (Ring, Vec<Slot>),
    error: (Ring, Vec<Slot>),
}

impl Queues {
    /// Takes the device from wherever it is to running.
    fn start<T: Transport>(
        transport: &mut T,
        memory: DmaRegion,
        ports: ConsolePorts,
    ) -> Result<Self, VirtioError> {
        let offered = device::offered(transport)?;
        let common = CommonFeatures::from_bits_truncate(offered);
        let console = ConsoleFeatures::from_bits_truncate(offered);
        if !console.contains(ConsoleFeatures::MULTIPORT) {
            return Err(VirtioError::FeatureMissing);
        }
        device::accept(transport, common.bits() | console.bits())?;
        check_ports(transport, ports)?;
        let event_index = common.contains(CommonFeatures::EVENT_IDX);
        let mut rest = Some(memory);
        let mut ring = |queue, layout: Layout| {
            let (own, left) = rest
                .take()
                .and_then(|memory| memory.split_at(layout.length()))
                .ok_or(VirtioError::MemoryTooSmall)?;
            rest = Some(left);
            Ring::new(transport, queue, own, layout, event_index)
        };
        let queues = Self {
            control_receive: ring(CONTROL_RECEIVE, CONTROL)?,
            control_transmit: ring(CONTROL_TRANSMIT, CONTROL)?,
            input: ring(receive_queue(ports.input), STREAM)?,
            output: ring(transmit_queue(ports.output), STREAM)?,
            error: ring(transmit_queue(ports.error), STREAM)?,
        };
        device::start(transport);
        Ok(queues)
    }
}

/// Whether the device can have these ports.
fn check_ports<T: Transport>(transport: &T, ports: ConsolePorts) -> Result<(), VirtioError> {
    let most = u32::from_le(device::read_configuration(transport, MOST_PORTS)?);
    let ports = [ports.input, ports.output, ports.error];
    if ports.iter().all(|&port| (1..most).contains(&port.into())) {
        Ok(())
    } else {
        Err(VirtioError::ConfigurationInvalid)
    }
}

/// The queue that a port receives on (virtio 1.2, 5.3.2); not for port 0.
const fn receive_queue(port: u16) -> u16 {
    2 * port + 2
}

/// The queue that a port sends on.
const fn transmit_queue(port: u16) -> u16 {
    receive_queue(port) + 1
}

#[cfg(test)]
mod tests;
