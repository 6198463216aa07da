//! The messages of the control queues, and what they say of the ports (virtio 1.2, 5.3.6).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Violation;

/// Bytes of a message. A name may follow it.
pub(super) const MESSAGE_LENGTH: usize = size_of::<Message>();

/// VIRTIO_CONSOLE_DEVICE_READY: the driver is there.
const DEVICE_READY: u16 = 0;
/// VIRTIO_CONSOLE_DEVICE_ADD: the device has this port.
const DEVICE_ADD: u16 = 1;
/// VIRTIO_CONSOLE_DEVICE_REMOVE: it has this port no more.
const DEVICE_REMOVE: u16 = 2;
/// VIRTIO_CONSOLE_PORT_READY: the driver knows this port.
const PORT_READY: u16 = 3;
/// VIRTIO_CONSOLE_PORT_OPEN: somebody is at the sender's end, or has gone.
const PORT_OPEN: u16 = 6;

/// `struct virtio_console_control`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Message {
    id: U32,
    event: U16,
    value: U16,
}

/// What the device says of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// It exists.
    Added,
    /// Somebody is at its other end.
    Opened,
    /// Whoever was at its other end has gone.
    Closed,
}

/// The message that begins the conversation.
pub(super) fn device_ready() -> [u8; MESSAGE_LENGTH] {
    message(0, DEVICE_READY)
}

/// The answers to a port that was added: it is known, and the driver's end is open.
pub(super) fn port_answers(port: u32) -> [[u8; MESSAGE_LENGTH]; 2] {
    [message(port, PORT_READY), message(port, PORT_OPEN)]
}

/// What a message says of which port; `None` if it says nothing that matters here.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(u32, Event)>, Violation> {
    let (message, _name) =
        Message::read_from_prefix(bytes).map_err(|_| Violation::UsedLengthSmall)?;
    let event = match (message.event.get(), message.value.get()) {
        (DEVICE_ADD, _) => Event::Added,
        (PORT_OPEN, 0) | (DEVICE_REMOVE, _) => Event::Closed,
        (PORT_OPEN, _) => Event::Opened,
        _ => return Ok(None),
    };
    Ok(Some((message.id.get(), event)))
}

fn message(port: u32, event: u16) -> [u8; MESSAGE_LENGTH] {
    let message = Message {
        id: port.into(),
        event: event.into(),
        value: 1.into(),
    };
    zerocopy::transmute!(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_the_specification_lays_them_out() {
        assert_eq!(device_ready(), [0, 0, 0, 0, 0, 0, 1, 0]);
        let [ready, open] = port_answers(0x0102);
        assert_eq!(ready, [2, 1, 0, 0, 3, 0, 1, 0]);
        assert_eq!(open, [2, 1, 0, 0, 6, 0, 1, 0]);
    }

    #[test]
    fn what_the_device_says() {
        let said = |event: u8, value: u8| read(&[7, 0, 0, 0, event, 0, value, 0]);
        assert_eq!(said(1, 1), Ok(Some((7, Event::Added))));
        assert_eq!(said(2, 1), Ok(Some((7, Event::Closed))));
        assert_eq!(said(6, 1), Ok(Some((7, Event::Opened))));
        assert_eq!(said(6, 0), Ok(Some((7, Event::Closed))));
        assert_eq!(said(200, 1), Ok(None));
        // A name, behind the message that announces it.
        assert_eq!(read(b"\x07\0\0\0\x07\0\x01\0name"), Ok(None));
        assert_eq!(
            read(&[7, 0, 0, 0, 1, 0, 1]),
            Err(Violation::UsedLengthSmall)
        );
    }
}
