//! What a pax extended header says of the members after it (POSIX.1-2024, `pax`, "pax Extended
//! Header").

use super::span::Span;
use crate::FsError;

/// Values that take the place of a header's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Extension {
    pub(super) path: Option<Span>,
    pub(super) link_path: Option<Span>,
    pub(super) size: Option<u64>,
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) modified_ns: Option<u64>,
}

impl Extension {
    /// Takes the records in `content`. Keywords that mean nothing here are passed over, but not
    /// those of GNU's sparse files, whose content is not what lies in the archive.
    pub(super) fn read(&mut self, archive: &[u8], content: Span) -> Result<(), FsError> {
        let mut rest = content;
        while rest.length > 0 {
            let (keyword, value, length) = record(archive, rest)?;
            self.set(archive, keyword.of(archive), value)?;
            rest.at += length;
            rest.length -= length;
        }
        Ok(())
    }

    fn set(&mut self, archive: &[u8], keyword: &[u8], value: Span) -> Result<(), FsError> {
        let bytes = value.of(archive);
        // An empty value takes back what an earlier one said.
        let is_empty = bytes.is_empty();
        match keyword {
            b"path" => self.path = (!is_empty).then_some(value),
            b"linkpath" => self.link_path = (!is_empty).then_some(value),
            b"size" if is_empty => self.size = None,
            b"size" => self.size = Some(decimal(bytes)?),
            b"uid" if is_empty => self.user = None,
            b"uid" => self.user = Some(decimal_u32(bytes)?),
            b"gid" if is_empty => self.group = None,
            b"gid" => self.group = Some(decimal_u32(bytes)?),
            b"mtime" if is_empty => self.modified_ns = None,
            b"mtime" => self.modified_ns = Some(time_ns(bytes)?),
            _ if keyword.starts_with(b"GNU.sparse.") => return Err(FsError::Damaged),
            _ => {}
        }
        Ok(())
    }
}

/// The first record, `"%d %s=%s\n", length, keyword, value`: keyword, value, length in all.
fn record(archive: &[u8], rest: Span) -> Result<(Span, Span, usize), FsError> {
    let bytes = rest.of(archive);
    let position = |wanted: u8| {
        let found = bytes.iter().position(|&byte| byte == wanted);
        found.ok_or(FsError::Damaged)
    };
    let space = position(b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).map_err(|_| FsError::Damaged)?;
    let equals = position(b'=')?;
    let is_whole = length <= bytes.len()
        && space < equals
        && equals + 1 < length
        && bytes[length - 1] == b'\n';
    if !is_whole {
        return Err(FsError::Damaged);
    }
    let part = |from: usize, to: usize| Span {
        at: rest.at + from,
        length: to - from,
    };
    Ok((
        part(space + 1, equals),
        part(equals + 1, length - 1),
        length,
    ))
}

fn decimal(bytes: &[u8]) -> Result<u64, FsError> {
    if bytes.is_empty() {
        return Err(FsError::Damaged);
    }
    bytes.iter().try_fold(0u64, |value, &digit| {
        if !digit.is_ascii_digit() {
            return Err(FsError::Damaged);
        }
        let shifted = value.checked_mul(10);
        let sum = shifted.and_then(|shifted| shifted.checked_add(u64::from(digit - b'0')));
        sum.ok_or(FsError::Damaged)
    })
}

fn decimal_u32(bytes: &[u8]) -> Result<u32, FsError> {
    u32::try_from(decimal(bytes)?).map_err(|_| FsError::Damaged)
}

/// Nanoseconds of a time in seconds with a fraction of any length; before 1970 counts as then.
fn time_ns(bytes: &[u8]) -> Result<u64, FsError> {
    if bytes.first() == Some(&b'-') {
        return Ok(0);
    }
    let point = bytes.iter().position(|&byte| byte == b'.');
    let (seconds, fraction) = bytes.split_at(point.unwrap_or(bytes.len()));
    let mut nanoseconds = 0;
    for position in 1..=9 {
        let digit = fraction.get(position).copied().unwrap_or(b'0');
        nanoseconds = nanoseconds * 10 + decimal(&[digit])?;
    }
    let whole = decimal(seconds)?.checked_mul(1_000_000_000);
    let sum = whole.and_then(|whole| whole.checked_add(nanoseconds));
    sum.ok_or(FsError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[u8]) -> Result<Extension, FsError> {
        let mut extension = Extension::default();
        let all = Span {
            at: 0,
            length: records.len(),
        };
        extension.read(records, all)?;
        Ok(extension)
    }

    #[test]
    fn records_are_read() {
        let records = b"12 path=a/b\n11 size=42\n16 comment=a=b\n\n";
        let extension = read(records).expect("well formed");
        assert_eq!(extension.size, Some(42));
        let path = extension.path.expect("given");
        assert_eq!(path.of(records), b"a/b");
    }

    #[test]
    fn an_empty_value_takes_back() {
        let extension = read(b"11 size=42\n8 size=\n").expect("well formed");
        assert_eq!(extension.size, None);
    }

    #[test]
    fn a_record_that_does_not_end_in_its_length_is_damage() {
        for records in [
            &b"13 path=a/b\n"[..],
            b"99 path=a/b\n",
            b"1 path=a/b\n",
            b"0 path=a/b\n",
            b"path=a/b\n",
            b"12 pathaaab\n",
            b"99999999999999999999 path=a\n",
            b"22 GNU.sparse.major=1\n",
        ] {
            assert_eq!(read(records), Err(FsError::Damaged));
        }
    }

    #[test]
    fn times_have_fractions() {
        assert_eq!(time_ns(b"3.5"), Ok(3_500_000_000));
        assert_eq!(time_ns(b"3.0000000019"), Ok(3_000_000_001));
        assert_eq!(time_ns(b"7"), Ok(7_000_000_000));
        assert_eq!(time_ns(b"-1.5"), Ok(0));
        assert_eq!(time_ns(b"3.x"), Err(FsError::Damaged));
    }
}
