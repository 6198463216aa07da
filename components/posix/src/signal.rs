//! Signals of a process with one thread: what is pending, what is masked, what happens then
//! (POSIX.1-2017, 2.4).
//!
//! Nothing here touches the program: [`Signals::take_delivery`] says what is to be done, and the
//! program's binary interface does it.

use alloc::vec::Vec;

use bitflags::bitflags;
use hypercall::Instant;

use crate::interval_timer::IntervalTimer;
use crate::signal_timers::SignalTimers;

/// How many signals may be pending before no further instance of a pending one is queued
/// (RLIMIT_SIGPENDING).
pub const MAXIMUM_PENDING: usize = 1024;

/// A signal's number, 1 to 64 (Linux x86-64).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Signal(u8);

impl Signal {
    /// SIGINT: interrupt from the terminal.
    pub const INTERRUPT: Self = Self(2);
    /// SIGILL: an instruction that is none.
    pub const ILLEGAL_INSTRUCTION: Self = Self(4);
    /// SIGTRAP: a breakpoint.
    pub const TRAP: Self = Self(5);
    /// SIGBUS: memory that cannot be reached as asked.
    pub const BUS: Self = Self(7);
    /// SIGFPE: arithmetic without a result.
    pub const ARITHMETIC: Self = Self(8);
    /// SIGKILL: the end, which cannot be caught.
    pub const KILL: Self = Self(9);
    /// SIGSEGV: memory that the program may not use so.
    pub const SEGMENTATION: Self = Self(11);
    /// SIGPIPE: a write that nobody will read.
    pub const PIPE: Self = Self(13);
    /// SIGALRM: the interval timer.
    pub const ALARM: Self = Self(14);
    /// SIGTERM: a request to end.
    pub const TERMINATE: Self = Self(15);
    /// SIGCHLD.
    const CHILD: Self = Self(17);
    /// SIGCONT.
    const CONTINUE: Self = Self(18);
    /// SIGSTOP: cannot be caught.
    pub const STOP: Self = Self(19);
    /// SIGTSTP.
    const TERMINAL_STOP: Self = Self(20);
    /// SIGTTIN.
    const TERMINAL_INPUT: Self = Self(21);
    /// SIGTTOU.
    const TERMINAL_OUTPUT: Self = Self(22);
    /// SIGURG.
    const URGENT: Self = Self(23);
    /// SIGWINCH.
    const WINDOW: Self = Self(28);

    /// The first real-time signal: from here on, every instance is queued.
    const FIRST_REAL_TIME: u8 = 32;

    /// The signal numbered `number`, if there is one.
    pub fn new(number: i32) -> Option<Self> {
        u8::try_from(number)
            .ok()
            .filter(|number| (1..=64).contains(number))
            .map(Self)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its place in a table of 64.
    const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// Whether the default action is to do nothing. The stop signals are among them: with one
    /// process nobody is left to continue it.
    fn ignored_by_default(self) -> bool {
        [
            Self::CHILD,
            Self::CONTINUE,
            Self::STOP,
            Self::TERMINAL_STOP,
            Self::TERMINAL_INPUT,
            Self::TERMINAL_OUTPUT,
            Self::URGENT,
            Self::WINDOW,
        ]
        .contains(&self)
    }
}

/// A set of signals; bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// What no mask can hold back: SIGKILL and SIGSTOP.
    const UNMASKABLE: Self = Self(Self::of(Signal::KILL).0 | Self::of(Signal::STOP).0);

    /// The set of these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The set's bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set of `signal` alone.
    pub const fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    /// Whether `signal` is in it.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one only.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

bitflags! {
    /// How a handler is called (`sa_flags`; the values are Linux's).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ActionFlags: u64 {
        /// SA_NOCLDSTOP: no SIGCHLD when a child stops.
        const NO_CHILD_STOP = 1;
        /// SA_NOCLDWAIT: children leave no zombie.
        const NO_CHILD_WAIT = 2;
        /// SA_SIGINFO: the handler takes three arguments.
        const INFORMATION = 4;
        /// SA_RESTORER: `restorer` is given.
        const RESTORER = 0x0400_0000;
        /// SA_ONSTACK: run on the alternate stack.
        const ON_STACK = 0x0800_0000;
        /// SA_RESTART: interrupted calls begin anew.
        const RESTART = 0x1000_0000;
        /// SA_NODEFER: the signal is not masked in its own handler.
        const NO_DEFER = 0x4000_0000;
        /// SA_RESETHAND: back to the default once called.
        const RESET_HANDLER = 0x8000_0000;
    }
}

