//! C programs in two homes: compiled by our wrapper, run on Linux and booted, and compared.
//!
//! Linux is the oracle: a program's two output streams and its exit status are to be the same in
//! both homes, byte for byte. For tests only: what goes wrong here panics with the reason.

mod difference;
mod invocation;
mod outcome;
mod process;
mod program;
mod stream;
mod terminal;
mod tool;

pub use invocation::{Invocation, SCRATCH};
pub use outcome::Outcome;
pub use process::{Feed, Process};
pub use program::{Home, Program, assert_same, compare, compare_but};
pub use terminal::Terminal;
pub use tool::{anykernel, compiler, target_folder};
