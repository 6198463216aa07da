//! What is known about musl's own code and cannot be read from its instructions.
//!
//! A name that begins with two underlines belongs to the C library (C11, 7.1.3), and so does
//! `do_setxid` where `__setxid` stands beside it.

use linux_abi::bindings::{__NR_open, __NR_poll};

/// A label that the code only compares with the address at which a signal came (musl,
/// src/thread/pthread_cancel.c), though it is where a function begins.
pub const COMPARED_ONLY: &str = "__cp_begin";

/// The function whose first argument is the number of the system call in `function`, to which it
/// goes through memory (musl, src/unistd/setxid.c).
pub fn entry_of(function: &str) -> Option<&'static str> {
    (function == "do_setxid").then_some("__setxid")
}

/// Whether the instruction for call `number` in `function` is never executed: musl replaces
/// closed standard streams at the start of a program with more rights than its user
/// (src/env/__libc_start_main.c), and the kernel says of each program that it is none.
pub fn is_never_made(function: &str, number: u32) -> bool {
    function == "__init_libc" && [__NR_open, __NR_poll].contains(&number)
}
