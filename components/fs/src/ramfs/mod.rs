//! A file system in memory.
//!
//! Nothing is allocated before it is needed, and all of it counts against one limit: pages,
//! nodes and names. Reading leaves the access time as it is, as Linux does under `noatime`.

mod budget;
mod memory;
mod names;
mod node;
mod pages;
mod rename;

use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{Sink, Source};

use self::budget::Budget;
use self::names::Names;
use self::node::{Content, Node, NodeTable};
use self::pages::Pages;
use crate::{
    Attributes, DirectoryEntry, FileKind, FileSystem, FsError, NodeId, Permissions, SetAttributes,
};

/// A writable file system without a disk.
#[derive(Debug)]
pub struct RamFs {
    nodes: NodeTable,
    budget: Budget,
    root: NodeId,
}

impl RamFs {
    /// An empty file system that takes at most `limit` bytes of memory, made at `now`. The root
    /// directory is open to all, as `/tmp` is.
    pub fn new(limit: u64, now: Duration) -> Self {
        let mut nodes = NodeTable::default();
        let permissions = Permissions::all() - Permissions::SET_USER_ID - Permissions::SET_GROUP_ID;
        let content = Content::Directory {
            parent: NodeId(0),
            names: Names::default(),
        };
        let root = nodes.insert(Node::new(content, permissions, now));
        if let Ok(node) = nodes.get_mut(root) {
            node.set_parent(root);
        }
        Self {
            nodes,
            budget: Budget::new(limit),
            root,
        }
    }

    /// The names of a directory, to which one can be added.
    fn open_directory(&mut self, directory: NodeId) -> Result<&mut Names, FsError> {
        let node = self.nodes.get_mut(directory)?;
        if node.links == 0 {
            return Err(FsError::NotFound);
        }
        node.names_mut()
    }

    /// Adds `node` to the table and its first name to `directory`.
    fn add(
        &mut self,
        directory: NodeId,
        name: &[u8],
        node: Node,
        now: Duration,
    ) -> Result<NodeId, FsError> {
        if self.open_directory(directory)?.get(name).is_some() {
            return Err(FsError::Exists);
        }
        let new_name = self.open_directory(directory)?.reserve(name)?;
        self.nodes.reserve()?;
        self.budget.take(node.cost() + names::cost(name))?;
        let is_directory = node.kind() == FileKind::Directory;
        let id = self.nodes.insert(node);
        let parent = self.nodes.get_mut(directory)?;
        parent.names_mut()?.set(new_name, id);
        parent.links += u32::from(is_directory);
        parent.references += u32::from(is_directory);
        parent.modify(now);
        Ok(id)
    }

    /// Frees `node` if nothing names it and nobody retains it, and then likewise the directory
    /// that it was the last to keep.
    fn free_if_unused(&mut self, mut node: NodeId) {
        while let Ok(found) = self.nodes.get(node)
            && found.links == 0
            && found.references == 0
        {
            let parent = found.parent();
            self.budget.give(found.cost());
            self.nodes.remove(node);
            match parent {
                Ok(parent) => {
                    self.unretain(parent);
                    node = parent;
                }
                Err(_) => break,
            }
        }
    }

    /// Undoes one [`FileSystem::retain`] without freeing.
    fn unretain(&mut self, node: NodeId) {
        if let Ok(found) = self.nodes.get_mut(node) {
            found.references = found.references.saturating_sub(1);
        }
    }

    /// Takes one name from a node; a directory's is its last.
    fn drop_name(&mut self, node: NodeId, now: Duration) -> Result<(), FsError> {
        let found = self.nodes.get_mut(node)?;
        found.links = match found.kind() {
            FileKind::Directory => 0,
            _ => found.links - 1,
        };
        found.times.changed = now;
        self.free_if_unused(node);
        Ok(())
    }
}

impl FileSystem for RamFs {
    fn root(&self) -> NodeId {
        self.root
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        let names = self.nodes.get(directory)?.names()?;
        names.get(name).ok_or(FsError::NotFound)
    }

    fn parent(&mut self, directory: NodeId) -> Result<NodeId, FsError> {
        self.nodes.get(directory)?.parent()
    }

    fn attributes(&mut self, node: NodeId) -> Result<Attributes, FsError> {
        Ok(self.nodes.get(node)?.attributes(node))
    }

    fn read(&mut self, node: NodeId, offset: u64, into: &mut dyn Sink) -> Result<usize, FsError> {
        Ok(self.nodes.get(node)?.file()?.read(offset, into))
    }

