//! A read-only file system whose files are values of the kernel: what `/proc/sys`, `/dev` or a
//! default `/etc/hosts` is made of.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use hypercall::Sink;

use crate::path;
use crate::{
    Attributes, DirectoryEntry, FileKind, FileSystem, FsError, NodeId, Permissions, Timestamps,
};

/// Files built up by the owner before it is mounted.
///
/// Missing directories on the way are made. A name given twice is what it was given last.
///
/// ```
/// use core::time::Duration;
/// use fs::SyntheticFs;
///
/// let settings = SyntheticFs::new(Duration::ZERO)
///     .file(b"sys/net/core/somaxconn", b"4096\n")
///     .made(b"uptime", || b"1.00 1.00\n".to_vec());
/// # let _ = settings;
/// ```
pub struct SyntheticFs {
    nodes: Vec<Node>,
    now: Duration,
}

struct Node {
    parent: usize,
    name: Vec<u8>,
    content: Content,
    permissions: Permissions,
}

enum Content {
    Directory,
    Bytes(Cow<'static, [u8]>),
    Made(Box<dyn Fn() -> Vec<u8> + Send>),
    Link(Cow<'static, [u8]>),
    CharacterDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}

/// The index of the root in [`SyntheticFs::nodes`].
const ROOT: usize = 0;

impl SyntheticFs {
    /// An empty directory with the time `now`.
    pub fn new(now: Duration) -> Self {
        Self::with_root(Content::Directory, 0o555, now)
    }

    /// A single file instead of a directory, to be mounted over or as a file.
    pub fn single(content: impl Into<Cow<'static, [u8]>>, now: Duration) -> Self {
        Self::with_root(Content::Bytes(content.into()), 0o444, now)
    }

    /// Adds a file of `content`.
    #[must_use]
    pub fn file(self, path: &[u8], content: &'static [u8]) -> Self {
        self.with(path, Content::Bytes(content.into()), 0o444)
    }

    /// Adds a file whose content is made anew by each read. Its length is told as zero, as
    /// Linux tells it of such files.
    #[must_use]
    pub fn made(self, path: &[u8], make: impl Fn() -> Vec<u8> + Send + 'static) -> Self {
        self.with(path, Content::Made(Box::new(make)), 0o444)
    }

    /// Adds an empty directory.
    #[must_use]
    pub fn directory(self, path: &[u8]) -> Self {
        self.with(path, Content::Directory, 0o555)
    }

    /// Adds a symbolic link to `target`.
    #[must_use]
    pub fn link(self, path: &[u8], target: &'static [u8]) -> Self {
        self.with(path, Content::Link(target.into()), 0o777)
    }

    /// Adds a character device.
    #[must_use]
    pub fn character_device(self, path: &[u8], major: u32, minor: u32, permissions: u16) -> Self {
        self.with(path, Content::CharacterDevice { major, minor }, permissions)
    }

    /// Adds a block device.
    #[must_use]
    pub fn block_device(self, path: &[u8], major: u32, minor: u32, permissions: u16) -> Self {
        self.with(path, Content::BlockDevice { major, minor }, permissions)
    }

    fn with_root(content: Content, permissions: u16, now: Duration) -> Self {
        let root = Node {
            parent: ROOT,
            name: Vec::new(),
            content,
            permissions: Permissions::from_bits_truncate(permissions),
        };
        Self {
            nodes: [root].into(),
            now,
        }
    }

    fn with(mut self, path: &[u8], content: Content, permissions: u16) -> Self {
        let mut at = ROOT;
        for name in path::names(path) {
            // What has a name below it is a directory, whatever it was given as.
            self.nodes[at].content = Content::Directory;
            self.nodes[at].permissions = Permissions::from_bits_truncate(0o555);
            at = match self.find(at, name) {
                Some(child) => child,
                None => self.add(at, name),
            };
        }
        self.nodes[at].content = content;
        self.nodes[at].permissions = Permissions::from_bits_truncate(permissions);
        self
    }

    fn add(&mut self, parent: usize, name: &[u8]) -> usize {
        self.nodes.push(Node {
            parent,
            name: name.to_vec(),
            content: Content::Directory,
            permissions: Permissions::empty(),
        });
        self.nodes.len() - 1
    }

    /// The entry of `directory` that has `name`.
    fn find(&self, directory: usize, name: &[u8]) -> Option<usize> {
        let mut entries = self.entries(directory, 0);
        entries.find(|&index| self.nodes[index].name == name)
    }

    /// The entries of `directory` from node `first` on.
    fn entries(&self, directory: usize, first: usize) -> impl Iterator<Item = usize> {
        (first.max(ROOT + 1)..self.nodes.len())
            .filter(move |&index| self.nodes[index].parent == directory)
    }

    fn index(&self, node: NodeId) -> Result<usize, FsError> {
        let index = usize::try_from(node.0).map_err(|_| FsError::NotFound)?;
        let index = index.checked_sub(1).ok_or(FsError::NotFound)?;
        (index < self.nodes.len())
            .then_some(index)
            .ok_or(FsError::NotFound)
    }

    fn directory_index(&self, node: NodeId) -> Result<usize, FsError> {
        let index = self.index(node)?;
        match self.nodes[index].content {
            Content::Directory => Ok(index),
            _ => Err(FsError::NotDirectory),
        }
    }

    fn kind(&self, index: usize) -> FileKind {
        match self.nodes[index].content {
            Content::Directory => FileKind::Directory,
            Content::Bytes(_) | Content::Made(_) => FileKind::Regular,
            Content::Link(_) => FileKind::SymbolicLink,
            Content::CharacterDevice { major, minor } => FileKind::CharacterDevice { major, minor },
            Content::BlockDevice { major, minor } => FileKind::BlockDevice { major, minor },
        }
    }
}

impl fmt::Debug for SyntheticFs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SyntheticFs")
    }
}

