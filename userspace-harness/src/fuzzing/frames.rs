//! Frames into a stack: whatever the wire brings, the stack stays whole and of use.
//!
//! An input is a list of steps ([`Step`]): segments, datagrams, fragments and messages, well
//! formed and not, from a peer that follows its connections' numbers; time that passes; calls of
//! the program whose sockets these are. What must hold:
//!
//! - every frame that the stack sends is well formed (`outgoing`), read by an implementation that
//!   shares nothing with it;
//! - it never spins, and what it holds stays within a bound;
//! - afterwards a peer that behaves is served: a connection, a datagram and a ping;
//! - once everything is closed and time has passed, no connection and no memory is left.

mod aftermath;
mod checksum;
mod device;
mod grammar;
mod outgoing;
mod packet;
mod peer;
mod program;
mod step;
mod world;

use arbitrary::Unstructured;

use super::LiveBytes;
use step::Step;
use world::World;

/// What a stack and its wire may take beyond what they have at the start: twice the buffers that
/// it is given, and its tables.
const MEMORY_BOUND: usize = 2 << 20;

/// Runs the input, and returns how many frames the stack was given.
///
/// # Panics
///
/// If the stack does what it must not.
pub fn frames(input: &[u8], live_bytes: LiveBytes) -> usize {
    let before = live_bytes();
    let mut world = World::new();
    let start = live_bytes();
    let mut steps = Unstructured::new(input);
    while let Some(step) = Step::next(&mut steps) {
        world.take(&step);
        let used = live_bytes().saturating_sub(start);
        assert!(used <= MEMORY_BOUND, "{used} bytes after {step:?}");
    }
    world.settle();
    aftermath::check(&mut world);
    let left = live_bytes().saturating_sub(start);
    assert!(left <= aftermath::TABLES, "{left} bytes are left");
    let injected = world.injected();
    drop(world);
    assert!(live_bytes() <= before, "memory is lost");
    injected
}

/// What the input says, a step a line.
pub fn frames_as_text(input: &[u8]) -> String {
    let mut steps = Unstructured::new(input);
    let lines = std::iter::from_fn(|| Step::next(&mut steps)).map(|step| format!("{step:?}\n"));
    lines.collect()
}
