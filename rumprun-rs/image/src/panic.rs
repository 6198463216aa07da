//! The end of a kernel that found itself wrong.

use core::panic::PanicInfo;

use platform_kvm::{emergency_exit, emergency_write, record_kernel_here};

use crate::wiring::Wiring;

/// 128 + SIGABRT, as a shell reports an abort.
const ABORT_STATUS: u8 = 134;

/// Says where it happened, and hands the stack over for a trace. The place tells what; the messages, and the code that puts them
/// together, would be a good part of a small image.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    emergency_write(b"anykernel: the kernel panicked");
    if let Some(place) = info.location() {
        emergency_write(b" at ");
        emergency_write(place.file().as_bytes());
        emergency_write(b":");
        write_decimal(place.line());
    }
    emergency_write(b"\n");
    record_kernel_here();
    emergency_exit(ABORT_STATUS)
}

/// Panics, for whoever wants to see what comes of it.
#[unsafe(no_mangle)]
extern "C" fn init_panic(_: &mut Wiring) {
    fail_with(core::hint::black_box(&[]));
}

#[inline(never)]
fn fail_with(nothing: &[u8]) {
    assert!(!nothing.is_empty(), "asked for");
}

fn write_decimal(number: u32) {
    if number >= 10 {
        write_decimal(number / 10);
    }
    emergency_write(&[b'0' + (number % 10) as u8]);
}
