//! The C memory functions, in assembly: see `memory_functions.S`.

use core::arch::global_asm;

global_asm!(include_str!("memory_functions.S"));
