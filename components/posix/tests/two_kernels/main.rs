//! Two kernels in one process, joined by a wire, talk by sockets.

mod bad_wire;
mod live_bytes;
mod talk;
mod world;
