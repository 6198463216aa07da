//! Interrupts: the local APIC with its timer, the I/O APICs, and who hears of which line.
//!
//! Sources: Intel SDM volume 3, chapter 11 (local APIC); Intel 82093AA data sheet (I/O APIC).

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hypercall::{Instant, Interrupt};

use crate::cpu::{self, port_write};
use crate::host::CLOCK;
use crate::kernel_cell::KernelCell;
use crate::{address_space, console, page_table, trap};

const LOCAL_APIC: u64 = 0xfee0_0000;
const IO_APICS: [u64; 2] = [0xfec0_0000, 0xfec1_0000];
/// Lines of one I/O APIC; the second one's follow the first one's.
const LINES_EACH: u32 = 24;
const LINES: usize = 2 * LINES_EACH as usize;

const TIMER_VECTOR: u64 = trap::FIRST_INTERRUPT as u64;
const FIRST_LINE_VECTOR: u64 = TIMER_VECTOR + 1;
/// Its low four bits are ones, as old local APICs demand.
const SPURIOUS_VECTOR: u32 = 0x5f;

/// Local APIC registers.
mod local {
    pub(super) const END_OF_INTERRUPT: u64 = 0xb0;
    pub(super) const SPURIOUS: u64 = 0xf0;
    pub(super) const TIMER: u64 = 0x320;
    pub(super) const INITIAL_COUNT: u64 = 0x380;
    pub(super) const CURRENT_COUNT: u64 = 0x390;
    pub(super) const DIVIDE: u64 = 0x3e0;
    pub(super) const ENABLE: u32 = 1 << 8;
    pub(super) const DIVIDE_BY_1: u32 = 0b1011;
}

/// Ticks a second that KVM's and QEMU's timer makes. Another is measured when it is first used.
const USUAL_TIMER_HZ: u64 = 1_000_000_000;

/// The timer has a counter of 32 bits: what is further away is armed for again by then.
const LONGEST_TIMER_NS: u64 = 4_000_000_000;

/// Something happened since the last wait.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// The moment by which [`interrupt_by`] has had the timer armed, in nanoseconds of the clock; 0 when
/// the timer has been armed for something else since.
static ASKED_FOR: AtomicU64 = AtomicU64::new(0);

/// The drivers' ends of the lines.
static LISTENERS: KernelCell<[Option<Interrupt>; LINES]> = KernelCell::new([const { None }; LINES]);

/// Turns the local APIC on and the old interrupt controller off.
pub(crate) fn start() -> Option<()> {
    const PIC_MASKS: [u16; 2] = [0x21, 0xa1];
    for mask in PIC_MASKS {
        port_write(mask, 0xff);
    }
    address_space::with(|space, memory| {
        space.map_large(memory, LOCAL_APIC, page_table::Entry::large_device)?;
        space.map_large(memory, IO_APICS[0], page_table::Entry::large_device)
    })?;
    local_write(local::SPURIOUS, local::ENABLE | SPURIOUS_VECTOR);
    local_write(local::DIVIDE, local::DIVIDE_BY_1);
    local_write(local::TIMER, TIMER_VECTOR as u32);
    Some(())
}

/// Has `line` (a global system interrupt number) raise `listener` from now on. Edge-triggered:
/// the driver acknowledges at the device. `None` when there is no such line.
pub fn listen(line: u32, listener: Interrupt) -> Option<()> {
    LISTENERS.with(|listeners| {
        *listeners.get_mut(line as usize)? = Some(listener);
        Some(())
    })?;
    route(line);
    Some(())
}

/// Routes `line` to its vector on this processor.
pub(crate) fn route(line: u32) {
    const FIRST_ENTRY: u32 = 0x10;
    let apic = IO_APICS[(line / LINES_EACH) as usize % IO_APICS.len()];
    let entry = FIRST_ENTRY + 2 * (line % LINES_EACH);
    // Destination APIC 0; fixed delivery, active high, edge, not masked.
    io_write(apic, entry + 1, 0);
    io_write(apic, entry, FIRST_LINE_VECTOR as u32 + line);
}

