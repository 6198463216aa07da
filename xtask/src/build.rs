//! The two passes: the kernel library, then the tool that carries it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::step;
use crate::workspace::Workspace;

/// The crate of the kernel library.
pub const LIBRARY_PACKAGE: &str = "anykernel-image";
/// The library as cargo names it.
const LIBRARY: &str = "libanykernel_image.a";
/// The host's own target, which the images are built for too (ADR 0005). Naming it keeps
/// `LIBRARY_FLAGS` away from build scripts and procedural macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The library is linked at fixed addresses and never unwinds.
const LIBRARY_FLAGS: &str = "-Crelocation-model=static -Cforce-unwind-tables=no";
/// The names by which the tool is also found.
const OTHER_NAMES: [&str; 1] = ["x86_64-anykernel-cc"];

/// Builds both and returns where the tool is.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let library = build_library(workspace)?;
    build_tool(workspace, &library)
}

/// Builds the kernel library and returns where it is.
fn build_library(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target().join("image-build");
    let mut cargo = workspace.cargo();
    cargo
        .args(["build", "--locked", "--package", LIBRARY_PACKAGE])
        .args(["--profile", "image", "--target", TARGET])
        .env("CARGO_TARGET_DIR", &folder)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", LIBRARY_FLAGS);
    step::run(&mut cargo).context("the kernel library does not build")?;
    let built = folder.join(TARGET).join("image").join(LIBRARY);
    let library = workspace.target().join("image").join(LIBRARY);
    copy_if_changed(&built, &library)?;
    Ok(library)
}

/// Copies a file, unless the copy is there already: the tool is built anew when its library's
/// time changes.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| from.display().to_string())?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(to, bytes).with_context(|| to.display().to_string())
}

/// Builds the tool around `library` and returns where it is.
fn build_tool(workspace: &Workspace, library: &Path) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["build", "--locked", "--release", "--package", "anykernel"])
        .env("ANYKERNEL_LIBRARY", library);
    step::run(&mut cargo).context("the anykernel tool does not build")?;
    let folder = workspace.target().join("release");
    for name in OTHER_NAMES {
        link_beside("anykernel", &folder.join(name))?;
    }
    Ok(folder.join("anykernel"))
}

/// Makes `link` a symbolic link to `name` in its own folder.
fn link_beside(name: &str, link: &Path) -> Result<()> {
    match symlink(name, link) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(link)?;
            symlink(name, link).with_context(|| link.display().to_string())
        }
        Err(error) => Err(error).with_context(|| link.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_keeps_its_time() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let (from, to) = (folder.path().join("from"), folder.path().join("in/to"));
        fs::write(&from, "one").expect("the folder is ours");
        copy_if_changed(&from, &to).expect("the folder is ours");
        let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
        let before = time(&to);
        assert!(before.is_some());
        copy_if_changed(&from, &to).expect("the folder is ours");
        assert_eq!(time(&to), before);
        fs::write(&from, "two").expect("the folder is ours");
        copy_if_changed(&from, &to).expect("the folder is ours");
        assert_eq!(fs::read(&to).ok().as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn a_link_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let link = folder.path().join("cc");
        for name in ["old", "anykernel"] {
            link_beside(name, &link).expect("the folder is ours");
        }
        assert_eq!(fs::read_link(&link).ok(), Some(PathBuf::from("anykernel")));
    }
}
