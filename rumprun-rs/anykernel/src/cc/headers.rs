//! Headers that programs expect of a C library on Linux and that musl leaves to others: the
//! kernel's, the BSD queues, `crypt.h`.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cache::{self, CacheError};

/// What we hand on from the system's own headers, each with the places it may lie in. A whole
/// `/usr/include` would bring the system libc's headers along.
const BORROWED: [(&str, &[&str]); 4] = [
    ("linux", &["/usr/include/linux"]),
    ("asm-generic", &["/usr/include/asm-generic"]),
    (
        "asm",
        &["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"],
    ),
    (
        "sys/queue.h",
        &[
            "/usr/include/x86_64-linux-gnu/sys/queue.h",
            "/usr/include/sys/queue.h",
        ],
    ),
];

/// The `crypt.h` that belongs to what [`crypt`](super::crypt) links.
const CRYPT_H: &str = include_str!("aids/crypt.h");

/// A folder to be searched after musl's headers and the compiler's. What this system does not
/// have is not in it.
pub fn folder() -> Result<PathBuf, CacheError> {
    let links: Vec<(&str, &str)> = BORROWED
        .iter()
        .filter_map(|(name, places)| {
            places
                .iter()
                .find(|place| Path::new(place).exists())
                .map(|place| (*name, *place))
        })
        .collect();
    cache::folder("include", &(&links, CRYPT_H), |folder| fill(folder, &links))
}

fn fill(folder: &Path, links: &[(&str, &str)]) -> io::Result<()> {
    std::fs::create_dir(folder.join("sys"))?;
    for (name, place) in links {
        symlink(place, folder.join(name))?;
    }
    std::fs::write(folder.join("crypt.h"), CRYPT_H)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_places() {
        let folder = tempfile::tempdir().unwrap();
        fill(
            folder.path(),
            &[("linux", "/usr/include/linux"), ("sys/queue.h", "/q")],
        )
        .unwrap();
        let target = |name: &str| std::fs::read_link(folder.path().join(name)).unwrap();
        assert_eq!(target("linux"), Path::new("/usr/include/linux"));
        assert_eq!(target("sys/queue.h"), Path::new("/q"));
        assert!(folder.path().join("crypt.h").is_file());
    }
}
