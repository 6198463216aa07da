//! One connection: its state machine, whom it belongs to, how it ended.

use core::net::SocketAddrV4;
use core::time::Duration;

use hypercall::Instant;

use super::Options;
use super::dormant::Dormant;
use super::machine::{Machine, State};
use super::segment::Tuple;
use crate::{NetError, Readiness};

/// How long a SYN may stay unanswered, counted from the first (BSD's 75 s; RFC 9293, 3.8.3).
const OPENING_LIMIT: Duration = Duration::from_secs(75);
/// How long a peer may leave our SYN unacknowledged.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long a peer may be silent while something is unacknowledged (RFC 9293, 3.8.3: R2 of
/// 100 s at least).
const SILENCE_LIMIT: Duration = Duration::from_secs(180);
/// How long a connection is idle before it is probed (RFC 1122, 4.2.3.6: two hours at least).
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(2 * 3600);
/// How long a probed peer may be silent: two probes go unanswered.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(6 * 3600 + 60);

/// Whom a connection belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The socket in this place.
    Socket(u32),
    /// The listener of the socket in this place, until it is accepted.
    Listener(u32),
    /// Nobody: it ends by itself.
    Nobody,
}

/// Why a connection has a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Watch {
    Nothing,
    Opening,
    Handshake,
    Silence,
    KeepAlive,
}

impl Watch {
    const fn limit(self) -> Option<Duration> {
        match self {
            Self::Nothing => None,
            Self::Opening => Some(OPENING_LIMIT),
            Self::Handshake => Some(HANDSHAKE_LIMIT),
            Self::Silence => Some(SILENCE_LIMIT),
            Self::KeepAlive => Some(KEEP_ALIVE_LIMIT),
        }
    }
}

/// A connection.
pub(super) struct Connection {
    /// Its ends.
    pub(super) tuple: Tuple,
    /// Whom it belongs to.
    pub(super) owner: Owner,
    /// Until it has ended and all its bytes were read.
    pub(super) machine: Option<Machine>,
    /// What is left of the machine of an idle connection whose memory was needed.
    pub(super) dormant: Option<Dormant>,
    /// It is dormant, and there was no memory when the program wanted to send.
    pub(super) is_starved: bool,
    /// What went wrong, until somebody is told.
    pub(super) error: Option<NetError>,
    /// It was open once.
    pub(super) was_open: bool,
    /// The program wants no more bytes.
    pub(super) receive_shut: bool,
    /// The program sends no more.
    pub(super) send_shut: bool,
    /// The peer sends no more.
    pub(super) peer_finished: bool,
    /// No segments come or go any more.
    pub(super) has_ended: bool,
    /// Its options.
    pub(super) options: Options,
    /// It wanted nothing when it was last polled.
    pub(super) is_quiet: bool,
    /// When a connection that belongs to nobody is reset.
    pub(super) orphan_deadline: Option<Instant>,
    watch: (Watch, Instant),
}

/// What a program can notice of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outlook {
    readiness: Readiness,
    received: usize,
}

impl Outlook {
    /// Whether a program that saw `before` should look again.
    pub(super) fn is_news(self, before: Self) -> bool {
        // Bytes that leave are the program's own doing; bytes that come are an edge each time.
        self.readiness != before.readiness || self.received > before.received
    }
}

impl Connection {
    /// A connection that `machine` carries.
    pub(super) fn new(tuple: Tuple, owner: Owner, machine: Machine) -> Self {
        Self {
            tuple,
            owner,
            machine: Some(machine),
            dormant: None,
            is_starved: false,
            is_quiet: false,
            error: None,
            was_open: false,
            receive_shut: false,
            send_shut: false,
            peer_finished: false,
            has_ended: false,
            options: Options::default(),
            orphan_deadline: None,
            watch: (Watch::Nothing, Instant::ZERO),
        }
    }

    /// Where it stands.
    pub(super) fn state(&self) -> State {
        match &self.machine {
            Some(machine) if !self.has_ended => machine.state(),
            None if self.dormant.is_some() => State::Established,
            _ => State::Closed,
        }
    }

    /// Whether it is still being made.
    pub(super) fn is_opening(&self) -> bool {
        !self.was_open && !self.has_ended
    }

    /// How many bytes can be read.
    pub(super) fn received(&self) -> usize {
        self.machine.as_ref().map_or(0, Machine::receive_queue)
    }

    /// What a program can do with it.
    pub(super) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::empty();
        if self.is_opening() {
            return readiness;
        }
        let no_more = self.receive_shut || self.peer_finished || self.has_ended;
        readiness.set(
            Readiness::READABLE,
            no_more || self.received() > 0 || self.error.is_some(),
        );
        readiness.set(Readiness::READ_CLOSED, no_more);
        let finished = self.send_shut || self.has_ended;
        readiness.set(Readiness::WRITABLE, finished || self.has_send_room());
        readiness.set(Readiness::HANG_UP, no_more && finished);
        readiness.set(Readiness::ERROR, self.error.is_some());
        readiness
    }

    /// What a program can notice.
    pub(super) fn outlook(&self) -> Outlook {
        Outlook {
            readiness: self.readiness(),
            received: self.received(),
        }
    }

    /// Whether it is worth waking a writer: a third of the buffer is free.
    fn has_send_room(&self) -> bool {
        self.machine
            .as_ref()
            .map_or(self.dormant.is_some() && !self.is_starved, |machine| {
                let (room, queued) = (machine.send_room(), machine.send_queue());
                room > 0 && room >= queued / 2
            })
    }

    /// Whether all that is left of it is to acknowledge the FIN of a peer that takes its time:
    /// nobody owns it, and nothing is under way in either direction.
    pub(super) fn is_spent(&self) -> bool {
        self.owner == Owner::Nobody && self.state() == State::FinWait2 && self.received() == 0
    }

    /// Notes what the state machine's state says after it has moved.
    pub(super) fn observe(&mut self) {
        use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, TimeWait};
        let state = self.state();
        self.was_open |= matches!(
            state,
            Established | FinWait1 | FinWait2 | CloseWait | Closing | LastAck | TimeWait
        );
        self.peer_finished |= matches!(state, CloseWait | Closing | LastAck | TimeWait);
    }

    /// Starts or ends the watch over the peer's silence. `heard` says that it has just spoken.
    pub(super) fn watch(&mut self, now: Instant, heard: bool) {
        let kind = self.watch_kind();
        let (before, since) = self.watch;
        let renewed = heard && matches!(kind, Watch::Silence | Watch::KeepAlive);
        let since = if kind == before && !renewed {
            since
        } else {
            now
        };
        self.watch = (kind, since);
    }

    fn watch_kind(&self) -> Watch {
        let unacknowledged = self
            .machine
            .as_ref()
            .is_some_and(|machine| machine.send_queue() > 0);
        match self.state() {
            State::SynSent => Watch::Opening,
            State::Listen | State::SynReceived => Watch::Handshake,
            State::Closed | State::TimeWait => Watch::Nothing,
            State::FinWait1 | State::Closing | State::LastAck => Watch::Silence,
            State::Established | State::CloseWait | State::FinWait2 if unacknowledged => {
                Watch::Silence
            }
            _ if self.options.keep_alive => Watch::KeepAlive,
            _ => Watch::Nothing,
        }
    }

    /// When it is given up unless something happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (kind, since) = self.watch;
        let watched = kind.limit().map(|limit| since + limit);
        [watched, self.orphan_deadline].into_iter().flatten().min()
    }

    /// The peer's address.
    pub(super) const fn peer(&self) -> SocketAddrV4 {
        self.tuple.remote
    }
}
