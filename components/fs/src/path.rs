//! A path's syntax: bytes between slashes (POSIX.1-2024, 3.254 and 4.16).

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use crate::FsError;

/// The longest name of a directory entry in bytes: Linux' `NAME_MAX`.
pub(crate) const NAME_MAX: usize = 255;

/// The longest path in bytes: Linux' `PATH_MAX` without the final NUL.
pub(crate) const PATH_MAX: usize = 4095;

/// Checks a path that a caller gave.
pub(crate) fn check(path: &[u8]) -> Result<(), FsError> {
    match path.len() {
        0 => Err(FsError::NotFound),
        length if length > PATH_MAX => Err(FsError::NameTooLong),
        _ if path.contains(&0) => Err(FsError::Invalid),
        _ => Ok(()),
    }
}

/// The names of a path in order, `.` among them, slashes not.
pub(crate) fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
}

/// Whether a name is not an entry's own: the root's (empty), `.` or `..`.
pub(crate) fn is_special(name: &[u8]) -> bool {
    matches!(name, b"" | b"." | b"..")
}

/// What is left of a path during a walk. Symbolic links put their targets in front.
#[derive(Debug)]
pub(crate) struct Rest<'a> {
    path: Cow<'a, [u8]>,
    position: usize,
}

/// One name of a [`Rest`], and what follows it.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    range: Range<usize>,
    /// No name follows.
    pub is_last: bool,
    /// A slash follows, so the name is to be a directory's (POSIX.1-2024, 4.16).
    pub has_slash: bool,
}

impl<'a> Rest<'a> {
    /// All of `path`.
    pub(crate) fn new(path: &'a [u8]) -> Self {
        Self {
            path: Cow::Borrowed(path),
            position: 0,
        }
    }

    /// Whether it starts at the root. Asked before the first name is taken.
    pub(crate) fn is_absolute(&self) -> bool {
        self.path.first() == Some(&b'/')
    }

    /// Takes the next name; `None` when only slashes are left.
    pub(crate) fn take_name(&mut self) -> Option<Name> {
        let start = self.skip(self.position, |byte| byte == b'/');
        let end = self.skip(start, |byte| byte != b'/');
        self.position = end;
        let name = Name {
            range: start..end,
            is_last: self.skip(end, |byte| byte == b'/') == self.path.len(),
            has_slash: end < self.path.len(),
        };
        (start < end).then_some(name)
    }

    /// The bytes of a name that this rest gave last.
    pub(crate) fn bytes(&self, name: &Name) -> &[u8] {
        &self.path[name.range.clone()]
    }

    /// Puts a symbolic link's target in front of what is left.
    pub(crate) fn prepend(&mut self, target: Vec<u8>) {
        let mut path = target;
        path.extend_from_slice(&self.path[self.position..]);
        self.path = Cow::Owned(path);
        self.position = 0;
    }

    /// The first position from `from` on whose byte is not `skipped`.
    fn skip(&self, from: usize, skipped: impl Fn(u8) -> bool) -> usize {
        let rest = &self.path[from..];
        let length = rest.iter().position(|&byte| !skipped(byte));
        from + length.unwrap_or(rest.len())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn taken(path: &[u8]) -> Vec<(Vec<u8>, bool, bool)> {
        let mut rest = Rest::new(path);
        let mut all = Vec::new();
        while let Some(name) = rest.take_name() {
            all.push((rest.bytes(&name).to_vec(), name.is_last, name.has_slash));
        }
        all
    }

    #[test]
    fn slashes_only_separate() {
        assert_eq!(taken(b"//a///b"), taken(b"a/b"));
        assert_eq!(
            taken(b"a/b//"),
            vec![(b"a".to_vec(), false, true), (b"b".to_vec(), true, true)]
        );
        assert_eq!(taken(b"///"), vec![]);
    }

    #[test]
    fn a_link_takes_the_place_of_its_name() {
        let mut rest = Rest::new(b"link/b/");
        rest.take_name().expect("there");
        rest.prepend(b"/x".to_vec());
        assert!(rest.is_absolute());
        let name = rest.take_name().expect("there");
        assert_eq!((rest.bytes(&name), name.is_last), (&b"x"[..], false));
        let name = rest.take_name().expect("there");
        assert_eq!((rest.bytes(&name), name.has_slash), (&b"b"[..], true));
    }

    #[test]
    fn limits_are_those_of_linux() {
        assert_eq!(check(b""), Err(FsError::NotFound));
        assert_eq!(check(&[b'/'; 4095]), Ok(()));
        assert_eq!(check(&[b'/'; 4096]), Err(FsError::NameTooLong));
        assert_eq!(check(b"a\0b"), Err(FsError::Invalid));
    }
}
