//! The 8254 programmable interval timer: channel 0 as a free-running 16-bit counter.

use crate::cpu::{port_read, port_write};

/// Ticks a second.
pub(crate) const PIT_HZ: u64 = 1_193_182;

const CHANNEL_0: u16 = 0x40;
const COMMAND: u16 = 0x43;
/// Channel 0, low byte then high byte, mode 2 (rate generator), binary.
const FREE_RUNNING: u8 = 0b0011_0100;
/// Latch channel 0's count for reading.
const LATCH: u8 = 0;

/// Lets the counter run down from 65536, over and over.
pub(crate) fn start() {
    port_write(COMMAND, FREE_RUNNING);
    port_write(CHANNEL_0, 0);
    port_write(CHANNEL_0, 0);
}

/// The count now.
pub(crate) fn read() -> u16 {
    port_write(COMMAND, LATCH);
    let low = port_read(CHANNEL_0);
    let high = port_read(CHANNEL_0);
    u16::from_le_bytes([low, high])
}
