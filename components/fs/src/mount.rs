//! The mount table: which file system stands where in the tree.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::{FileSystem, FsError, NodeId};

/// Names a mounted file system; the root's is 0. Serves as a device number for `stat`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MountId(pub u32);

/// A node in the whole tree.
///
/// It stays valid while the node has a name or is [retained](crate::Vfs::retain).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The file system.
    pub mount: MountId,
    /// The node there.
    pub node: NodeId,
}

/// What a mount hides, and so how `..` leaves it.
pub(crate) enum MountPoint {
    /// Nothing: it is the root of the tree.
    Root,
    /// A node, whose names now lead to the mounted root.
    Node(Place),
    /// Nothing: the name exists only as this mount's, in a directory that need not be writable.
    Name(Place, Vec<u8>),
}

/// A mounted file system.
struct Mount {
    file_system: Box<dyn FileSystem>,
    point: MountPoint,
}

/// All mounts of a tree. A mount stays for the tree's lifetime.
pub(crate) struct MountTable {
    mounts: Vec<Mount>,
    /// Where the tree began, whatever may cover it now.
    first_root: Place,
}

impl MountTable {
    pub(crate) fn new(root: Box<dyn FileSystem>) -> Self {
        let first_root = Place {
            mount: MountId(0),
            node: root.root(),
        };
        let root = Mount {
            file_system: root,
            point: MountPoint::Root,
        };
        Self {
            mounts: Vec::from([root]),
            first_root,
        }
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Place {
        self.topmost(self.first_root)
    }

    /// Adds a mount. A node that it hides is retained for good.
    pub(crate) fn add(&mut self, file_system: Box<dyn FileSystem>, point: MountPoint) -> MountId {
        if let MountPoint::Node(place) | MountPoint::Name(place, _) = point
            && let Ok(covered) = self.file_system(place.mount)
        {
            covered.retain(place.node);
        }
        self.mounts.push(Mount { file_system, point });
        MountId(self.mounts.len() as u32 - 1)
    }

    /// The file system of `mount`.
    pub(crate) fn file_system(
        &mut self,
        mount: MountId,
    ) -> Result<&mut (dyn FileSystem + 'static), FsError> {
        let mount = self
            .mounts
            .get_mut(mount.0 as usize)
            .ok_or(FsError::NotFound)?;
        Ok(&mut *mount.file_system)
    }

    /// The root of `mount`.
    pub(crate) fn root_of(&self, mount: MountId) -> Result<Place, FsError> {
        let found = self.mounts.get(mount.0 as usize).ok_or(FsError::NotFound)?;
        let node = found.file_system.root();
        Ok(Place { mount, node })
    }

    /// Where the mount whose root is `place` stands; `None` if `place` is no mount's root.
    pub(crate) fn point_of(&self, place: Place) -> Option<&MountPoint> {
        let mount = self.mounts.get(place.mount.0 as usize)?;
        (mount.file_system.root() == place.node).then_some(&mount.point)
    }

    /// What a name that leads to `place` shows: the root of the last mount over it, or itself.
    pub(crate) fn topmost(&self, mut place: Place) -> Place {
        // A later mount may cover an earlier one's root, never the reverse: one pass suffices.
        for (index, mount) in self.mounts.iter().enumerate() {
            if matches!(mount.point, MountPoint::Node(covered) if covered == place) {
                place = Place {
                    mount: MountId(index as u32),
                    node: mount.file_system.root(),
                };
            }
        }
        place
    }

    /// What lies under all mounts at `place`: what has the name. The reverse of
    /// [`topmost`](Self::topmost).
    pub(crate) fn lowest(&self, mut place: Place) -> Place {
        while let Some(MountPoint::Node(covered)) = self.point_of(place) {
            place = *covered;
        }
        place
    }

    /// The root of the mount that has `name` in `directory`.
    pub(crate) fn named(&self, directory: Place, name: &[u8]) -> Option<Place> {
        let (_, root) = self
            .names_in(directory, 0)
            .find(|(_, root)| self.name_of(*root) == Some(name))?;
        Some(self.topmost(root))
    }

    /// The mounts from index `first` on that have names of their own in `directory`: index and
    /// root of each.
    pub(crate) fn names_in(
        &self,
        directory: Place,
        first: usize,
    ) -> impl Iterator<Item = (usize, Place)> {
        let mounts = self.mounts.iter().enumerate().skip(first);
        mounts.filter_map(move |(index, mount)| match mount.point {
            MountPoint::Name(place, _) if place == directory => Some((
                index,
                Place {
                    mount: MountId(index as u32),
                    node: mount.file_system.root(),
                },
            )),
            _ => None,
        })
    }

    /// The name that the mount with this root has of its own.
    pub(crate) fn name_of(&self, root: Place) -> Option<&[u8]> {
        match self.point_of(root)? {
            MountPoint::Name(_, name) => Some(name),
            _ => None,
        }
    }
}
