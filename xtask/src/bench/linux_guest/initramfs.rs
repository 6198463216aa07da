//! The file system that a Linux kernel starts from: an archive in memory (`newc`, Linux,
//! driver-api/early-userspace/buffer-format).

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::path::Path;

use anyhow::{Context, Result};
use cpio::NewcBuilder;

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;

/// The entries of an archive, in order. A folder comes before what is in it.
#[derive(Debug, Default)]
pub struct Initramfs(Vec<(String, u32, Vec<u8>)>);

impl Initramfs {
    /// An archive of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an empty folder.
    pub fn folder(&mut self, name: &str) {
        self.0.push((name.to_owned(), FOLDER, Vec::new()));
    }

    /// Adds the file at `path` as `name`.
    pub fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        self.add(name, FILE, path)
    }

    /// Adds the file at `path` as `name`, which can be run.
    pub fn program(&mut self, name: &str, path: &Path) -> Result<()> {
        self.add(name, PROGRAM, path)
    }

    /// Adds all that is in the folder at `path` to the folder `name`.
    pub fn tree(&mut self, name: &str, path: &Path) -> Result<()> {
        let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
        for entry in entries {
            let entry = entry?;
            let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.folder(&inner);
                self.tree(&inner, &entry.path())?;
            } else {
                self.file(&inner, &entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes the archive to `path`.
    pub fn write(self, path: &Path) -> io::Result<()> {
        let entries = self.0.into_iter().map(|(name, mode, bytes)| {
            let entry = NewcBuilder::new(&name).mode(mode);
            (entry, Cursor::new(bytes))
        });
        cpio::write_cpio(entries, File::create(path)?).map(drop)
    }

    fn add(&mut self, name: &str, mode: u32, path: &Path) -> Result<()> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        self.0.push((name.to_owned(), mode, bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use cpio::NewcReader;

    use super::*;

    #[test]
    fn a_tree_is_read_back_with_its_rights() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("tree/inner")).expect("the folder is ours");
        fs::write(path("tree/inner/file"), "content").expect("the folder is ours");
        let mut initramfs = Initramfs::new();
        initramfs.folder("root");
        initramfs
            .tree("root", &path("tree"))
            .expect("it can be read");
        initramfs
            .program("init", &path("tree/inner/file"))
            .expect("it can be read");
        let archive = path("archive");
        initramfs.write(&archive).expect("the folder is ours");
        assert_eq!(
            read_back(&archive),
            [
                ("root".to_owned(), FOLDER, String::new()),
                ("root/inner".to_owned(), FOLDER, String::new()),
                ("root/inner/file".to_owned(), FILE, "content".to_owned()),
                ("init".to_owned(), PROGRAM, "content".to_owned()),
            ]
        );
    }

    fn read_back(archive: &Path) -> Vec<(String, u32, String)> {
        let mut file = File::open(archive).expect("it was written");
        let mut entries = Vec::new();
        loop {
            let mut reader = NewcReader::new(file).expect("an entry or the end");
            if reader.entry().is_trailer() {
                return entries;
            }
            let mut content = String::new();
            reader.read_to_string(&mut content).expect("text");
            let entry = reader.entry();
            entries.push((entry.name().to_owned(), entry.mode(), content));
            file = reader.finish().expect("more to come");
        }
    }
}
