//! What the system says of itself.

use hypercall::{Host, ProgramHost};
use zerocopy::FromZeros as _;

use crate::bindings::{new_utsname, sysinfo};
use crate::call::{Call, Outcome, SUCCESS};
use crate::program::Program;

/// The kernel whose calls these are: the one of Debian 12. A libc refuses to run on older ones
/// than it was made for.
const RELEASE: &[u8] = b"6.1.0-anykernel";

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn uname(&mut self, call: &mut Call<'_>) -> Outcome {
        let mut names = new_utsname::new_zeroed();
        put(&mut names.sysname, b"Linux");
        put(&mut names.nodename, b"anykernel");
        put(&mut names.release, RELEASE);
        put(&mut names.version, b"Anykernel");
        put(&mut names.machine, b"x86_64");
        put(&mut names.domainname, b"(none)");
        self.memory().write(call.argument(0), &names)?;
        SUCCESS
    }

    pub(crate) fn sysinfo(&mut self, call: &mut Call<'_>) -> Outcome {
        let (total, free) = self.host.memory();
        let mut information = sysinfo::new_zeroed();
        let uptime_ns = self.kernel.host().monotonic().as_nanos();
        information.uptime = (uptime_ns / 1_000_000_000).cast_signed();
        information.totalram = total;
        information.freeram = free;
        information.procs = 1;
        information.mem_unit = 1;
        self.memory().write(call.argument(0), &information)?;
        SUCCESS
    }
}

/// Puts `text` with a NUL into a field that is longer.
fn put(field: &mut [i8], text: &[u8]) {
    for (place, byte) in field.iter_mut().zip(text) {
        *place = byte.cast_signed();
    }
}
