//! Strings as a program gets them at its start: one behind the other, each with its NUL.

use alloc::vec::Vec;

/// The arguments of a program, or its environment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    /// No strings.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// Adds the string of `bytes`, which ends before the first NUL.
    pub fn push(&mut self, bytes: impl Iterator<Item = u8>) {
        self.bytes.extend(bytes.take_while(|&byte| byte != 0));
        self.bytes.push(0);
        self.count += 1;
    }

    /// How many strings there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All of them, each with its NUL.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One after the other, each with its NUL.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|&byte| byte == 0)
    }

    /// The first one with its NUL; nothing but a NUL when there is none.
    pub fn first(&self) -> &[u8] {
        self.iter().next().unwrap_or(&[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_ends_with_its_nul() {
        let mut strings = Strings::new();
        assert_eq!(strings.first(), [0]);
        for string in [&b"one"[..], b"", b"th\0ree"] {
            strings.push(string.iter().copied());
        }
        assert!(strings.iter().eq([&b"one\0"[..], b"\0", b"th\0"]));
        assert_eq!(strings.count(), 3);
        assert_eq!(strings.first(), b"one\0");
        assert_eq!(strings.as_bytes(), b"one\0\0th\0");
    }
}
