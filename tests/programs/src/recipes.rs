//! The programs, one file each.

mod bzip2;
mod hello;
mod lua;
mod sqlite;
mod zlib;

pub use bzip2::BZIP2;
pub use hello::HELLO;
pub use lua::LUA;
pub use sqlite::SQLITE;
pub use zlib::ZLIB;
