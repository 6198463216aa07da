//! From a recipe to its built source, made once for each change of recipe or compiler.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Recipe, apt, command};

const UNPACK_LIMIT: Duration = Duration::from_secs(60);
const STEP_LIMIT: Duration = Duration::from_secs(600);

/// The folder of the recipe's source, built.
pub fn built_source(recipe: &Recipe) -> PathBuf {
    let folder = test_support::target_folder().join("programs");
    fs::create_dir_all(&folder).expect("the target folder is ours");
    demand_tools(recipe);
    let archive = apt::original_archive(&folder, recipe.source);
    let build = folder.join("build").join(recipe.source);
    let (source, stamp_file) = (build.join("source"), build.join("stamp"));
    let stamp = stamp(recipe, &archive);
    if fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        return source;
    }
    if build.exists() {
        fs::remove_dir_all(&build).expect("the target folder is ours");
    }
    fs::create_dir_all(&source).expect("the target folder is ours");
    unpack(&archive, &source);
    for step in recipe.steps {
        command::run(shell(step, &source), STEP_LIMIT);
    }
    fs::write(stamp_file, stamp).expect("the folder exists");
    source
}

/// All that a build depends on. The compiler's own account names the file of its specs, whose
/// name holds a hash.
fn stamp(recipe: &Recipe, archive: &Path) -> String {
    let mut version = Command::new(test_support::compiler());
    version.arg("-v");
    let compiler = command::run(version, UNPACK_LIMIT);
    format!("{}\n{:?}\n{compiler}", archive.display(), recipe.steps)
}

fn demand_tools(recipe: &Recipe) {
    let path = env::var_os("PATH").unwrap_or_default();
    for (tool, package) in recipe.tools {
        let is_there = env::split_paths(&path).any(|folder| folder.join(tool).is_file());
        let source = recipe.source;
        assert!(
            is_there,
            "{source} is built with {tool}: apt install {package}"
        );
    }
}

fn unpack(archive: &Path, into: &Path) {
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=1", "--file"]);
    tar.arg(archive).arg("--directory").arg(into);
    command::run(tar, UNPACK_LIMIT);
}

/// A command for one line of a recipe, in `folder`.
fn shell(line: &str, folder: &Path) -> Command {
    let compiler = test_support::compiler();
    let mut path = OsString::from(compiler.parent().expect("it lies in a folder"));
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-ec", line]).current_dir(folder);
    shell.env("PATH", path).env("CC", "x86_64-anykernel-cc");
    shell
}
