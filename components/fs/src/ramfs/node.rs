//! Nodes and the table that names them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::memory;
use super::names::Names;
use super::pages::Pages;
use crate::{Attributes, FileKind, FsError, NodeId, Permissions, Timestamps};

/// What a node takes of the budget beside its content.
const NODE_COST: u64 = size_of::<Slot>() as u64;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) permissions: Permissions,
    pub(super) user: u32,
    pub(super) group: u32,
    /// Names; of a directory also its own `.` and the `..` of those in it. Zero once removed.
    pub(super) links: u32,
    /// By how much [`crate::FileSystem::retain`] is ahead of `release`, and one for each
    /// directory whose `..` leads here: that holds even when both are removed.
    pub(super) references: u32,
    pub(super) times: Timestamps,
}

#[derive(Debug)]
pub(super) enum Content {
    File(Pages),
    Directory { parent: NodeId, names: Names },
    Link(Box<[u8]>),
    Special(FileKind),
}

impl Node {
    /// A node with one name, or an empty directory with one.
    pub(super) fn new(content: Content, permissions: Permissions, now: Duration) -> Self {
        Self {
            links: match content {
                Content::Directory { .. } => 2,
                _ => 1,
            },
            content,
            permissions,
            user: 0,
            group: 0,
            references: 0,
            times: Timestamps {
                accessed: now,
                modified: now,
                changed: now,
            },
        }
    }

    pub(super) fn kind(&self) -> FileKind {
        match self.content {
            Content::File(_) => FileKind::Regular,
            Content::Directory { .. } => FileKind::Directory,
            Content::Link(_) => FileKind::SymbolicLink,
            Content::Special(kind) => kind,
        }
    }

    /// What the node takes of the budget; names in it are counted apart.
    pub(super) fn cost(&self) -> u64 {
        let content = match &self.content {
            Content::File(pages) => pages.cost(),
            Content::Link(target) => target.len() as u64,
            Content::Directory { .. } | Content::Special(_) => 0,
        };
        NODE_COST + content
    }

    /// Notes a change of content.
    pub(super) fn modify(&mut self, now: Duration) {
        self.times.modified = now;
        self.times.changed = now;
    }

    pub(super) fn file(&self) -> Result<&Pages, FsError> {
        match &self.content {
            Content::File(pages) => Ok(pages),
            Content::Directory { .. } => Err(FsError::IsDirectory),
            _ => Err(FsError::Invalid),
        }
    }

    pub(super) fn file_mut(&mut self) -> Result<&mut Pages, FsError> {
        match &mut self.content {
            Content::File(pages) => Ok(pages),
            Content::Directory { .. } => Err(FsError::IsDirectory),
            _ => Err(FsError::Invalid),
        }
    }

    pub(super) fn names(&self) -> Result<&Names, FsError> {
        match &self.content {
            Content::Directory { names, .. } => Ok(names),
            _ => Err(FsError::NotDirectory),
        }
    }

    pub(super) fn names_mut(&mut self) -> Result<&mut Names, FsError> {
        match &mut self.content {
            Content::Directory { names, .. } => Ok(names),
            _ => Err(FsError::NotDirectory),
        }
    }

    pub(super) fn parent(&self) -> Result<NodeId, FsError> {
        match self.content {
            Content::Directory { parent, .. } => Ok(parent),
            _ => Err(FsError::NotDirectory),
        }
    }

    /// Tells a directory where it now is; anything else does not know.
    pub(super) fn set_parent(&mut self, directory: NodeId) {
        if let Content::Directory { parent, .. } = &mut self.content {
            *parent = directory;
        }
    }

    pub(super) fn attributes(&self, node: NodeId) -> Attributes {
        let (size, blocks) = match &self.content {
            Content::File(pages) => (pages.size(), pages.blocks()),
            Content::Link(target) => (target.len() as u64, 0),
            Content::Directory { .. } | Content::Special(_) => (0, 0),
        };
        Attributes {
            node,
            kind: self.kind(),
            permissions: self.permissions,
            links: self.links,
            user: self.user,
            group: self.group,
            size,
            blocks,
            times: self.times,
        }
    }
}

/// All nodes. An id is its slot's index plus one, and above that the slot's generation, so the
/// id of a node that is gone finds nothing.
#[derive(Debug, Default)]
pub(super) struct NodeTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    node: Option<Node>,
}

impl NodeTable {
    pub(super) fn get(&self, id: NodeId) -> Result<&Node, FsError> {
        let slot = self.slots.get(index(id)).ok_or(FsError::NotFound)?;
        let node = slot
            .node
            .as_ref()
            .filter(|_| slot.generation == generation(id));
        node.ok_or(FsError::NotFound)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Result<&mut Node, FsError> {
        let slot = self.slots.get_mut(index(id)).ok_or(FsError::NotFound)?;
        let current = slot.generation == generation(id);
        let node = slot.node.as_mut().filter(|_| current);
        node.ok_or(FsError::NotFound)
    }

    /// Makes room for one more node, and for noting later that it is gone.
    pub(super) fn reserve(&mut self) -> Result<(), FsError> {
        memory::reserve(&mut self.slots, 1)?;
        let noted = self.free.len();
        memory::reserve(&mut self.free, self.slots.len() + 1 - noted)
    }

    /// Adds a node for which there is room.
    pub(super) fn insert(&mut self, node: Node) -> NodeId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                node: None,
            });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.node = Some(node);
        NodeId((u64::from(slot.generation) << 32) + u64::from(index) + 1)
    }

    /// Removes a node that [`get`](Self::get) finds.
    pub(super) fn remove(&mut self, id: NodeId) {
        let slot = &mut self.slots[index(id)];
        slot.node = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index(id) as u32);
    }
}

/// The slot of an id; of one that no table gave, an index that no table has.
fn index(id: NodeId) -> usize {
    ((id.0 as u32) as usize).wrapping_sub(1)
}

fn generation(id: NodeId) -> u32 {
    (id.0 >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fifo() -> Node {
        let content = Content::Special(FileKind::Fifo);
        Node::new(content, Permissions::USER, Duration::ZERO)
    }

    #[test]
    fn an_old_id_does_not_find_the_slots_next_node() {
        let mut table = NodeTable::default();
        let first = table.insert(fifo());
        table.remove(first);
        let second = table.insert(fifo());
        assert_eq!(index(first), index(second));
        assert_eq!(table.get(first).err(), Some(FsError::NotFound));
        assert!(table.get(second).is_ok());
        assert_eq!(table.get(NodeId(0)).err(), Some(FsError::NotFound));
    }
}
