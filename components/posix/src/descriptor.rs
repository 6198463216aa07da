//! Descriptors: the small numbers by which a program names its open file descriptions.

use alloc::vec::Vec;

use hypercall::Host;

use crate::description::DescriptionId;
use crate::{Errno, Kernel};

/// How many descriptors a program may have unless it asks for another limit
/// (RLIMIT_NOFILE; the soft limit of Linux).
pub const DEFAULT_DESCRIPTOR_LIMIT: u32 = 1024;

/// The largest limit that can be asked for (the hard limit of systemd on Linux).
pub const MAXIMUM_DESCRIPTOR_LIMIT: u32 = 524_288;

/// A number in a descriptor's range. Whether it names anything is another question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fd(u32);

impl Fd {
    /// Standard input.
    pub const STDIN: Self = Self(0);
    /// Standard output.
    pub const STDOUT: Self = Self(1);
    /// Standard error.
    pub const STDERR: Self = Self(2);

    /// The descriptor `number`; EBADF if it is negative.
    pub const fn new(number: i32) -> Result<Self, Errno> {
        if number < 0 {
            return Err(Errno::EBADF);
        }
        Ok(Self(number.unsigned_abs()))
    }

    /// The number that the program knows.
    pub const fn number(self) -> i32 {
        self.0.cast_signed()
    }

    /// The block that it is in.
    const fn block(self) -> usize {
        (self.0 / BLOCK) as usize
    }

    /// Where it is there.
    const fn place(self) -> usize {
        (self.0 % BLOCK) as usize
    }
}

/// What a descriptor names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) description: DescriptionId,
    pub(crate) close_on_exec: bool,
}

/// A program's descriptors.
#[derive(Debug)]
pub(crate) struct DescriptorTable {
    blocks: Vec<Block>,
    limit: u32,
}

/// How many descriptors a block has.
const BLOCK: u32 = u64::BITS;

/// Descriptors of one range of [`BLOCK`] numbers.
#[derive(Debug)]
struct Block {
    entries: [Option<Entry>; BLOCK as usize],
    /// A bit for every descriptor in use, so that the lowest free one is found all at once.
    used: u64,
}

impl Block {
    const EMPTY: Self = Self {
        entries: [None; BLOCK as usize],
        used: 0,
    };
}

impl DescriptorTable {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            limit: DEFAULT_DESCRIPTOR_LIMIT,
        }
    }

    pub(crate) fn get(&self, fd: Fd) -> Result<Entry, Errno> {
        let block = self.blocks.get(fd.block()).ok_or(Errno::EBADF)?;
        block.entries[fd.place()].ok_or(Errno::EBADF)
    }

    pub(crate) fn get_mut(&mut self, fd: Fd) -> Result<&mut Entry, Errno> {
        let block = self.blocks.get_mut(fd.block()).ok_or(Errno::EBADF)?;
        block.entries[fd.place()].as_mut().ok_or(Errno::EBADF)
    }

    /// The lowest free descriptor not below `least` (POSIX, 2.14 File Descriptor Allocation).
    pub(crate) fn lowest_free(&self, least: u32) -> Result<Fd, Errno> {
        let mut candidate = least;
        while let Some(block) = self.blocks.get(Fd(candidate).block()) {
            let first = candidate - candidate % BLOCK;
            let free = !block.used & (u64::MAX << (candidate % BLOCK));
            // Of no free one the first is behind the block.
            candidate = first + free.trailing_zeros();
            if free != 0 {
                break;
            }
        }
        if candidate >= self.limit {
            return Err(Errno::EMFILE);
        }
        Ok(Fd(candidate))
    }

    /// Makes `fd` name `entry`, and returns what it named before.
    pub(crate) fn set(&mut self, fd: Fd, entry: Entry) -> Result<Option<Entry>, Errno> {
        if fd.0 >= self.limit {
            return Err(Errno::EBADF);
        }
        while fd.block() >= self.blocks.len() {
            self.blocks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.blocks.push(Block::EMPTY);
        }
        let block = &mut self.blocks[fd.block()];
        block.used |= 1 << fd.place();
        Ok(block.entries[fd.place()].replace(entry))
    }

    pub(crate) fn remove(&mut self, fd: Fd) -> Result<Entry, Errno> {
        let block = self.blocks.get_mut(fd.block()).ok_or(Errno::EBADF)?;
        let entry = block.entries[fd.place()].take().ok_or(Errno::EBADF)?;
        block.used &= !(1 << fd.place());
        Ok(entry)
    }
}

