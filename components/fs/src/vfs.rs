//! The tree of files: one value that owns every mounted file system.
//!
//! This file holds what is done with a [`Place`]; `walk.rs` finds places by path, `names.rs`
//! makes and removes names, `listing.rs` reads directories.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use hypercall::{Sink, Source};

use crate::mount::{MountPoint, MountTable};
use crate::path;
use crate::synthetic::SyntheticFs;
use crate::{Attributes, FileKind, FileSystem, FsError, MountId, Place, SetAttributes};

/// A tree of files, as a process sees it.
///
/// Paths are bytes, absolute or relative to a start place (the current directory, or that of an
/// `openat`). No operation retains a place for its caller: who keeps one beyond the next
/// operation that may remove names calls [`retain`](Vfs::retain).
pub struct Vfs {
    pub(crate) mounts: MountTable,
}

/// A tree moves with the kernel that owns it, to whichever thread enters that.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Vfs>();
};

impl fmt::Debug for Vfs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Vfs")
    }
}

impl Vfs {
    /// A tree that is `root` alone.
    pub fn new(root: Box<dyn FileSystem>) -> Self {
        Self {
            mounts: MountTable::new(root),
        }
    }

    /// Puts the root of `file_system` at the absolute `path`, hiding what is there: a directory
    /// over a directory, a file over anything else.
    ///
    /// If nothing is there, the name becomes one of the tree's own, listed with the directory's
    /// entries; so do missing directories above it. Nothing is written to the file systems
    /// around, which may be read-only.
    pub fn mount(
        &mut self,
        path: &[u8],
        file_system: Box<dyn FileSystem>,
    ) -> Result<MountId, FsError> {
        if path.first() != Some(&b'/') {
            return Err(FsError::Invalid);
        }
        let point = match self.resolve(self.root(), path, true) {
            Ok(place) => MountPoint::Node(place),
            Err(FsError::NotFound) => self.new_name(path)?,
            Err(error) => return Err(error),
        };
        let mut file_system = file_system;
        if let MountPoint::Node(place) = point {
            let hidden = self.kind(place)?;
            let root = file_system.root();
            let shown = file_system.attributes(root)?.kind;
            match (hidden == FileKind::Directory, shown == FileKind::Directory) {
                (true, false) => return Err(FsError::IsDirectory),
                (false, true) => return Err(FsError::NotDirectory),
                _ => {}
            }
        }
        Ok(self.mounts.add(file_system, point))
    }

    /// Makes `path` a read-only file of `content` if nothing is there: a default for what a
    /// program expects (`/etc/passwd`).
    pub fn supply(
        &mut self,
        path: &[u8],
        content: &'static [u8],
        now: Duration,
    ) -> Result<(), FsError> {
        match self.resolve(self.root(), path, true) {
            Ok(_) => Ok(()),
            Err(FsError::NotFound) => {
                let file = Box::new(SyntheticFs::single(content, now));
                self.mount(path, file).map(drop)
            }
            Err(error) => Err(error),
        }
    }

    /// A mount point for a path where nothing is.
    fn new_name(&mut self, path: &[u8]) -> Result<MountPoint, FsError> {
        let end = path.iter().rposition(|&byte| byte != b'/');
        let path = &path[..end.map_or(0, |end| end + 1)];
        let start = path.iter().rposition(|&byte| byte == b'/');
        let (above, name) = path.split_at(start.map_or(0, |start| start + 1));
        if path::is_special(name) {
            return Err(FsError::Invalid);
        }
        let directory = match self.resolve(self.root(), above, true) {
            Err(FsError::NotFound) => {
                let empty = Box::new(SyntheticFs::new(Duration::ZERO));
                let mount = self.mount(above, empty)?;
                self.mounts.root_of(mount)?
            }
            found => found?,
        };
        self.require_directory(directory)?;
        Ok(MountPoint::Name(directory, name.to_vec()))
    }

    /// The root of the tree.
    pub fn root(&self) -> Place {
        self.mounts.root()
    }

    /// What is at `place`.
    pub fn attributes(&mut self, place: Place) -> Result<Attributes, FsError> {
        self.mounts.file_system(place.mount)?.attributes(place.node)
    }

    pub(crate) fn kind(&mut self, place: Place) -> Result<FileKind, FsError> {
        self.attributes(place).map(|attributes| attributes.kind)
    }

