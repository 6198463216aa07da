//! The binary interface of Linux on x86-64, over POSIX.
//!
//! A [`Program`] is an ordinary static Linux program over a `posix::Kernel`. Its home places it in
//! memory ([`ProgramImage`]), runs its code, and calls [`Program`] where that code enters the
//! kernel: with a system call, with a fault, or by an interrupt. The calls convert their
//! arguments, call the POSIX method of the same name and convert the result; program memory is
//! reached through [`UserMemory`](user_memory::UserMemory) alone.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod alternate_stack;
pub mod bindings;
mod call;
mod descriptors;
mod disks;
mod epoll;
mod faults;
mod file_status;
mod files;
mod futex;
mod identity;
mod limits;
mod memory;
mod messages;
mod names;
mod pipes;
mod polling;
mod process;
mod program;
mod signal_frame;
mod signals;
mod socket_address;
mod sockets;
mod start;
mod strings;
mod system;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;
mod timer_descriptors;
mod timers;
mod transfer;
pub mod user_buffer;
pub mod user_memory;

pub use call::{Call, Outcome};
pub use faults::Exception;
pub use program::Program;
pub use start::{ImageSegment, ProgramImage, STACK_LIMIT, StartError};
pub use strings::Strings;
pub use table::{CallTable, Handler, TABLE_LENGTH, call_name, is_implemented};
