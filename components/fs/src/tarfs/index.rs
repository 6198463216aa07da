//! The tree that the members' paths make, found by hashing: 72 bytes a name and 8 to 16 of table.

use alloc::vec;
use alloc::vec::Vec;

use super::member::{Member, MemberContent, Members, Status};
use super::span::Span;
use crate::path::NAME_MAX;
use crate::{FileKind, FsError, Permissions};

/// The root's place among the nodes.
pub(super) const ROOT: u32 = 0;

/// No node.
const NONE: u32 = u32::MAX;

/// All names of an archive.
#[derive(Debug)]
pub(super) struct Index {
    nodes: Vec<Node>,
    /// Open addressing, a power of two in length, half of it free at least: nodes with a name,
    /// or [`NONE`].
    table: Vec<u32>,
}

/// A name with its file, or a file that has several names.
#[derive(Debug)]
pub(super) struct Node {
    /// The directory it is in; [`NONE`] if only nodes that are [`Body::Same`] lead here.
    parent: u32,
    /// The next name in the same directory.
    next: u32,
    name_at: usize,
    name_length: u8,
    pub(super) body: Body,
    /// How many names it has; of a directory also its own `.` and the `..` of those in it.
    pub(super) links: u32,
    pub(super) status: Status,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// The first and last of its names, in the order of the archive.
    Directory {
        first: u32,
        last: u32,
    },
    /// Content.
    File(Span),
    /// A target.
    Link(Span),
    Special(FileKind),
    /// One of several names for that node.
    Same(u32),
}

const EMPTY_DIRECTORY: Body = Body::Directory {
    first: NONE,
    last: NONE,
};

/// What a directory is that no member describes.
const IMPLIED: Status = Status {
    permissions: Permissions::from_bits_truncate(0o755),
    user: 0,
    group: 0,
    modified_ns: 0,
};

impl Index {
    /// Reads the whole archive's headers.
    pub(super) fn build(archive: &[u8]) -> Result<Self, FsError> {
        let mut index = Self {
            nodes: vec![Node::new(NONE, Span::default(), EMPTY_DIRECTORY, IMPLIED)],
            table: vec![NONE; 16],
        };
        let mut members = Members::new(archive);
        while let Some(member) = members.next()? {
            index.insert(archive, &member)?;
        }
        Ok(index)
    }

    pub(super) fn node(&self, index: u32) -> Result<&Node, FsError> {
        self.nodes.get(index as usize).ok_or(FsError::NotFound)
    }

    /// The name in `directory`, as it is: see [`file_of`](Self::file_of).
    pub(super) fn find(&self, archive: &[u8], directory: u32, name: &[u8]) -> Option<u32> {
        match self.table[self.slot(archive, directory, name)] {
            NONE => None,
            found => Some(found),
        }
    }

    /// The node that has the content of the name `index`.
    pub(super) fn file_of(&self, index: u32) -> u32 {
        match self.nodes.get(index as usize).map(|node| node.body) {
            Some(Body::Same(file)) => file,
            _ => index,
        }
    }

    /// The directory that `directory` is in. The root is in itself.
    pub(super) fn parent(&self, directory: u32) -> Result<u32, FsError> {
        match self.node(directory)?.parent {
            NONE => Ok(ROOT),
            parent => Ok(parent),
        }
    }

    /// The first name in `directory`.
    pub(super) fn first(&self, directory: u32) -> Result<Option<u32>, FsError> {
        match self.node(directory)?.body {
            Body::Directory { first, .. } => Ok((first != NONE).then_some(first)),
            _ => Err(FsError::NotDirectory),
        }
    }

    /// The name after `index` in its directory.
    pub(super) fn next(&self, index: u32) -> Option<u32> {
        let next = self.nodes.get(index as usize)?.next;
        (next != NONE).then_some(next)
    }

    /// Whether `index` is a name in `directory`.
    pub(super) fn is_in(&self, index: u32, directory: u32) -> bool {
        let node = self.nodes.get(index as usize);
        node.is_some_and(|node| node.parent == directory)
    }

    /// Adds a member. Where two have the same path the later one counts, as when `tar` extracts
    /// them one after the other.
    fn insert(&mut self, archive: &[u8], member: &Member) -> Result<(), FsError> {
        let mut directory = ROOT;
        let mut last = None;
        for mut rest in member.path {
            while let Some((name, after)) = rest.split_name(archive) {
                check_name(name.of(archive))?;
                if let Some(above) = last.replace(name) {
                    directory = self.implied_directory(archive, directory, above)?;
                }
                rest = after;
            }
        }
        let body = self.body_of(archive, &member.content)?;
        match last {
            Some(name) => self.set(archive, directory, name, body, member.status),
            None if matches!(body, Body::Directory { .. }) => {
                self.nodes[ROOT as usize].status = member.status;
                Ok(())
            }
            None => Err(FsError::Damaged),
        }
    }

    fn body_of(&mut self, archive: &[u8], content: &MemberContent) -> Result<Body, FsError> {
        Ok(match *content {
            MemberContent::Directory => EMPTY_DIRECTORY,
            MemberContent::File(content) => Body::File(content),
            MemberContent::SymbolicLink(target) => {
                let bytes = target.of(archive);
                if bytes.is_empty() || bytes.contains(&0) {
                    return Err(FsError::Damaged);
                }
                Body::Link(target)
            }
            MemberContent::HardLink(path) => Body::Same(self.shared(archive, path)?),
            MemberContent::Special(kind) => Body::Special(kind),
        })
    }

