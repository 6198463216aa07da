//! The operations on our own tree.

use std::collections::BTreeSet;
use std::time::Duration;

use ::fs::{FileKind, FsError, OpenHow, Permissions, Place, RamFs, SetAttributes, Vfs};
use hypercall::{SliceSink, SliceSource};

use crate::operation::{From, HANDLES, Operation, Start};
use crate::{Answer, BASE, Home, status};

/// A tree and what is held open in it.
pub struct Ours {
    tree: Vfs,
    base: Place,
    held: [Option<(Place, bool)>; HANDLES],
    now: Duration,
}

impl Ours {
    /// A tree that is empty but for the base.
    pub fn new() -> Self {
        let mut tree = Vfs::new(Box::new(RamFs::new(1 << 30, Duration::ZERO)));
        let mut base = tree.root();
        for name in BASE.split('/') {
            let made = tree.create(
                base,
                name.as_bytes(),
                FileKind::Directory,
                Permissions::USER,
                Duration::ZERO,
            );
            base = made.expect("the name is free");
        }
        Self {
            tree,
            base,
            held: [None; HANDLES],
            now: Duration::ZERO,
        }
    }

    fn start(&self, start: Start) -> Place {
        let held = start.and_then(|handle| self.held[handle]);
        held.map_or(self.base, |(place, _)| place)
    }

    fn create(&mut self, from: &From, kind: FileKind, mode: u16) -> Result<Answer, FsError> {
        let permissions = Permissions::from_bits_truncate(mode);
        let start = self.start(from.0);
        self.tree
            .create(start, from.1.as_bytes(), kind, permissions, self.now)?;
        Ok(Answer::Done)
    }

    fn status(&mut self, place: Place) -> Result<Answer, FsError> {
        let attributes = self.tree.attributes(place)?;
        Ok(status(
            attributes.kind,
            attributes.size,
            attributes.links,
            attributes.permissions.bits(),
        ))
    }

    fn hold(&mut self, handle: usize, from: &From, how: OpenHow) -> Result<Answer, FsError> {
        let permissions = Permissions::from_bits_truncate(0o644);
        let start = self.start(from.0);
        let place = self
            .tree
            .open(start, from.1.as_bytes(), how, permissions, self.now)?;
        self.tree.retain(place);
        self.drop_handle(handle);
        self.held[handle] = Some((place, how.writable));
        Ok(Answer::Done)
    }

    fn drop_handle(&mut self, handle: usize) {
        if let Some((place, _)) = self.held[handle].take() {
            self.tree.release(place);
        }
    }

    fn list(&mut self, from: &From) -> Result<Answer, FsError> {
        let directory = self
            .tree
            .resolve(self.start(from.0), from.1.as_bytes(), true)?;
        let mut names = BTreeSet::new();
        let mut cookie = 0;
        while let Some(entry) = self.tree.read_directory(directory, cookie)? {
            cookie = entry.next;
            assert!(names.insert(entry.name), "a name is listed twice");
        }
        Ok(Answer::Names(names))
    }

    fn truncate(&mut self, from: &From, size: u64) -> Result<Answer, FsError> {
        let place = self
            .tree
            .resolve(self.start(from.0), from.1.as_bytes(), true)?;
        let change = SetAttributes {
            size: Some(size),
            ..Default::default()
        };
        self.tree.set_attributes(place, change, self.now)?;
        Ok(Answer::Done)
    }

    fn write(&mut self, place: Place, offset: u64, bytes: &[u8]) -> Result<Answer, FsError> {
        let mut data = SliceSource::new(bytes);
        let written = self.tree.write(place, offset, &mut data, self.now)?;
        assert_eq!(written, bytes.len());
        Ok(Answer::Done)
    }

    fn read(&mut self, place: Place, offset: u64, length: usize) -> Result<Answer, FsError> {
        let mut bytes = vec![0; length];
        let read = self
            .tree
            .read(place, offset, &mut SliceSink::new(&mut bytes))?;
        bytes.truncate(read);
        Ok(Answer::Bytes(bytes))
    }

    /// What a handle holds, and whether for writing; pipes are left alone.
    fn held(&mut self, handle: usize) -> Option<(Place, bool)> {
        let (place, writable) = self.held[handle]?;
        let kind = self.tree.attributes(place).expect("it is held").kind;
        (kind != FileKind::Fifo).then_some((place, writable))
    }
}

impl Home for Ours {
    fn run(&mut self, operation: &Operation) -> Result<Answer, FsError> {
        use Operation::*;
        self.now += Duration::from_secs(1);
        let now = self.now;
        let done = |()| Answer::Done;
        match operation {
            MakeDirectory(from) => self.create(from, FileKind::Directory, 0o755),
            MakeFifo(from) => self.create(from, FileKind::Fifo, 0o644),
            RemoveDirectory((start, path)) => {
                let start = self.start(*start);
                self.tree
                    .remove_directory(start, path.as_bytes(), now)
                    .map(done)
            }
            Unlink((start, path)) => {
                let start = self.start(*start);
                self.tree.unlink(start, path.as_bytes(), now).map(done)
            }
            Rename((start, path), (to_start, to)) => {
                let from = (self.start(*start), path.as_bytes());
                let to = (self.start(*to_start), to.as_bytes());
                self.tree.rename(from, to, now).map(done)
            }
            Link((start, path), follow, (to_start, to)) => {
                let from = (self.start(*start), path.as_bytes());
                let to = (self.start(*to_start), to.as_bytes());
                self.tree.link(from, *follow, to, now).map(done)
            }
            Symlink(target, (start, path)) => {
                let start = self.start(*start);
                let target = target.as_bytes();
                self.tree
                    .symlink(target, start, path.as_bytes(), now)
                    .map(done)
            }
            Status((start, path), follow) => {
                let start = self.start(*start);
                let place = self.tree.resolve(start, path.as_bytes(), *follow)?;
                self.status(place)
            }
            ReadLink((start, path)) => {
                let start = self.start(*start);
                let place = self.tree.resolve(start, path.as_bytes(), false)?;
                self.tree.read_link(place).map(Answer::Bytes)
            }
            List(from) => self.list(from),
            Truncate(from, size) => self.truncate(from, *size),
            Hold(handle, from, how) => self.hold(*handle, from, *how),
            Drop(handle) => {
                self.drop_handle(*handle);
                Ok(Answer::Done)
            }
            Write(handle, offset, length, byte) => match self.held(*handle) {
                Some((place, true)) => self.write(place, *offset, &vec![*byte; *length]),
                _ => Ok(Answer::Done),
            },
            Read(handle, offset, length) => match self.held(*handle) {
                Some((place, _)) => self.read(place, *offset, *length),
                None => Ok(Answer::Done),
            },
            HeldStatus(handle) => match self.held[*handle] {
                Some((place, _)) => self.status(place),
                None => Ok(Answer::Done),
            },
            HeldPath(handle) => match self.held[*handle] {
                Some((place, _)) => self.tree.path_of(place).map(Answer::Bytes),
                None => Ok(Answer::Done),
            },
        }
    }
}
