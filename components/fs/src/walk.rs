//! The path walk: from names to places (POSIX.1-2024, 4.16 "Pathname Resolution").

use alloc::vec::Vec;

use crate::mount::MountPoint;
use crate::path::{self, NAME_MAX, Name, Rest};
use crate::{FileKind, FsError, Place, Vfs};

/// How many symbolic links one walk follows: Linux' `MAXSYMLINKS`.
const LINKS_MAX: u32 = 40;

/// A path resolved but for its last name, which need not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastName {
    /// The directory that has the name, or would have it.
    pub directory: Place,
    /// The name: an entry's, or `.` or `..`, or empty if the path was the root's.
    pub name: Vec<u8>,
    /// A slash followed, so it can only be a directory's.
    pub must_be_directory: bool,
}

/// A walk under way.
pub(crate) struct Walk<'a> {
    at: Place,
    rest: Rest<'a>,
    links: u32,
}

/// Where a [`Walk`] stops: before the last name.
pub(crate) struct Last(Name);

impl Last {
    pub(crate) fn must_be_directory(&self) -> bool {
        self.0.has_slash
    }
}

impl Walk<'_> {
    /// Where the walk stands.
    pub(crate) fn at(&self) -> Place {
        self.at
    }

    /// The bytes of the last name.
    pub(crate) fn bytes(&self, last: &Last) -> &[u8] {
        self.rest.bytes(&last.0)
    }
}

impl Vfs {
    /// The place that `path` names, from `start` on unless it begins with a slash. A symbolic
    /// link at its end is followed if `follow_last`, or if a slash comes after it.
    pub fn resolve(
        &mut self,
        start: Place,
        path: &[u8],
        follow_last: bool,
    ) -> Result<Place, FsError> {
        let mut walk = self.begin(start, path)?;
        while let Some(last) = self.walk_to_last(&mut walk)? {
            let place = self.step(walk.at, walk.bytes(&last))?;
            let kind = self.kind(place)?;
            let must_be_directory = last.must_be_directory();
            if kind == FileKind::SymbolicLink && (follow_last || must_be_directory) {
                self.follow(&mut walk, place)?;
            } else if must_be_directory && kind != FileKind::Directory {
                return Err(FsError::NotDirectory);
            } else {
                return Ok(place);
            }
        }
        Ok(walk.at)
    }

    /// The directory and name at the end of `path`, for operations that make or remove names.
    /// A symbolic link there is not followed.
    pub fn resolve_parent(&mut self, start: Place, path: &[u8]) -> Result<LastName, FsError> {
        let mut walk = self.begin(start, path)?;
        let last = self.walk_to_last(&mut walk)?;
        Ok(LastName {
            directory: walk.at,
            name: last
                .as_ref()
                .map_or(Vec::new(), |last| walk.bytes(last).to_vec()),
            must_be_directory: last.is_none_or(|last| last.must_be_directory()),
        })
    }

