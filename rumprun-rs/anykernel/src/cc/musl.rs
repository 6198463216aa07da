//! Where the system keeps musl.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// musl's libraries and headers.
pub struct Musl {
    /// Folder of `libc.a` and the start files.
    pub libraries: PathBuf,
    /// Folder of `stdio.h`.
    pub headers: PathBuf,
}

/// musl is not where any distribution puts it.
#[derive(Debug, Error)]
#[error(
    "musl is not installed (Debian: apt install musl-dev); ANYKERNEL_MUSL=FOLDER names one with lib and include"
)]
pub struct NoMusl;

/// Folders of libraries and headers: Debian, Fedora, Arch, and musl's own default.
const PLACES: [(&str, &str); 4] = [
    (
        "/usr/lib/x86_64-linux-musl",
        "/usr/include/x86_64-linux-musl",
    ),
    (
        "/usr/x86_64-linux-musl/lib64",
        "/usr/x86_64-linux-musl/include",
    ),
    ("/usr/lib/musl/lib", "/usr/lib/musl/include"),
    ("/usr/local/musl/lib", "/usr/local/musl/include"),
];

impl Musl {
    /// The musl that `ANYKERNEL_MUSL` names, else the first that is installed.
    pub fn find() -> Result<Self, NoMusl> {
        let musl = match std::env::var_os("ANYKERNEL_MUSL") {
            Some(folder) => {
                let folder = Path::new(&folder);
                Self::at(folder.join("lib"), folder.join("include"))
            }
            None => PLACES.iter().find_map(|(libraries, headers)| {
                Self::at(PathBuf::from(libraries), PathBuf::from(headers))
            }),
        };
        musl.ok_or(NoMusl)
    }

    /// musl in these folders, if it has the start file of static position-independent programs.
    fn at(libraries: PathBuf, headers: PathBuf) -> Option<Self> {
        let is_whole = libraries.join("rcrt1.o").is_file() && headers.join("stdio.h").is_file();
        is_whole.then_some(Self { libraries, headers })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_counts_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = || Musl::at(folder.path().join("lib"), folder.path().join("include")).is_some();
        assert!(!at());
        for (name, file) in [("lib", "rcrt1.o"), ("include", "stdio.h")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            assert!(!at());
            fs::write(folder.path().join(name).join(file), "").unwrap();
        }
        assert!(at());
    }
}