    /// Reads from a regular file as [`FileSystem::read`] does.
    pub fn read(
        &mut self,
        place: Place,
        offset: u64,
        into: &mut dyn Sink,
    ) -> Result<usize, FsError> {
        let file_system = self.mounts.file_system(place.mount)?;
        file_system.read(place.node, offset, into)
    }

    /// Writes to a regular file as [`FileSystem::write`] does.
    pub fn write(
        &mut self,
        place: Place,
        offset: u64,
        data: &mut dyn Source,
        now: Duration,
    ) -> Result<usize, FsError> {
        let file_system = self.mounts.file_system(place.mount)?;
        file_system.write(place.node, offset, data, now)
    }

    /// The target of the symbolic link at `place`; [`FsError::Invalid`] for anything else.
    pub fn read_link(&mut self, place: Place) -> Result<Vec<u8>, FsError> {
        self.mounts.file_system(place.mount)?.read_link(place.node)
    }

    /// Changes attributes. Only a regular file has a size to be changed.
    pub fn set_attributes(
        &mut self,
        place: Place,
        change: SetAttributes,
        now: Duration,
    ) -> Result<(), FsError> {
        if change.size.is_some() {
            match self.kind(place)? {
                FileKind::Regular => {}
                FileKind::Directory => return Err(FsError::IsDirectory),
                _ => return Err(FsError::Invalid),
            }
        }
        let file_system = self.mounts.file_system(place.mount)?;
        file_system.set_attributes(place.node, change, now)
    }

    /// Keeps `place` valid though its last name may go, until as many
    /// [`release`](Vfs::release)s.
    pub fn retain(&mut self, place: Place) {
        if let Ok(file_system) = self.mounts.file_system(place.mount) {
            file_system.retain(place.node);
        }
    }

    /// Undoes one [`retain`](Vfs::retain).
    pub fn release(&mut self, place: Place) {
        if let Ok(file_system) = self.mounts.file_system(place.mount) {
            file_system.release(place.node);
        }
    }

    /// Total and free bytes of the file system that has `place`.
    pub fn space(&mut self, place: Place) -> Result<(u64, u64), FsError> {
        Ok(self.mounts.file_system(place.mount)?.space())
    }

