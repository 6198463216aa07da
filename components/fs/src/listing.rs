//! Directories read from end to end, and the path of one.
//!
//! Cookies of [`Vfs::read_directory`]: 0 is `.`, 1 is `..`, then come the file system's own
//! cookies plus 2, and from 2^62 + 2 on the names that mounts have of their own, in the order of
//! mounting. All fit a non-negative `off_t`.

use alloc::vec::Vec;

use crate::path::PATH_MAX;
use crate::{DirectoryEntry, FileKind, FsError, Place, Vfs};

/// The first cookie of the file system's own entries.
const OWN: u64 = 2;

/// The first cookie of mounts' names: above all that [`crate::FileSystem::read_directory`] gives.
const MOUNTS: u64 = OWN + (1 << 62);

impl Vfs {
    /// The entry at `cookie` (0 at first, then [`DirectoryEntry::next`]) of a directory, `.` and
    /// `..` first; `None` at the end. The node of an entry that a mount hides is the hidden one.
    pub fn read_directory(
        &mut self,
        directory: Place,
        cookie: u64,
    ) -> Result<Option<DirectoryEntry>, FsError> {
        match cookie {
            0 => {
                self.require_directory(directory)?;
                Ok(Some(link_to(directory, b".", 1)))
            }
            1 => {
                let parent = self.parent(directory)?;
                Ok(Some(link_to(parent, b"..", OWN)))
            }
            OWN..MOUNTS => match self.own_entry(directory, cookie - OWN)? {
                Some(entry) => Ok(Some(entry)),
                None => self.mount_entry(directory, 0),
            },
            _ => self.mount_entry(directory, cookie - MOUNTS),
        }
    }

    /// An entry of the file system itself, unless a mount has taken its name.
    fn own_entry(
        &mut self,
        directory: Place,
        mut cookie: u64,
    ) -> Result<Option<DirectoryEntry>, FsError> {
        loop {
            let file_system = self.mounts.file_system(directory.mount)?;
            let Some(mut entry) = file_system.read_directory(directory.node, cookie)? else {
                return Ok(None);
            };
            cookie = entry.next;
            if self.mounts.named(directory, &entry.name).is_none() {
                entry.next += OWN;
                return Ok(Some(entry));
            }
        }
    }

    /// The name of the first mount from number `first` on that has one here.
    fn mount_entry(
        &mut self,
        directory: Place,
        first: u64,
    ) -> Result<Option<DirectoryEntry>, FsError> {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let Some((index, root)) = self.mounts.names_in(directory, first).next() else {
            return Ok(None);
        };
        let kind = self.kind(root)?;
        let name = self.mounts.name_of(root).ok_or(FsError::NotFound)?;
        Ok(Some(DirectoryEntry {
            name: name.to_vec(),
            node: root.node,
            kind,
            next: MOUNTS + index as u64 + 1,
        }))
    }

    /// The absolute path of a directory, for `getcwd`; [`FsError::NotFound`] if it has been
    /// removed.
    pub fn path_of(&mut self, directory: Place) -> Result<Vec<u8>, FsError> {
        self.require_directory(directory)?;
        let root = self.root();
        let mut names = Vec::new();
        let mut length = 0;
        let mut place = directory;
        while place != root {
            let (parent, name) = self.name_in_parent(place)?;
            length += 1 + name.len();
            if length > PATH_MAX {
                return Err(FsError::NameTooLong);
            }
            names.push(name);
            place = parent;
        }
        let mut path = Vec::with_capacity(length.max(1));
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }

    /// The directory above `place`, and the name that `place` has there.
    fn name_in_parent(&mut self, place: Place) -> Result<(Place, Vec<u8>), FsError> {
        let place = self.mounts.lowest(place);
        let parent = self.parent(place)?;
        if let Some(name) = self.mounts.name_of(place) {
            return Ok((parent, name.to_vec()));
        }
        let mut cookie = 0;
        loop {
            let file_system = self.mounts.file_system(parent.mount)?;
            let entry = file_system.read_directory(parent.node, cookie)?;
            let entry = entry.ok_or(FsError::NotFound)?;
            if entry.node == place.node {
                return Ok((parent, entry.name));
            }
            cookie = entry.next;
        }
    }
}

fn link_to(place: Place, name: &[u8], next: u64) -> DirectoryEntry {
    DirectoryEntry {
        name: name.to_vec(),
        node: place.node,
        kind: FileKind::Directory,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, find, list, ram, tree};

    #[test]
    fn the_directory_itself_comes_first() {
        let mut tree = tree(&["a/", "a/x", "a/b/"]);
        assert_eq!(list(&mut tree, "/a"), [".", "..", "x", "b"]);
        let directory = find(&mut tree, "/a").expect("there");
        let nodes: Vec<_> = (0..2)
            .map(|cookie| tree.read_directory(directory, cookie))
            .map(|entry| entry.expect("a directory").expect("an entry").node)
            .collect();
        assert_eq!(nodes, [directory.node, tree.root().node]);
    }

    #[test]
    fn only_directories_are_listed() {
        let mut tree = tree(&["file"]);
        let file = find(&mut tree, "file").expect("there");
        for cookie in 0..3 {
            let entry = tree.read_directory(file, cookie);
            assert_eq!(entry, Err(FsError::NotDirectory));
        }
    }

    #[test]
    fn a_path_is_found_through_mounts_of_both_kinds() {
        let mut tree = tree(&["a/", "a/b/"]);
        tree.mount(b"/a/b", ram()).expect("a directory is there");
        tree.mount(b"/a/b/c/d", ram()).expect("the name is free");
        for path in ["/", "/a", "/a/b", "/a/b/c", "/a/b/c/d"] {
            let place = find(&mut tree, path).expect("there");
            assert_eq!(tree.path_of(place).as_deref(), Ok(path.as_bytes()));
        }
    }

    #[test]
    fn a_path_follows_a_rename() {
        let mut tree = tree(&["a/", "b/", "a/c/"]);
        let place = find(&mut tree, "a/c").expect("there");
        let root = tree.root();
        tree.rename((root, b"a/c"), (root, b"b/d"), NOW)
            .expect("it can move");
        assert_eq!(tree.path_of(place).as_deref(), Ok(&b"/b/d"[..]));
        tree.retain(place);
        tree.remove_directory(root, b"b/d", NOW)
            .expect("it is empty");
        assert_eq!(tree.path_of(place), Err(FsError::NotFound));
    }
}
