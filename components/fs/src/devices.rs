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

/// The file system for `/dev`. Whoever opens a node of it moves the bytes.
pub fn devices(now: Duration) -> SyntheticFs {
    let mut tree = SyntheticFs::new(now);
    for (name, major, minor, permissions) in CHARACTER_DEVICES {
        tree = tree.character_device(name, major, minor, permissions);
    }
    for (name, target) in LINKS {
        tree = tree.link(name, target);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileKind, FileSystem};

    #[test]
    fn null_has_the_number_of_linux() {
        let mut tree = devices(Duration::ZERO);
        let null = tree.lookup(tree.root(), b"null").expect("there");
        let kind = tree.attributes(null).expect("there").kind;
        assert_eq!(kind, FileKind::CharacterDevice { major: 1, minor: 3 });
    }

    #[test]
    fn standard_streams_are_links() {
        let mut tree = devices(Duration::ZERO);
        let link = tree.lookup(tree.root(), b"stdout").expect("there");
        assert_eq!(tree.read_link(link).as_deref(), Ok(&b"/proc/self/fd/1"[..]));
    }
}