/// What a process does on a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Handler {
    /// The default action.
    #[default]
    Default,
    /// Nothing.
    Ignore,
    /// Call the function at this address of the program.
    Function(u64),
}

/// What `sigaction` sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// What to do.
    pub handler: Handler,
    /// How to do it.
    pub flags: ActionFlags,
    /// What is masked meanwhile, beside the mask in force.
    pub mask: SignalSet,
    /// The program's code that a handler returns to.
    pub restorer: u64,
}

/// Where a signal came from (`si_code` and what belongs to it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The kernel itself.
    Kernel,
    /// `kill`.
    Process,
    /// `tkill` and `tgkill`.
    Thread,
    /// A timer of `timer_create`.
    Timer {
        /// The timer.
        id: i32,
        /// The value its creator gave it.
        value: u64,
    },
    /// The program's own instruction.
    Fault {
        /// What was wrong, as `si_code` says for this signal.
        code: i32,
        /// The address that was.
        address: u64,
    },
}

/// A signal on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalInfo {
    /// Which.
    pub signal: Signal,
    /// Where it came from.
    pub origin: Origin,
}

/// What is to be done with the program now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Call a handler.
    Handle {
        /// The signal.
        info: SignalInfo,
        /// Its action.
        action: Action,
        /// The mask to go back to when the handler returns.
        resume_mask: SignalSet,
    },
    /// End the process.
    Terminate(Signal),
}

/// How `sigprocmask` changes the mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaskChange {
    /// SIG_BLOCK.
    Add(SignalSet),
    /// SIG_UNBLOCK.
    Remove(SignalSet),
    /// SIG_SETMASK.
    Replace(SignalSet),
}

