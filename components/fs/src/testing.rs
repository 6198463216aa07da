//! Trees for the unit tests of this crate.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{SliceSink, SliceSource};

use crate::{FileKind, FsError, OpenHow, Permissions, Place, RamFs, Vfs};

/// The time of all that the tests do.
pub(crate) const NOW: Duration = Duration::from_secs(1000);

/// An empty file system to write to.
pub(crate) fn ram() -> Box<RamFs> {
    Box::new(RamFs::new(1 << 20, NOW))
}

/// A writable tree with these: a directory ends in a slash, a symbolic link is `name -> target`,
/// a file contains its path.
pub(crate) fn tree(of: &[&str]) -> Vfs {
    let mut tree = Vfs::new(ram());
    for path in of {
        match path.split_once(" -> ") {
            Some((name, target)) => {
                let made = tree.symlink(target.as_bytes(), tree.root(), name.as_bytes(), NOW);
                made.expect("the name is free");
            }
            None if path.ends_with('/') => {
                let made = make_directory(&mut tree, path);
                made.expect("the name is free");
            }
            None => {
                write(&mut tree, path, path.as_bytes()).expect("the name is free");
            }
        }
    }
    tree
}

pub(crate) fn make_directory(tree: &mut Vfs, path: &str) -> Result<Place, FsError> {
    let (root, kind) = (tree.root(), FileKind::Directory);
    tree.create(root, path.as_bytes(), kind, Permissions::USER, NOW)
}

pub(crate) fn find(tree: &mut Vfs, path: &str) -> Result<Place, FsError> {
    tree.resolve(tree.root(), path.as_bytes(), true)
}

/// Writes a file, which is made if it is not there.
pub(crate) fn write(tree: &mut Vfs, path: &str, content: &[u8]) -> Result<Place, FsError> {
    let how = OpenHow {
        create: true,
        follow: true,
        writable: true,
        ..OpenHow::default()
    };
    let place = tree.open(tree.root(), path.as_bytes(), how, Permissions::USER, NOW)?;
    let written = tree.write(place, 0, &mut SliceSource::new(content), NOW)?;
    assert_eq!(written, content.len());
    Ok(place)
}

/// The front of a file.
pub(crate) fn read(tree: &mut Vfs, place: Place) -> Result<String, FsError> {
    let mut bytes = vec![0; 100];
    let length = tree.read(place, 0, &mut SliceSink::new(&mut bytes))?;
    bytes.truncate(length);
    Ok(String::from_utf8(bytes).expect("tests write text"))
}

/// The content of what a path names.
pub(crate) fn read_path(tree: &mut Vfs, path: &str) -> Result<String, FsError> {
    let place = find(tree, path)?;
    read(tree, place)
}

/// The names in a directory, in the order of the listing.
pub(crate) fn list(tree: &mut Vfs, path: &str) -> Vec<String> {
    let directory = find(tree, path).expect("the directory is there");
    let mut names = Vec::new();
    let mut cookie = 0;
    while let Some(entry) = tree
        .read_directory(directory, cookie)
        .expect("it is a directory")
    {
        assert!(entry.next > cookie && entry.next < 1 << 63);
        cookie = entry.next;
        names.push(String::from_utf8(entry.name).expect("tests name in text"));
    }
    names
}
