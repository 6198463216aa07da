//! Programs' calls from end to end, on fake homes.

mod bad_pointers;
mod hello;
mod mappings;
mod oracle;
mod signals;