impl<H: Host> Kernel<H> {
    /// Gives up a descriptor. The last one of a description ends the description.
    pub fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        let entry = self.descriptors.remove(fd)?;
        self.release_description(entry.description);
        Ok(())
    }

    /// Gives up every descriptor from `first` to `last` that is open.
    pub fn close_range(&mut self, first: Fd, last: Fd) {
        let blocks = u32::try_from(self.descriptors.blocks.len()).unwrap_or(u32::MAX);
        let end = blocks.saturating_mul(BLOCK);
        for index in first.0..last.0.saturating_add(1).min(end) {
            // Those that are not open are passed over, as close_range(2) says.
            let _ = self.close(Fd(index));
        }
    }

    /// The lowest free descriptor names the same description as `fd`.
    pub fn dup(&mut self, fd: Fd) -> Result<Fd, Errno> {
        self.duplicate_from(fd, 0, false)
    }

    /// `to` names the same description as `from`; what it named is given up.
    pub fn dup2(&mut self, from: Fd, to: Fd) -> Result<Fd, Errno> {
        if from == to {
            return self.descriptors.get(from).map(|_| to);
        }
        self.dup3(from, to, false)
    }

    /// As [`dup2`](Self::dup2), but equal descriptors are EINVAL.
    pub fn dup3(&mut self, from: Fd, to: Fd, close_on_exec: bool) -> Result<Fd, Errno> {
        if from == to {
            return Err(Errno::EINVAL);
        }
        let description = self.descriptors.get(from)?.description;
        let entry = Entry {
            description,
            close_on_exec,
        };
        let replaced = self.descriptors.set(to, entry)?;
        self.retain_description(description);
        if let Some(replaced) = replaced {
            self.release_description(replaced.description);
        }
        Ok(to)
    }

    /// The lowest free descriptor not below `least` names the same description as `fd`
    /// (F_DUPFD, F_DUPFD_CLOEXEC).
    pub fn fcntl_dupfd(&mut self, fd: Fd, least: i32, close_on_exec: bool) -> Result<Fd, Errno> {
        let limit = self.descriptors.limit;
        match u32::try_from(least) {
            Ok(least) if least < limit => self.duplicate_from(fd, least, close_on_exec),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether the descriptor would be closed by `exec` (F_GETFD).
    pub fn fcntl_getfd(&self, fd: Fd) -> Result<bool, Errno> {
        Ok(self.descriptors.get(fd)?.close_on_exec)
    }

    /// Sets whether the descriptor would be closed by `exec` (F_SETFD).
    pub fn fcntl_setfd(&mut self, fd: Fd, close_on_exec: bool) -> Result<(), Errno> {
        self.descriptors.get_mut(fd)?.close_on_exec = close_on_exec;
        Ok(())
    }

    /// How many descriptors the program may have (RLIMIT_NOFILE, the soft limit).
    pub fn descriptor_limit(&self) -> u32 {
        self.descriptors.limit
    }

    /// Sets that number. Descriptors beyond it stay open, as on Linux.
    pub fn set_descriptor_limit(&mut self, limit: u32) -> Result<(), Errno> {
        if limit > MAXIMUM_DESCRIPTOR_LIMIT {
            return Err(Errno::EPERM);
        }
        self.descriptors.limit = limit;
        Ok(())
    }

    fn duplicate_from(&mut self, fd: Fd, least: u32, close_on_exec: bool) -> Result<Fd, Errno> {
        let description = self.descriptors.get(fd)?.description;
        let free = self.descriptors.lowest_free(least)?;
        let entry = Entry {
            description,
            close_on_exec,
        };
        self.descriptors.set(free, entry)?;
        self.retain_description(description);
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::slab::Slab;

    fn any_entry() -> Entry {
        let mut slab = Slab::new();
        Entry {
            description: slab.insert(crate::description::tests::null()).unwrap(),
            close_on_exec: false,
        }
    }

    proptest! {
        #[test]
        fn the_lowest_free_descriptor_comes_first(
            steps in prop::collection::vec((any::<bool>(), 0_u32..200), 0..200),
        ) {
            let mut table = DescriptorTable::new();
            table.limit = 150;
            let mut model = BTreeSet::new();
            for (open, number) in steps {
                if open {
                    let expected = (number..150).find(|candidate| !model.contains(candidate));
                    let free = table.lowest_free(number);
                    prop_assert_eq!(free.ok(), expected.map(Fd));
                    if let Ok(fd) = free {
                        prop_assert!(table.set(fd, any_entry()).unwrap().is_none());
                        model.insert(fd.0);
                    }
                } else {
                    prop_assert_eq!(table.remove(Fd(number)).is_ok(), model.remove(&number));
                }
            }
        }
    }

    #[test]
    fn a_range_is_closed_and_no_more() {
        let mut kernel = crate::fake_host::kernel();
        kernel.dup2(Fd(0), Fd(70)).unwrap();
        kernel.close_range(Fd(1), Fd(69));
        let open = |number| kernel.descriptors.get(Fd(number)).is_ok();
        assert_eq!([0, 1, 2, 70].map(open), [true, false, false, true]);
    }

    #[test]
    fn dup2_gives_up_what_was_there() {
        let mut kernel = crate::fake_host::kernel();
        let (reader, writer) = kernel.pipe2(crate::OpenFlags::NONBLOCK).unwrap();
        assert_eq!(kernel.dup2(Fd(0), writer), Ok(writer));
        let read = crate::fake_host::try_read(&mut kernel, reader, 1);
        assert_eq!(read.map(|read| read.map(|bytes| bytes.len())), Ok(Some(0)));
        assert_eq!(kernel.dup2(Fd(0), Fd(0)), Ok(Fd(0)));
        assert_eq!(kernel.dup3(Fd(0), Fd(0), false), Err(Errno::EINVAL));
        assert_eq!(kernel.dup2(Fd(99), Fd(99)), Err(Errno::EBADF));
        assert_eq!(
            kernel.dup2(Fd(0), Fd(DEFAULT_DESCRIPTOR_LIMIT)),
            Err(Errno::EBADF)
        );
        let beyond = kernel.fcntl_dupfd(Fd(0), DEFAULT_DESCRIPTOR_LIMIT as i32, false);
        assert_eq!(beyond, Err(Errno::EINVAL));
    }

    #[test]
    fn a_negative_number_is_no_descriptor() {
        assert_eq!(Fd::new(-1), Err(Errno::EBADF));
        assert_eq!(Fd::new(7).map(Fd::number), Ok(7));
    }
}
