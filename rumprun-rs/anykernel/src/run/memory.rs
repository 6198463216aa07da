//! How much memory a machine gets.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A number of bytes, as `-m` takes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MemorySize {
    bytes: u64,
}

/// What is not a size.
#[derive(Debug, Error)]
#[error("a size is a number with K, M or G behind it, as in 64M or 1.5M")]
pub struct SizeError;

impl MemorySize {
    /// What a machine has unless somebody says otherwise.
    pub const DEFAULT: Self = Self { bytes: 64 << 20 };

    /// The smallest size in whole MiB that holds `bytes`.
    pub fn holding(bytes: u64) -> Self {
        Self {
            bytes: bytes.checked_next_multiple_of(1 << 20).unwrap_or(u64::MAX),
        }
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.bytes
    }
}

impl FromStr for MemorySize {
    type Err = SizeError;

    /// Reads a number, which may have decimals, and a unit: MiB where none is written.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let (number, shift) = match text.as_bytes().last() {
            Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
            Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
            _ => (text, 20),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u64 = whole.parse().map_err(|_| SizeError)?;
        let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).map_err(|_| SizeError)?);
        let decimals: u64 = decimals.parse().map_err(|_| SizeError)?;
        let unit = 1_u64 << shift;
        let rest = u128::from(unit) * u128::from(decimals) / u128::from(scale.ok_or(SizeError)?);
        let whole = whole.checked_mul(unit).ok_or(SizeError)?;
        let bytes = whole.checked_add(u64::try_from(rest).map_err(|_| SizeError)?);
        bytes
            .filter(|&bytes| bytes > 0)
            .map(|bytes| Self { bytes })
            .ok_or(SizeError)
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, letter) = match self.bytes {
            bytes if bytes.is_multiple_of(1 << 30) => (1 << 30, "G"),
            bytes if bytes.is_multiple_of(1 << 20) => (1 << 20, "M"),
            bytes if bytes.is_multiple_of(1 << 10) => (1 << 10, "K"),
            _ => (1, " bytes"),
        };
        write!(formatter, "{}{letter}", self.bytes / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<u64> {
        text.parse::<MemorySize>().ok().map(MemorySize::bytes)
    }

    #[test]
    fn numbers_with_units() {
        assert_eq!(bytes("64M"), Some(64 << 20));
        assert_eq!(bytes("64"), Some(64 << 20));
        assert_eq!(bytes("1.5M"), Some(3 << 19));
        assert_eq!(bytes("512k"), Some(512 << 10));
        assert_eq!(bytes("0.25G"), Some(256 << 20));
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            "M",
            "0",
            "-1M",
            "1T",
            "1.M",
            ".5M",
            "99999999999G",
            "1.99999999999999999999M",
        ] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        assert_eq!("1.5M".parse::<MemorySize>().unwrap().to_string(), "1536K");
        assert_eq!(MemorySize::holding((1 << 20) + 1).to_string(), "2M");
    }
}
