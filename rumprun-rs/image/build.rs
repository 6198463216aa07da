//! Writes a function of its own for every system call, under a name that a linker script can ask
//! for: `call_read`, `call_epoll_wait`.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

fn main() {
    let mut source = String::new();
    let numbers = 0..linux_abi::TABLE_LENGTH as u32;
    for number in numbers.filter(|&number| linux_abi::is_implemented(number)) {
        let name = linux_abi::call_name(number.into()).expect("what is implemented has a name");
        writeln!(
            source,
            "export_call! {{ \"call_{name}\" call_{name} {number} }}"
        )
        .expect("a string takes all");
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(folder.join("calls.rs"), source).expect("cargo's folder can be written");
    println!("cargo::rerun-if-changed=build.rs");
}
