//! Where the tool under test lies: `cargo xtask build` has put it there.

use std::path::{Path, PathBuf};

/// The workspace's folder, from this crate's.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The `anykernel` binary, with the kernel library inside.
pub fn anykernel() -> PathBuf {
    built("anykernel")
}

/// The compiler wrapper, to be used as `CC=`.
pub fn compiler() -> PathBuf {
    built("x86_64-anykernel-cc")
}

/// Cargo's target folder, where tests may keep what they derive.
pub fn target_folder() -> PathBuf {
    let workspace = Path::new(WORKSPACE)
        .canonicalize()
        .expect("the workspace is where this crate was compiled");
    let chosen = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace.join(chosen)
}

fn built(name: &str) -> PathBuf {
    let path = target_folder().join("release").join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask build` first",
        path.display()
    );
    path
}
