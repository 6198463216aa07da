//! One promise, several homes: the contract, the pages and the clock, held against each other.

#[path = "../../../../platforms/linux/tests/support/mod.rs"]
mod support;

mod clock;
mod contract;
mod expected;
mod pages;
mod server;
mod tap;
mod unix_pages;
mod wire;
