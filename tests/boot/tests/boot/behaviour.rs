//! Programs that need nothing but to be started: what they report is Linux's word.

use test_boot::program;
use test_support::{Invocation, SCRATCH, assert_same};

/// One test for each program of this name, with an empty folder in `TMPDIR`.
macro_rules! same_as_on_linux {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let invocation = Invocation::new().variable("TMPDIR", SCRATCH);
            let outcome = assert_same(&program(stringify!($name)), &invocation);
            assert_eq!((outcome.status, outcome.error_text()), (0, ""));
        }
    )+};
}

same_as_on_linux! {
    hello,
    doubles_across_system_calls,
    doubles_across_interrupts,
    state_held,
    clocks,
    memory_map,
    readiness,
    devices,
    files,
    directories,
    symbolic_links,
    pipes,
    signals,
    signal_frame,
    flags,
    alternate_stack,
    restart,
    timers,
    late_timer,
    identity,
    event_descriptors,
    local_sockets,
    memory_moves,
    masks_in_waits,
    odds_and_ends,
}
