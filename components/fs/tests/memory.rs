//! Whichever allocation of a RAM file system fails, the operation says that there is no space, has
//! changed nothing, and can be done once there is memory.

#[path = "../../net/tests/stack/scarce.rs"]
mod scarce;

use std::time::Duration;

use fs::{FileKind, FileSystem, FsError, NodeId, Permissions, RamFs};
use hypercall::SliceSource;
use scarce::Plenty;

const NOW: Duration = Duration::ZERO;
const LIMIT: u64 = 1 << 20;
/// More names than a list grows to at once.
const NAMES: usize = 20;

/// Does `operation` again if there was no memory for it; then nothing has been taken.
fn persist<T>(files: &mut RamFs, mut operation: impl FnMut(&mut RamFs) -> Result<T, FsError>) -> T {
    for _ in 0..10 {
        let before = files.space();
        match operation(files) {
            Ok(result) => return result,
            Err(FsError::NoSpace) => assert_eq!(files.space(), before),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("there is never any memory");
}

fn make(files: &mut RamFs, directory: NodeId, name: &[u8], kind: FileKind) -> NodeId {
    persist(files, |files| {
        files.create(directory, name, kind, Permissions::USER, NOW)
    })
}

/// What programs do with files, all of which must come about; and all is removed again.
fn scenario(files: &mut RamFs) {
    let root = files.root();
    let names: [_; NAMES] = std::array::from_fn(|number| [b'a' + number as u8]);
    let directory = make(files, root, b"directory", FileKind::Directory);
    for name in &names {
        let file = make(files, directory, name, FileKind::Regular);
        let written = persist(files, |files| {
            files.write(file, 5000, &mut SliceSource::new(b"content"), NOW)
        });
        assert_eq!(written, 7);
        persist(files, |files| {
            files.rename((directory, name), (root, name), NOW)
        });
        persist(files, |files| files.link(directory, name, file, NOW));
    }
    let link = persist(files, |files| files.create_link(root, b"link", b"a", NOW));
    assert_eq!(persist(files, |files| files.read_link(link)), b"a");
    let mut cookie = 0;
    let mut listed = 0;
    while let Some(entry) = persist(files, |files| files.read_directory(directory, cookie)) {
        cookie = entry.next;
        listed += 1;
    }
    assert_eq!(listed, NAMES);
    for name in &names {
        persist(files, |files| files.remove(directory, name, false, NOW));
        persist(files, |files| files.remove(root, name, false, NOW));
    }
    persist(files, |files| files.remove(root, b"link", false, NOW));
    persist(files, |files| files.remove(root, b"directory", true, NOW));
}

#[test]
fn any_allocation_may_fail() {
    for burst in [1, 2] {
        let mut number = 0;
        loop {
            let plenty = Plenty::new();
            let mut files = RamFs::new(LIMIT, NOW);
            drop(plenty);
            let empty = files.space();
            let count = scarce::refusing(number..number + burst, || scenario(&mut files));
            assert_eq!(files.space(), empty, "allocation {number}");
            if number >= count {
                assert!(number > 50, "only {number} allocations");
                break;
            }
            number += 1;
        }
    }
}
