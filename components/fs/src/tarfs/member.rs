//! The members of an archive one after another, each with what its extended headers say.

use super::extension::Extension;
use super::header::{BLOCK_SIZE, Header};
use super::span::Span;
use crate::{FileKind, FsError, Permissions};

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    /// Its path in two parts, of which the first may be empty.
    pub(super) path: [Span; 2],
    pub(super) content: MemberContent,
    pub(super) status: Status,
}

#[derive(Debug)]
pub(super) enum MemberContent {
    Directory,
    File(Span),
    SymbolicLink(Span),
    /// One more name for the member of this path.
    HardLink(Span),
    Special(FileKind),
}

/// Attributes that a member has whatever it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    pub(super) permissions: Permissions,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) modified_ns: u64,
}

/// Reads members from the front of an archive to its end.
pub(super) struct Members<'a> {
    archive: &'a [u8],
    position: usize,
    /// What holds for all further members (`g`).
    global: Extension,
}

impl<'a> Members<'a> {
    pub(super) fn new(archive: &'a [u8]) -> Self {
        Self {
            archive,
            position: 0,
            global: Extension::default(),
        }
    }

    /// The next member; `None` at the archive's end, which is a block of zeros.
    pub(super) fn next(&mut self) -> Result<Option<Member>, FsError> {
        let mut extension = self.global;
        loop {
            let Some(header) = Header::read(self.archive, self.position)? else {
                return Ok(None);
            };
            match header.type_flag() {
                b'g' => {
                    let records = self.take_content(header.size()?)?;
                    self.global.read(self.archive, records)?;
                    extension = self.global;
                }
                b'x' => {
                    let records = self.take_content(header.size()?)?;
                    extension.read(self.archive, records)?;
                }
                // GNU tar: the content is the next member's path, or what its link leads to.
                b'L' => extension.path = Some(self.take_text(&header)?),
                b'K' => extension.link_path = Some(self.take_text(&header)?),
                // GNU tar: a name for the whole archive.
                b'V' => drop(self.take_content(header.size()?)?),
                _ => return self.member(&header, &extension).map(Some),
            }
        }
    }

    fn member(&mut self, header: &Header<'_>, extension: &Extension) -> Result<Member, FsError> {
        let path = match extension.path {
            Some(path) => [Span::default(), path],
            None => header.path(self.archive),
        };
        let header_link = header.link_name(self.archive);
        let link = extension.link_path.unwrap_or(header_link);
        let type_flag = header.type_flag();
        let size = match (type_flag, extension.size) {
            // A hard link's size is the linked file's; it has no content of its own (GNU tar).
            (b'1', _) => 0,
            (_, Some(size)) => size,
            _ => header.size()?,
        };
        let content = self.take_content(size)?;
        Ok(Member {
            path,
            content: match type_flag {
                // Before POSIX a directory was a file with a slash at its name's end.
                0 | b'0' if path[1].of(self.archive).ends_with(b"/") => MemberContent::Directory,
                0 | b'0' | b'7' => MemberContent::File(content),
                b'1' => MemberContent::HardLink(link),
                b'2' => MemberContent::SymbolicLink(link),
                b'3' => {
                    let (major, minor) = header.device()?;
                    MemberContent::Special(FileKind::CharacterDevice { major, minor })
                }
                b'5' => MemberContent::Directory,
                b'6' => MemberContent::Special(FileKind::Fifo),
                _ => return Err(FsError::Damaged),
            },
            status: status(header, extension)?,
        })
    }

    /// The content after the header at the current position, which moves behind it.
    fn take_content(&mut self, size: u64) -> Result<Span, FsError> {
        let length = usize::try_from(size).map_err(|_| FsError::Damaged)?;
        let at = self.position + BLOCK_SIZE;
        let room = self.archive.len().checked_sub(at);
        if room.is_none_or(|room| room < length) {
            return Err(FsError::Damaged);
        }
        let padded = length.checked_next_multiple_of(BLOCK_SIZE);
        let end = padded.and_then(|padded| at.checked_add(padded));
        self.position = end.ok_or(FsError::Damaged)?;
        Ok(Span { at, length })
    }

    fn take_text(&mut self, header: &Header<'_>) -> Result<Span, FsError> {
        let content = self.take_content(header.size()?)?;
        Ok(content.until_nul(self.archive))
    }
}

fn status(header: &Header<'_>, extension: &Extension) -> Result<Status, FsError> {
    let modified_ns = match extension.modified_ns {
        Some(modified_ns) => modified_ns,
        None => header
            .modified_seconds()?
            .checked_mul(1_000_000_000)
            .ok_or(FsError::Damaged)?,
    };
    let user = extension.user.map_or_else(|| header.user(), Ok)?;
    let group = extension.group.map_or_else(|| header.group(), Ok)?;
    Ok(Status {
        // Some archives keep the file type in the mode; the type flag has said it already.
        permissions: Permissions::from_bits_truncate((header.mode()? & 0o7777) as u16),
        user,
        group,
        modified_ns,
    })
}
