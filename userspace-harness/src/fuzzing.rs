//! What the fuzz targets of `fuzz/` run: an input is a test by itself, and a panic is a finding.
//!
//! Each target is an ordinary function from bytes, so that `tests/corpora.rs` replays every
//! input in `fuzz/corpus` wherever the tests run. Nothing here reads a clock or any other part of
//! the world: the same bytes do the same again.

mod frames;
mod ring;
mod syscalls;

pub use frames::{frames, frames_as_text};
pub use ring::{ring, ring_as_text};
pub use syscalls::{syscalls, syscalls_as_text};

/// How many bytes are allocated now, for the oracle of memory. A target's program brings it with
/// its allocator; one that has none answers zero always.
pub type LiveBytes = fn() -> usize;
