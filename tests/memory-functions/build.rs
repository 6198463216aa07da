//! Assembles the images' memory functions under names that libc does not have.

const SOURCE: &str = "../../rumprun-rs/image/src/memory_functions.S";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let mut assembler = cc::Build::new();
    for name in ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"] {
        assembler.define(name, format!("image_{name}").as_str());
    }
    assembler
        .flag("-masm=intel")
        .flag("-Wa,-msyntax=intel,-mnaked-reg");
    assembler.file(SOURCE).compile("memory_functions");
}
