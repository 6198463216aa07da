//! Calls on the program's memory map: `mmap` and its kin.

use hypercall::{Host, ProgramHost, Protection, Sink};
use posix::Errno;
use posix::memory_map::{Move, Placement, Purpose};
use posix::{Fd, FileKind};

use crate::bindings::{
    MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE,
    MADV_HUGEPAGE, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT, MADV_RANDOM,
    MADV_SEQUENTIAL, MADV_UNMERGEABLE, MADV_WILLNEED, MAP_ANONYMOUS, MAP_FIXED,
    MAP_FIXED_NOREPLACE, MAP_HUGETLB, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE,
    MAP_TYPE, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_EXEC, PROT_READ, PROT_WRITE,
};
use crate::call::{Call, Outcome, nothing};
use crate::program::Program;
use crate::user_buffer::{Span, UserSink};
use crate::user_memory::UserMemory;

impl<H: Host, P: ProgramHost> Program<H, P> {
    pub(crate) fn mmap(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, length) = (call.argument(0), call.argument(1));
        let protection = protection(call.argument(2))?;
        let flags = call.unsigned(3);
        if flags & MAP_HUGETLB != 0 {
            return Err(Errno::ENOMEM);
        }
        let placement = placement(address, flags)?;
        let anonymous = flags & MAP_ANONYMOUS != 0;
        let reserve = flags & MAP_NORESERVE == 0;
        if anonymous {
            refuse_unknown_sharing(flags)?;
            let purpose = Purpose::Anonymous;
            let range = self.memory_map.map(
                &mut self.host,
                placement,
                length,
                protection,
                purpose,
                reserve,
            )?;
            return Ok(range.start());
        }
        let offset = call.argument(5);
        if !offset.is_multiple_of(hypercall::PAGE_SIZE as u64) {
            return Err(Errno::EINVAL);
        }
        let end = offset.checked_add(length).ok_or(Errno::EOVERFLOW)?;
        i64::try_from(end).or(Err(Errno::EOVERFLOW))?;
        let shared = refuse_unknown_sharing(flags)?;
        // Without anybody else to write the file's pages, a shared mapping that this program
        // cannot write differs from a private one only in what later writes to the file show.
        if shared && protection.contains(Protection::WRITE) {
            return Err(Errno::ENODEV);
        }
        let file = FilePart {
            fd: call.fd(4)?,
            offset: offset.cast_signed(),
            purpose: match shared {
                true => Purpose::SharedFile,
                false => Purpose::File,
            },
        };
        self.map_file(file, placement, length, protection)
    }

    pub(crate) fn munmap(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, length) = (call.argument(0), call.argument(1));
        nothing(self.memory_map.unmap(&mut self.host, address, length))
    }

    pub(crate) fn mprotect(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, length) = (call.argument(0), call.argument(1));
        let protection = protection(call.argument(2))?;
        let map = &mut self.memory_map;
        nothing(map.protect(&mut self.host, address, length, protection))
    }

    pub(crate) fn brk(&mut self, call: &mut Call<'_>) -> Outcome {
        let wanted = call.argument(0);
        Ok(self.memory_map.set_break(&mut self.host, wanted))
    }

    pub(crate) fn mremap(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, old, new) = (call.argument(0), call.argument(1), call.argument(2));
        let movement = match call.unsigned(3) {
            0 => Move::Never,
            MREMAP_MAYMOVE => Move::Anywhere,
            flags if flags == MREMAP_MAYMOVE | MREMAP_FIXED => Move::To(call.argument(4)),
            _ => return Err(Errno::EINVAL),
        };
        let map = &mut self.memory_map;
        map.remap(&mut self.host, address, old, new, movement)
    }

    pub(crate) fn madvise(&mut self, call: &mut Call<'_>) -> Outcome {
        let (address, length) = (call.argument(0), call.argument(1));
        match call.unsigned(2) {
            MADV_DONTNEED | MADV_FREE => {
                nothing(self.memory_map.forget(&mut self.host, address, length))
            }
            // Hints about speed, and about forks and dumps of which there are none: to do nothing
            // is what they allow.
            MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL | MADV_WILLNEED | MADV_COLD
            | MADV_PAGEOUT | MADV_HUGEPAGE | MADV_NOHUGEPAGE | MADV_MERGEABLE
            | MADV_UNMERGEABLE | MADV_DONTFORK | MADV_DOFORK | MADV_DONTDUMP | MADV_DODUMP => {
                match self.memory_map.is_mapped(address, length)? {
                    true => Ok(0),
                    false => Err(Errno::ENOMEM),
                }
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Maps pages and copies the file's bytes into them; what lies beyond its end stays zero.
    fn map_file(
        &mut self,
        file: FilePart,
        placement: Placement,
        length: u64,
        protection: Protection,
    ) -> Outcome {
        if self.kernel.fstat(file.fd)?.attributes.kind != FileKind::Regular {
            return Err(Errno::ENODEV);
        }
        let range = self.memory_map.map(
            &mut self.host,
            placement,
            length,
            Protection::READ,
            file.purpose,
            true,
        )?;
        let filled = self
            .copy_file(file, Span::new(range.start(), length))
            .and_then(|()| {
                let map = &mut self.memory_map;
                map.protect(&mut self.host, range.start(), length, protection)
            });
        if let Err(error) = filled {
            self.memory_map
                .unmap(&mut self.host, range.start(), length)?;
            return Err(error);
        }
        Ok(range.start())
    }

    fn copy_file(&mut self, file: FilePart, span: Span) -> Result<(), Errno> {
        let memory = UserMemory::new(&mut self.host);
        let mut sink = UserSink::mapping(memory, span).map_err(|_| Errno::ENOMEM)?;
        let mut offset = file.offset;
        while sink.remaining() > 0 {
            let read = posix::pread(&mut self.kernel, file.fd, &mut sink, offset)?;
            if read == 0 {
                break;
            }
            offset = offset.saturating_add(read as i64);
        }
        Ok(())
    }
}

/// From where in a file a mapping is filled, and what it then is.
#[derive(Clone, Copy)]
struct FilePart {
    fd: Fd,
    offset: i64,
    purpose: Purpose,
}

/// What the PROT bits allow. On x86-64 what can be written can be read.
fn protection(bits: u64) -> Result<Protection, Errno> {
    let table = [
        (PROT_READ, Protection::READ),
        (PROT_WRITE, Protection::READ.union(Protection::WRITE)),
        (PROT_EXEC, Protection::READ.union(Protection::EXECUTE)),
    ];
    let known = u64::from(PROT_READ | PROT_WRITE | PROT_EXEC);
    if bits & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let given = table
        .into_iter()
        .filter(|(bit, _)| bits & u64::from(*bit) != 0);
    Ok(given.fold(Protection::empty(), |all, (_, allowed)| all | allowed))
}

fn placement(address: u64, flags: u32) -> Result<Placement, Errno> {
    let aligned = address.is_multiple_of(hypercall::PAGE_SIZE as u64);
    let placement = if flags & MAP_FIXED_NOREPLACE != 0 {
        Placement::FixedIfFree(address)
    } else if flags & MAP_FIXED != 0 {
        Placement::Fixed(address)
    } else {
        return Ok(Placement::Hint(address));
    };
    aligned.then_some(placement).ok_or(Errno::EINVAL)
}

/// Whether the mapping is to be shared; EINVAL if it does not say.
fn refuse_unknown_sharing(flags: u32) -> Result<bool, Errno> {
    match flags & MAP_TYPE {
        MAP_PRIVATE => Ok(false),
        MAP_SHARED | MAP_SHARED_VALIDATE => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}
