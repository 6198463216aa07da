//! `open`: from a path to a description (POSIX.1-2017, `open`).

use fs::{FileKind, OpenHow, Permissions, Place};
use hypercall::Host;

use crate::description::Object;
use crate::device::DeviceNumber;
use crate::flags::Access;
use crate::{Errno, Fd, Kernel, OpenFlags};

/// Where a relative path starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Directory {
    /// The working directory (AT_FDCWD).
    Working,
    /// A directory that is open.
    Open(Fd),
}

impl<H: Host> Kernel<H> {
    /// Opens the file at `path`, with a CREATE flag makes it with `permissions` less the umask.
    /// PATH is EINVAL and TEMPORARY is EOPNOTSUPP: nothing here provides them. DIRECT is EINVAL but
    /// for a disk.
    pub fn openat(
        &mut self,
        directory: Directory,
        path: &[u8],
        flags: OpenFlags,
        permissions: Permissions,
    ) -> Result<Fd, Errno> {
        let access = flags.access()?;
        if flags.contains(OpenFlags::PATH) {
            return Err(Errno::EINVAL);
        }
        if flags.contains(OpenFlags::TEMPORARY) {
            return Err(Errno::EOPNOTSUPP);
        }
        let start = self.start(directory, path)?;
        // Nothing may be made or emptied if there is no descriptor to be had, or not such a one.
        self.descriptors.lowest_free(0)?;
        if flags.contains(OpenFlags::DIRECT) && !self.is_disk(start, path) {
            return Err(Errno::EINVAL);
        }
        let permissions = permissions - self.umask;
        let now = self.clock.wall();
        let how = open_how(flags, access);
        let place = self.vfs.open(start, path, how, permissions, now)?;
        let object = self.object_at(place)?;
        let close_on_exec = flags.contains(OpenFlags::CLOSE_ON_EXEC);
        self.open_object(object, access, flags.status(), close_on_exec)
    }

    /// As [`openat`](Self::openat) from the working directory.
    pub fn open(
        &mut self,
        path: &[u8],
        flags: OpenFlags,
        permissions: Permissions,
    ) -> Result<Fd, Errno> {
        self.openat(Directory::Working, path, flags, permissions)
    }

    /// Where `path` starts if it is relative.
    pub(crate) fn start(&self, directory: Directory, path: &[u8]) -> Result<Place, Errno> {
        match directory {
            _ if path.first() == Some(&b'/') => Ok(self.working_directory),
            Directory::Working => Ok(self.working_directory),
            Directory::Open(fd) => match self.description(fd)?.1.object {
                Object::Directory(place) => Ok(place),
                _ => Err(Errno::ENOTDIR),
            },
        }
    }

    fn is_disk(&mut self, start: Place, path: &[u8]) -> bool {
        let place = self.vfs.resolve(start, path, true);
        let attributes = place.and_then(|place| self.vfs.attributes(place));
        attributes.is_ok_and(|found| matches!(found.kind, FileKind::BlockDevice { .. }))
    }

    /// What a description of the node at `place` holds. A file or directory is retained.
    fn object_at(&mut self, place: Place) -> Result<Object, Errno> {
        let object = match self.vfs.attributes(place)?.kind {
            FileKind::Regular => Object::File(place),
            FileKind::Directory => Object::Directory(place),
            FileKind::SymbolicLink => return Err(Errno::ELOOP),
            FileKind::CharacterDevice { major, minor } => {
                return Ok(match DeviceNumber::new(major, minor)? {
                    DeviceNumber::Device(device) => Object::Device(device),
                    DeviceNumber::Console => Object::Console(None),
                });
            }
            FileKind::BlockDevice { major, minor } => {
                return self.disk_number(major, minor).map(Object::Disk);
            }
            FileKind::Fifo | FileKind::Socket => return Err(Errno::ENXIO),
        };
        self.vfs.retain(place);
        Ok(object)
    }
}

fn open_how(flags: OpenFlags, access: Access) -> OpenHow {
    OpenHow {
        create: flags.contains(OpenFlags::CREATE),
        exclusive: flags.contains(OpenFlags::EXCLUSIVE),
        truncate: flags.contains(OpenFlags::TRUNCATE),
        directory_only: flags.contains(OpenFlags::DIRECTORY),
        follow: !flags.contains(OpenFlags::NO_FOLLOW),
        writable: access.contains(Access::WRITE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host;

    const MODE: Permissions = Permissions::USER;

    #[test]
    fn relative_paths_start_where_they_are_told() {
        let mut kernel = fake_host::kernel();
        let here = Directory::Working;
        kernel.mkdirat(here, b"/d", MODE).unwrap();
        let directory = kernel.file(b"/d", OpenFlags::DIRECTORY).unwrap();
        let inside = Directory::Open(directory);
        let made = kernel.openat(inside, b"f", OpenFlags::CREATE, MODE);
        assert!(made.is_ok());
        assert!(kernel.fstatat(here, b"/d/f", true).is_ok());
        let absolute = kernel.openat(Directory::Open(Fd::STDIN), b"/d", OpenFlags::empty(), MODE);
        assert!(absolute.is_ok());
        let no_directory =
            kernel.openat(Directory::Open(Fd::STDIN), b"d", OpenFlags::empty(), MODE);
        assert_eq!(no_directory, Err(Errno::ENOTDIR));
    }

    #[test]
    fn the_umask_takes_permissions_away() {
        let mut kernel = fake_host::kernel();
        let all = Permissions::from_bits_truncate(0o777);
        let before = kernel.umask(Permissions::from_bits_truncate(0o1027));
        assert_eq!(before.bits(), 0o022);
        let fd = kernel.open(b"/f", OpenFlags::CREATE, all).unwrap();
        let permissions = kernel.fstat(fd).unwrap().attributes.permissions;
        assert_eq!(permissions.bits(), 0o750);
        assert_eq!(kernel.umask(before).bits(), 0o027);
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_leaves_nothing() {
        let mut kernel = fake_host::kernel();
        let mut open = |flags| kernel.open(b"/f", flags | OpenFlags::CREATE, MODE);
        assert_eq!(open(OpenFlags::PATH), Err(Errno::EINVAL));
        assert_eq!(open(OpenFlags::DIRECT), Err(Errno::EINVAL));
        assert_eq!(open(OpenFlags::TEMPORARY), Err(Errno::EOPNOTSUPP));
        let fourth = OpenFlags::WRITE_ONLY | OpenFlags::READ_WRITE;
        assert_eq!(open(fourth), Err(Errno::EINVAL));
        kernel.set_descriptor_limit(3).unwrap();
        let full = kernel.open(b"/f", OpenFlags::CREATE, MODE);
        assert_eq!(full, Err(Errno::EMFILE));
        let nothing = kernel.fstatat(Directory::Working, b"/f", true);
        assert_eq!(nothing, Err(Errno::ENOENT));
    }
}
