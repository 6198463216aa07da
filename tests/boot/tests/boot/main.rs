//! C programs do booted what they do on Linux.

mod arguments;
mod behaviour;
mod console;
mod disks;
mod ending;
mod input;
mod interruption;
mod linking;
mod memory;
mod other_libraries;
mod refusal;
mod terminals;
mod vectors;
