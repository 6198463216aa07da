//! Archives of other programs: the `tar` crate's and GNU tar's, as they are and broken.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use ::fs::{FileKind, FileSystem, FsError, NodeId, TarFs};
use hypercall::SliceSink;
use proptest::prelude::*;

/// What a tree holds, by path: what a reader of it can tell apart.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    Directory {
        mode: u16,
    },
    File {
        mode: u16,
        links: u32,
        modified: Duration,
        content: Vec<u8>,
    },
    Link {
        target: Vec<u8>,
    },
}

type Tree = BTreeMap<Vec<u8>, Found>;

/// Everything that the file system has from `directory` on.
fn walk(file_system: &mut dyn FileSystem) -> Result<Tree, FsError> {
    let mut tree = Tree::new();
    let mut pending = vec![(Vec::new(), file_system.root())];
    while let Some((path, node)) = pending.pop() {
        let found = look(file_system, node)?;
        if matches!(found, Found::Directory { .. }) {
            let mut cookie = 0;
            while let Some(entry) = file_system.read_directory(node, cookie)? {
                cookie = entry.next;
                assert_eq!(file_system.lookup(node, &entry.name), Ok(entry.node));
                let below = [&path[..], b"/", &entry.name].concat();
                pending.push((below, entry.node));
            }
        }
        tree.insert(path, found);
    }
    Ok(tree)
}

fn look(file_system: &mut dyn FileSystem, node: NodeId) -> Result<Found, FsError> {
    let attributes = file_system.attributes(node)?;
    let mode = attributes.permissions.bits();
    Ok(match attributes.kind {
        FileKind::Directory => Found::Directory { mode },
        FileKind::SymbolicLink => Found::Link {
            target: file_system.read_link(node)?,
        },
        _ => {
            let size = usize::try_from(attributes.size).expect("it lies in memory");
            let mut content = vec![0; size];
            if attributes.kind == FileKind::Regular {
                let read = file_system.read(node, 0, &mut SliceSink::new(&mut content))?;
                assert_eq!(read, size);
            }
            Found::File {
                mode,
                links: attributes.links,
                modified: attributes.times.modified,
                content,
            }
        }
    })
}

/// The same of a directory of the host.
fn walk_host(directory: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![(Vec::new(), directory.to_path_buf())];
    while let Some((path, at)) = pending.pop() {
        let metadata = fs::symlink_metadata(&at).expect("it was just made");
        let mode = (metadata.permissions().mode() & 0o7777) as u16;
        let found = if metadata.is_dir() {
            for entry in fs::read_dir(&at).expect("a directory") {
                let entry = entry.expect("readable");
                let name = entry.file_name();
                let below = [&path[..], b"/", name.as_encoded_bytes()].concat();
                pending.push((below, entry.path()));
            }
            Found::Directory { mode }
        } else if metadata.is_symlink() {
            let target = fs::read_link(&at).expect("a link");
            let target = target.into_os_string().into_encoded_bytes();
            Found::Link { target }
        } else {
            Found::File {
                mode,
                links: u32::try_from(metadata.nlink()).expect("few"),
                modified: Duration::new(
                    u64::try_from(metadata.mtime()).expect("after 1970"),
                    u32::try_from(metadata.mtime_nsec()).expect("below 10^9"),
                ),
                content: fs::read(&at).expect("a file"),
            }
        };
        tree.insert(path, found);
    }
    tree
}

/// A directory with something of everything.
fn sample() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let at = |name: &str| directory.path().join(name);
    let deep = format!("{}/{}/{}", "d".repeat(90), "e".repeat(120), "f".repeat(200));
    fs::create_dir_all(at(&deep)).expect("made");
    fs::write(at(&deep).join("g".repeat(255)), b"deep").expect("written");
    fs::create_dir(at("empty")).expect("made");
    fs::write(at("page"), vec![7; 4096]).expect("written");
    fs::write(at("odd"), vec![8; 513]).expect("written");
    fs::write(at("nothing"), b"").expect("written");
    fs::set_permissions(at("odd"), fs::Permissions::from_mode(0o4750)).expect("its owner");
    fs::hard_link(at("odd"), at("empty/odd too")).expect("linked");
    symlink("page", at("short link")).expect("linked");
    symlink("x".repeat(300), at("long link")).expect("linked");
    directory
}

