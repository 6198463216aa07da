//! Whole stacks on virtual time: over a wire with faults, or opposite a peer that the test plays.

mod half_closed;
mod host;
mod losses;
mod memory;
mod neighbours;
mod packet;
mod peer;
mod scarce;
mod segments;
mod streams;
mod transfers;
mod wire;
