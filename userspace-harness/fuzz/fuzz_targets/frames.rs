//! Whatever the wire brings, into a stack.
#![no_main]
use userspace_harness::fuzzing;
libfuzzer_sys::fuzz_target!(|input: &[u8]| userspace_harness_fuzz::run(fuzzing::frames, input));
