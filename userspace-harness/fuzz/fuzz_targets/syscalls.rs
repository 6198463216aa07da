//! Whatever a program asks for, of a kernel.
#![no_main]
use userspace_harness::fuzzing;
libfuzzer_sys::fuzz_target!(|input: &[u8]| userspace_harness_fuzz::run(fuzzing::syscalls, input));