    fn read_link(&mut self, node: NodeId) -> Result<Vec<u8>, FsError> {
        match &self.nodes.get(node)?.content {
            Content::Link(target) => memory::copy_vec(target),
            _ => Err(FsError::Invalid),
        }
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        cookie: u64,
    ) -> Result<Option<DirectoryEntry>, FsError> {
        let names = self.nodes.get(directory)?.names()?;
        let Some((entry, next)) = names.at(cookie) else {
            return Ok(None);
        };
        Ok(Some(DirectoryEntry {
            name: memory::copy_vec(&entry.name)?,
            node: entry.node,
            kind: self.nodes.get(entry.node)?.kind(),
            next,
        }))
    }

    fn retain(&mut self, node: NodeId) {
        if let Ok(node) = self.nodes.get_mut(node) {
            node.references += 1;
        }
    }

    fn release(&mut self, node: NodeId) {
        self.unretain(node);
        self.free_if_unused(node);
    }

    fn create(
        &mut self,
        directory: NodeId,
        name: &[u8],
        kind: FileKind,
        permissions: Permissions,
        now: Duration,
    ) -> Result<NodeId, FsError> {
        let content = match kind {
            FileKind::Regular => Content::File(Pages::default()),
            FileKind::Directory => Content::Directory {
                parent: directory,
                names: Names::default(),
            },
            FileKind::SymbolicLink => return Err(FsError::Invalid),
            special => Content::Special(special),
        };
        self.add(directory, name, Node::new(content, permissions, now), now)
    }

    fn create_link(
        &mut self,
        directory: NodeId,
        name: &[u8],
        target: &[u8],
        now: Duration,
    ) -> Result<NodeId, FsError> {
        let permissions = Permissions::USER | Permissions::GROUP | Permissions::OTHERS;
        let node = Node::new(Content::Link(memory::copy(target)?), permissions, now);
        self.add(directory, name, node, now)
    }

    fn link(
        &mut self,
        directory: NodeId,
        name: &[u8],
        node: NodeId,
        now: Duration,
    ) -> Result<(), FsError> {
        let linked = self.nodes.get(node)?;
        if linked.kind() == FileKind::Directory {
            return Err(FsError::NotPermitted);
        }
        if linked.links == 0 {
            return Err(FsError::NotFound);
        }
        if self.open_directory(directory)?.get(name).is_some() {
            return Err(FsError::Exists);
        }
        let new_name = self.open_directory(directory)?.reserve(name)?;
        self.budget.take(names::cost(name))?;
        let parent = self.nodes.get_mut(directory)?;
        parent.names_mut()?.set(new_name, node);
        parent.modify(now);
        let linked = self.nodes.get_mut(node)?;
        linked.links += 1;
        linked.times.changed = now;
        Ok(())
    }

    fn remove(
        &mut self,
        directory: NodeId,
        name: &[u8],
        directory_only: bool,
        now: Duration,
    ) -> Result<(), FsError> {
        let node = self.lookup(directory, name)?;
        let is_directory = match &self.nodes.get(node)?.content {
            Content::Directory { .. } if !directory_only => return Err(FsError::IsDirectory),
            Content::Directory { names, .. } if !names.is_empty() => return Err(FsError::NotEmpty),
            Content::Directory { .. } => true,
            _ if directory_only => return Err(FsError::NotDirectory),
            _ => false,
        };
        let parent = self.nodes.get_mut(directory)?;
        parent.names_mut()?.remove(name);
        parent.links -= u32::from(is_directory);
        parent.modify(now);
        self.budget.give(names::cost(name));
        self.drop_name(node, now)
    }

    fn rename(
        &mut self,
        from: (NodeId, &[u8]),
        to: (NodeId, &[u8]),
        now: Duration,
    ) -> Result<(), FsError> {
        self.rename_entry(from, to, now)
    }

    fn write(
        &mut self,
        node: NodeId,
        offset: u64,
        data: &mut dyn Source,
        now: Duration,
    ) -> Result<usize, FsError> {
        let node = self.nodes.get_mut(node)?;
        let written = node.file_mut()?.write(offset, data, &mut self.budget)?;
        if written > 0 {
            node.modify(now);
        }
        Ok(written)
    }