    /// Whether files of the file system that has `place` can be written.
    pub fn is_writable(&mut self, place: Place) -> Result<bool, FsError> {
        Ok(self.mounts.file_system(place.mount)?.is_writable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, find, list, make_directory, ram, read, read_path, tree, write};

    /// A read-only root with one directory and one file.
    fn read_only() -> Vfs {
        let root = SyntheticFs::new(NOW)
            .directory(b"etc")
            .file(b"etc/hosts", b"own");
        Vfs::new(Box::new(root))
    }

    #[test]
    fn a_mount_hides_what_it_covers() {
        let mut tree = tree(&["a/", "a/hidden", "a/b/"]);
        tree.mount(b"/a", ram()).expect("a directory is there");
        assert_eq!(list(&mut tree, "/a"), [".", ".."]);
        write(&mut tree, "/a/new", b"x").expect("it is writable");
        assert_eq!(find(&mut tree, "/a/hidden"), Err(FsError::NotFound));
        assert_eq!(find(&mut tree, "/a/../a/.."), Ok(tree.root()));
    }

    #[test]
    fn the_last_of_two_mounts_at_a_place_is_seen() {
        let mut tree = tree(&["a/"]);
        tree.mount(b"/a", ram()).expect("a directory is there");
        write(&mut tree, "/a/first", b"x").expect("it is writable");
        tree.mount(b"/a", ram()).expect("a directory is there");
        assert_eq!(list(&mut tree, "/a"), [".", ".."]);
        assert_eq!(find(&mut tree, "/a/.."), Ok(tree.root()));
    }

    #[test]
    fn a_mount_over_the_root_is_the_root() {
        let mut tree = tree(&["hidden"]);
        let mount = tree.mount(b"/", ram()).expect("the root is there");
        assert_eq!(tree.root().mount, mount);
        assert_eq!(list(&mut tree, "/.."), [".", ".."]);
        assert_eq!(tree.path_of(tree.root()).as_deref(), Ok(&b"/"[..]));
    }

    #[test]
    fn a_read_only_root_needs_no_mount_point() {
        let mut tree = read_only();
        tree.mount(b"/tmp/", ram()).expect("the name is free");
        tree.mount(b"/var/cache/web", ram()).expect("likewise");
        assert_eq!(list(&mut tree, "/"), [".", "..", "etc", "tmp", "var"]);
        assert_eq!(list(&mut tree, "/var"), [".", "..", "cache"]);
        let place = write(&mut tree, "/var/cache/web/page", b"x").expect("it is writable");
        assert_eq!(read(&mut tree, place).as_deref(), Ok("x"));
        assert_eq!(find(&mut tree, "/var/cache/web/../../.."), Ok(tree.root()));
        assert_eq!(make_directory(&mut tree, "/other"), Err(FsError::ReadOnly));
        assert_eq!(make_directory(&mut tree, "/tmp"), Err(FsError::Exists));
    }

    #[test]
    fn a_mounts_name_goes_before_an_entrys() {
        let mut tree = tree(&["a -> nowhere", "b"]);
        tree.mount(b"/a", ram()).expect("the link leads nowhere");
        assert_eq!(list(&mut tree, "/"), [".", "..", "b", "a"]);
        write(&mut tree, "/a/x", b"x").expect("it is writable");
    }

    #[test]
    fn mount_points_keep_their_names() {
        let mut tree = tree(&["a/", "b/", "c/", "c/below/"]);
        tree.mount(b"/a", ram()).expect("a directory is there");
        tree.mount(b"/b/new", ram()).expect("the name is free");
        let root = tree.root();
        for path in [&b"a"[..], b"b", b"b/new"] {
            assert_eq!(tree.remove_directory(root, path, NOW), Err(FsError::Busy));
            let away = tree.rename((root, path), (root, b"d"), NOW);
            assert_eq!(away, Err(FsError::Busy));
        }
        let over = tree.rename((root, b"c/below"), (root, b"b"), NOW);
        assert_eq!(over, Err(FsError::Busy));
    }

    #[test]
    fn mounts_cannot_be_linked_across() {
        let mut tree = tree(&["a/", "file"]);
        tree.mount(b"/a", ram()).expect("a directory is there");
        let root = tree.root();
        let moved = tree.rename((root, b"file"), (root, b"a/file"), NOW);
        assert_eq!(moved, Err(FsError::CrossDevice));
        let linked = tree.link((root, b"file"), true, (root, b"a/file"), NOW);
        assert_eq!(linked, Err(FsError::CrossDevice));
    }

    #[test]
    fn a_directory_goes_over_a_directory_only() {
        let mut tree = tree(&["a/", "file"]);
        let file = || Box::new(SyntheticFs::single(b"x", NOW));
        assert_eq!(tree.mount(b"/a", file()), Err(FsError::IsDirectory));
        assert_eq!(tree.mount(b"/file", ram()), Err(FsError::NotDirectory));
        assert_eq!(tree.mount(b"/file/x", ram()), Err(FsError::NotDirectory));
        assert_eq!(tree.mount(b"a", ram()), Err(FsError::Invalid));
        assert_eq!(tree.mount(b"/b/..", ram()), Err(FsError::Invalid));
        tree.mount(b"/file", file()).expect("a file over a file");
        assert_eq!(read_path(&mut tree, "/file").as_deref(), Ok("x"));
    }

    #[test]
    fn a_supplied_file_takes_no_ones_place() {
        let mut tree = read_only();
        for path in [&b"/etc/hosts"[..], b"/etc/passwd", b"/proc/sys/x"] {
            tree.supply(path, b"default", NOW).expect("it can be there");
        }
        assert_eq!(read_path(&mut tree, "/etc/hosts").as_deref(), Ok("own"));
        assert_eq!(
            read_path(&mut tree, "/etc/passwd").as_deref(),
            Ok("default")
        );
        assert_eq!(
            read_path(&mut tree, "/proc/sys/x").as_deref(),
            Ok("default")
        );
        assert_eq!(list(&mut tree, "/etc"), [".", "..", "hosts", "passwd"]);
        assert_eq!(find(&mut tree, "/etc/passwd/x"), Err(FsError::NotDirectory));
        let root = tree.root();
        assert_eq!(tree.unlink(root, b"/etc/passwd", NOW), Err(FsError::Busy));
    }

    #[test]
    fn a_retained_file_outlives_its_name() {
        let mut tree = tree(&["file"]);
        let place = find(&mut tree, "file").expect("there");
        tree.retain(place);
        tree.unlink(tree.root(), b"file", NOW).expect("there");
        assert_eq!(read(&mut tree, place).as_deref(), Ok("file"));
        assert_eq!(tree.attributes(place).expect("retained").links, 0);
        tree.release(place);
        assert_eq!(read(&mut tree, place), Err(FsError::NotFound));
        let (total, free) = tree.space(tree.root()).expect("there");
        assert_eq!(total, free);
    }
}