    pub(crate) fn begin<'a>(&self, start: Place, path: &'a [u8]) -> Result<Walk<'a>, FsError> {
        path::check(path)?;
        let rest = Rest::new(path);
        let at = if rest.is_absolute() {
            self.root()
        } else {
            start
        };
        Ok(Walk { at, rest, links: 0 })
    }

    /// Walks on until one name is left, which is then to be found in the directory
    /// [`Walk::at`]; `None` if the path ended before it had one (the root's path).
    pub(crate) fn walk_to_last(&mut self, walk: &mut Walk<'_>) -> Result<Option<Last>, FsError> {
        while let Some(name) = walk.rest.take_name() {
            if name.is_last {
                self.require_directory(walk.at)?;
                return Ok(Some(Last(name)));
            }
            let place = self.step(walk.at, walk.rest.bytes(&name))?;
            if self.kind(place)? == FileKind::SymbolicLink {
                self.follow(walk, place)?;
            } else {
                walk.at = place;
            }
        }
        Ok(None)
    }

    /// Continues `walk` with the target of the symbolic link `link`.
    pub(crate) fn follow(&mut self, walk: &mut Walk<'_>, link: Place) -> Result<(), FsError> {
        walk.links += 1;
        if walk.links > LINKS_MAX {
            return Err(FsError::LinkLoop);
        }
        let target = self.read_link(link)?;
        path::check(&target)?;
        walk.rest.prepend(target);
        if walk.rest.is_absolute() {
            walk.at = self.root();
        }
        Ok(())
    }

    /// What `name`, which may be `.` or `..`, leads to from `directory`. Follows no link.
    pub(crate) fn step(&mut self, directory: Place, name: &[u8]) -> Result<Place, FsError> {
        match name {
            b"." => self.require_directory(directory).map(|()| directory),
            b".." => self.parent(directory),
            _ => self.child(directory, name),
        }
    }

    /// The place of an entry of `directory`.
    pub(crate) fn child(&mut self, directory: Place, name: &[u8]) -> Result<Place, FsError> {
        if name.len() > NAME_MAX {
            self.require_directory(directory)?;
            return Err(FsError::NameTooLong);
        }
        if let Some(root) = self.mounts.named(directory, name) {
            return Ok(root);
        }
        let mount = directory.mount;
        let node = self
            .mounts
            .file_system(mount)?
            .lookup(directory.node, name)?;
        Ok(self.mounts.topmost(Place { mount, node }))
    }

    /// The directory above `directory`, out of its mount if that is where it begins. The root is
    /// its own parent.
    pub(crate) fn parent(&mut self, directory: Place) -> Result<Place, FsError> {
        let place = self.mounts.lowest(directory);
        match self.mounts.point_of(place) {
            Some(MountPoint::Root) => return Ok(self.root()),
            Some(MountPoint::Name(parent, _)) => return Ok(*parent),
            _ => {}
        }
        let file_system = self.mounts.file_system(place.mount)?;
        let node = file_system.parent(place.node)?;
        Ok(Place { node, ..place })
    }

    pub(crate) fn require_directory(&mut self, place: Place) -> Result<(), FsError> {
        match self.kind(place)? {
            FileKind::Directory => Ok(()),
            _ => Err(FsError::NotDirectory),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::testing::{find, read_path, tree, write};

    #[test]
    fn absolute_links_lead_from_the_root() {
        let mut tree = tree(&[
            "a/",
            "a/b/",
            "a/b/file",
            "a/link -> /a/b/",
            "l -> a/link/file",
        ]);
        assert_eq!(read_path(&mut tree, "/l").as_deref(), Ok("a/b/file"));
        let start = find(&mut tree, "/a/b").expect("there");
        let found = tree.resolve(start, b"../link/./file", true);
        assert_eq!(found, find(&mut tree, "/a/b/file"));
    }

    #[test]
    fn nothing_is_above_the_root() {
        let mut tree = tree(&["a/"]);
        assert_eq!(find(&mut tree, "/../../a/../.."), Ok(tree.root()));
    }

    #[test]
    fn forty_links_are_followed_and_no_more() {
        let mut tree = tree(&["0"]);
        for number in 1..=41 {
            let (target, name) = (format!("{}", number - 1), format!("{number}"));
            let root = tree.root();
            let made = tree.symlink(
                target.as_bytes(),
                root,
                name.as_bytes(),
                crate::testing::NOW,
            );
            made.expect("the name is free");
        }
        assert_eq!(find(&mut tree, "40"), find(&mut tree, "0"));
        assert_eq!(find(&mut tree, "41"), Err(FsError::LinkLoop));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_filled_by_an_open() {
        let mut tree = tree(&["a/", "first -> a/second", "a/second -> ../third"]);
        write(&mut tree, "first", b"x").expect("its target can be made");
        assert_eq!(read_path(&mut tree, "/third").as_deref(), Ok("x"));
    }

    #[test]
    fn the_last_name_need_not_exist() {
        let mut tree = tree(&["a/"]);
        let directory = find(&mut tree, "a").expect("there");
        let last = |path: &[u8], tree: &mut Vfs| tree.resolve_parent(tree.root(), path);
        let expected = LastName {
            directory,
            name: b"new".to_vec(),
            must_be_directory: true,
        };
        assert_eq!(last(b"a/new//", &mut tree), Ok(expected));
        let root = last(b"//", &mut tree).expect("the root is there");
        assert_eq!(root.directory, tree.root());
        assert!(root.name.is_empty());
        assert_eq!(last(b"b/new", &mut tree), Err(FsError::NotFound));
    }

    #[test]
    fn a_path_may_have_4095_bytes() {
        let mut tree = tree(&["a/"]);
        let mut path = "/.".repeat(2046) + "//a";
        assert_eq!(path.len(), 4095);
        assert!(find(&mut tree, &path).is_ok());
        path.push('/');
        assert_eq!(find(&mut tree, &path), Err(FsError::NameTooLong));
    }
}
