//! The seam between names and the file systems that hold them.
//!
//! A file system knows nodes, not paths: [`Vfs`](crate::Vfs) walks names over it, resolves
//! symbolic links and crosses mounts.

use alloc::vec::Vec;
use core::time::Duration;

use bitflags::bitflags;
use hypercall::{Sink, Source};
use thiserror::Error;

/// Names a node (POSIX: an inode) of one file system.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u64);

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// A symbolic link.
    SymbolicLink,
    /// A device that moves bytes; the numbers are its device's (major, minor).
    CharacterDevice {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A device that holds blocks, by the numbers likewise.
    BlockDevice {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A local socket's name.
    Socket,
}

bitflags! {
    /// POSIX file mode bits, without the file type.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Permissions: u16 {
        /// Set-user-ID.
        const SET_USER_ID = 0o4000;
        /// Set-group-ID.
        const SET_GROUP_ID = 0o2000;
        /// Restricted deletion.
        const STICKY = 0o1000;
        /// Read, write, search by the owner.
        const USER = 0o700;
        /// Read, write, search by the group.
        const GROUP = 0o070;
        /// Read, write, search by others.
        const OTHERS = 0o007;
    }
}

/// A node's times since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// Last read.
    pub accessed: Duration,
    /// Last written.
    pub modified: Duration,
    /// Last change of content or attributes.
    pub changed: Duration,
}

/// What `stat` tells of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// The node.
    pub node: NodeId,
    /// What it is.
    pub kind: FileKind,
    /// Who may do what.
    pub permissions: Permissions,
    /// How many names it has.
    pub links: u32,
    /// Its owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Its length in bytes (of a symbolic link: its target's).
    pub size: u64,
    /// The 512-byte units it takes.
    pub blocks: u64,
    /// Its times.
    pub times: Timestamps,
}

/// Attributes to change; `None` leaves one as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetAttributes {
    /// New mode bits.
    pub permissions: Option<Permissions>,
    /// A new owner.
    pub user: Option<u32>,
    /// A new group.
    pub group: Option<u32>,
    /// A new length: a longer file grows by zeros.
    pub size: Option<u64>,
    /// A new access time.
    pub accessed: Option<Duration>,
    /// A new modification time.
    pub modified: Option<Duration>,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectoryEntry {
    /// The name: not empty, no `/`, no NUL.
    pub name: Vec<u8>,
    /// The node it names.
    pub node: NodeId,
    /// What that is.
    pub kind: FileKind,
    /// Where the next entry is found: pass it to [`FileSystem::read_directory`].
    pub next: u64,
}

/// A file system: nodes, and the names that directories give them.
///
/// Every operation happens whole or not at all. `now` is the wall-clock time for timestamps.
/// Callers pass node ids that the file system gave them and that are still referenced or named;
/// names are single components, never `.`, `..` or empty. What a read-only file system cannot do
/// is [`FsError::ReadOnly`], which is what the default methods answer.
pub trait FileSystem: Send {
    /// Where it begins: a directory, or a single file.
    fn root(&self) -> NodeId;

    /// Whether a regular file can be written at all.
    fn is_writable(&self) -> bool {
        false
    }

    /// The node that `name` names in `directory`; [`FsError::NotDirectory`] if it is none.
    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<NodeId, FsError>;

    /// The directory that has, or last had, a name for `directory`; the root's is itself.
    /// [`FsError::NotFound`] if that is gone.
    fn parent(&mut self, directory: NodeId) -> Result<NodeId, FsError>;

    /// What `node` is.
    fn attributes(&mut self, node: NodeId) -> Result<Attributes, FsError>;

    /// Moves bytes of a regular file from `offset` into `into`, as many as there are and fit:
    /// zero at or beyond the end.
    fn read(&mut self, node: NodeId, offset: u64, into: &mut dyn Sink) -> Result<usize, FsError>;

    /// The target of a symbolic link.
    fn read_link(&mut self, node: NodeId) -> Result<Vec<u8>, FsError>;

    /// The entry at `cookie` (0 at first, then [`DirectoryEntry::next`]); `None` at the end.
    /// `.` and `..` are not among them. Cookies stay below 2^62. Entries made or removed meanwhile may be seen or not; all
    /// others are seen once.
    fn read_directory(
        &mut self,
        directory: NodeId,
        cookie: u64,
    ) -> Result<Option<DirectoryEntry>, FsError>;

