//! The root folder as a tar archive (POSIX pax), the same for the same folder.
//!
//! Entries are sorted by name and belong to root. Times of change are kept, but none is later
//! than `SOURCE_DATE_EPOCH` where that is set (reproducible-builds.org).

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use thiserror::Error;

/// The longest name that a header holds; a longer one goes into a pax record before it.
const NAME_LENGTH: usize = 100;

/// The folder cannot become an archive.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct RootError {
    path: PathBuf,
    source: io::Error,
}

/// Writes the archive of `folder` to `output`.
pub fn write_archive(folder: &Path, output: impl Write) -> Result<(), RootError> {
    let latest = latest_time();
    let mut archive = Archive {
        builder: Builder::new(output),
        latest,
    };
    archive.add_content(folder, Path::new(""))?;
    archive.builder.finish().map_err(|source| RootError {
        path: folder.to_owned(),
        source,
    })
}

struct Archive<W: Write> {
    builder: Builder<W>,
    /// No time of change is later than this, in seconds since 1970.
    latest: u64,
}

impl<W: Write> Archive<W> {
    /// Adds what the folder at `place` holds; in the archive it is called `name`.
    fn add_content(&mut self, place: &Path, name: &Path) -> Result<(), RootError> {
        for child in at(place, sorted_names(place))? {
            self.add(&place.join(&child), &name.join(&child))?;
        }
        Ok(())
    }

    fn add(&mut self, place: &Path, name: &Path) -> Result<(), RootError> {
        let metadata = at(place, fs::symlink_metadata(place))?;
        if metadata.is_dir() {
            at(
                place,
                self.add_entry(EntryType::Directory, name, &metadata, None, io::empty(), 0),
            )?;
            return self.add_content(place, name);
        }
        at(place, self.add_leaf(place, name, &metadata))
    }

    fn add_leaf(&mut self, place: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(place)?;
            return self.add_entry(
                EntryType::Symlink,
                name,
                metadata,
                Some(&target),
                io::empty(),
                0,
            );
        }
        if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
            return Err(io::Error::other(
                "neither a file nor a folder nor a symbolic link",
            ));
        }
        let file = File::open(place)?;
        let length = file.metadata()?.len();
        self.add_entry(EntryType::Regular, name, metadata, None, file, length)
    }

    fn add_entry(
        &mut self,
        kind: EntryType,
        name: &Path,
        metadata: &Metadata,
        target: Option<&Path>,
        data: impl io::Read,
        length: u64,
    ) -> io::Result<()> {
        let target = target.map(|target| target.as_os_str().as_bytes());
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(metadata.mode() & 0o7777);
        header.set_mtime(
            u64::try_from(metadata.mtime())
                .unwrap_or(0)
                .min(self.latest),
        );
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(length);
        let name = name.as_os_str().as_bytes();
        let long = long_fields(&[("path", Some(name)), ("linkpath", target)]);
        if !long.is_empty() {
            self.builder.append_pax_extensions(long)?;
        }
        let ustar = header.as_ustar_mut().expect("it was made as one");
        put(&mut ustar.name, name);
        put(&mut ustar.linkname, target.unwrap_or_default());
        header.set_cksum();
        let mut counted = Exactly {
            inner: data,
            left: length,
        };
        self.builder.append(&header, &mut counted)
    }
}

/// The fields that do not fit into a header.
fn long_fields<'a>(fields: &[(&'a str, Option<&'a [u8]>)]) -> Vec<(&'a str, &'a [u8])> {
    fields
        .iter()
        .filter_map(|&(key, value)| Some((key, value?)))
        .filter(|(_, value)| value.len() > NAME_LENGTH)
        .collect()
}

/// Writes the front of `bytes` that fits into `field`.
fn put(field: &mut [u8; NAME_LENGTH], bytes: &[u8]) {
    let length = bytes.len().min(NAME_LENGTH);
    field[..length].copy_from_slice(&bytes[..length]);
}

/// A reader that gives the announced number of bytes or fails: a file that changes its length
/// meanwhile must not put the entries behind it out of step.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: io::Read> io::Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn sorted_names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn latest_time() -> u64 {
    let variable = std::env::var_os("SOURCE_DATE_EPOCH");
    variable
        .as_deref()
        .and_then(OsStr::to_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(u64::MAX)
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, RootError> {
    result.map_err(|source| RootError {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Name, kind, link target and content of each entry.
    fn entries(folder: &Path) -> Vec<(String, EntryType, Option<PathBuf>, String)> {
        let mut bytes = Vec::new();
        write_archive(folder, &mut bytes).unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let mut archive = tar::Archive::new(&bytes[..]);
        let describe = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let (kind, target) = (header.entry_type(), entry.link_name().unwrap());
            let target = target.map(std::borrow::Cow::into_owned);
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            (name, kind, target, io::read_to_string(&mut entry).unwrap())
        };
        archive.entries().unwrap().map(describe).collect()
    }

    #[test]
    fn files_folders_and_links_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("b"), "content").unwrap();
        fs::create_dir(path("a")).unwrap();
        fs::write(path("a/c"), "").unwrap();
        symlink("../b", path("a/d")).unwrap();
        let none = String::new;
        assert_eq!(
            entries(folder.path()),
            [
                ("a".into(), EntryType::Directory, None, none()),
                ("a/c".into(), EntryType::Regular, None, none()),
                (
                    "a/d".into(),
                    EntryType::Symlink,
                    Some("../b".into()),
                    none()
                ),
                ("b".into(), EntryType::Regular, None, "content".into()),
            ]
        );
    }

    #[test]
    fn long_names_and_targets_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (name, target) = ("n".repeat(200), "t".repeat(150));
        symlink(&target, folder.path().join(&name)).unwrap();
        let expected = (name, EntryType::Symlink, Some(target.into()), String::new());
        assert_eq!(entries(folder.path()), [expected]);
    }

    #[test]
    fn what_no_archive_holds_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = write_archive(folder.path(), io::sink()).unwrap_err();
        assert!(
            error.to_string().starts_with(socket.to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let mut short = Exactly {
            inner: &b"abc"[..],
            left: 4,
        };
        assert!(io::copy(&mut short, &mut io::sink()).is_err());
    }
}
