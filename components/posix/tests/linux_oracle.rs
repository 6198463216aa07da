//! File operations against Linux: random sequences, run on a directory of this machine and on a
//! kernel with a file system in memory, must have the same results.

use std::fs::{self as linux, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hypercall::fake::FakeHost;
use hypercall::{SliceSink, SliceSource};
use posix::{Directory, Errno, Fd, FileKind, Kernel, OpenFlags, Permissions, Step, Whence};
use proptest::prelude::*;

/// The names that sequences play with, short so that they meet often.
const NAMES: [&str; 8] = ["a", "b", "d", "d/a", "d/e", "d/../b", "l", "l/a"];

/// Mode bits that the usual umasks leave alone.
const MODE: u16 = 0o700;

#[derive(Clone, Debug)]
enum Action {
    Open(&'static str, OpenFlags),
    Close(usize),
    Read(usize, usize),
    Write(usize, usize),
    Seek(usize, Whence, i64),
    SetLength(usize, i64),
    MakeDirectory(&'static str),
    RemoveDirectory(&'static str),
    Unlink(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    ReadLink(&'static str),
    Status(&'static str, bool),
    Permissions(&'static str, u16),
    List(&'static str),
}

/// What an action gave: bytes, numbers and names in one shape.
type Answer = Result<Vec<u8>, i32>;

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let name = || prop::sample::select(&NAMES[..]);
    let file = || 0..3_usize;
    let whence = prop::sample::select(vec![Whence::Start, Whence::Current, Whence::End]);
    let action = prop_oneof![
        6 => (name(), flags()).prop_map(|(name, flags)| Action::Open(name, flags)),
        1 => file().prop_map(Action::Close),
        3 => (file(), 0..40_usize).prop_map(|(file, length)| Action::Read(file, length)),
        4 => (file(), 0..40_usize).prop_map(|(file, length)| Action::Write(file, length)),
        2 => (file(), whence, -20..60_i64).prop_map(|(file, from, by)| Action::Seek(file, from, by)),
        1 => (file(), 0..60_i64).prop_map(|(file, length)| Action::SetLength(file, length)),
        3 => name().prop_map(Action::MakeDirectory),
        2 => name().prop_map(Action::RemoveDirectory),
        2 => name().prop_map(Action::Unlink),
        2 => (name(), name()).prop_map(|(from, to)| Action::Rename(from, to)),
        2 => (name(), name()).prop_map(|(from, to)| Action::Link(from, to)),
        2 => (name(), name()).prop_map(|(target, name)| Action::Symlink(target, name)),
        1 => name().prop_map(Action::ReadLink),
        4 => (name(), any::<bool>()).prop_map(|(name, follow)| Action::Status(name, follow)),
        1 => (name(), 0..0o777_u16).prop_map(|(name, mode)| Action::Permissions(name, mode)),
        2 => name().prop_map(Action::List),
    ];
    prop::collection::vec(action, 1..60)
}

fn flags() -> impl Strategy<Value = OpenFlags> {
    let access = prop::sample::select(vec![
        OpenFlags::empty(),
        OpenFlags::WRITE_ONLY,
        OpenFlags::READ_WRITE,
    ]);
    let further = prop::sample::subsequence(
        vec![
            OpenFlags::CREATE,
            OpenFlags::EXCLUSIVE,
            OpenFlags::TRUNCATE,
            OpenFlags::APPEND,
            OpenFlags::NO_FOLLOW,
        ],
        0..=5,
    );
    let directory = prop_oneof![9 => Just(OpenFlags::empty()), 1 => Just(OpenFlags::DIRECTORY)];
    (access, further, directory).prop_map(|(access, further, directory)| {
        let further = further.into_iter().collect::<OpenFlags>();
        // Linux refuses to make directories by `open`, in different words in different versions.
        match directory.is_empty() {
            true => access | further,
            false => (access | directory | further) - OpenFlags::CREATE,
        }
    })
}

/// Bytes to write: each place has another value.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| index as u8 + 1).collect()
}

/// The same sequence on this machine.
struct Linux {
    root: PathBuf,
    files: Vec<Option<File>>,
}

impl Linux {
    fn file(&mut self, index: usize) -> Result<&mut File, Error> {
        let file = self.files.get_mut(index).and_then(Option::as_mut);
        file.ok_or(Error::from_raw_os_error(Errno::EBADF.number()))
    }

    fn run(&mut self, action: &Action) -> Answer {
        self.try_run(action).map_err(|error| {
            error
                .raw_os_error()
                .expect("the system failed, not the library")
        })
    }

    fn try_run(&mut self, action: &Action) -> Result<Vec<u8>, Error> {
        let path = |name: &str| self.root.join(name);
        match *action {
            Action::Open(name, flags) => {
                let file = OpenOptions::new()
                    .read(!flags.contains(OpenFlags::WRITE_ONLY))
                    .write(flags.intersects(OpenFlags::WRITE_ONLY | OpenFlags::READ_WRITE))
                    .mode(u32::from(MODE))
                    .custom_flags(flags.bits().cast_signed())
                    .open(path(name))?;
                place(&mut self.files, file);
            }
            Action::Close(index) => {
                self.file(index)?;
                self.files[index] = None;
            }
            Action::Read(index, length) => {
                let mut bytes = vec![0; length];
                let read = self.file(index)?.read(&mut bytes)?;
                bytes.truncate(read);
                return Ok(bytes);
            }
            Action::Write(index, length) => {
                let written = self.file(index)?.write(&pattern(length))?;
                return Ok(number(written as u64));
            }
            Action::Seek(index, whence, distance) => {
                let file = self.file(index)?;
                if file.metadata()?.is_dir() {
                    return Ok(Vec::new());
                }
                let from = match whence {
                    Whence::Start if distance < 0 => return Err(errno(Errno::EINVAL)),
                    Whence::Start => SeekFrom::Start(distance.unsigned_abs()),
                    Whence::Current => SeekFrom::Current(distance),
                    Whence::End => SeekFrom::End(distance),
                };
                return file.seek(from).map(number);
            }
            Action::SetLength(index, length) => {
                self.file(index)?.set_len(length.unsigned_abs())?;
            }
            Action::MakeDirectory(name) => {
                use std::os::unix::fs::DirBuilderExt;
                let mut builder = linux::DirBuilder::new();
                builder.mode(u32::from(MODE)).create(path(name))?;
            }
            Action::RemoveDirectory(name) => linux::remove_dir(path(name))?,
            Action::Unlink(name) => linux::remove_file(path(name))?,
            Action::Rename(from, to) => linux::rename(path(from), path(to))?,
            Action::Link(from, to) => linux::hard_link(path(from), path(to))?,
            Action::Symlink(target, name) => symlink(target, path(name))?,
            Action::ReadLink(name) => {
                let target = linux::read_link(path(name))?;
                return Ok(target.as_os_str().as_encoded_bytes().to_vec());
            }
            Action::Status(name, follow) => {
                let path = path(name);
                let found = match follow {
                    true => linux::metadata(path)?,
                    false => linux::symlink_metadata(path)?,
                };
                let (mode, links) = (found.mode() & 0o170_777, found.nlink());
                return Ok(describe(mode, links, found.len()));
            }
            Action::Permissions(name, mode) => {
                let permissions = linux::Permissions::from_mode(u32::from(mode));
                linux::set_permissions(path(name), permissions)?;
            }
            Action::List(name) => {
                let mut names = Vec::new();
                for entry in linux::read_dir(path(name))? {
                    names.push(entry?.file_name().as_encoded_bytes().to_vec());
                }
                return Ok(list(names));
            }
        }
        Ok(Vec::new())
    }
}

/// The same sequence in a kernel.
struct Ours {
    kernel: Kernel<FakeHost>,
    files: Vec<Option<Fd>>,
}

impl Ours {
    fn new() -> Self {
        let now = Duration::from_secs(1);
        let root = Box::new(fs::RamFs::new(1 << 20, now));
        let kernel = Kernel::new(FakeHost::new(), fs::Vfs::new(root), None);
        Self {
            kernel: kernel.expect("there is memory"),
            files: Vec::new(),
        }
    }

    fn run(&mut self, action: &Action) -> Answer {
        self.try_run(action).map_err(Errno::number)
    }

    fn try_run(&mut self, action: &Action) -> Result<Vec<u8>, Errno> {
        let here = Directory::Working;
        let files = &self.files;
        let file = |index: usize| files.get(index).copied().flatten().ok_or(Errno::EBADF);
        let kernel = &mut self.kernel;
        match *action {
            Action::Open(name, flags) => {
                let mode = Permissions::from_bits_truncate(MODE);
                let fd = kernel.open(name.as_bytes(), flags, mode)?;
                place(&mut self.files, fd);
            }
            Action::Close(index) => {
                kernel.close(file(index)?)?;
                self.files[index] = None;
            }
            Action::Read(index, length) => {
                let mut bytes = vec![0; length];
                let read = kernel.read(file(index)?, &mut SliceSink::new(&mut bytes))?;
                bytes.truncate(done(read));
                return Ok(bytes);
            }
            Action::Write(index, length) => {
                let bytes = pattern(length);
                let written = kernel.write(file(index)?, &mut SliceSource::new(&bytes))?;
                return Ok(number(done(written) as u64));
            }
            Action::Seek(index, whence, distance) => {
                let fd = file(index)?;
                if kernel.fstat(fd)?.attributes.kind == FileKind::Directory {
                    return Ok(Vec::new());
                }
                let offset = kernel.lseek(fd, distance, whence)?;
                return Ok(number(offset.unsigned_abs()));
            }
            Action::SetLength(index, length) => kernel.ftruncate(file(index)?, length)?,
            Action::MakeDirectory(name) => {
                let mode = Permissions::from_bits_truncate(MODE);
                kernel.mkdirat(here, name.as_bytes(), mode)?;
            }
            Action::RemoveDirectory(name) => kernel.rmdirat(here, name.as_bytes())?,
            Action::Unlink(name) => kernel.unlinkat(here, name.as_bytes())?,
            Action::Rename(from, to) => {
                kernel.renameat((here, from.as_bytes()), (here, to.as_bytes()))?;
            }
            Action::Link(from, to) => {
                kernel.linkat((here, from.as_bytes()), (here, to.as_bytes()), false)?;
            }
            Action::Symlink(target, name) => {
                kernel.symlinkat(target.as_bytes(), here, name.as_bytes())?;
            }
            Action::ReadLink(name) => return kernel.readlinkat(here, name.as_bytes()),
            Action::Status(name, follow) => {
                let found = kernel.fstatat(here, name.as_bytes(), follow)?.attributes;
                let kind = match found.kind {
                    FileKind::Regular => 0o100_000,
                    FileKind::Directory => 0o040_000,
                    FileKind::SymbolicLink => 0o120_000,
                    other => panic!("nobody made a {other:?}"),
                };
                let mode = kind | u32::from(found.permissions.bits() & 0o777);
                return Ok(describe(mode, u64::from(found.links), found.size));
            }
            Action::Permissions(name, mode) => {
                let mode = Permissions::from_bits_truncate(mode);
                kernel.fchmodat(here, name.as_bytes(), mode)?;
            }
            Action::List(name) => return self.list(name),
        }
        Ok(Vec::new())
    }

    fn list(&mut self, name: &str) -> Result<Vec<u8>, Errno> {
        let none = Permissions::empty();
        let fd = self
            .kernel
            .open(name.as_bytes(), OpenFlags::DIRECTORY, none)?;
        let mut names = Vec::new();
        while let Some(entry) = self.kernel.next_entry(fd)? {
            self.kernel.accept_entry(fd, &entry)?;
            if entry.name != b"." && entry.name != b".." {
                names.push(entry.name);
            }
        }
        self.kernel.close(fd)?;
        Ok(list(names))
    }
}

fn errno(error: Errno) -> Error {
    Error::from_raw_os_error(error.number())
}

fn done<T>(step: Step<T>) -> T {
    match step {
        Step::Done(result) => result,
        Step::Wait(_) => panic!("a file does not wait"),
    }
}

/// Puts a file at the first free place, or at the end.
fn place<T>(files: &mut Vec<Option<T>>, file: T) {
    match files.iter_mut().find(|place| place.is_none()) {
        Some(free) => *free = Some(file),
        None => files.push(Some(file)),
    }
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// What `stat` tells, as far as all file systems agree: a directory's size and count of links are
/// its file system's own affair.
fn describe(mode: u32, links: u64, size: u64) -> Vec<u8> {
    let (links, size) = match mode & 0o170_000 {
        0o040_000 => (0, 0),
        _ => (links, size),
    };
    format!("{mode:o} {links} {size}").into_bytes()
}

fn list(mut names: Vec<Vec<u8>>) -> Vec<u8> {
    names.sort();
    names.join(&b' ')
}

fn linux_at(root: &Path) -> Linux {
    Linux {
        root: root.to_path_buf(),
        files: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn files_behave_as_on_linux(actions in actions()) {
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let mut linux = linux_at(directory.path());
        let mut ours = Ours::new();
        for (step, action) in actions.iter().enumerate() {
            let expected = linux.run(action);
            prop_assert_eq!(ours.run(action), expected, "step {}, {:?}", step, action);
        }
    }
}

#[test]
fn the_oracle_tells_errors_by_number() {
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    let answer = linux_at(directory.path()).run(&Action::ReadLink("a"));
    assert_eq!(answer, Err(Errno::ENOENT.number()));
    assert_eq!(errno(Errno::ENOENT).kind(), ErrorKind::NotFound);
}
