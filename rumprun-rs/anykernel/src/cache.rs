//! The folder for files that other programs must be able to open: linker input, specs, headers.
//!
//! Everything in it is derived. A name carries a hash of the content, so versions lie side by
//! side, and each entry appears in one step, so that builds may run in parallel.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The cache cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The environment names no place for it.
    #[error("no folder for derived files: neither XDG_CACHE_HOME nor HOME is set")]
    NoFolder,
    /// It cannot be written.
    #[error("{}: {source} (XDG_CACHE_HOME chooses another folder)", path.display())]
    Unwritable {
        /// What could not be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A file in the cache with this content. `name` is how it starts, before the hash, and
/// `extension` how it ends.
pub fn file(name: &str, extension: &str, content: &[u8]) -> Result<PathBuf, CacheError> {
    let path = entry(name, extension, content)?;
    let is_there = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == content.len() as u64);
    if is_there {
        return Ok(path);
    }
    replace(&path, content).map_err(|source| CacheError::Unwritable {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// A folder in the cache that `fill` has filled, in an earlier run or now. `content` is all that
/// the filling depends on.
pub fn folder(
    name: &str,
    content: &impl Hash,
    fill: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<PathBuf, CacheError> {
    let path = entry(name, "d", content)?;
    if path.is_dir() {
        return Ok(path);
    }
    make_folder(&path, fill).map_err(|source| CacheError::Unwritable {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// Where the entry for `content` lies, in a cache folder that exists.
fn entry(
    name: &str,
    extension: &str,
    content: &(impl Hash + ?Sized),
) -> Result<PathBuf, CacheError> {
    let root = root()?;
    fs::create_dir_all(&root).map_err(|source| CacheError::Unwritable {
        path: root.clone(),
        source,
    })?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    Ok(root.join(format!("{name}-{:016x}.{extension}", hasher.finish())))
}

/// The cache folder, by the XDG Base Directory Specification.
fn root() -> Result<PathBuf, CacheError> {
    let folder = |variable| std::env::var_os(variable).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").filter(|folder| folder.is_absolute());
    let cache = cache.or_else(|| folder("HOME").map(|home| home.join(".cache")));
    Ok(cache.ok_or(CacheError::NoFolder)?.join("anykernel"))
}

/// Puts a whole file at `path`, or nothing.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(beside(path))?;
    file.write_all(content)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Puts a whole folder at `path`, or nothing.
fn make_folder(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let unfinished = tempfile::tempdir_in(beside(path))?;
    fill(unfinished.path())?;
    match fs::rename(unfinished.path(), path) {
        // Another build was faster; what it made is the same.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => {
            let _moved_away = unfinished.keep();
            Ok(())
        }
    }
}

/// The folder that `path`, an entry of the cache, lies in.
fn beside(path: &Path) -> &Path {
    path.parent().expect("an entry lies in the cache folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        replace(&path, b"first").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_appears_filled_and_the_second_maker_yields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for text in ["first", "second"] {
            make_folder(&path, |unfinished| fs::write(unfinished.join("file"), text)).unwrap();
        }
        assert_eq!(fs::read(path.join("file")).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_could_not_be_filled_does_not_appear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        make_folder(&path, |_| Err(io::Error::other("full"))).unwrap_err();
        assert!(!path.exists());
    }
}
