//! Our side of the serial port: standard input as the guest asks for it, and requests.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use protocol::control::{self, HostDecoder};

/// The most standard input that one frame carries: less would cost more frames, more would keep
/// a request waiting behind it.
const PIECE: usize = 1024;

/// The serial port and what is on its way there. A port that fails is closed from then on: the
/// machine is ending, which shows elsewhere.
#[derive(Debug)]
pub struct Control {
    port: Option<UnixStream>,
    decoder: HostDecoder,
    /// Bytes of standard input that the guest can take.
    credit: usize,
    outgoing: VecDeque<u8>,
    input_has_ended: bool,
}

impl Control {
    /// Speaks over `port`.
    pub fn new(port: UnixStream) -> io::Result<Self> {
        port.set_nonblocking(true)?;
        Ok(Self {
            port: Some(port),
            decoder: HostDecoder::new(),
            credit: 0,
            outgoing: VecDeque::new(),
            input_has_ended: false,
        })
    }

    /// The serial port while it is open.
    pub fn port(&self) -> Option<&UnixStream> {
        self.port.as_ref()
    }

    /// Whether the guest waits for standard input that we have not begun to send.
    pub fn wants_input(&self) -> bool {
        self.credit > 0 && self.outgoing.is_empty() && !self.input_has_ended
    }

    /// Whether something waits to be sent.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Reads from `input` as much as the guest can take, and sends it or the end. Called when
    /// [`wants_input`](Self::wants_input) and `input` has something.
    pub fn forward(&mut self, input: &mut impl Read) {
        let mut buffer = [0; PIECE];
        let most = self.credit.min(PIECE);
        let length = match input.read(&mut buffer[..most]) {
            Ok(length) => length,
            Err(error) if is_passing(&error) => return,
            // As a read(2) that fails for good: there will be no more.
            Err(_) => 0,
        };
        if length == 0 {
            self.input_has_ended = true;
            return self.send(control::END, &[]);
        }
        self.credit -= length;
        self.send(control::DATA, &buffer[..length]);
    }

    /// Asks the guest for SIGINT.
    pub fn interrupt(&mut self) {
        self.send(control::INTERRUPT, &[]);
    }

    /// Asks the guest for SIGTERM.
    pub fn terminate(&mut self) {
        self.send(control::TERMINATE, &[]);
    }

    /// Takes in what the guest wants, and sends as much as the port takes.
    pub fn exchange(&mut self) {
        if self.receive().and_then(|()| self.flush()).is_err() {
            self.close();
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let Some(port) = &mut self.port else {
            return Ok(());
        };
        let mut buffer = [0; 256];
        let length = match port.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for &byte in &buffer[..length] {
            let wanted = self.decoder.push(byte).map_or(0, usize::from);
            self.credit = self.credit.saturating_add(wanted);
        }
        Ok(())
    }

    fn send(&mut self, kind: u8, payload: &[u8]) {
        if self.port.is_none() {
            return;
        }
        let length = u16::try_from(payload.len()).expect("a piece is shorter");
        self.outgoing.extend(control::head(kind, length));
        self.outgoing.extend(payload);
        if self.flush().is_err() {
            self.close();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(port) = &mut self.port else {
            return Ok(());
        };
        while !self.outgoing.is_empty() {
            let (front, _) = self.outgoing.as_slices();
            match port.write(front) {
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.port = None;
        self.outgoing.clear();
        self.credit = 0;
    }
}

/// Whether to try again later.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use protocol::control::{GuestDecoder, GuestEvent, WANT, head};

    use super::*;

    /// A guest's serial port, and what the guest makes of it.
    fn pair() -> (Control, UnixStream) {
        let (port, guest) = UnixStream::pair().unwrap();
        guest.set_nonblocking(true).unwrap();
        (Control::new(port).unwrap(), guest)
    }

    fn received(guest: &mut UnixStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _would_block = guest.read_to_end(&mut bytes);
        bytes
    }

    fn decoded(bytes: Vec<u8>) -> Vec<GuestEvent> {
        let mut decoder = GuestDecoder::new();
        bytes
            .into_iter()
            .filter_map(|byte| decoder.push(byte))
            .collect()
    }

    fn events(guest: &mut UnixStream) -> Vec<GuestEvent> {
        decoded(received(guest))
    }

    #[test]
    fn input_goes_as_far_as_the_credit() {
        let (mut control, mut guest) = pair();
        let mut input = &b"abc"[..];
        assert!(!control.wants_input());
        guest.write_all(&head(WANT, 2)).unwrap();
        control.exchange();
        control.forward(&mut input);
        assert_eq!(
            events(&mut guest),
            [GuestEvent::Data(b'a'), GuestEvent::Data(b'b')]
        );
        assert!(!control.wants_input());
    }

    #[test]
    fn the_end_is_told_once() {
        let (mut control, mut guest) = pair();
        guest.write_all(&head(WANT, 10)).unwrap();
        control.exchange();
        control.forward(&mut &b""[..]);
        assert_eq!(events(&mut guest), [GuestEvent::End]);
        assert!(!control.wants_input());
    }

    #[test]
    fn a_large_want_is_served_in_pieces() {
        let (mut control, mut guest) = pair();
        let bytes = vec![7; 3 * PIECE];
        let mut input = &bytes[..];
        guest.write_all(&head(WANT, u16::MAX)).unwrap();
        control.exchange();
        while control.wants_input() {
            control.forward(&mut input);
        }
        let received = events(&mut guest);
        assert_eq!(received.len(), 3 * PIECE + 1);
        assert_eq!(received.last(), Some(&GuestEvent::End));
    }

    #[test]
    fn requests_pass_without_credit() {
        let (mut control, mut guest) = pair();
        control.interrupt();
        control.terminate();
        assert_eq!(
            events(&mut guest),
            [GuestEvent::Interrupt, GuestEvent::Terminate]
        );
    }

    #[test]
    fn a_port_that_takes_no_more_holds_nothing_up() {
        let (mut control, mut guest) = pair();
        let mut sent = 0;
        while !control.has_outgoing() {
            control.interrupt();
            sent += 1;
        }
        let mut bytes = received(&mut guest);
        while control.has_outgoing() {
            control.exchange();
            bytes.extend(received(&mut guest));
        }
        assert_eq!(decoded(bytes), vec![GuestEvent::Interrupt; sent]);
    }

    #[test]
    fn a_guest_that_has_gone_is_noticed() {
        let (mut control, guest) = pair();
        drop(guest);
        control.exchange();
        assert!(control.port().is_none());
        control.interrupt();
        assert!(!control.has_outgoing());
    }
}
