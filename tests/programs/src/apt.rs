//! Original source archives from the distribution, by a package manager that has nothing to do
//! with the system's: its own configuration, lists and cache lie in a folder of ours.
//!
//! APT verifies what it downloads, by the archive's signature and the hashes that this covers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use crate::command;

mod origins;

const UPDATE_LIMIT: Duration = Duration::from_secs(300);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);

/// The original archive (`.orig.tar.*`) of the source package `name`, kept in `folder`.
pub fn original_archive(folder: &Path, name: &str) -> PathBuf {
    let archives = folder.join("archives").join(name);
    fs::create_dir_all(&archives).expect("the target folder is ours");
    let _lock = lock(folder);
    find_archive(&archives).unwrap_or_else(|| {
        download(&folder.join("apt"), name, &archives);
        find_archive(&archives).unwrap_or_else(|| panic!("{name} has no original archive"))
    })
}

/// Keeps other processes and threads from using `folder` while the file lives.
fn lock(folder: &Path) -> File {
    let lock = File::create(folder.join("lock")).expect("the target folder is ours");
    lock.lock().expect("the file can be locked");
    lock
}

fn find_archive(archives: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(archives).expect("the folder exists");
    let mut paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains(".orig.tar.") && !name.ends_with(".asc")
    })
}

fn download(apt: &Path, name: &str, archives: &Path) {
    static UPDATE: Once = Once::new();
    UPDATE.call_once(|| {
        configure(apt);
        command::run(apt_get(apt, &["update"]), UPDATE_LIMIT);
    });
    let mut source = apt_get(apt, &["source", "--download-only", "--tar-only", name]);
    source.current_dir(archives);
    command::run(source, DOWNLOAD_LIMIT);
}

fn apt_get(apt: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "Acquire::Retries=3"]);
    command
        .args(arguments)
        .env("APT_CONFIG", apt.join("apt.conf"));
    command
}

/// Writes a configuration under which APT reads and writes in `apt` only.
fn configure(apt: &Path) {
    let sources = apt.join("sources.list.d");
    for folder in [&sources, &apt.join("lists/partial"), &apt.join("cache")] {
        fs::create_dir_all(folder).expect("the target folder is ours");
    }
    let apt_text = apt.display();
    let configuration = format!(
        "Dir::Etc::SourceList \"/dev/null\";\n\
         Dir::Etc::SourceParts \"{apt_text}/sources.list.d\";\n\
         Dir::State::Lists \"{apt_text}/lists\";\n\
         Dir::Cache \"{apt_text}/cache\";\n\
         Acquire::Languages \"none\";\n\
         APT::Sandbox::User \"\";\n"
    );
    fs::write(apt.join("apt.conf"), configuration).expect("the folder exists");
    origins::write(&sources);
}
