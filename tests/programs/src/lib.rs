//! Real programs, built unmodified by our compiler wrapper, run on Linux and booted.
//!
//! Each is a [`Recipe`]: a source package of the distribution, the steps that build it, and the
//! cases to compare. Sources are downloaded when a test first needs them and kept in cargo's
//! target folder; none lies in the repository.

mod apt;
mod build;
mod command;
mod recipe;
mod recipes;
mod run;

pub use build::built_source;
pub use recipe::{Case, Input, Recipe};
pub use recipes::{BZIP2, HELLO, LUA, SQLITE, ZLIB};
pub use run::check;
