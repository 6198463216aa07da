//! A place in the archive: how everything that stays there is referred to.

/// A run of the archive's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) length: usize,
}

impl Span {
    /// The bytes. A span that some other archive gave has none.
    pub(super) fn of(self, archive: &[u8]) -> &[u8] {
        let end = self.at.saturating_add(self.length);
        archive.get(self.at..end).unwrap_or_default()
    }

    /// The front of it, up to the first NUL: a C string in a field of fixed length.
    pub(super) fn until_nul(self, archive: &[u8]) -> Self {
        let nul = self.of(archive).iter().position(|&byte| byte == 0);
        Self {
            length: nul.unwrap_or(self.length),
            ..self
        }
    }

    /// The first name of a path and what follows it; `None` when no name is left. Empty names and
    /// those that are `.` are passed over.
    pub(super) fn split_name(self, archive: &[u8]) -> Option<(Self, Self)> {
        let mut rest = self;
        while rest.length > 0 {
            let bytes = rest.of(archive);
            let slash = bytes.iter().position(|&byte| byte == b'/');
            let length = slash.unwrap_or(bytes.len());
            let name = Self { length, ..rest };
            // The slash goes with the name before it; a path's last name need not have one.
            let taken = rest.length.min(length + 1);
            rest.at += taken;
            rest.length -= taken;
            if !matches!(name.of(archive), b"" | b".") {
                return Some((name, rest));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_paths_names_are_spans() {
        let archive = b"..../usr//./lib\0\0";
        let path = Span { at: 4, length: 13 }.until_nul(archive);
        let mut names = Vec::new();
        let mut rest = path;
        while let Some((name, after)) = rest.split_name(archive) {
            names.push(name.of(archive));
            rest = after;
        }
        assert_eq!(names, [&b"usr"[..], b"lib"]);
    }

    #[test]
    fn a_span_beyond_the_end_is_empty() {
        let far = Span {
            at: usize::MAX,
            length: 2,
        };
        assert_eq!(far.of(b"abc"), b"");
    }
}