    /// The directory `name` in `directory`, made if nothing is there.
    fn implied_directory(
        &mut self,
        archive: &[u8],
        directory: u32,
        name: Span,
    ) -> Result<u32, FsError> {
        match self.find(archive, directory, name.of(archive)) {
            None => self.add(archive, directory, name, EMPTY_DIRECTORY, IMPLIED),
            Some(found) if self.is_directory(found) => Ok(found),
            Some(_) => Err(FsError::Damaged),
        }
    }

    /// The file at `path`, which gets a node apart from its name's so that it can have others.
    fn shared(&mut self, archive: &[u8], path: Span) -> Result<u32, FsError> {
        let mut at = ROOT;
        let mut rest = path;
        while let Some((name, after)) = rest.split_name(archive) {
            let found = self.find(archive, at, name.of(archive));
            at = found.ok_or(FsError::Damaged)?;
            rest = after;
        }
        if self.is_directory(at) {
            return Err(FsError::Damaged);
        }
        let node = &self.nodes[at as usize];
        if let Body::Same(file) = node.body {
            return Ok(file);
        }
        let file = Node::new(NONE, Span::default(), node.body, node.status);
        let index = self.push(file)?;
        self.nodes[at as usize].body = Body::Same(index);
        Ok(index)
    }

    /// Makes `name` what a member says, whatever it was before.
    fn set(
        &mut self,
        archive: &[u8],
        directory: u32,
        name: Span,
        body: Body,
        status: Status,
    ) -> Result<(), FsError> {
        if let Body::Same(file) = body {
            self.nodes[file as usize].links += 1;
        }
        let Some(found) = self.find(archive, directory, name.of(archive)) else {
            return self.add(archive, directory, name, body, status).map(drop);
        };
        let was_directory = self.is_directory(found);
        let is_directory = matches!(body, Body::Directory { .. });
        let node = &mut self.nodes[found as usize];
        match node.body {
            Body::Directory { first, .. } if !is_directory && first != NONE => {
                return Err(FsError::Damaged);
            }
            Body::Directory { .. } if is_directory => {}
            before => {
                node.body = body;
                node.links = if is_directory { 2 } else { 1 };
                let parent = &mut self.nodes[directory as usize];
                parent.links += u32::from(is_directory);
                parent.links -= u32::from(was_directory);
                if let Body::Same(file) = before {
                    self.nodes[file as usize].links -= 1;
                }
            }
        }
        self.nodes[found as usize].status = status;
        Ok(())
    }

    /// Adds a name that is not there.
    fn add(
        &mut self,
        archive: &[u8],
        directory: u32,
        name: Span,
        body: Body,
        status: Status,
    ) -> Result<u32, FsError> {
        if self.table.len() <= 2 * self.nodes.len() {
            self.grow(archive);
        }
        let slot = self.slot(archive, directory, name.of(archive));
        let index = self.push(Node::new(directory, name, body, status))?;
        self.table[slot] = index;
        let is_directory = self.is_directory(index);
        let parent = &mut self.nodes[directory as usize];
        parent.links += u32::from(is_directory);
        if let Body::Directory { first, last } = &mut parent.body {
            let before = core::mem::replace(last, index);
            if before == NONE {
                *first = index;
            } else {
                self.nodes[before as usize].next = index;
            }
        }
        Ok(index)
    }

    fn push(&mut self, node: Node) -> Result<u32, FsError> {
        let index = u32::try_from(self.nodes.len()).map_err(|_| FsError::TooLarge)?;
        if index == NONE {
            return Err(FsError::TooLarge);
        }
        self.nodes.push(node);
        Ok(index)
    }

    fn is_directory(&self, index: u32) -> bool {
        matches!(self.nodes[index as usize].body, Body::Directory { .. })
    }

    /// Doubles the table.
    fn grow(&mut self, archive: &[u8]) {
        let empty = vec![NONE; 2 * self.table.len()];
        let names = core::mem::replace(&mut self.table, empty);
        for index in names.into_iter().filter(|&index| index != NONE) {
            let node = &self.nodes[index as usize];
            let slot = self.slot(archive, node.parent, node.name().of(archive));
            self.table[slot] = index;
        }
    }

    /// The slot of a name, or the free one where it belongs.
    fn slot(&self, archive: &[u8], directory: u32, name: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = hash(directory, name) as usize & mask;
        loop {
            match self.nodes.get(self.table[slot] as usize) {
                Some(node) if node.parent != directory || node.name().of(archive) != name => {
                    slot = (slot + 1) & mask;
                }
                _ => return slot,
            }
        }
    }
}

impl Node {
    fn new(parent: u32, name: Span, body: Body, status: Status) -> Self {
        Self {
            parent,
            next: NONE,
            name_at: name.at,
            // No longer than `NAME_MAX`, which is checked before.
            name_length: name.length as u8,
            body,
            links: match body {
                Body::Directory { .. } => 2,
                _ => 1,
            },
            status,
        }
    }

    pub(super) fn name(&self) -> Span {
        Span {
            at: self.name_at,
            length: self.name_length.into(),
        }
    }
}

/// Checks a name that an archive gives.
fn check_name(name: &[u8]) -> Result<(), FsError> {
    let is_good = name != b".." && name.len() <= NAME_MAX && !name.contains(&0);
    is_good.then_some(()).ok_or(FsError::Damaged)
}

/// FNV-1a, 32 bits.
fn hash(directory: u32, name: &[u8]) -> u32 {
    let bytes = directory.to_le_bytes();
    let all = bytes.iter().chain(name);
    all.fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_compact() {
        assert_eq!(size_of::<Node>(), 72);
    }
}
