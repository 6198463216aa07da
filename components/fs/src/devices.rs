//! What stands in `/dev`: the names of devices by Linux' numbers, and nothing of what they do.

use core::time::Duration;

use crate::SyntheticFs;

/// The character devices: name, major and minor number, permissions (Linux,
/// `Documentation/admin-guide/devices.txt`).
const CHARACTER_DEVICES: [(&[u8], u32, u32, u16); 7] = [
    (b"null", 1, 3, 0o666),
    (b"zero", 1, 5, 0o666),
    (b"full", 1, 7, 0o666),
    (b"random", 1, 8, 0o666),
    (b"urandom", 1, 9, 0o666),
    (b"tty", 5, 0, 0o666),
    (b"console", 5, 1, 0o600),
];

/// The links: name and target.
const LINKS: [(&[u8], &[u8]); 4] = [
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
];

/// The major number of disks. Linux gives virtio's one that is free, which is this one at first.
pub const DISK_MAJOR: u32 = 254;
/// The minor numbers of a disk: the first is the whole, the others are for parts of it.
pub const DISK_MINORS: u32 = 16;
/// As many as there are letters.
const DISKS_MAX: u8 = 26;

/// The file system for `/dev`, with so many disks: `vda`, `vdb` and so on to `vdz`. Whoever opens a
/// node of it moves the bytes.
pub fn devices(now: Duration, disks: usize) -> SyntheticFs {
    let mut tree = SyntheticFs::new(now);
    for (name, major, minor, permissions) in CHARACTER_DEVICES {
        tree = tree.character_device(name, major, minor, permissions);
    }
    for (name, target) in LINKS {
        tree = tree.link(name, target);
    }
    for index in (0..DISKS_MAX).take(disks) {
        let name = [b'v', b'd', b'a' + index];
        tree = tree.block_device(&name, DISK_MAJOR, u32::from(index) * DISK_MINORS, 0o660);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileKind, FileSystem, FsError};

    #[test]
    fn null_has_the_number_of_linux() {
        let mut tree = devices(Duration::ZERO, 0);
        let null = tree.lookup(tree.root(), b"null").expect("there");
        let kind = tree.attributes(null).expect("there").kind;
        assert_eq!(kind, FileKind::CharacterDevice { major: 1, minor: 3 });
    }

    #[test]
    fn disks_have_the_numbers_and_names_of_linux() {
        let mut tree = devices(Duration::ZERO, 2);
        let disk = tree.lookup(tree.root(), b"vdb").expect("there");
        let kind = tree.attributes(disk).expect("there").kind;
        let (major, minor) = (254, 16);
        assert_eq!(kind, FileKind::BlockDevice { major, minor });
        assert_eq!(tree.lookup(tree.root(), b"vdc"), Err(FsError::NotFound));
    }

    #[test]
    fn standard_streams_are_links() {
        let mut tree = devices(Duration::ZERO, 0);
        let link = tree.lookup(tree.root(), b"stdout").expect("there");
        assert_eq!(tree.read_link(link).as_deref(), Ok(&b"/proc/self/fd/1"[..]));
    }
}