/// GNU tar's archive of a directory in one of its formats; `None` without GNU tar.
fn gnu_tar(directory: &Path, format: &str) -> Option<Vec<u8>> {
    let version = Command::new("tar").arg("--version").output().ok()?;
    if !version.stdout.starts_with(b"tar (GNU tar)") {
        return None;
    }
    let mut command = Command::new("tar");
    command.args(["-c", "-f", "-", "--format", format, "-C"]);
    let output = command.arg(directory).arg(".").output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout)
}

/// The tree as a format shows it that keeps whole seconds only.
fn in_whole_seconds(mut tree: Tree) -> Tree {
    for found in tree.values_mut() {
        if let Found::File { modified, .. } = found {
            *modified = Duration::from_secs(modified.as_secs());
        }
    }
    tree
}

#[test]
fn gnu_tars_archives_are_the_directories_they_were_made_of() {
    let directory = sample();
    let original = walk_host(directory.path());
    let expected = [
        ("pax", original.clone()),
        ("gnu", in_whole_seconds(original)),
    ];
    for (format, expected) in expected {
        let Some(archive) = gnu_tar(directory.path(), format) else {
            eprintln!("no GNU tar here: its archives are not tested");
            return;
        };
        let mut file_system = TarFs::new(archive).expect("a whole archive");
        assert_eq!(walk(&mut file_system), Ok(expected), "{format}");
    }
}

/// The `tar` crate's archive of a directory. It stores each hard link as a file of its own.
fn crate_tar(directory: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", directory).expect("readable");
    builder.into_inner().expect("memory does not fail")
}

#[test]
fn the_tar_crates_archive_is_the_directory_it_was_made_of() {
    let directory = sample();
    let mut expected = in_whole_seconds(walk_host(directory.path()));
    for found in expected.values_mut() {
        if let Found::File { links, .. } = found {
            *links = 1;
        }
    }
    let mut file_system = TarFs::new(crate_tar(directory.path())).expect("a whole archive");
    assert_eq!(walk(&mut file_system), Ok(expected));
}

/// One way to break an archive.
#[derive(Clone, Debug)]
enum Damage {
    /// Another byte somewhere, the header's checksum made right again or not.
    Byte { at: usize, value: u8, seal: bool },
    /// Another digit or so in a header's size.
    Size { block: usize, digits: [u8; 12] },
    /// A block where another was.
    Block { from: usize, to: usize },
    /// The end comes early.
    Cut { at: usize },
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let digit = prop_oneof![b'0'..=b'9', any::<u8>()];
    let one =
        prop_oneof![
            (any::<usize>(), any::<u8>(), any::<bool>())
                .prop_map(|(at, value, seal)| Damage::Byte { at, value, seal }),
            (any::<usize>(), proptest::array::uniform12(digit))
                .prop_map(|(block, digits)| Damage::Size { block, digits }),
            (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Damage::Block { from, to }),
            any::<usize>().prop_map(|at| Damage::Cut { at }),
        ];
    proptest::collection::vec(one, 1..5)
}

fn damaged(mut archive: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let blocks = archive.len() / 512;
        if blocks == 0 {
            break;
        }
        match *damage {
            Damage::Byte { at, value, seal } => {
                let at = at % (blocks * 512);
                archive[at] = value;
                if seal {
                    reseal(&mut archive, at / 512);
                }
            }
            Damage::Size { block, digits } => {
                let start = block % blocks * 512;
                archive[start + 124..start + 136].copy_from_slice(&digits);
                reseal(&mut archive, block % blocks);
            }
            Damage::Block { from, to } => {
                let start = from % blocks * 512;
                archive.copy_within(start..start + 512, to % blocks * 512);
            }
            Damage::Cut { at } => archive.truncate(at % archive.len()),
        }
    }
    archive
}

/// Gives a block the checksum that makes it a header.
fn reseal(archive: &mut [u8], block: usize) {
    let header = &mut archive[block * 512..][..512];
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Archives to break, made once.
fn whole_archives() -> &'static [Vec<u8>] {
    static ARCHIVES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ARCHIVES.get_or_init(|| {
        let directory = sample();
        let archives = [
            Some(crate_tar(directory.path())),
            gnu_tar(directory.path(), "pax"),
        ];
        archives.into_iter().flatten().collect()
    })
}

proptest! {
    /// A broken archive is refused, or served as some tree without a contradiction.
    #[test]
    fn broken_archives_do_no_harm(damages in damages()) {
        for archive in whole_archives() {
            if let Ok(mut file_system) = TarFs::new(damaged(archive.clone(), &damages)) {
                prop_assert!(walk(&mut file_system).is_ok());
            }
        }
    }
}
