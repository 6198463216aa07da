//! What travels over the serial port: standard input, and the wishes of whoever runs the image.
//!
//! To the guest go frames: a kind, the payload's length (16 bits, little-endian), the payload.
//! To the host goes one kind of message: [`WANT`] and how many more bytes of standard input the
//! guest can take (16 bits, little-endian). The host sends no more than it was asked for, so
//! neither side drops a byte and the guest's buffer bounds what lies between them.

/// Frame to the guest: bytes of standard input.
pub const DATA: u8 = b'D';
/// Frame to the guest: standard input has ended. No payload.
pub const END: u8 = b'E';
/// Frame to the guest: SIGINT is asked for. No payload.
pub const INTERRUPT: u8 = b'I';
/// Frame to the guest: SIGTERM is asked for. No payload.
pub const TERMINATE: u8 = b'T';
/// Message to the host: more standard input can be taken.
pub const WANT: u8 = b'W';

/// Length of a frame's head and of a message to the host, in bytes.
pub const HEAD_LENGTH: usize = 3;

/// The head of a frame with `length` bytes of payload, or of a message about `length` bytes.
pub fn head(kind: u8, length: u16) -> [u8; HEAD_LENGTH] {
    let [low, high] = length.to_le_bytes();
    [kind, low, high]
}

/// What a guest learns from a byte of the serial port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GuestEvent {
    /// The next byte of standard input.
    Data(u8),
    /// Standard input has ended.
    End,
    /// SIGINT is asked for.
    Interrupt,
    /// SIGTERM is asked for.
    Terminate,
}

/// The guest's decoder: takes the serial port's bytes one at a time, and holds none back.
#[derive(Clone, Debug, Default)]
pub struct GuestDecoder {
    head: HeadDecoder,
    /// Payload bytes still to come, and whether they are standard input.
    payload_left: u16,
    payload_is_data: bool,
}

impl GuestDecoder {
    /// A decoder at the start of the stream.
    pub const fn new() -> Self {
        Self {
            head: HeadDecoder::new(),
            payload_left: 0,
            payload_is_data: false,
        }
    }

    /// Takes the next byte. A frame of an unknown kind passes without an event.
    pub fn push(&mut self, byte: u8) -> Option<GuestEvent> {
        if self.payload_left > 0 {
            self.payload_left -= 1;
            return self.payload_is_data.then_some(GuestEvent::Data(byte));
        }
        let (kind, length) = self.head.push(byte)?;
        self.payload_left = length;
        self.payload_is_data = kind == DATA;
        match kind {
            END => Some(GuestEvent::End),
            INTERRUPT => Some(GuestEvent::Interrupt),
            TERMINATE => Some(GuestEvent::Terminate),
            _ => None,
        }
    }
}

/// The host's decoder: takes what the guest sent one byte at a time.
#[derive(Clone, Debug, Default)]
pub struct HostDecoder {
    head: HeadDecoder,
}

impl HostDecoder {
    /// A decoder at the start of the stream.
    pub const fn new() -> Self {
        Self {
            head: HeadDecoder::new(),
        }
    }

    /// Takes the next byte; gives how many more bytes of standard input are wanted. What firmware
    /// may have written before a message is passed over.
    pub fn push(&mut self, byte: u8) -> Option<u16> {
        if self.head.is_empty() && byte != WANT {
            return None;
        }
        self.head.push(byte).map(|(_want, count)| count)
    }
}

/// Gathers the bytes of a head.
#[derive(Clone, Debug, Default)]
struct HeadDecoder {
    bytes: [u8; HEAD_LENGTH - 1],
    filled: usize,
}

impl HeadDecoder {
    const fn new() -> Self {
        Self {
            bytes: [0; HEAD_LENGTH - 1],
            filled: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Takes the next byte; the last one of a head completes its kind and length.
    fn push(&mut self, byte: u8) -> Option<(u8, u16)> {
        if let Some(place) = self.bytes.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
            return None;
        }
        self.filled = 0;
        let [kind, low] = self.bytes;
        Some((kind, u16::from_le_bytes([low, byte])))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn guest_events(bytes: &[u8]) -> Vec<GuestEvent> {
        let mut decoder = GuestDecoder::new();
        bytes
            .iter()
            .filter_map(|&byte| decoder.push(byte))
            .collect()
    }

    #[test]
    fn the_guest_reads_what_the_host_sends() {
        let mut stream = Vec::new();
        stream.extend(head(INTERRUPT, 0));
        stream.extend(head(DATA, 2));
        stream.extend(b"ED");
        stream.extend(head(DATA, 0));
        stream.extend(head(TERMINATE, 0));
        stream.extend(head(END, 0));
        assert_eq!(
            guest_events(&stream),
            [
                GuestEvent::Interrupt,
                GuestEvent::Data(b'E'),
                GuestEvent::Data(b'D'),
                GuestEvent::Terminate,
                GuestEvent::End
            ]
        );
    }

    #[test]
    fn a_long_frame_arrives_whole() {
        let payload: Vec<u8> = (0..u16::MAX).map(|index| index.to_le_bytes()[0]).collect();
        let mut stream = head(DATA, u16::MAX).to_vec();
        stream.extend(&payload);
        stream.extend(head(END, 0));
        let mut expected: Vec<_> = payload.iter().map(|&byte| GuestEvent::Data(byte)).collect();
        expected.push(GuestEvent::End);
        assert_eq!(guest_events(&stream), expected);
    }

    #[test]
    fn an_unknown_frame_passes_with_its_payload() {
        let mut stream = head(b'?', 3).to_vec();
        stream.extend(b"EEE");
        stream.extend(head(END, 0));
        assert_eq!(guest_events(&stream), [GuestEvent::End]);
    }

    #[test]
    fn the_host_reads_what_the_guest_wants() {
        let mut stream = b"firmware\r\n".to_vec();
        stream.extend(head(WANT, 4096));
        stream.extend(head(WANT, u16::from_le_bytes([WANT, WANT])));
        let mut decoder = HostDecoder::new();
        let wants: Vec<u16> = stream
            .iter()
            .filter_map(|&byte| decoder.push(byte))
            .collect();
        assert_eq!(wants, [4096, u16::from_le_bytes([WANT, WANT])]);
    }
}
