//! Renaming, which checks everything first and then cannot fail (POSIX.1-2024, `rename`).

use core::time::Duration;

use super::{RamFs, names};
use crate::{FileKind, FsError, NodeId};

impl RamFs {
    pub(super) fn rename_entry(
        &mut self,
        (from, from_name): (NodeId, &[u8]),
        (to, to_name): (NodeId, &[u8]),
        now: Duration,
    ) -> Result<(), FsError> {
        let from_names = self.nodes.get(from)?.names()?;
        let moved = from_names.get(from_name).ok_or(FsError::NotFound)?;
        let replaced = self.open_directory(to)?.get(to_name);
        if self.is_at_or_above(moved, to)? {
            return Err(FsError::Invalid);
        }
        if let Some(replaced) = replaced {
            if replaced == moved {
                return Ok(());
            }
            self.check_replacement(from, moved, replaced)?;
        }
        let new_name = self.open_directory(to)?.reserve(to_name)?;
        // A replaced name stays where it is; only its node changes.
        let new_cost = if replaced.is_some() {
            0
        } else {
            names::cost(to_name)
        };
        self.budget.exchange(names::cost(from_name), new_cost)?;

        let is_directory = self.nodes.get(moved)?.kind() == FileKind::Directory;
        let replaces_directory = is_directory && replaced.is_some();
        let source = self.nodes.get_mut(from)?;
        source.names_mut()?.remove(from_name);
        source.links -= u32::from(is_directory);
        source.references -= u32::from(is_directory);
        source.modify(now);
        let target = self.nodes.get_mut(to)?;
        target.names_mut()?.set(new_name, moved);
        target.links += u32::from(is_directory);
        target.references += u32::from(is_directory);
        target.links -= u32::from(replaces_directory);
        target.modify(now);
        let node = self.nodes.get_mut(moved)?;
        node.set_parent(to);
        node.times.changed = now;
        match replaced {
            Some(replaced) => self.drop_name(replaced, now),
            None => Ok(()),
        }
    }

    /// Whether `moved`, an entry of `from`, may take the name of `replaced`.
    fn check_replacement(
        &self,
        from: NodeId,
        moved: NodeId,
        replaced: NodeId,
    ) -> Result<(), FsError> {
        if self.is_at_or_above(replaced, from)? {
            return Err(FsError::NotEmpty);
        }
        let moved = self.nodes.get(moved)?;
        let replaced = self.nodes.get(replaced)?;
        let is_directory = moved.kind() == FileKind::Directory;
        match replaced.names() {
            Ok(_) if !is_directory => Err(FsError::IsDirectory),
            Ok(names) if !names.is_empty() => Err(FsError::NotEmpty),
            Err(_) if is_directory => Err(FsError::NotDirectory),
            _ => Ok(()),
        }
    }

    /// Whether `node` is `directory` or one of those above it.
    fn is_at_or_above(&self, node: NodeId, directory: NodeId) -> Result<bool, FsError> {
        let mut at = directory;
        while at != node {
            if at == self.root {
                return Ok(false);
            }
            at = self.nodes.get(at)?.parent()?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileSystem, Permissions};

    const NOW: Duration = Duration::ZERO;

    /// A file system with the file `a`, and no space beyond that.
    fn full() -> RamFs {
        let mut files = RamFs::new(u64::MAX, NOW);
        let (root, kind) = (files.root(), FileKind::Regular);
        let made = files.create(root, b"a", kind, Permissions::USER, NOW);
        made.expect("there is space");
        let (total, free) = files.space();
        let mut files = RamFs::new(total - free, NOW);
        let made = files.create(files.root(), b"a", kind, Permissions::USER, NOW);
        made.expect("there is just as much space as it takes");
        files
    }

    #[test]
    fn a_longer_name_needs_its_space() {
        let mut files = full();
        let root = files.root();
        let longer = files.rename((root, b"a"), (root, b"aa"), NOW);
        assert_eq!(longer, Err(FsError::NoSpace));
        assert!(files.lookup(root, b"a").is_ok());
        assert_eq!(files.space().1, 0);
    }

    #[test]
    fn a_name_as_long_needs_none() {
        let mut files = full();
        let root = files.root();
        let moved = files.lookup(root, b"a");
        assert_eq!(files.rename((root, b"a"), (root, b"b"), NOW), Ok(()));
        assert_eq!(files.lookup(root, b"b"), moved);
        assert_eq!(files.lookup(root, b"a"), Err(FsError::NotFound));
    }
}
