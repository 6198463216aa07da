//! Operations that make, remove and change names.
//!
//! Where POSIX leaves a choice of error, the answer is Linux'.

use core::time::Duration;

use crate::path;
use crate::walk::LastName;
use crate::{FileKind, FsError, Permissions, Place, SetAttributes, Vfs};

/// How [`Vfs::open`] opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenHow {
    /// Make a regular file if the name is free (`O_CREAT`).
    pub create: bool,
    /// With `create`: refuse whatever is there, a symbolic link too (`O_EXCL`).
    pub exclusive: bool,
    /// Cut a regular file to length zero (`O_TRUNC`).
    pub truncate: bool,
    /// Refuse what is no directory (`O_DIRECTORY`).
    pub directory_only: bool,
    /// Follow a symbolic link at the end of the path (not `O_NOFOLLOW`).
    pub follow: bool,
    /// The file is to be written (`O_WRONLY` or `O_RDWR`).
    pub writable: bool,
}

impl Vfs {
    /// Makes a node of `kind`, which is no symbolic link, at `path` (`mkdir`, `mknod`).
    pub fn create(
        &mut self,
        start: Place,
        path: &[u8],
        kind: FileKind,
        permissions: Permissions,
        now: Duration,
    ) -> Result<Place, FsError> {
        if kind == FileKind::SymbolicLink {
            return Err(FsError::Invalid);
        }
        let last = self.resolve_parent(start, path)?;
        self.require_free(&last, kind == FileKind::Directory)?;
        self.make(last.directory, &last.name, kind, permissions, now)
    }

    /// Finds the file at `path`, makes it first if `how` says so, and checks that it can be
    /// opened so. A symbolic link that leads nowhere has its target made. As with every
    /// operation, the place is not retained.
    pub fn open(
        &mut self,
        start: Place,
        path: &[u8],
        how: OpenHow,
        permissions: Permissions,
        now: Duration,
    ) -> Result<Place, FsError> {
        let place = if how.create {
            match self.find_or_make(start, path, how, permissions, now)? {
                Opened::Made(place) => return Ok(place),
                Opened::Found(place) => place,
            }
        } else {
            self.resolve(start, path, how.follow)?
        };
        self.check_open(place, how)?;
        if how.truncate && self.kind(place)? == FileKind::Regular {
            let empty = SetAttributes {
                size: Some(0),
                ..SetAttributes::default()
            };
            self.set_attributes(place, empty, now)?;
        }
        Ok(place)
    }

    fn find_or_make(
        &mut self,
        start: Place,
        path: &[u8],
        how: OpenHow,
        permissions: Permissions,
        now: Duration,
    ) -> Result<Opened, FsError> {
        let refusal = if how.exclusive {
            FsError::Exists
        } else {
            FsError::IsDirectory
        };
        let mut walk = self.begin(start, path)?;
        loop {
            let last = self.walk_to_last(&mut walk)?.ok_or(refusal)?;
            if path::is_special(walk.bytes(&last)) {
                return Err(refusal);
            }
            if last.must_be_directory() {
                return Err(FsError::IsDirectory);
            }
            let place = match self.child(walk.at(), walk.bytes(&last)) {
                Err(FsError::NotFound) => {
                    let (kind, name) = (FileKind::Regular, walk.bytes(&last));
                    let made = self.make(walk.at(), name, kind, permissions, now)?;
                    return Ok(Opened::Made(made));
                }
                found => found?,
            };
            if how.exclusive {
                return Err(FsError::Exists);
            }
            if !how.follow || self.kind(place)? != FileKind::SymbolicLink {
                return Ok(Opened::Found(place));
            }
            self.follow(&mut walk, place)?;
        }
    }

    /// Whether what is at `place` can be opened so.
    fn check_open(&mut self, place: Place, how: OpenHow) -> Result<(), FsError> {
        let changes = how.writable || how.truncate;
        match self.kind(place)? {
            FileKind::Directory if changes || how.create => Err(FsError::IsDirectory),
            FileKind::Directory => Ok(()),
            _ if how.directory_only => Err(FsError::NotDirectory),
            FileKind::SymbolicLink => Err(FsError::LinkLoop),
            FileKind::Regular if changes && !self.is_writable(place)? => Err(FsError::ReadOnly),
            _ => Ok(()),
        }
    }

    /// Makes a symbolic link at `path` whose target is `target`, any bytes but NUL.
    pub fn symlink(
        &mut self,
        target: &[u8],
        start: Place,
        path: &[u8],
        now: Duration,
    ) -> Result<(), FsError> {
        path::check(target)?;
        let last = self.resolve_parent(start, path)?;
        self.require_free(&last, false)?;
        let directory = last.directory;
        let file_system = self.mounts.file_system(directory.mount)?;
        file_system.create_link(directory.node, &last.name, target, now)?;
        Ok(())
    }

