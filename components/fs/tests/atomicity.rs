//! A full RAM file system: every operation happens whole or not at all, and all space that was
//! taken comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use ::fs::{Attributes, FileKind, FsError, OpenHow, Permissions, Place, RamFs, SetAttributes, Vfs};
use hypercall::{SliceSink, SliceSource};
use proptest::prelude::*;

/// So little that most sequences of operations meet the limit.
const LIMIT: u64 = 12_000;

#[derive(Clone, Debug)]
enum Operation {
    MakeDirectory(String),
    Open(String, bool),
    Symlink(String, String),
    Link(String, String),
    Rename(String, String),
    Unlink(String),
    RemoveDirectory(String),
    Write(String, u64, usize),
    Truncate(String, u64),
    Retain(String),
    ReleaseAll,
}

/// A tree and the places that the test retains.
struct Tree {
    files: Vfs,
    retained: Vec<Place>,
}

/// All that can be seen of a tree: by path, the attributes and content of what is there.
type Snapshot = BTreeMap<Vec<u8>, (Attributes, Vec<u8>)>;

impl Tree {
    fn new() -> Self {
        let files = RamFs::new(LIMIT, Duration::ZERO);
        Self {
            files: Vfs::new(Box::new(files)),
            retained: Vec::new(),
        }
    }

    fn run(&mut self, operation: &Operation, now: Duration) -> Result<(), FsError> {
        use Operation::*;
        let root = self.files.root();
        let mode = Permissions::USER;
        match operation {
            MakeDirectory(path) => {
                let kind = FileKind::Directory;
                let made = self.files.create(root, path.as_bytes(), kind, mode, now);
                made.map(drop)
            }
            Open(path, truncate) => {
                let how = OpenHow {
                    create: true,
                    truncate: *truncate,
                    follow: true,
                    ..OpenHow::default()
                };
                self.files
                    .open(root, path.as_bytes(), how, mode, now)
                    .map(drop)
            }
            Symlink(target, path) => {
                self.files
                    .symlink(target.as_bytes(), root, path.as_bytes(), now)
            }
            Link(from, to) => {
                let (from, to) = ((root, from.as_bytes()), (root, to.as_bytes()));
                self.files.link(from, false, to, now)
            }
            Rename(from, to) => {
                let (from, to) = ((root, from.as_bytes()), (root, to.as_bytes()));
                self.files.rename(from, to, now)
            }
            Unlink(path) => self.files.unlink(root, path.as_bytes(), now),
            RemoveDirectory(path) => self.files.remove_directory(root, path.as_bytes(), now),
            Write(path, offset, length) => self.write(path, *offset, *length, now),
            Truncate(path, size) => {
                let place = self.files.resolve(root, path.as_bytes(), true)?;
                let change = SetAttributes {
                    size: Some(*size),
                    ..SetAttributes::default()
                };
                self.files.set_attributes(place, change, now)
            }
            Retain(path) => {
                let place = self.files.resolve(root, path.as_bytes(), false)?;
                self.files.retain(place);
                self.retained.push(place);
                Ok(())
            }
            ReleaseAll => {
                for place in self.retained.drain(..) {
                    self.files.release(place);
                }
                Ok(())
            }
        }
    }

    /// Writes, and reads back what was written: fewer bytes only if the space ends.
    fn write(
        &mut self,
        path: &str,
        offset: u64,
        length: usize,
        now: Duration,
    ) -> Result<(), FsError> {
        let place = self
            .files
            .resolve(self.files.root(), path.as_bytes(), true)?;
        let bytes: Vec<u8> = (0..length).map(|index| index as u8 | 1).collect();
        let mut source = SliceSource::new(&bytes);
        let written = self.files.write(place, offset, &mut source, now)?;
        let mut back = vec![0; written];
        let read = self
            .files
            .read(place, offset, &mut SliceSink::new(&mut back))?;
        assert_eq!((read, &back[..]), (written, &bytes[..written]));
        if written < length {
            let (_, free) = self.files.space(place)?;
            assert!(free < 4096 + 64, "a write stopped with {free} bytes free");
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Snapshot, FsError> {
        let mut all = Snapshot::new();
        let mut pending = vec![(Vec::new(), self.files.root())];
        while let Some((path, place)) = pending.pop() {
            let attributes = self.files.attributes(place)?;
            let mut content = Vec::new();
            match attributes.kind {
                FileKind::Directory => {
                    let mut cookie = 2;
                    while let Some(entry) = self.files.read_directory(place, cookie)? {
                        cookie = entry.next;
                        let below = [&path[..], b"/", &entry.name].concat();
                        let node = entry.node;
                        pending.push((below, Place { node, ..place }));
                    }
                }
                FileKind::SymbolicLink => content = self.files.read_link(place)?,
                _ => {
                    content = vec![0; usize::try_from(attributes.size).expect("it is small")];
                    let mut sink = SliceSink::new(&mut content);
                    self.files.read(place, 0, &mut sink)?;
                }
            }
            all.insert(path, (attributes, content));
        }
        Ok(all)
    }

    fn free(&mut self) -> u64 {
        let space = self.files.space(self.files.root());
        space.expect("the root is there").1
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let name = || prop_oneof!["[abc]", Just("n".repeat(250))];
    let path = move || {
        let names = proptest::collection::vec(name(), 1..3);
        names.prop_map(|names| names.join("/"))
    };
    let target = prop_oneof![path(), Just("t/".repeat(1000))];
    prop_oneof![
        4 => path().prop_map(MakeDirectory),
        3 => (path(), any::<bool>()).prop_map(|(path, truncate)| Open(path, truncate)),
        2 => (target, path()).prop_map(|(target, path)| Symlink(target, path)),
        3 => (path(), path()).prop_map(|(from, to)| Link(from, to)),
        4 => (path(), path()).prop_map(|(from, to)| Rename(from, to)),
        2 => path().prop_map(Unlink),
        1 => path().prop_map(RemoveDirectory),
        4 => (path(), 0..12_000u64, 0..9_000usize)
            .prop_map(|(path, offset, length)| Write(path, offset, length)),
        2 => (path(), 0..12_000u64).prop_map(|(path, size)| Truncate(path, size)),
        2 => path().prop_map(Retain),
        1 => Just(ReleaseAll),
    ]
}

proptest! {
    #[test]
    fn what_fails_changes_nothing(operations in proptest::collection::vec(operation(), 1..80)) {
        let mut tree = Tree::new();
        let whole = tree.free();
        for (number, operation) in operations.iter().enumerate() {
            let before = (tree.snapshot(), tree.free());
            let now = Duration::from_secs(number as u64 + 1);
            if tree.run(operation, now).is_err() {
                prop_assert_eq!((tree.snapshot(), tree.free()), before, "operation {}", number);
            }
        }
        // Backwards: what lies below a directory sorts after it, so each is empty at its turn.
        let mut all = tree.snapshot().expect("the tree is sound");
        while let Some((path, (attributes, _))) = all.pop_last() {
            let path = String::from_utf8(path).expect("names are text");
            let removal = match attributes.kind {
                FileKind::Directory => Operation::RemoveDirectory(path),
                _ => Operation::Unlink(path),
            };
            if !all.is_empty() {
                prop_assert_eq!(tree.run(&removal, Duration::ZERO), Ok(()));
            }
        }
        prop_assert_eq!(tree.run(&Operation::ReleaseAll, Duration::ZERO), Ok(()));
        prop_assert_eq!(tree.free(), whole);
    }
}