/// The id of the node at `index`: no node is numbered 0, which programs take for "no inode".
fn node_id(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

impl FileSystem for SyntheticFs {
    fn root(&self) -> NodeId {
        node_id(ROOT)
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        let directory = self.directory_index(directory)?;
        let found = self.find(directory, name).ok_or(FsError::NotFound)?;
        Ok(node_id(found))
    }

    fn parent(&mut self, directory: NodeId) -> Result<NodeId, FsError> {
        let directory = self.directory_index(directory)?;
        Ok(node_id(self.nodes[directory].parent))
    }

    fn attributes(&mut self, node: NodeId) -> Result<Attributes, FsError> {
        let index = self.index(node)?;
        let (size, links) = match &self.nodes[index].content {
            Content::Directory => {
                let directories = self
                    .entries(index, 0)
                    .filter(|&entry| self.kind(entry) == FileKind::Directory);
                (0, 2 + directories.count() as u32)
            }
            Content::Bytes(bytes) | Content::Link(bytes) => (bytes.len() as u64, 1),
            Content::Made(_) | Content::CharacterDevice { .. } | Content::BlockDevice { .. } => {
                (0, 1)
            }
        };
        Ok(Attributes {
            node,
            kind: self.kind(index),
            permissions: self.nodes[index].permissions,
            links,
            user: 0,
            group: 0,
            size,
            blocks: 0,
            times: Timestamps {
                accessed: self.now,
                modified: self.now,
                changed: self.now,
            },
        })
    }

    fn read(&mut self, node: NodeId, offset: u64, into: &mut dyn Sink) -> Result<usize, FsError> {
        let made;
        let bytes = match &self.nodes[self.index(node)?].content {
            Content::Bytes(bytes) => &bytes[..],
            Content::Made(make) => {
                made = make();
                &made[..]
            }
            Content::Directory => return Err(FsError::IsDirectory),
            _ => return Err(FsError::Invalid),
        };
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        Ok(into.put(&bytes[start..]))
    }

    fn read_link(&mut self, node: NodeId) -> Result<Vec<u8>, FsError> {
        match &self.nodes[self.index(node)?].content {
            Content::Link(target) => Ok(target.to_vec()),
            _ => Err(FsError::Invalid),
        }
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        cookie: u64,
    ) -> Result<Option<DirectoryEntry>, FsError> {
        let directory = self.directory_index(directory)?;
        let first = usize::try_from(cookie).map_err(|_| FsError::Invalid)?;
        let entry = self.entries(directory, first).next();
        Ok(entry.map(|index| DirectoryEntry {
            name: self.nodes[index].name.clone(),
            node: node_id(index),
            kind: self.kind(index),
            next: index as u64 + 1,
        }))
    }

    fn space(&self) -> (u64, u64) {
        (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::Vfs;
    use crate::testing::{NOW, find, list, read_path};

    #[test]
    fn files_stand_where_they_were_put() {
        let files = SyntheticFs::new(NOW)
            .file(b"/sys/vm/overcommit_memory", b"0\n")
            .file(b"sys/net/core/somaxconn", b"4096\n")
            .link(b"self", b"1");
        let mut tree = Vfs::new(Box::new(files));
        assert_eq!(list(&mut tree, "/"), [".", "..", "sys", "self"]);
        assert_eq!(list(&mut tree, "/sys"), [".", "..", "vm", "net"]);
        let path = "/sys/net/core/somaxconn";
        assert_eq!(read_path(&mut tree, path).as_deref(), Ok("4096\n"));
        let directory = find(&mut tree, "/sys").expect("there");
        let attributes = tree.attributes(directory).expect("there");
        assert_eq!(
            (attributes.links, attributes.permissions.bits()),
            (4, 0o555)
        );
    }

    #[test]
    fn content_can_be_made_when_it_is_read() {
        let count = Arc::new(AtomicU8::new(b'0'));
        let counted = Arc::clone(&count);
        let files =
            SyntheticFs::new(NOW).made(b"count", move || [counted.load(Ordering::Relaxed)].into());
        let mut tree = Vfs::new(Box::new(files));
        assert_eq!(read_path(&mut tree, "count").as_deref(), Ok("0"));
        count.store(b'7', Ordering::Relaxed);
        assert_eq!(read_path(&mut tree, "count").as_deref(), Ok("7"));
    }

    #[test]
    fn the_last_word_on_a_name_counts() {
        let files = SyntheticFs::new(NOW)
            .file(b"a", b"old")
            .file(b"a", b"new")
            .file(b"b", b"gone")
            .file(b"b/c", b"below");
        let mut tree = Vfs::new(Box::new(files));
        assert_eq!(read_path(&mut tree, "a").as_deref(), Ok("new"));
        assert_eq!(read_path(&mut tree, "b/c").as_deref(), Ok("below"));
        assert_eq!(list(&mut tree, "/"), [".", "..", "a", "b"]);
    }
}
