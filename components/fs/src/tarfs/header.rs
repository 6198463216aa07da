//! The 512-byte header of a member (POSIX.1-2024, `pax`, "ustar Interchange Format"), with GNU
//! tar's binary numbers.

use core::ops::Range;

use super::span::Span;
use crate::FsError;

/// Bytes in a header, and the unit that content is padded to.
pub(super) const BLOCK_SIZE: usize = 512;

/// A checked header where it lies in the archive.
pub(super) struct Header<'a> {
    at: usize,
    bytes: &'a [u8; BLOCK_SIZE],
}

/// The fields, by their names in POSIX.
mod field {
    use super::Range;

    pub(super) const NAME: Range<usize> = 0..100;
    pub(super) const MODE: Range<usize> = 100..108;
    pub(super) const UID: Range<usize> = 108..116;
    pub(super) const GID: Range<usize> = 116..124;
    pub(super) const SIZE: Range<usize> = 124..136;
    pub(super) const MTIME: Range<usize> = 136..148;
    pub(super) const CHKSUM: Range<usize> = 148..156;
    pub(super) const TYPEFLAG: usize = 156;
    pub(super) const LINKNAME: Range<usize> = 157..257;
    pub(super) const MAGIC: Range<usize> = 257..263;
    pub(super) const DEVMAJOR: Range<usize> = 329..337;
    pub(super) const DEVMINOR: Range<usize> = 337..345;
    pub(super) const PREFIX: Range<usize> = 345..500;
}

/// Marks a header whose `prefix` is the front of the name. GNU's own headers ("ustar  ") keep
/// other things there.
const POSIX_MAGIC: &[u8; 6] = b"ustar\0";

impl<'a> Header<'a> {
    /// The header at `at`; `None` if it is the block of zeros that ends the archive.
    pub(super) fn read(archive: &'a [u8], at: usize) -> Result<Option<Self>, FsError> {
        let rest = archive.get(at..).ok_or(FsError::Damaged)?;
        let bytes = rest.first_chunk().ok_or(FsError::Damaged)?;
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Self { at, bytes };
        if header.number(field::CHKSUM)? != header.checksum() {
            return Err(FsError::Damaged);
        }
        Ok(Some(header))
    }

    /// The sum of all bytes, its own field taken as spaces.
    fn checksum(&self) -> u64 {
        let sum = |range: &[u8]| range.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        sum(self.bytes) - sum(&self.bytes[field::CHKSUM])
            + u64::from(b' ') * field::CHKSUM.len() as u64
    }

    /// The name in two parts, of which the first may be empty: each ends where a name ends.
    pub(super) fn path(&self, archive: &[u8]) -> [Span; 2] {
        let prefix = if self.bytes[field::MAGIC] == *POSIX_MAGIC {
            self.text(archive, field::PREFIX)
        } else {
            Span::default()
        };
        [prefix, self.text(archive, field::NAME)]
    }

    /// What a link leads to.
    pub(super) fn link_name(&self, archive: &[u8]) -> Span {
        self.text(archive, field::LINKNAME)
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.bytes[field::TYPEFLAG]
    }

    pub(super) fn mode(&self) -> Result<u64, FsError> {
        self.number(field::MODE)
    }

    pub(super) fn user(&self) -> Result<u32, FsError> {
        to_u32(self.number(field::UID)?)
    }

    pub(super) fn group(&self) -> Result<u32, FsError> {
        to_u32(self.number(field::GID)?)
    }

    pub(super) fn size(&self) -> Result<u64, FsError> {
        self.number(field::SIZE)
    }

    /// Seconds since 1970; what is older counts as that.
    pub(super) fn modified_seconds(&self) -> Result<u64, FsError> {
        // A binary number whose first byte has all bits set is negative.
        if self.bytes[field::MTIME.start] == 0xff {
            return Ok(0);
        }
        self.number(field::MTIME)
    }

    /// A device's major and minor number.
    pub(super) fn device(&self) -> Result<(u32, u32), FsError> {
        let major = to_u32(self.number(field::DEVMAJOR)?)?;
        let minor = to_u32(self.number(field::DEVMINOR)?)?;
        Ok((major, minor))
    }

    fn text(&self, archive: &[u8], field: Range<usize>) -> Span {
        let span = Span {
            at: self.at + field.start,
            length: field.len(),
        };
        span.until_nul(archive)
    }

    fn number(&self, field: Range<usize>) -> Result<u64, FsError> {
        let bytes = &self.bytes[field];
        match bytes.first() {
            Some(0x80) => binary(&bytes[1..]),
            _ => octal(bytes),
        }
    }
}

/// GNU tar's numbers that octal digits cannot hold: big-endian.
fn binary(bytes: &[u8]) -> Result<u64, FsError> {
    bytes.iter().try_fold(0u64, |value, &byte| {
        let shifted = value.checked_mul(256).ok_or(FsError::Damaged)?;
        Ok(shifted + u64::from(byte))
    })
}

/// Octal digits, spaces before them, ended by a space, a NUL or the field.
fn octal(bytes: &[u8]) -> Result<u64, FsError> {
    let digits = bytes.trim_ascii_start();
    let ends = |&byte: &u8| byte == b' ' || byte == 0;
    let length = digits.iter().position(ends).unwrap_or(digits.len());
    digits[..length].iter().try_fold(0u64, |value, &digit| {
        let shifted = value.checked_mul(8).ok_or(FsError::Damaged)?;
        match digit {
            b'0'..=b'7' => Ok(shifted + u64::from(digit - b'0')),
            _ => Err(FsError::Damaged),
        }
    })
}

fn to_u32(number: u64) -> Result<u32, FsError> {
    u32::try_from(number).map_err(|_| FsError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(octal(b"  0755 \0"), Ok(0o755));
        assert_eq!(octal(b"\0\0\0\0"), Ok(0));
        assert_eq!(octal(b"0008"), Err(FsError::Damaged));
        assert_eq!(octal(b"7777777777777777777777777"), Err(FsError::Damaged));
        assert_eq!(binary(&[0, 0, 1, 2]), Ok(0x102));
        assert_eq!(binary(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(FsError::Damaged));
    }

    #[test]
    fn a_wrong_checksum_is_damage() {
        let mut block = [0; BLOCK_SIZE];
        block[0] = b'a';
        let found = Header::read(&block, 0).map(|_| ());
        assert_eq!(found, Err(FsError::Damaged));
        block[field::CHKSUM].copy_from_slice(b"000541\0 ");
        assert!(matches!(Header::read(&block, 0), Ok(Some(_))));
    }
}