/// The signals of one process.
#[derive(Debug)]
pub struct Signals {
    actions: [Action; 64],
    mask: SignalSet,
    /// The mask that a call such as `sigsuspend` put aside, until its signal is delivered.
    saved_mask: Option<SignalSet>,
    /// What a call such as `sigwait` waits for, masked or not.
    awaited: SignalSet,
    /// In order of arrival; a signal below the real-time ones is in it once at most. Beyond
    /// [`MAXIMUM_PENDING`] each other one is, too.
    pending: Vec<SignalInfo>,
    alarm: IntervalTimer,
    timers: SignalTimers,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl Signals {
    /// Nothing pending, nothing masked, all at their defaults.
    pub fn new() -> Self {
        Self {
            actions: [Action::default(); 64],
            mask: SignalSet::EMPTY,
            saved_mask: None,
            awaited: SignalSet::EMPTY,
            pending: Vec::new(),
            alarm: IntervalTimer::default(),
            timers: SignalTimers::default(),
        }
    }

    /// What happens on `signal`.
    pub fn action(&self, signal: Signal) -> Action {
        self.actions[signal.index()]
    }

    /// Sets what happens on `signal`. False for the two signals that nobody may catch or ignore.
    pub fn set_action(&mut self, signal: Signal, action: Action) -> bool {
        if SignalSet::UNMASKABLE.contains(signal) {
            return false;
        }
        self.actions[signal.index()] = Action {
            mask: action.mask.difference(SignalSet::UNMASKABLE),
            ..action
        };
        // POSIX.1-2017, 2.4.3: a pending signal that becomes ignored is discarded.
        if self.is_ignored(signal) {
            self.pending.retain(|info| info.signal != signal);
        }
        true
    }

    /// The mask in force.
    pub fn mask(&self) -> SignalSet {
        self.mask
    }

    /// Changes the mask.
    pub fn change_mask(&mut self, change: MaskChange) {
        let mask = match change {
            MaskChange::Add(set) => self.mask.union(set),
            MaskChange::Remove(set) => self.mask.difference(set),
            MaskChange::Replace(set) => set,
        };
        self.mask = mask.difference(SignalSet::UNMASKABLE);
    }

    /// Puts `mask` in force for one call (`sigsuspend`, `ppoll`), until
    /// [`end_temporary_mask`](Signals::end_temporary_mask) or a delivery.
    pub fn begin_temporary_mask(&mut self, mask: SignalSet) {
        let previous = self.mask;
        self.saved_mask.get_or_insert(previous);
        self.change_mask(MaskChange::Replace(mask));
    }

    /// Goes back to the mask of before, if a temporary one is in force.
    pub fn end_temporary_mask(&mut self) {
        if let Some(mask) = self.saved_mask.take() {
            self.mask = mask;
        }
    }

    /// Makes a signal pending, unless it would be ignored. `false` if one more instance of a
    /// real-time signal finds no room in the queue ([`MAXIMUM_PENDING`]), or there is no memory:
    /// it is lost, as under Linux.
    pub fn raise(&mut self, info: SignalInfo) -> bool {
        let signal = info.signal;
        let kept = self.mask.union(self.awaited).contains(signal);
        if self.is_ignored(signal) && !kept {
            return true;
        }
        if self.pending().contains(signal) {
            if signal.number() < Signal::FIRST_REAL_TIME {
                return true;
            }
            if self.pending.len() >= MAXIMUM_PENDING {
                return false;
            }
        }
        let has_room = self.pending.try_reserve(1).is_ok();
        if has_room {
            self.pending.push(info);
        }
        has_room
    }

    /// Answers the fault of an instruction, which cannot be put off: a masked or ignored one ends
    /// the process.
    pub fn deliver_fault(&mut self, info: SignalInfo) -> Delivery {
        let signal = info.signal;
        match self.action(signal).handler {
            Handler::Function(_) if !self.mask.contains(signal) => self.handle(info),
            _ => Delivery::Terminate(signal),
        }
    }

    /// The signals that are pending, masked or not.
    pub fn pending(&self) -> SignalSet {
        self.pending.iter().fold(SignalSet::EMPTY, |set, info| {
            set.union(SignalSet::of(info.signal))
        })
    }

    /// Whether [`take_delivery`](Signals::take_delivery) has something to say, or an awaited
    /// signal has come: then a blocking call ends with EINTR.
    pub fn is_deliverable(&self) -> bool {
        self.pending.iter().any(|info| {
            let signal = info.signal;
            let unmasked = !self.mask.contains(signal) && !self.is_ignored(signal);
            unmasked || self.awaited.contains(signal)
        })
    }

    /// While a call waits for the signals of `set` (`sigwait`), they end its wait though they are
    /// masked; [`take_of`](Signals::take_of) takes them. The empty set ends this.
    pub fn set_awaited(&mut self, set: SignalSet) {
        self.awaited = set;
    }

    /// Whether anything is pending or a temporary mask is in force. When this is false, there is
    /// nothing to do at the end of a call.
    pub fn needs_attention(&self) -> bool {
        !self.pending.is_empty() || self.saved_mask.is_some()
    }

    /// Takes the next signal that is not masked, the lowest number first, and puts the mask of
    /// its handler in force.
    pub fn take_delivery(&mut self) -> Option<Delivery> {
        loop {
            let info = self.take_of(SignalSet(!self.mask.0))?;
            match self.action(info.signal).handler {
                _ if self.is_ignored(info.signal) => {}
                Handler::Function(_) => return Some(self.handle(info)),
                _ => return Some(Delivery::Terminate(info.signal)),
            }
        }
    }

    /// Takes a pending signal of `set`, the lowest number first, as `sigwait` does.
    pub fn take_of(&mut self, set: SignalSet) -> Option<SignalInfo> {
        let candidates = self.pending.iter().enumerate();
        let (index, _) = candidates
            .filter(|(_, info)| set.contains(info.signal))
            .min_by_key(|(index, info)| (info.signal, *index))?;
        Some(self.pending.remove(index))
    }

    /// The interval timer that raises SIGALRM (`setitimer(ITIMER_REAL)`, `alarm`).
    pub fn alarm(&mut self) -> &mut IntervalTimer {
        &mut self.alarm
    }

    /// The timers of `timer_create`.
    pub fn timers(&mut self) -> &mut SignalTimers {
        &mut self.timers
    }

    /// When [`advance`](Signals::advance) must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.alarm.deadline(), self.timers.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Raises what the time has come for.
    pub fn advance(&mut self, now: Instant) {
        if self.alarm.expire(now) > 0 {
            self.raise(SignalInfo {
                signal: Signal::ALARM,
                origin: Origin::Kernel,
            });
        }
        let pending = &self.pending;
        let is_pending = |timer| {
            let mut origins = pending.iter().map(|info| info.origin);
            origins.any(|origin| matches!(origin, Origin::Timer { id, .. } if id == timer))
        };
        for info in self.timers.expire(now, is_pending) {
            self.raise(info);
        }
    }

    fn is_ignored(&self, signal: Signal) -> bool {
        match self.action(signal).handler {
            Handler::Default => signal.ignored_by_default(),
            Handler::Ignore => true,
            Handler::Function(_) => false,
        }
    }

    /// The state of a process whose handler for `info` is entered.
    fn handle(&mut self, info: SignalInfo) -> Delivery {
        let action = self.action(info.signal);
        let resume_mask = self.saved_mask.take().unwrap_or(self.mask);
        let mut masked = action.mask;
        if !action.flags.contains(ActionFlags::NO_DEFER) {
            masked = masked.union(SignalSet::of(info.signal));
        }
        self.change_mask(MaskChange::Add(masked));
        if action.flags.contains(ActionFlags::RESET_HANDLER) {
            self.actions[info.signal.index()].handler = Handler::Default;
        }
        Delivery::Handle {
            info,
            action,
            resume_mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Signal = Signal(10);

    fn kill(signal: Signal) -> SignalInfo {
        SignalInfo {
            signal,
            origin: Origin::Process,
        }
    }

    fn caught(flags: ActionFlags) -> Action {
        Action {
            handler: Handler::Function(0x1000),
            flags,
            mask: SignalSet::of(Signal::TERMINATE),
            restorer: 0x2000,
        }
    }

    #[test]
    fn the_default_of_most_signals_ends_the_process() {
        let mut signals = Signals::new();
        signals.raise(kill(Signal::INTERRUPT));
        assert!(signals.is_deliverable());
        assert_eq!(
            signals.take_delivery(),
            Some(Delivery::Terminate(Signal::INTERRUPT))
        );
    }

    #[test]
    fn some_signals_are_ignored_by_default() {
        let mut signals = Signals::new();
        signals.raise(kill(Signal::CHILD));
        signals.raise(kill(Signal::WINDOW));
        assert!(!signals.is_deliverable());
        assert_eq!(signals.take_delivery(), None);
    }

    #[test]
    fn a_masked_signal_waits() {
        let mut signals = Signals::new();
        signals.change_mask(MaskChange::Add(SignalSet::of(USER)));
        signals.raise(kill(USER));
        assert!(!signals.is_deliverable());
        assert_eq!(signals.pending(), SignalSet::of(USER));
        signals.change_mask(MaskChange::Remove(SignalSet::of(USER)));
        assert_eq!(signals.take_delivery(), Some(Delivery::Terminate(USER)));
    }

    #[test]
    fn kill_and_stop_cannot_be_masked_or_caught() {
        let mut signals = Signals::new();
        signals.change_mask(MaskChange::Replace(SignalSet::from_bits(u64::MAX)));
        assert!(!signals.mask().contains(Signal::KILL));
        assert!(!signals.mask().contains(Signal::STOP));
        assert!(!signals.set_action(Signal::KILL, caught(ActionFlags::empty())));
        signals.raise(kill(Signal::KILL));
        assert_eq!(
            signals.take_delivery(),
            Some(Delivery::Terminate(Signal::KILL))
        );
    }

    #[test]
    fn a_handler_masks_its_signal_and_its_mask() {
        let mut signals = Signals::new();
        assert!(signals.set_action(USER, caught(ActionFlags::empty())));
        signals.raise(kill(USER));
        let delivery = signals.take_delivery();
        let Some(Delivery::Handle { resume_mask, .. }) = delivery else {
            panic!("{delivery:?}");
        };
        assert_eq!(resume_mask, SignalSet::EMPTY);
        assert!(signals.mask().contains(USER));
        assert!(signals.mask().contains(Signal::TERMINATE));
    }

    #[test]
    fn nodefer_leaves_the_signal_unmasked_and_resethand_restores_the_default() {
        let mut signals = Signals::new();
        let flags = ActionFlags::NO_DEFER | ActionFlags::RESET_HANDLER;
        assert!(signals.set_action(USER, caught(flags)));
        signals.raise(kill(USER));
        assert!(matches!(
            signals.take_delivery(),
            Some(Delivery::Handle { .. })
        ));
        assert!(!signals.mask().contains(USER));
        assert_eq!(signals.action(USER).handler, Handler::Default);
    }

    #[test]
    fn a_temporary_mask_ends_with_the_handler_it_let_in() {
        let mut signals = Signals::new();
        signals.change_mask(MaskChange::Add(SignalSet::of(USER)));
        assert!(signals.set_action(USER, caught(ActionFlags::empty())));
        signals.raise(kill(USER));
        signals.begin_temporary_mask(SignalSet::EMPTY);
        let delivery = signals.take_delivery();
        let Some(Delivery::Handle { resume_mask, .. }) = delivery else {
            panic!("{delivery:?}");
        };
        assert_eq!(resume_mask, SignalSet::of(USER));
    }

    #[test]
    fn a_temporary_mask_ends_without_a_signal() {
        let mut signals = Signals::new();
        signals.begin_temporary_mask(SignalSet::of(USER));
        assert_eq!(signals.mask(), SignalSet::of(USER));
        signals.end_temporary_mask();
        assert_eq!(signals.mask(), SignalSet::EMPTY);
    }

    #[test]
    fn the_lowest_number_comes_first_and_only_real_time_signals_queue() {
        let mut signals = Signals::new();
        let real_time = Signal(40);
        signals.change_mask(MaskChange::Replace(SignalSet::from_bits(u64::MAX)));
        for signal in [real_time, real_time, USER, USER] {
            signals.raise(kill(signal));
        }
        let all = SignalSet::from_bits(u64::MAX);
        let order: Vec<_> =
            core::iter::from_fn(|| signals.take_of(all).map(|info| info.signal)).collect();
        assert_eq!(order, [USER, real_time, real_time]);
    }

    #[test]
    fn the_queue_is_bounded_and_has_a_place_for_each_signal() {
        let mut signals = Signals::new();
        signals.change_mask(MaskChange::Replace(SignalSet::from_bits(u64::MAX)));
        let one = SignalInfo {
            origin: Origin::Thread,
            ..kill(Signal(40))
        };
        for _ in 0..MAXIMUM_PENDING {
            assert!(signals.raise(one));
        }
        assert!(!signals.raise(one));
        for signal in [Signal(41), USER] {
            assert!(signals.raise(kill(signal)));
            assert!(signals.pending().contains(signal));
        }
        assert!(signals.take_of(SignalSet::of(Signal(40))).is_some());
        assert!(signals.take_of(SignalSet::of(Signal(40))).is_some());
        assert!(signals.take_of(SignalSet::of(Signal(40))).is_some());
        assert!(signals.raise(one));
    }

    #[test]
    fn a_pending_signal_that_becomes_ignored_is_gone() {
        let mut signals = Signals::new();
        signals.change_mask(MaskChange::Add(SignalSet::of(USER)));
        signals.raise(kill(USER));
        let ignore = Action {
            handler: Handler::Ignore,
            ..Action::default()
        };
        assert!(signals.set_action(USER, ignore));
        assert_eq!(signals.pending(), SignalSet::EMPTY);
    }

    #[test]
    fn a_fault_cannot_be_put_off() {
        let mut signals = Signals::new();
        let fault = kill(Signal::SEGMENTATION);
        let end = Delivery::Terminate(Signal::SEGMENTATION);
        assert_eq!(signals.deliver_fault(fault), end);
        assert!(signals.set_action(Signal::SEGMENTATION, caught(ActionFlags::empty())));
        assert!(matches!(
            signals.deliver_fault(fault),
            Delivery::Handle { .. }
        ));
        // The handler faults in its turn while the signal is masked.
        assert_eq!(signals.deliver_fault(fault), end);
    }

    #[test]
    fn the_alarm_raises_its_signal() {
        let mut signals = Signals::new();
        let due = Instant::from_nanos(1_000);
        signals.alarm().set(Some(due), core::time::Duration::ZERO);
        assert_eq!(signals.next_deadline(), Some(due));
        signals.advance(Instant::from_nanos(999));
        assert!(!signals.is_deliverable());
        signals.advance(due);
        assert_eq!(signals.pending(), SignalSet::of(Signal::ALARM));
        assert_eq!(signals.next_deadline(), None);
    }
}
