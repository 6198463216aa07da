//! The virtio ring beneath both drivers, for libFuzzer.
#![no_main]
use userspace_harness::fuzzing;
libfuzzer_sys::fuzz_target!(|input: &[u8]| userspace_harness_fuzz::run(fuzzing::ring, input));
