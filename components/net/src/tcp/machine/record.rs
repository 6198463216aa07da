//! What went over the wire, as far as a connection must know it when its machine does not say.

use crate::ipv4;
use crate::tcp::offers::Offers;
use crate::tcp::segment;

/// The last segment that a machine sent, as far as TIME-WAIT must know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tcp) struct Sent {
    /// The sequence number after everything that was ever sent.
    pub(in crate::tcp) next: u32,
    /// What was acknowledged.
    pub(in crate::tcp) acknowledged: u32,
    /// The window as it stood in the header.
    pub(in crate::tcp) window: u16,
}

/// What must be known of the peer to go on with it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::tcp) struct Heard {
    /// What it offered in its SYN.
    pub(in crate::tcp) offers: Offers,
    /// Its window as it stood in the last header.
    pub(in crate::tcp) window: u16,
    /// How far it has acknowledged.
    pub(in crate::tcp) acknowledged: Option<u32>,
}

impl Heard {
    /// Notes an acknowledgement, if it says more than the last and no more than it can.
    pub(super) fn acknowledge(&mut self, header: &segment::Header, sent: Option<Sent>) {
        let number = header.acknowledgement;
        let possible = sent.is_some_and(|sent| !segment::is_before(sent.next, number));
        let is_news = self
            .acknowledged
            .is_none_or(|before| segment::is_before(before, number));
        if header.has(segment::ACK) && possible && is_news {
            self.acknowledged = Some(number);
        }
    }
}

/// What a machine has sent, and by how much the numbers on the wire are ahead of its own.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::tcp) struct Record {
    /// The last segment, in the numbers of the wire.
    pub(in crate::tcp) last_sent: Option<Sent>,
    /// What is added to the machine's numbers.
    pub(in crate::tcp) offset: u32,
    /// Something was sent that had been sent before.
    pub(in crate::tcp) again: bool,
}

impl Record {
    /// Notes what the segment in `packet`, which smoltcp has just written, says, and corrects its
    /// sequence number.
    ///
    /// After a timeout smoltcp counts everything as unsent, and its acknowledgements carry the
    /// number of the oldest such byte instead of SND.NXT (RFC 9293, 3.10.7.4). A peer that has
    /// received those bytes must drop them as old; when both sides do so at once neither ever
    /// goes on.
    pub(super) fn correct(&mut self, packet: &mut [u8]) {
        let bytes = &mut packet[ipv4::HEADER_LENGTH..];
        let Some(mut sent) = segment::Header::parse(bytes) else {
            return;
        };
        sent.sequence = sent.sequence.wrapping_add(self.offset);
        segment::set_sequence(bytes, sent.sequence);
        // The number of a RST is the peer's word for what we sent, and may be wrong.
        if sent.has(segment::RST) {
            return;
        }
        let mut next = sent.sequence.wrapping_add(sent.sequence_length());
        if let Some(before) = self.last_sent
            && segment::is_before(next, before.next)
        {
            next = before.next;
            self.again |= sent.sequence_length() > 0;
            if sent.has(segment::ACK) && sent.sequence_length() == 0 {
                segment::set_sequence(bytes, next);
            }
        }
        self.last_sent = Some(Sent {
            next,
            acknowledged: sent.acknowledgement,
            window: sent.window,
        });
    }
}