    fn set_attributes(
        &mut self,
        node: NodeId,
        change: SetAttributes,
        now: Duration,
    ) -> Result<(), FsError> {
        let node = self.nodes.get_mut(node)?;
        if let Some(size) = change.size {
            node.file_mut()?.resize(size, &mut self.budget)?;
            node.times.modified = now;
        }
        node.times.changed = now;
        node.permissions = change.permissions.unwrap_or(node.permissions);
        node.user = change.user.unwrap_or(node.user);
        node.group = change.group.unwrap_or(node.group);
        node.times.accessed = change.accessed.unwrap_or(node.times.accessed);
        node.times.modified = change.modified.unwrap_or(node.times.modified);
        Ok(())
    }

    fn space(&self) -> (u64, u64) {
        self.budget.space()
    }
}

#[cfg(test)]
mod tests {
    use hypercall::SliceSource;

    use super::*;
    use crate::Timestamps;

    const MODE: Permissions = Permissions::USER;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A file system with a file named `a`, all made at second 1.
    fn with_file() -> (RamFs, NodeId) {
        let mut files = RamFs::new(1 << 20, at(1));
        let file = files.create(files.root(), b"a", FileKind::Regular, MODE, at(1));
        (files, file.expect("there is space"))
    }

    /// The seconds of the last modification and the last change of a node.
    fn times(files: &mut RamFs, node: NodeId) -> (u64, u64) {
        let times = files.attributes(node).expect("there").times;
        (times.modified.as_secs(), times.changed.as_secs())
    }

    #[test]
    fn operations_leave_their_times() {
        let (mut files, file) = with_file();
        let root = files.root();
        let data = &mut SliceSource::new(b"x");
        files.write(file, 0, data, at(2)).expect("there is space");
        assert_eq!(times(&mut files, file), (2, 2));
        files
            .link(root, b"b", file, at(3))
            .expect("the name is free");
        assert_eq!(times(&mut files, file), (2, 3));
        assert_eq!(times(&mut files, root), (3, 3));
        files.remove(root, b"b", false, at(4)).expect("there");
        assert_eq!(times(&mut files, file), (2, 4));
        assert_eq!(times(&mut files, root), (4, 4));
        let renamed = files.rename((root, b"a"), (root, b"c"), at(5));
        renamed.expect("the name is free");
        assert_eq!(times(&mut files, file), (2, 5));
        assert_eq!(times(&mut files, root), (5, 5));
        files
            .write(file, 0, &mut SliceSource::new(b""), at(6))
            .expect("nothing to write");
        assert_eq!(times(&mut files, file), (2, 5));
    }

    #[test]
    fn attributes_are_set_one_by_one() {
        let (mut files, file) = with_file();
        let change = SetAttributes {
            permissions: Some(Permissions::OTHERS),
            accessed: Some(at(7)),
            ..SetAttributes::default()
        };
        files.set_attributes(file, change, at(2)).expect("there");
        let change = SetAttributes {
            user: Some(3),
            size: Some(10),
            ..SetAttributes::default()
        };
        files.set_attributes(file, change, at(9)).expect("there");
        let found = files.attributes(file).expect("there");
        assert_eq!((found.permissions, found.user), (Permissions::OTHERS, 3));
        assert_eq!((found.size, found.blocks, found.group), (10, 0, 0));
        let times = Timestamps {
            accessed: at(7),
            modified: at(9),
            changed: at(9),
        };
        assert_eq!(found.times, times);
    }

    #[test]
    fn a_directory_has_a_link_from_each_below() {
        let (mut files, _) = with_file();
        let root = files.root();
        let made = files.create(root, b"d", FileKind::Directory, MODE, at(1));
        let directory = made.expect("there is space");
        assert_eq!(files.attributes(root).expect("there").links, 3);
        assert_eq!(files.attributes(directory).expect("there").links, 2);
        files.remove(root, b"d", true, at(2)).expect("it is empty");
        assert_eq!(files.attributes(root).expect("there").links, 2);
    }

    #[test]
    fn nothing_is_made_in_a_removed_directory() {
        let (mut files, file) = with_file();
        let root = files.root();
        let made = files.create(root, b"d", FileKind::Directory, MODE, at(1));
        let directory = made.expect("there is space");
        files.retain(directory);
        files.remove(root, b"d", true, at(2)).expect("it is empty");
        let made = files.create(directory, b"x", FileKind::Regular, MODE, at(3));
        assert_eq!(made, Err(FsError::NotFound));
        let linked = files.link(directory, b"x", file, at(3));
        assert_eq!(linked, Err(FsError::NotFound));
        let moved = files.rename((root, b"a"), (directory, b"x"), at(3));
        assert_eq!(moved, Err(FsError::NotFound));
        assert_eq!(files.parent(directory), Ok(root));
    }
}
