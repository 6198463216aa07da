//! Each program, built by our wrapper, does booted what it does on Linux.

use test_programs::{BZIP2, HELLO, LUA, SQLITE, ZLIB, check};

#[test]
fn lua() {
    check(&LUA);
}

#[test]
fn zlib() {
    check(&ZLIB);
}

#[test]
fn bzip2() {
    check(&BZIP2);
}

#[test]
fn hello() {
    check(&HELLO);
}

#[test]
fn sqlite() {
    check(&SQLITE);
}
