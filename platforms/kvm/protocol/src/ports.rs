//! The I/O ports over which an image and `run` speak.
//!
//! The first four are QEMU's `isa-debugcon`: a write of a byte is that byte, and a read gives
//! [`DEBUGCON_READBACK`].

/// Each byte written is a byte of standard output.
pub const STANDARD_OUTPUT: u16 = 0xe9;
/// Each byte written is a byte of standard error.
pub const STANDARD_ERROR: u16 = 0xea;
/// The byte written is the program's exit status, all eight bits; it ends the run.
pub const EXIT_STATUS: u16 = 0xeb;
/// Each byte written is a byte of a record of code that failed
/// ([`FailureHead`](crate::FailureHead)).
pub const FAILURE: u16 = 0xec;
/// What reading one of these ports gives where the device is present.
pub const DEBUGCON_READBACK: u8 = 0xe9;
/// The first register of the 16550 serial port that carries [`control`](crate::control).
pub const COM1: u16 = 0x3f8;

/// The ports of the virtio console, where there is one. It carries the three streams faster than
/// the I/O ports, which a byte a time leaves the machine for.
pub mod console {
    /// Standard input.
    pub const INPUT: u16 = 1;
    /// Standard output.
    pub const OUTPUT: u16 = 2;
    /// Standard error.
    pub const ERROR: u16 = 3;
}
