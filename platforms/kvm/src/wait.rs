//! The kernel's one wait: stop the processor until something happens.

use core::arch::asm;

use hypercall::Instant;

use crate::host::CLOCK;
use crate::interrupts;

/// Waits until `deadline`, an interrupt, or a wake. See `Host::wait`.
pub(crate) fn wait(deadline: Option<Instant>) {
    if interrupts::take_woken() {
        return;
    }
    match deadline {
        None => interrupts::arm_clock_fit(),
        Some(deadline) => {
            let now = CLOCK.with(|clock| clock.now());
            let left = deadline.saturating_since(now);
            if left.is_zero() {
                return;
            }
            interrupts::arm_timer(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX));
        }
    }
    // An interrupt that came since kernel code began is pending and ends the `hlt`: `sti` lets
    // none in before it.
    // SAFETY: this is the place where interrupt handlers may find the kernel: nothing that they
    // reach (`interrupts::serve`: listeners, console, clock) is borrowed here, and every register
    // that a handler may change is declared lost. They come in on a stack of their own, so the red
    // zone stays whole.
    unsafe { asm!("sti", "hlt", "cli", clobber_abi("C")) };
    interrupts::take_woken();
}