    /// Gives the file at `existing` the further name `path`. A symbolic link at the end of
    /// `existing` is followed if `follow`, or else gets the name itself.
    pub fn link(
        &mut self,
        (existing_start, existing): (Place, &[u8]),
        follow: bool,
        (start, path): (Place, &[u8]),
        now: Duration,
    ) -> Result<(), FsError> {
        let place = self.resolve(existing_start, existing, follow)?;
        let last = self.resolve_parent(start, path)?;
        self.require_free(&last, false)?;
        let directory = last.directory;
        if place.mount != directory.mount {
            return Err(FsError::CrossDevice);
        }
        if self.kind(place)? == FileKind::Directory {
            return Err(FsError::NotPermitted);
        }
        let file_system = self.mounts.file_system(directory.mount)?;
        file_system.link(directory.node, &last.name, place.node, now)
    }

    /// Removes a name that is no directory's.
    pub fn unlink(&mut self, start: Place, path: &[u8], now: Duration) -> Result<(), FsError> {
        let last = self.resolve_parent(start, path)?;
        if path::is_special(&last.name) {
            return Err(FsError::IsDirectory);
        }
        let place = self.child(last.directory, &last.name)?;
        if self.kind(place)? == FileKind::Directory {
            return Err(FsError::IsDirectory);
        }
        if last.must_be_directory {
            return Err(FsError::NotDirectory);
        }
        self.require_unmounted(place)?;
        let file_system = self.mounts.file_system(place.mount)?;
        file_system.remove(last.directory.node, &last.name, false, now)
    }

    /// Removes an empty directory.
    pub fn remove_directory(
        &mut self,
        start: Place,
        path: &[u8],
        now: Duration,
    ) -> Result<(), FsError> {
        let last = self.resolve_parent(start, path)?;
        match last.name.as_slice() {
            b"" => return Err(FsError::Busy),
            b"." => return Err(FsError::Invalid),
            b".." => return Err(FsError::NotEmpty),
            _ => {}
        }
        let place = self.child(last.directory, &last.name)?;
        self.require_directory(place)?;
        self.require_unmounted(place)?;
        let file_system = self.mounts.file_system(place.mount)?;
        file_system.remove(last.directory.node, &last.name, true, now)
    }

    /// Gives what `from` names the name `to`, replacing what `to` named: a file a file, a
    /// directory an empty directory. Neither name is followed if it is a symbolic link's.
    pub fn rename(
        &mut self,
        (from_start, from): (Place, &[u8]),
        (to_start, to): (Place, &[u8]),
        now: Duration,
    ) -> Result<(), FsError> {
        let from = self.resolve_parent(from_start, from)?;
        let to = self.resolve_parent(to_start, to)?;
        if from.directory.mount != to.directory.mount {
            return Err(FsError::CrossDevice);
        }
        if path::is_special(&from.name) || path::is_special(&to.name) {
            return Err(FsError::Busy);
        }
        let moved = self.child(from.directory, &from.name)?;
        let replaced = match self.child(to.directory, &to.name) {
            Err(FsError::NotFound) => None,
            found => Some(found?),
        };
        let slash = from.must_be_directory || to.must_be_directory;
        if slash && self.kind(moved)? != FileKind::Directory {
            return Err(FsError::NotDirectory);
        }
        self.require_unmounted(moved)?;
        if let Some(place) = replaced {
            self.require_unmounted(place)?;
        }
        let file_system = self.mounts.file_system(from.directory.mount)?;
        file_system.rename(
            (from.directory.node, &from.name),
            (to.directory.node, &to.name),
            now,
        )
    }

    fn make(
        &mut self,
        directory: Place,
        name: &[u8],
        kind: FileKind,
        permissions: Permissions,
        now: Duration,
    ) -> Result<Place, FsError> {
        let mount = directory.mount;
        let file_system = self.mounts.file_system(mount)?;
        let node = file_system.create(directory.node, name, kind, permissions, now)?;
        Ok(Place { mount, node })
    }

    /// Checks that a name can be made. One with a slash can only be a directory's.
    fn require_free(&mut self, last: &LastName, directory: bool) -> Result<(), FsError> {
        if path::is_special(&last.name) {
            return Err(FsError::Exists);
        }
        match self.child(last.directory, &last.name) {
            Ok(_) => Err(FsError::Exists),
            Err(FsError::NotFound) if !directory && last.must_be_directory => {
                Err(FsError::NotFound)
            }
            Err(FsError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Checks that neither a mount's root is at `place` nor a mount's own name in it: such
    /// places keep their names.
    fn require_unmounted(&self, place: Place) -> Result<(), FsError> {
        let holds_names = self.mounts.names_in(place, 0).next().is_some();
        if holds_names || self.mounts.point_of(place).is_some() {
            return Err(FsError::Busy);
        }
        Ok(())
    }
}

/// What [`Vfs::find_or_make`] did.
enum Opened {
    Found(Place),
    Made(Place),
}