    /// Keeps `node` alive though its last name may go, until as many
    /// [`release`](FileSystem::release)s.
    fn retain(&mut self, node: NodeId) {
        let _ = node;
    }

    /// Undoes one [`retain`](FileSystem::retain).
    fn release(&mut self, node: NodeId) {
        let _ = node;
    }

    /// Makes a node of `kind` named `name`; [`FsError::Exists`] if the name is taken.
    fn create(
        &mut self,
        directory: NodeId,
        name: &[u8],
        kind: FileKind,
        permissions: Permissions,
        now: Duration,
    ) -> Result<NodeId, FsError> {
        let _ = (directory, name, kind, permissions, now);
        Err(FsError::ReadOnly)
    }

    /// Makes a symbolic link to `target`.
    fn create_link(
        &mut self,
        directory: NodeId,
        name: &[u8],
        target: &[u8],
        now: Duration,
    ) -> Result<NodeId, FsError> {
        let _ = (directory, name, target, now);
        Err(FsError::ReadOnly)
    }

    /// Gives `node`, no directory, one more name.
    fn link(
        &mut self,
        directory: NodeId,
        name: &[u8],
        node: NodeId,
        now: Duration,
    ) -> Result<(), FsError> {
        let _ = (directory, name, node, now);
        Err(FsError::ReadOnly)
    }

    /// Removes a name: of an empty directory if `directory_only`, of anything else otherwise.
    fn remove(
        &mut self,
        directory: NodeId,
        name: &[u8],
        directory_only: bool,
        now: Duration,
    ) -> Result<(), FsError> {
        let _ = (directory, name, directory_only, now);
        Err(FsError::ReadOnly)
    }

    /// Gives what `from` names the name `to`, replacing what that named as POSIX `rename` says.
    fn rename(
        &mut self,
        from: (NodeId, &[u8]),
        to: (NodeId, &[u8]),
        now: Duration,
    ) -> Result<(), FsError> {
        let _ = (from, to, now);
        Err(FsError::ReadOnly)
    }

    /// Writes from `data` at `offset`, growing the file, zeros in a gap. Fewer bytes than `data`
    /// has only when the space ends there.
    fn write(
        &mut self,
        node: NodeId,
        offset: u64,
        data: &mut dyn Source,
        now: Duration,
    ) -> Result<usize, FsError> {
        let _ = (node, offset, data, now);
        Err(FsError::ReadOnly)
    }

    /// Changes attributes.
    fn set_attributes(
        &mut self,
        node: NodeId,
        change: SetAttributes,
        now: Duration,
    ) -> Result<(), FsError> {
        let _ = (node, change, now);
        Err(FsError::ReadOnly)
    }

    /// Total and free bytes, for `statfs`.
    fn space(&self) -> (u64, u64);
}

/// Why a file operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum FsError {
    /// The name does not exist.
    #[error("no such file or directory")]
    NotFound,
    /// The name exists already.
    #[error("the file exists")]
    Exists,
    /// A component of the path is no directory.
    #[error("not a directory")]
    NotDirectory,
    /// It is a directory.
    #[error("is a directory")]
    IsDirectory,
    /// The directory has entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The file system cannot be written.
    #[error("the file system is read-only")]
    ReadOnly,
    /// No space is left.
    #[error("no space is left")]
    NoSpace,
    /// A name of more than 255 bytes, or a path of more than 4095.
    #[error("the name is too long")]
    NameTooLong,
    /// More than 40 symbolic links on the way.
    #[error("too many symbolic links")]
    LinkLoop,
    /// The names lie on different file systems.
    #[error("the names are on different file systems")]
    CrossDevice,
    /// A mount covers it, or it is the current use of something.
    #[error("the file is busy")]
    Busy,
    /// The file would be larger than the file system can hold.
    #[error("the file is too large")]
    TooLarge,
    /// The arguments make no sense for this node.
    #[error("invalid argument")]
    Invalid,
    /// The permissions forbid it.
    #[error("permission denied")]
    Denied,
    /// The operation is not permitted on such a node.
    #[error("operation not permitted")]
    NotPermitted,
    /// The stored structures are damaged.
    #[error("the file system is damaged")]
    Damaged,
}
