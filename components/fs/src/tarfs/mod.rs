//! A read-only file system served in place from a tar archive in memory.
//!
//! Mounting reads the headers once and keeps an index; content, names and link targets stay
//! where they lie. ustar, pax and GNU tar's long names are understood; sparse files, archives of
//! several volumes and block devices are not and count as damage. Members may come in any order,
//! directories that have no member of their own are made up, and of two members with one path
//! the later counts.

mod extension;
mod header;
mod index;
mod member;
mod span;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use hypercall::Sink;

use self::index::{Body, Index, ROOT};
use crate::{Attributes, DirectoryEntry, FileKind, FileSystem, FsError, NodeId, Timestamps};

/// The cookie after a directory's last entry.
const END: u64 = (1 << 62) - 1;

/// A tar archive as a file system.
pub struct TarFs<A> {
    archive: A,
    index: Index,
}

impl<A: AsRef<[u8]> + Send> TarFs<A> {
    /// Reads the archive's headers. [`FsError::Damaged`] if one is broken, if the archive does
    /// not end as it should (a block of zeros), or if it uses what is not understood.
    pub fn new(archive: A) -> Result<Self, FsError> {
        let index = Index::build(archive.as_ref())?;
        Ok(Self { archive, index })
    }

    fn bytes(&self) -> &[u8] {
        self.archive.as_ref()
    }

    fn kind(&self, file: u32) -> Result<FileKind, FsError> {
        Ok(match self.index.node(file)?.body {
            Body::Directory { .. } => FileKind::Directory,
            Body::File(_) => FileKind::Regular,
            Body::Link(_) => FileKind::SymbolicLink,
            Body::Special(kind) => kind,
            // Ids are those of files, never of one name among several.
            Body::Same(_) => return Err(FsError::NotFound),
        })
    }
}

impl<A> fmt::Debug for TarFs<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TarFs")
    }
}

/// The id of a node: none is numbered 0, which programs take for "no inode".
fn id(index: u32) -> NodeId {
    NodeId(u64::from(index) + 1)
}

/// The node of an id.
fn index_of(node: NodeId) -> Result<u32, FsError> {
    let index = node.0.checked_sub(1);
    let index = index.and_then(|index| u32::try_from(index).ok());
    index.ok_or(FsError::NotFound)
}

impl<A: AsRef<[u8]> + Send> FileSystem for TarFs<A> {
    fn root(&self) -> NodeId {
        id(ROOT)
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        let directory = index_of(directory)?;
        if self.kind(directory)? != FileKind::Directory {
            return Err(FsError::NotDirectory);
        }
        let found = self.index.find(self.bytes(), directory, name);
        let found = found.ok_or(FsError::NotFound)?;
        Ok(id(self.index.file_of(found)))
    }

    fn parent(&mut self, directory: NodeId) -> Result<NodeId, FsError> {
        Ok(id(self.index.parent(index_of(directory)?)?))
    }

    fn attributes(&mut self, node: NodeId) -> Result<Attributes, FsError> {
        let index = index_of(node)?;
        let kind = self.kind(index)?;
        let found = self.index.node(index)?;
        let size = match found.body {
            Body::File(span) | Body::Link(span) => span.length as u64,
            _ => 0,
        };
        let time = Duration::from_nanos(found.status.modified_ns);
        Ok(Attributes {
            node,
            kind,
            permissions: found.status.permissions,
            links: found.links,
            user: found.status.user,
            group: found.status.group,
            size,
            blocks: size.div_ceil(512),
            times: Timestamps {
                accessed: time,
                modified: time,
                changed: time,
            },
        })
    }

    fn read(&mut self, node: NodeId, offset: u64, into: &mut dyn Sink) -> Result<usize, FsError> {
        let content = match self.index.node(index_of(node)?)?.body {
            Body::File(content) => content.of(self.bytes()),
            Body::Directory { .. } => return Err(FsError::IsDirectory),
            _ => return Err(FsError::Invalid),
        };
        let start = usize::try_from(offset).ok();
        let rest = start.and_then(|start| content.get(start..));
        Ok(into.put(rest.unwrap_or_default()))
    }

    fn read_link(&mut self, node: NodeId) -> Result<Vec<u8>, FsError> {
        match self.index.node(index_of(node)?)?.body {
            Body::Link(target) => Ok(target.of(self.bytes()).to_vec()),
            _ => Err(FsError::Invalid),
        }
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        cookie: u64,
    ) -> Result<Option<DirectoryEntry>, FsError> {
        let directory = index_of(directory)?;
        let first = self.index.first(directory)?;
        let entry = match cookie {
            0 => first,
            END => None,
            _ => Some(index_of(NodeId(cookie))?),
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        if !self.index.is_in(entry, directory) {
            return Err(FsError::Invalid);
        }
        let file = self.index.file_of(entry);
        Ok(Some(DirectoryEntry {
            name: self.index.node(entry)?.name().of(self.bytes()).to_vec(),
            node: id(file),
            kind: self.kind(file)?,
            next: self.index.next(entry).map_or(END, |next| id(next).0),
        }))
    }

    fn space(&self) -> (u64, u64) {
        (self.bytes().len() as u64, 0)
    }
}

#[cfg(test)]
mod tests;
