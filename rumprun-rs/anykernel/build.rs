//! Puts the kernel library into the `anykernel` binary, where there is one.
//!
//! `cargo xtask build` makes the library first and names it in `ANYKERNEL_LIBRARY`. A plain
//! `cargo build` takes what an earlier such build left behind, or makes a binary without it, of
//! which `bake` says so.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where `cargo xtask build` leaves the library, from this folder.
const USUAL_PLACE: &str = "../../target/image/libanykernel_image.a";

fn main() {
    println!("cargo::rerun-if-env-changed=ANYKERNEL_LIBRARY");
    let library = match env::var_os("ANYKERNEL_LIBRARY") {
        Some(path) => Some(PathBuf::from(path)),
        None => usual_place(),
    };
    println!("cargo::rustc-check-cfg=cfg(embedded_library)");
    let expression = match library {
        Some(path) => {
            // For the tests that need it.
            println!("cargo::rustc-cfg=embedded_library");
            println!("cargo::rerun-if-changed={}", path.display());
            format!("Some(include_bytes!({path:?}))")
        }
        None => "None".to_owned(),
    };
    let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&folder).join("library.rs"), expression)
        .expect("cargo's output folder can be written");
}

/// The library at its usual place; cargo runs this again when one appears there.
fn usual_place() -> Option<PathBuf> {
    let folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
    let path = Path::new(&folder).join(USUAL_PLACE);
    println!("cargo::rerun-if-changed={}", path.display());
    path.is_file().then_some(path)
}
