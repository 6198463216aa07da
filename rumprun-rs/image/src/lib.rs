//! The kernel library: what the linker makes images of.
//!
//! `wiring.rs` joins the components to the machine; everything a component brings is reachable only
//! through its exported init function there, so that an image holds what it names.
#![no_std]

extern crate alloc;

mod calls;
mod contract;
mod memory_functions;
mod panic;
mod table;
mod wiring;