/// Serves an interrupt: tells the listener, and ends the wait.
pub(crate) fn serve(vector: u64) {
    WOKEN.store(true, Ordering::Relaxed);
    if vector == u64::from(SPURIOUS_VECTOR) {
        return;
    }
    if vector == TIMER_VECTOR {
        ASKED_FOR.store(0, Ordering::Relaxed);
        arm_clock_fit();
    } else {
        let line = (vector - FIRST_LINE_VECTOR) as usize;
        if line == console::LINE as usize {
            console::interrupted();
        }
        LISTENERS.with(|listeners| {
            if let Some(Some(listener)) = listeners.get(line) {
                listener.raise();
            }
        });
    }
    local_write(local::END_OF_INTERRUPT, 0);
}

/// Ends the wait going on, or the next.
pub(crate) fn wake() {
    WOKEN.store(true, Ordering::Relaxed);
}

/// Whether something happened since the last call.
pub(crate) fn take_woken() -> bool {
    WOKEN.swap(false, Ordering::Relaxed)
}

/// Has the timer interrupt the program by `deadline`: a program that computes must not hold up its
/// own timers. Asking again for the same moment costs nothing.
pub fn interrupt_by(deadline: Instant) {
    if ASKED_FOR.load(Ordering::Relaxed) == deadline.as_nanos() {
        return;
    }
    let (now, fit) = CLOCK.with(|clock| (clock.now(), clock.next_fit_ns()));
    let left = deadline.saturating_since(now).as_nanos();
    let left = u64::try_from(left).unwrap_or(u64::MAX);
    arm_timer(fit.map_or(left, |fit| fit.min(left)));
    ASKED_FOR.store(deadline.as_nanos(), Ordering::Relaxed);
}

/// Has the timer interrupt after `nanoseconds`, or somewhat earlier, and for nothing else.
pub(crate) fn arm_timer(nanoseconds: u64) {
    ASKED_FOR.store(0, Ordering::Relaxed);
    let ticks = nanoseconds.min(LONGEST_TIMER_NS).saturating_mul(timer_hz());
    let count = (ticks / 1_000_000_000).clamp(1, u64::from(u32::MAX));
    local_write(local::INITIAL_COUNT, count as u32);
}

/// Has the timer interrupt when the clock next wants to be fitted, if it does.
pub(crate) fn arm_clock_fit() {
    let next = CLOCK.with(|clock| {
        clock.now();
        clock.next_fit_ns()
    });
    if let Some(next) = next {
        arm_timer(next);
    }
}

/// The timer's rate, measured against the clock on first use.
fn timer_hz() -> u64 {
    static MEASURED: AtomicU64 = AtomicU64::new(0);
    let known = MEASURED.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let hz = if cpu::under_kvm_or_qemu() {
        USUAL_TIMER_HZ
    } else {
        measure_timer()
    };
    MEASURED.store(hz, Ordering::Relaxed);
    hz
}

/// Counts the timer's ticks over a millisecond.
fn measure_timer() -> u64 {
    const SPAN_NS: u64 = 1_000_000;
    let now = || CLOCK.with(|clock| clock.now());
    local_write(local::TIMER, TIMER_VECTOR as u32 | 1 << 16);
    local_write(local::INITIAL_COUNT, u32::MAX);
    let start: Instant = now();
    let mut passed = 0;
    while passed < SPAN_NS {
        passed = now().saturating_since(start).as_nanos() as u64;
    }
    let ticks = u64::from(u32::MAX - local_read(local::CURRENT_COUNT));
    local_write(local::TIMER, TIMER_VECTOR as u32);
    (ticks * 1_000_000_000 / passed).max(1)
}

fn local_read(register: u64) -> u32 {
    // SAFETY: the local APIC's registers are mapped by `start`; only this file accesses them.
    unsafe { ((LOCAL_APIC + register) as *const u32).read_volatile() }
}

fn local_write(register: u64, value: u32) {
    // SAFETY: as in `local_read`.
    unsafe { ((LOCAL_APIC + register) as *mut u32).write_volatile(value) }
}

/// Writes an I/O APIC's register through its index and data windows.
fn io_write(apic: u64, register: u32, value: u32) {
    const DATA_WINDOW: u64 = 0x10;
    // SAFETY: the I/O APICs' registers are mapped by `start`; only this file accesses them.
    unsafe { (apic as *mut u32).write_volatile(register) };
    // SAFETY: as above.
    unsafe { ((apic + DATA_WINDOW) as *mut u32).write_volatile(value) };
}
